// Average pooling of images and of videos.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/layers/layer.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Averages windows of 2x2 pixels or, over videos, of 2x2x2 while there is more than one frame: maps `[..., H, W, C]`
/// to
/// `[..., H/2, W/2, C]` and, over time, `[T, N, H, W, C]` to `[max(T/2, 1), N, H/2, W/2, C]`. Odd ends are dropped.
/// Throws ArgumentError for images of less than 2x2 pixels.
template <Scalar T, Device D = Cpu>
class AvgPool {
 public:
  using scalar_type = T;
  using device_type = D;
  using View = ConstTensorView<T, D>;

  struct Cache {
    Shape shape;  ///< of x
  };

  explicit AvgPool(bool over_time = false) : over_time_(over_time) {}

  Tensor<T, D> forward(const View& x, Pass, Cache* cache = nullptr) const {
    const Size size = size_for(x.shape());
    Tensor<T, D> y(pooled(x.shape(), size));
    if (cache) cache->shape = x.shape();
    D::average_pool(size.frames, size.batch, size.height, size.width, size.channels, size.pool_frames, x.data(),
                    y.data());
    return y;
  }

  Tensor<T, D> backward(const View& dy, const Cache& cache, Gradients gradients) const {
    require(cache.shape.rank() > 0, "the backward pass of average pooling got a cache that no forward pass has filled");
    const Size size = size_for(cache.shape);
    check_gradient("average pooling", dy, pooled(cache.shape, size));
    if (!wants_inputs(gradients)) return {};
    Tensor<T, D> dx(cache.shape);
    D::average_pool_backward(size.frames, size.batch, size.height, size.width, size.channels, size.pool_frames,
                             dy.data(), dx.data());
    return dx;
  }

  template <class F>
  void visit(const std::string&, F&) {}

 private:
  struct Size {
    Index frames, batch, height, width, channels, pool_frames;
  };

  Size size_for(const Shape& shape) const {
    require((over_time_ ? shape.rank() == 5 : shape.rank() >= 3) && shape.size() > 0, "average pooling expects ",
            over_time_ ? "[T, N, H, W, C]" : "[..., H, W, C]", " with no extent of 0, not ", shape);
    require(shape[-3] >= 2 && shape[-2] >= 2, "average pooling needs at least 2x2 pixels, not ", shape[-3], "x",
            shape[-2]);
    const Index images = shape.size() / (shape[-3] * shape[-2] * shape[-1]);
    const Index frames = over_time_ ? shape[0] : 1;
    return {frames, images / frames, shape[-3], shape[-2], shape[-1], frames > 1 ? Index{2} : Index{1}};
  }

  Shape pooled(const Shape& x, const Size& size) const {
    Shape shape;
    if (over_time_)
      shape = {size.frames / size.pool_frames, size.batch};
    else
      for (int axis = 0; axis < x.rank() - 3; ++axis) shape.append(x[axis]);
    shape.append(size.height / 2);
    shape.append(size.width / 2);
    shape.append(size.channels);
    return shape;
  }

  bool over_time_;
};

static_assert(Layer<AvgPool<float>>);

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
