// The parts of I3D: a convolution with its norm and its ReLU, four branches of these that are joined, and the map to
// the classes.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <cmath>
#include <string>
#include <vector>

#include "dvd/layers/pool.hpp"
#include "dvd/metrics/frozen_convolution.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// max(gamma * (W x - mean) / sqrt(variance + epsilon) + beta, 0) for videos x `[T, N, H, W, in]`: one convolution, by
/// the weight gamma W / sqrt(variance + epsilon), which is computed in double.
template <Scalar T, Device D = Cpu>
class I3dUnit {
 public:
  using P = FullPrecision<T>;
  using View = ConstTensorView<T, D>;

  Parameter<P, D> weight;       ///< `[out, in, k, k, k]`
  Parameter<P, D> gamma, beta;  ///< `[out]`
  Buffer<P, D> mean, variance;  ///< `[out]`

  I3dUnit(Index inputs, Index outputs, const ConvolutionOptions& options)
      : convolution_(inputs, outputs, options, true) {
    weight = Parameter<P, D>(convolution_.weight_shape());
    gamma.value = Tensor<P, D>::full({outputs}, P(1));
    beta = Parameter<P, D>(Shape{outputs});
    mean.value = Tensor<P, D>::zeros({outputs});
    variance.value = Tensor<P, D>::full({outputs}, P(1));
  }

  Index outputs() const { return convolution_.outputs(); }

  Tensor<T, D> operator()(const View& x, double epsilon) {
    return convolution_.run(x, [&] { return folded(epsilon); });
  }
  /// Writes to pixels that lie `y_pixel` apart.
  void operator()(const View& x, double epsilon, T* y, Index y_pixel) {
    convolution_.run(x, y, y_pixel, [&] { return folded(epsilon); });
  }

  template <class F>
  void visit(const std::string& prefix, F& f) {
    convolution_.forget();
    f(prefix + "conv3d.weight", weight);
    f(prefix + "bn.weight", gamma);
    f(prefix + "bn.bias", beta);
    f(prefix + "bn.running_mean", mean);
    f(prefix + "bn.running_var", variance);
  }

 private:
  FrozenWeights<T, D> folded(double epsilon) const {
    std::vector<P> w = weight.value.to_vector(), bias = beta.value.to_vector();
    const std::vector<P> scale = gamma.value.to_vector(), m = mean.value.to_vector(), v = variance.value.to_vector();
    const std::size_t taps = w.size() / bias.size();
    for (std::size_t o = 0; o < bias.size(); ++o) {
      const double factor = static_cast<double>(scale[o]) / std::sqrt(static_cast<double>(v[o]) + epsilon);
      for (std::size_t i = o * taps; i < (o + 1) * taps; ++i) w[i] = static_cast<P>(static_cast<double>(w[i]) * factor);
      bias[o] = static_cast<P>(static_cast<double>(bias[o]) - static_cast<double>(m[o]) * factor);
    }
    return {Tensor<P, D>(weight.value.shape(), w), Tensor<P, D>(beta.value.shape(), bias)};
  }

  FrozenConvolution<T, D> convolution_;
};

/// Output channels of the units of a Mixed block.
struct I3dWidths {
  Index b0, b1a, b1b, b2a, b2b, b3b;
};

/// Joined channels of four branches: b0, a convolution of 1x1x1; b1 and b2, one of 1x1x1 and one of 3x3x3 (a and b);
/// b3, a max pool of 3x3x3 with stride 1 and a convolution of 1x1x1 (b). All keep the video's extents.
template <Scalar T, Device D = Cpu>
class I3dMixed {
 public:
  using View = ConstTensorView<T, D>;

  I3dMixed(Index inputs, const I3dWidths& widths)
      : b0_(inputs, widths.b0, {.kernel = 1}),
        b1a_(inputs, widths.b1a, {.kernel = 1}),
        b1b_(widths.b1a, widths.b1b, {.kernel = 3, .padding = same_padding}),
        b2a_(inputs, widths.b2a, {.kernel = 1}),
        b2b_(widths.b2a, widths.b2b, {.kernel = 3, .padding = same_padding}),
        b3b_(inputs, widths.b3b, {.kernel = 1}),
        pool_({.kernel = 3, .stride = 1, .padding = same_padding}) {}

  Index outputs() const { return b0_.outputs() + b1b_.outputs() + b2b_.outputs() + b3b_.outputs(); }

  Tensor<T, D> operator()(const View& x, double epsilon) {
    const Index pixel = outputs();
    Tensor<T, D> y(x.shape().with_last(pixel));
    T* to = y.data();  // every branch writes to where it belongs
    b0_(x, epsilon, to, pixel);
    to += b0_.outputs();
    b1b_(b1a_(x, epsilon), epsilon, to, pixel);
    to += b1b_.outputs();
    b2b_(b2a_(x, epsilon), epsilon, to, pixel);
    to += b2b_.outputs();
    b3b_(pool_.forward(x, Pass::evaluate()), epsilon, to, pixel);
    return y;
  }

  template <class F>
  void visit(const std::string& prefix, F& f) {
    b0_.visit(prefix + "b0.", f);
    b1a_.visit(prefix + "b1a.", f);
    b1b_.visit(prefix + "b1b.", f);
    b2a_.visit(prefix + "b2a.", f);
    b2b_.visit(prefix + "b2b.", f);
    b3b_.visit(prefix + "b3b.", f);
  }

 private:
  I3dUnit<T, D> b0_, b1a_, b1b_, b2a_, b2b_, b3b_;
  MaxPool3D<T, D> pool_;
};

/// W x + b for features `[1, N, 1, 1, in]`.
template <Scalar T, Device D = Cpu>
class I3dLogits {
 public:
  using P = FullPrecision<T>;

  Parameter<P, D> weight, bias;  ///< `[classes, in, 1, 1, 1]`, `[classes]`

  I3dLogits(Index inputs, Index classes)
      : weight(Shape{classes, inputs, 1, 1, 1}),
        bias(Shape{classes}),
        product_(inputs, classes, {.kernel = 1}, false) {}

  /// Writes `[N, classes]`.
  void run(const ConstTensorView<T, D>& x, T* y) {
    product_.run(x, y, product_.outputs(), [&] { return FrozenWeights<T, D>{weight.value, bias.value}; });
  }

  template <class F>
  void visit(const std::string& prefix, F& f) {
    product_.forget();
    f(prefix + "conv3d.weight", weight);
    f(prefix + "conv3d.bias", bias);
  }

 private:
  FrozenConvolution<T, D> product_;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
