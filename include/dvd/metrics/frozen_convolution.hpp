// A convolution that is done learning, as the networks behind the scores have them: forward only, with its bias and
// ReLU, into some channels of a wider tensor.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "dvd/layers/general_convolution.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// A convolution's weight `[out, in, k, k, k]` and bias `[out]`, as FrozenConvolution reads them. The inputs of a
/// linear map, whose kernel is 1, may be channels at some positions: the weight is `[out, channels, positions]` then,
/// and what it is applied to `[positions, channels]`, as videos lie.
template <Scalar T, Device D = Cpu>
struct FrozenWeights {
  PreciseTensorView<T, D> weight, bias;
  Index positions = 1;
};

namespace detail {

/// What a device makes of the weight of windows; nothing, where it unfolds them all.
template <class D, class T>
struct WindowFilterOf {
  struct Nothing {};
  using type = Nothing;
};
template <class D, class T>
requires(D::convolves_windows) struct WindowFilterOf<D, T> {
  using type = decltype(D::window_filter(std::declval<const WindowSize&>(), Index(), std::declval<const T*>()));
};

}  // namespace detail

/// y = W x + b, then max(., 0) if `rectify`, of videos x `[T, N, H, W, in]`, as Conv3D of the same options computes it.
/// It owns no parameters: who does makes weights of them when asked, for example with a norm folded in. What the device
/// makes of these is kept until `forget` is called or, on a device where it depends on them, until sizes change.
template <Scalar T, Device D = Cpu>
class FrozenConvolution {
 public:
  using View = ConstTensorView<T, D>;

  static constexpr const char* name = "a convolution";  ///< for messages

  /// Throws ArgumentError where ConvolutionOptions would; there is one group.
  FrozenConvolution(Index inputs, Index outputs, const ConvolutionOptions& options, bool rectify)
      : windows_(name, 3, options.kernel, options.stride, options.padding, options.dilation),
        inputs_(inputs),
        outputs_(outputs),
        rectify_(rectify),
        fast_(detail::is_fast(windows_)) {}

  Index inputs() const { return inputs_; }
  Index outputs() const { return outputs_; }
  /// Elements of the kernel of one pair of channels.
  Index taps() const {
    Index product = 1;
    for (const WindowAxis& axis : windows_.axes()) product *= axis.kernel;
    return product;
  }
  Shape weight_shape() const {
    Shape shape{outputs_, inputs_};
    windows_.append_kernel(shape);
    return shape;
  }
  /// The shape of y. Throws ArgumentError unless that of x fits.
  Shape result_shape(const Shape& x) const { return windows_.windows(x, windows_.over(x, inputs_), outputs_); }

  /// Weights are to be asked for anew.
  void forget() {
    filter_.reset();
    window_filter_.reset();
    packed_ = {};
  }

  /// Writes y, of pixels that lie `y_pixel` apart: more than there are outputs only of a convolution with stride 1 and
  /// a kernel of 1 or 3. `weights()` gives the FrozenWeights.
  template <class Weights>
  void run(const View& x, T* y, Index y_pixel, const Weights& weights) {
    const WindowSize windows = windows_.over(x.shape(), inputs_);
    const ConvolutionSize size = convolution_size(windows);
    make_ready(size, windows, weights);
    if (fast_) {
      D::convolve(size, ConvolutionInput<T>{x.data()}, *filter_, bias_.data(), y, y_pixel, false);
      return;
    }
    require(y_pixel == outputs_, "only a convolution with stride 1 writes to some channels of a wider tensor");
    if constexpr (D::convolves_windows)
      if (window_filter_) {
        D::convolve_windows(windows, x.data(), *window_filter_, bias_.data(), rectify_, y);
        return;
      }
    WindowProducts<T, D>(windows, outputs_, 1).forward(packed_, x.data(), bias_.data(), y, false, rectify_);
  }

  template <class Weights>
  Tensor<T, D> run(const View& x, const Weights& weights) {
    Tensor<T, D> y(result_shape(x.shape()));
    run(x, y.data(), outputs_, weights);
    return y;
  }

 private:
  ConvolutionSize convolution_size(const WindowSize& windows) const {
    ConvolutionSize size{
        windows.time.inputs, windows.batch,        windows.height.inputs, windows.width.inputs, inputs_, outputs_,
        windows.time.kernel, windows.height.kernel};
    size.rectify = rectify_;
    return size;
  }

  template <class Weights>
  void make_ready(const ConvolutionSize& size, const WindowSize& windows, const Weights& weights) {
    const std::array<Index, 4> extents{size.frames, size.batch, size.height, size.width};
    if ((filter_ || window_filter_ || packed_) && ((fast_ && D::filters_fit_all_sizes) || made_for_ == extents)) return;
    const FrozenWeights<T, D> given = weights();
    Tensor<T, D> packed(Shape{given.positions * taps(), inputs_ / given.positions, outputs_});
    D::pack_weight(outputs_, packed.extent(1), packed.extent(0), given.weight.data(), nullptr, packed.data());
    bias_ = given.bias.clone();
    forget();
    made_for_ = extents;
    if (fast_) filter_.emplace(D::filter(size, packed.data()));
    if constexpr (D::convolves_windows)
      if (!fast_ && D::convolves(windows)) {
        window_filter_.emplace(D::window_filter(windows, outputs_, packed.data()));
        return;
      }
    // Some devices read a kernel of 1 as it is, and so do unfolded windows.
    if (!fast_ || D::filters_fit_all_sizes) packed_ = std::move(packed);
  }

  WindowOptions windows_;
  Index inputs_, outputs_;
  bool rectify_, fast_;
  std::optional<FilterOf<D, T>> filter_;
  std::optional<typename detail::WindowFilterOf<D, T>::type> window_filter_;
  Tensor<T, D> packed_;
  PreciseTensor<T, D> bias_;
  std::array<Index, 4> made_for_{};
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
