// Conv2D and Conv3D with any kernel, stride, padding, dilation and number of groups.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/layers/convolution.hpp"
#include "dvd/layers/window_options.hpp"
#include "dvd/layers/window_products.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// What a convolution does:
///
///     y[o] = bias + sum over taps k of W[k] x[o * stride + k * dilation - padding],
///
/// o and k being positions in two or three dimensions and x 0 outside. With n positions along an axis, there are
/// floor((n + 2 * padding - dilation * (kernel - 1) - 1) / stride) + 1 windows or, with `same_padding`, ceil(n /
/// stride). The weight is `[out, in / groups, (k,) k, k]`: output channels `out / groups` to a group see the input
/// channels of their group alone. All as in PyTorch's Conv2d and Conv3d, the defaults of stride, padding, dilation and
/// groups, too.
///
///     Conv2D<float> halving(3, 64, {.kernel = 4, .stride = 2, .padding = 1}, random);
///     Conv3D<float> wide(64, 64, {.kernel = {1, 5, 7}, .padding = same_padding}, random);
///
/// What is one of the fast convolutions (stride 1, same padding, one group, no dilation, 1x1 or 3x3 pixels of one frame
/// or, 3x3x3, of three) is computed as those are. The layer throws ArgumentError where the numbers are below 1
/// (padding: below 0), or do not go with the dimensions or the channels, and for an input with no room for a window.
struct ConvolutionOptions {
  PerAxis kernel = 3;
  PerAxis stride = 1;
  Padding padding = 0;
  PerAxis dilation = 1;
  Index groups = 1;
};

namespace detail {

/// Throws ArgumentError unless both numbers of channels are multiples of that of groups.
inline void check_groups(const char* layer, Index inputs, Index outputs, Index groups) {
  require(groups > 0 && inputs % groups == 0 && outputs % groups == 0, layer, " of ", inputs, " to ", outputs,
          " channels cannot have ", groups, " groups: both are to be multiples of them");
}

template <Scalar T, Device D>
class WindowConvolution final : public ConvolutionMethod<T, D> {
 public:
  using View = ConstTensorView<T, D>;

  WindowConvolution(WindowOptions windows, Index inputs, Index outputs, Index groups)
      : windows_(windows), inputs_(inputs), outputs_(outputs), groups_(groups) {}

  Shape output_shape(const Shape& x) const override { return windows_.windows(x, windows_.over(x, inputs_), outputs_); }
  void apply(const View& packed, const View& x, const FullPrecision<T>* bias, const TensorView<T, D>& y,
             bool accumulate) const override {
    products(x.shape()).forward(packed, x.data(), bias, y.data(), accumulate);
  }
  void backward_input(const View& packed, const View& dy, const TensorView<T, D>& dx, bool accumulate) const override {
    if (!accumulate) D::fill(dx.size(), T(0), dx.data());
    products(dx.shape()).add_backward_input(packed, dy.data(), dx.data());
  }
  void backward_weight(const View& x, const View& dy, const TensorView<T, D>& dpacked) const override {
    products(x.shape()).backward_weight(x.data(), dy.data(), dpacked.data());
  }

 private:
  WindowProducts<T, D> products(const Shape& x) const {
    WindowSize size = windows_.over(x, inputs_);
    size.channels /= groups_;
    return {size, outputs_, groups_};
  }

  WindowOptions windows_;
  Index inputs_, outputs_, groups_;
};

/// Whether windows are those of a fast convolution.
inline bool is_fast(const WindowOptions& windows) {
  const auto& [time, height, width] = windows.axes();
  const bool kernel = height.kernel == width.kernel && (height.kernel == 1 || height.kernel == 3) &&
                      (time.kernel == 1 || time.kernel == height.kernel);
  const auto plain = [&](const WindowAxis& axis) {
    return axis.stride == 1 && (axis.kernel == 1 || axis.dilation == 1) &&
           (windows.same() || axis.padding == axis.kernel / 2);
  };
  return kernel && plain(time) && plain(height) && plain(width);
}

}  // namespace detail

template <int Dimensions, Scalar T, Device D>
requires(Dimensions == 2 || Dimensions == 3) Convolution<Dimensions, T, D>::Convolution(
    Index inputs, Index outputs, const ConvolutionOptions& options, const Random& random, bool with_bias)
    : inputs_(inputs), outputs_(outputs) {
  check_channels();
  detail::check_groups(name, inputs, outputs, options.groups);
  const WindowOptions windows(name, Dimensions, options.kernel, options.stride, options.padding, options.dilation);
  Shape shape{outputs, inputs / options.groups};
  windows.append_kernel(shape);
  if (options.groups == 1 && detail::is_fast(windows)) {
    kernel_frames_ = windows.axes()[0].kernel;
    kernel_ = windows.axes()[1].kernel;
  } else {
    method_ = std::make_shared<detail::WindowConvolution<T, D>>(windows, inputs, outputs, options.groups);
  }
  weight = Parameter<FullPrecision<T>, D>(shape);
  initialize_orthogonal(weight, random);
  if (with_bias) bias = Parameter<FullPrecision<T>, D>(Shape{outputs});
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
