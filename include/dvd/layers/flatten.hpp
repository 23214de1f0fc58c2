// From images and videos to a vector each.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/layers/layer.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// A vector of all its elements for every sample: maps `[N, ...]` of two to four axes to `[N, features]`, features in
/// the order in which they lie (of an image `[N, H, W, C]`: rows, then columns, then channels), and videos
/// `[T, N, H, W, C]` to `[N, T * H * W * C]`, frame after frame. (PyTorch's lies in other order: C, then H, then W.)
template <Scalar T, Device D = Cpu>
class Flatten {
 public:
  using scalar_type = T;
  using device_type = D;
  using View = ConstTensorView<T, D>;

  struct Cache {
    Shape shape;  ///< of x
  };

  Tensor<T, D> forward(const View& x, Pass, Cache* cache = nullptr) const {
    const Shape& shape = x.shape();
    require(shape.rank() >= 2 && shape.rank() <= 5 && x.size() > 0,
            "Flatten expects [N, ...] of two to four axes or [T, N, H, W, C], with no extent of 0, not ", shape);
    const Size size = size_for(shape);
    Tensor<T, D> y(Shape{size.batch, size.frames * size.features});
    D::copy_rows(size.frames, size.batch, size.features, x.data(), size.batch * size.features, size.features, y.data(),
                 size.features, size.frames * size.features);
    if (cache) cache->shape = shape;
    return y;
  }

  /// The gradient of x, empty unless wanted.
  Tensor<T, D> backward(const View& dy, const Cache& cache, Gradients gradients) const {
    require(cache.shape.rank() > 0, "the backward pass of Flatten got a cache that no forward pass has filled");
    const Size size = size_for(cache.shape);
    check_gradient("Flatten", dy, {size.batch, size.frames * size.features});
    if (!wants_inputs(gradients)) return {};
    Tensor<T, D> dx(cache.shape);
    D::copy_rows(size.frames, size.batch, size.features, dy.data(), size.features, size.frames * size.features,
                 dx.data(), size.batch * size.features, size.features);
    return dx;
  }

  template <class F>
  void visit(const std::string&, F&) {}

 private:
  struct Size {
    Index frames, batch, features;  ///< of a frame
  };

  static Size size_for(const Shape& shape) {
    const bool videos = shape.rank() == 5;
    const Index frames = videos ? shape[0] : 1, batch = shape[videos ? 1 : 0];
    return {frames, batch, shape.size() / (frames * batch)};
  }
};

static_assert(Layer<Flatten<float>>);

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
