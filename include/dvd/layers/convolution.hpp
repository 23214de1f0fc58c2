// Convolutions over images and over videos, stride 1, "same" zero padding.
#pragma once

#include "dvd/layers/initialize.hpp"
#include "dvd/layers/layer.hpp"

namespace dvd {

/// A convolution with weight `[out, in, (k,) k, k]` and bias `[out]`, k being 1 or 3. `Dimensions` is 2 or 3; see the
/// aliases Conv2D and Conv3D.
///
/// Conv2D maps `[..., H, W, in]` to `[..., H, W, out]`: all leading axes are images. Conv3D maps `[T, N, H, W, in]` to
/// `[T, N, H, W, out]` with a k x k x k kernel over T, H and W.
///
/// Weights start orthogonal, biases at zero. Throws ArgumentError for sizes below 1 and kernels other than 1 and 3.
template <int Dimensions, Scalar T, Device D = Cpu>
requires(Dimensions == 2 || Dimensions == 3) class Convolution {
 public:
  using scalar_type = T;
  using device_type = D;

  struct Cache {
    Tensor<T, D> x, packed;
  };

  Parameter<T, D> weight, bias;

  Convolution(Index inputs, Index outputs, Index kernel, const Random& random, bool with_bias = true)
      : inputs_(inputs), outputs_(outputs), kernel_(kernel) {
    require(inputs > 0 && outputs > 0, "a convolution needs at least one input and output channel, not ", inputs,
            " and ", outputs);
    require(kernel == 1 || kernel == 3, "a convolution's kernel is 1 or 3, not ", kernel);
    weight = Parameter<T, D>(Dimensions == 2 ? Shape{outputs, inputs, kernel, kernel}
                                             : Shape{outputs, inputs, kernel, kernel, kernel});
    initialize_orthogonal(weight, random);
    if (with_bias) bias = Parameter<T, D>(Shape{outputs});
  }

  Index inputs() const { return inputs_; }
  Index outputs() const { return outputs_; }
  Index taps() const { return Dimensions == 2 ? kernel_ * kernel_ : kernel_ * kernel_ * kernel_; }

  Tensor<T, D> forward(const Tensor<T, D>& x, Pass, Cache* cache = nullptr) const {
    const Tensor<T, D> packed = packed_weight();
    if (cache) *cache = {x, packed};
    return apply(packed, x);
  }

  /// The gradient of x, empty unless wanted.
  Tensor<T, D> backward(const Tensor<T, D>& dy, const Cache& cache, Gradients gradients) {
    Tensor<T, D> dpacked;
    if (wants_parameters(gradients)) dpacked = Tensor<T, D>(cache.packed.shape());
    Tensor<T, D> dx = apply_backward(cache.packed, cache.x, dy, dpacked ? &dpacked : nullptr, wants_inputs(gradients));
    if (dpacked) add_weight_gradient(dpacked, cache.packed, nullptr, {}, {});
    return dx;
  }

  template <class F>
  void visit(const std::string& prefix, F& f) {
    f(prefix + "weight", weight);
    if (bias.value) f(prefix + "bias", bias);
  }

  // What spectral normalisation needs; see AppliedLayer.

  Tensor<T, D> packed_weight(const Tensor<T, D>* sigma = nullptr) const {
    Tensor<T, D> packed(Shape{taps(), inputs_, outputs_});
    D::pack_weight(outputs_, inputs_, taps(), weight.value.data(), sigma ? sigma->data() : nullptr, packed.data());
    return packed;
  }

  Tensor<T, D> apply(const Tensor<T, D>& packed, const Tensor<T, D>& x) const {
    const ConvolutionSize size = size_for(x.shape());
    Shape shape = leading(x.shape());
    shape.append(outputs_);
    Tensor<T, D> y(shape);
    D::convolve(size, x.data(), packed.data(), bias.value.data(), y.data(), outputs_, false);
    return y;
  }

  Tensor<T, D> apply_backward(const Tensor<T, D>& packed, const Tensor<T, D>& x, const Tensor<T, D>& dy,
                              Tensor<T, D>* dpacked, bool wants_dx) {
    const ConvolutionSize size = size_for(x.shape());
    if (dpacked) {
      D::convolve_backward_weight(size, x.data(), dy.data(), outputs_, dpacked->data());
      if (bias.value) D::sum_rows(1, size.positions(), outputs_, dy.data(), outputs_, bias.accumulator().data(), true);
    }
    if (!wants_dx) return {};
    Tensor<T, D> dx(x.shape());
    D::convolve_backward_input(size, dy.data(), outputs_, packed.data(), dx.data(), false);
    return dx;
  }

  void add_weight_gradient(const Tensor<T, D>& dpacked, const Tensor<T, D>& packed, const Tensor<T, D>* sigma,
                           const Tensor<T, D>& u, const Tensor<T, D>& v) {
    D::unpack_weight_gradient(outputs_, inputs_, taps(), dpacked.data(), packed.data(), sigma ? sigma->data() : nullptr,
                              u.data(), v.data(), weight.accumulator().data());
  }

 private:
  static Shape leading(const Shape& shape) {
    Shape result;
    for (int axis = 0; axis + 1 < shape.rank(); ++axis) result.append(shape[axis]);
    return result;
  }

  ConvolutionSize size_for(const Shape& shape) const {
    const bool fits = Dimensions == 2 ? shape.rank() >= 3 : shape.rank() == 5;
    require(fits && shape[-1] == inputs_, "a convolution of ", inputs_, " channels expects an input ",
            Dimensions == 2 ? "[..., H, W, " : "[T, N, H, W, ", inputs_, "], not ", shape);
    const Index height = shape[-3], width = shape[-2];
    const Index images = shape.size() / (height * width * inputs_);
    const Index frames = Dimensions == 2 ? 1 : shape[0];
    return {frames, images / frames, height, width, inputs_, outputs_, Dimensions == 2 ? 1 : kernel_, kernel_};
  }

  Index inputs_, outputs_, kernel_;
};

/// A convolution over images.
template <Scalar T, Device D = Cpu>
using Conv2D = Convolution<2, T, D>;

/// A convolution over the frames of videos.
template <Scalar T, Device D = Cpu>
using Conv3D = Convolution<3, T, D>;

static_assert(Layer<Conv2D<float>> && AppliedLayer<Conv2D<float>> && AppliedLayer<Conv3D<float>>);

}  // namespace dvd
