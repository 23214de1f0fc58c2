// The layer, and its kernels on the CPU. Those for a GPU are in kernels.cu.
#pragma once

#include <cmath>
#include <dvd/device/cpu.hpp>
#include <dvd/layers/layer.hpp>

#include "pixel_norm_kernels.hpp"

namespace examples {

template <>
struct PixelNormKernels<dvd::Cpu> {
  template <class T>
  static void forward(dvd::Index pixels, dvd::Index channels, const T* x, T* y) {
    dvd::cpu::parallel_for(pixels, [=](dvd::Index pixel) {
      const T* const from = x + pixel * channels;
      const T inverse = inverse_length(channels, from);
      for (dvd::Index c = 0; c < channels; ++c) y[pixel * channels + c] = from[c] * inverse;
    });
  }
  /// With r = 1 / |x|: dx = r * (dy - y * mean(dy * y)).
  template <class T>
  static void backward(dvd::Index pixels, dvd::Index channels, const T* x, const T* dy, T* dx) {
    dvd::cpu::parallel_for(pixels, [=](dvd::Index pixel) {
      const T *const from = x + pixel * channels, *const upstream = dy + pixel * channels;
      const T inverse = inverse_length(channels, from);
      T along = 0;
      for (dvd::Index c = 0; c < channels; ++c) along += upstream[c] * from[c] * inverse;
      along /= static_cast<T>(channels);
      for (dvd::Index c = 0; c < channels; ++c)
        dx[pixel * channels + c] = inverse * (upstream[c] - from[c] * inverse * along);
    });
  }

 private:
  template <class T>
  static T inverse_length(dvd::Index channels, const T* x) {
    T squares = 0;
    for (dvd::Index c = 0; c < channels; ++c) squares += x[c] * x[c];
    return 1 / std::sqrt(squares / static_cast<T>(channels) + T(1e-8));
  }
};

/// Every pixel of x `[..., C]` divided by the root of its mean square (Karras, Aila, Laine, Lehtinen 2018,
/// section 4.2).
template <dvd::Scalar T, dvd::Device D = dvd::Cpu>
class PixelNorm {
 public:
  using scalar_type = T;
  using device_type = D;
  using View = dvd::ConstTensorView<T, D>;

  struct Cache {
    View x;
  };

  dvd::Tensor<T, D> forward(const View& x, dvd::Pass, Cache* cache = nullptr) const {
    dvd::require(x.size() > 0, "PixelNorm expects a tensor [..., C] with no extent of 0, not ", x.shape());
    dvd::Tensor<T, D> y(x.shape());
    PixelNormKernels<D>::forward(x.size() / channels(x), channels(x), x.data(), y.data());
    if (cache) cache->x = x;
    return y;
  }

  /// The gradient of x, empty unless wanted.
  dvd::Tensor<T, D> backward(const View& dy, const Cache& cache, dvd::Gradients gradients) const {
    dvd::require(dy && dy.shape() == cache.x.shape(), "PixelNorm expects a gradient of its result's shape ",
                 cache.x.shape(), ", not ", dy.shape());
    if (!dvd::wants_inputs(gradients)) return {};
    dvd::Tensor<T, D> dx(dy.shape());
    PixelNormKernels<D>::backward(dy.size() / channels(dy), channels(dy), cache.x.data(), dy.data(), dx.data());
    return dx;
  }

  template <class F>
  void visit(const std::string&, F&) {}  // it has no parameters

 private:
  static dvd::Index channels(const View& x) { return x.extent(x.shape().rank() - 1); }
};

}  // namespace examples
