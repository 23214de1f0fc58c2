// Doubling the resolution of images.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <string>

#include "dvd/layers/layer.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Maps images `[..., H, W, C]` to `[..., 2H, 2W, C]`.
template <Scalar T, Device D = Cpu>
class Upsample {
 public:
  using scalar_type = T;
  using device_type = D;
  using View = ConstTensorView<T, D>;

  struct Cache {
    Shape shape;  ///< of x
  };

  explicit Upsample(Upsampling kind = Upsampling::bilinear) : kind_(kind) {}

  Tensor<T, D> forward(const View& x, Pass, Cache* cache = nullptr) const {
    const Shape& shape = x.shape();
    require(shape.rank() >= 3 && x.size() > 0, "upsampling expects images [..., H, W, C] with no extent of 0, not ",
            shape);
    const Index height = shape[-3], width = shape[-2], channels = shape[-1];
    const Index images = shape.size() / (height * width * channels);
    Tensor<T, D> y(resized(shape, 2 * height, 2 * width));
    if (kind_ == Upsampling::bilinear)
      D::upsample_bilinear(images, height, width, channels, x.data(), y.data());
    else
      D::upsample_nearest(images, height, width, channels, x.data(), y.data());
    if (cache) cache->shape = shape;
    return y;
  }

  /// The gradient of x, empty unless wanted.
  Tensor<T, D> backward(const View& dy, const Cache& cache, Gradients gradients) const {
    const Shape& shape = cache.shape;
    require(shape.rank() > 0, "the backward pass of upsampling got a cache that no forward pass has filled");
    const Index height = shape[-3], width = shape[-2], channels = shape[-1];
    check_gradient("upsampling", dy, resized(shape, 2 * height, 2 * width));
    if (!wants_inputs(gradients)) return {};
    const Index images = shape.size() / (height * width * channels);
    Tensor<T, D> dx(shape);
    if (kind_ == Upsampling::bilinear)
      D::upsample_bilinear_backward(images, height, width, channels, dy.data(), dx.data());
    else
      D::upsample_nearest_backward(images, height, width, channels, dy.data(), dx.data());
    return dx;
  }

  template <class F>
  void visit(const std::string&, F&) {}

 private:
  static Shape resized(const Shape& shape, Index height, Index width) {
    Shape result;
    for (int axis = 0; axis < shape.rank() - 3; ++axis) result.append(shape[axis]);
    result.append(height);
    result.append(width);
    result.append(shape[-1]);
    return result;
  }

  Upsampling kind_;
};

static_assert(Layer<Upsample<float>>);

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
