// The movement in a video, without its content.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/layers/layer.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Differences of successive frames: `[T, N, H, W, C]` to `[T - 1, N, H, W, C]`, y_t = x_{t+1} - x_t. Throws
/// ArgumentError for less than two frames.
template <Scalar T, Device D = Cpu>
class FrameDifferences {
 public:
  using scalar_type = T;
  using device_type = D;
  using View = ConstTensorView<T, D>;

  struct Cache {
    Shape shape;  ///< of the videos
  };

  Tensor<T, D> forward(const View& x, Pass, Cache* cache = nullptr) const {
    const Shape& shape = x.shape();
    require(shape.rank() == 5 && shape.size() > 0 && shape[0] >= 2,
            "differences of frames need videos [T, N, H, W, C] of at least two frames, not ", shape);
    if (cache) cache->shape = shape;
    const Index size = shape.size() - shape.tail().size();
    Tensor<T, D> y(shape.with_first(shape[0] - 1));
    D::scale(size, T(-1), x.data(), y.data());
    D::add(size, x[1].data(), y.data());
    return y;
  }

  /// The gradient of x, empty unless wanted.
  Tensor<T, D> backward(const View& dy, const Cache& cache, Gradients gradients) const {
    require(cache.shape.rank() == 5,
            "the backward pass of frame differences got a cache that no forward pass has filled");
    check_gradient("frame differences", dy, cache.shape.with_first(cache.shape[0] - 1));
    if (!wants_inputs(gradients)) return {};
    Tensor<T, D> dx(cache.shape);
    dx[dx.extent(0) - 1].fill(T(0));
    D::scale(dy.size(), T(-1), dy.data(), dx.data());
    D::add(dy.size(), dy.data(), dx[1].data());
    return dx;
  }

  template <class F>
  void visit(const std::string&, F&) {}
};

static_assert(Layer<FrameDifferences<float>>);

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
