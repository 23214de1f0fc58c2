// Averages over whole images and videos.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/layers/layer.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// The mean of every channel (Lin, Chen, Yan 2014): maps images `[N, H, W, C]` to `[N, C]`, over H and W, and videos
/// `[T, N, H, W, C]` to `[N, C]`, over T, H and W. Summed in double, frame by
/// frame. Throws
/// ArgumentError for other shapes and for an extent of 0.
template <Scalar T, Device D = Cpu>
class GlobalAveragePool {
 public:
  using scalar_type = T;
  using device_type = D;
  using View = ConstTensorView<T, D>;

  struct Cache {
    Shape shape;  ///< of x
  };

  Tensor<T, D> forward(const View& x, Pass, Cache* cache = nullptr) const {
    const Shape& shape = x.shape();
    require((shape.rank() == 4 || shape.rank() == 5) && x.size() > 0,
            "global average pooling expects [N, H, W, C] or [T, N, H, W, C] with no extent of 0, not ", shape);
    using P = FullPrecision<T>;
    const Size size = size_for(shape);
    const Shape pooled{size.batch, size.channels};
    Tensor<P, D> frames(Shape{size.frames * size.batch, size.channels}), sums(pooled);
    D::sum_rows(size.frames * size.batch, size.pixels, size.channels, x.data(), size.channels, frames.data(), false);
    D::sum_rows(1, size.frames, sums.size(), frames.data(), sums.size(), sums.data(), false);
    D::scale(sums.size(), static_cast<P>(size.factor()), sums.data(), sums.data());
    Tensor<T, D> y(pooled);
    D::convert(sums.size(), sums.data(), y.data());
    if (cache) cache->shape = shape;
    return y;
  }

  /// The gradient of x, empty unless wanted.
  Tensor<T, D> backward(const View& dy, const Cache& cache, Gradients gradients) const {
    require(cache.shape.rank() > 0,
            "the backward pass of global average pooling got a cache that no forward pass has filled");
    const Size size = size_for(cache.shape);
    check_gradient("global average pooling", dy, {size.batch, size.channels});
    if (!wants_inputs(gradients)) return {};
    Tensor<T, D> share(dy.shape()), dx(cache.shape);
    D::scale(dy.size(), static_cast<T>(size.factor()), dy.data(), share.data());
    const Index frame = size.batch * size.pixels * size.channels;
    for (Index t = 0; t < size.frames; ++t)
      D::broadcast_rows(size.batch, size.pixels, size.channels, share.data(), dx.data() + t * frame);
    return dx;
  }

  template <class F>
  void visit(const std::string&, F&) {}

 private:
  struct Size {
    Index frames, batch, pixels, channels;

    double factor() const { return 1 / static_cast<double>(frames * pixels); }
  };

  static Size size_for(const Shape& shape) {
    return {shape.rank() == 5 ? shape[0] : 1, shape[-4], shape[-3] * shape[-2], shape[-1]};
  }
};

static_assert(Layer<GlobalAveragePool<float>>);

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
