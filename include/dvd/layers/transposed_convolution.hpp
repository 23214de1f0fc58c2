// Transposed convolutions over images and over videos: what enlarges by learned kernels.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/layers/general_convolution.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// What a transposed convolution does: the gradient of the input of a convolution with this kernel, stride, padding and
/// dilation,
///
///     y[i * stride + k * dilation - padding] += W[k] x[i]  over all taps k, and the bias,
///
/// i and k being positions in two or three dimensions; what falls beside y is dropped. n positions of an axis become
/// (n - 1) * stride - 2 * padding + dilation * (kernel - 1) + 1 + output_padding or, with `same_padding`, n * stride,
/// what is too much being dropped half before and half behind, the odd one behind. `output_padding` is less than the
/// stride or the dilation: of the sizes that a convolution makes n of, it chooses another than the smallest. All as in
/// PyTorch's ConvTranspose2d and ConvTranspose3d, the defaults of stride, padding, output_padding, dilation and groups,
/// too.
///
///     TransposedConv2D<float> doubling(64, 32, {.kernel = 4, .stride = 2, .padding = 1}, random);
struct TransposedConvolutionOptions {
  PerAxis kernel = 3;
  PerAxis stride = 1;
  Padding padding = 0;
  PerAxis output_padding = 0;  ///< 0 with `same_padding`
  PerAxis dilation = 1;
  Index groups = 1;
};

/// A transposed convolution with weight `[in, out / groups, (k,) k, k]` and bias `[out]`. `Dimensions` is 2 or 3; see
/// the aliases TransposedConv2D, which maps `[..., H, W, in]` to `[..., H', W', out]`, and TransposedConv3D, which maps
/// `[T, N, H, W, in]` to `[T', N, H', W', out]`.
///
/// Weights start orthogonal as matrices `[in, rest]`, biases at zero. A spectral norm around it, too, sees that matrix,
/// the one of the convolution that this is the gradient of: sigma is the same for both. PyTorch's `spectral_norm` does
/// so with dim = 0; for transposed convolutions its default is 1.
///
/// Throws ArgumentError for numbers that are below 1 (paddings: below 0) or do not go with the dimensions or the
/// channels, and for inputs of which nothing would be left.
template <int Dimensions, Scalar T, Device D = Cpu>
requires(Dimensions == 2 || Dimensions == 3) class TransposedConvolution
    : public Weighted<TransposedConvolution<Dimensions, T, D>, ConstTensorView<T, D>, T, D> {
 public:
  using View = ConstTensorView<T, D>;
  using Input = View;
  using PreciseView = PreciseTensorView<T, D>;

  static constexpr const char* name = "a transposed convolution";  ///< for messages

  Parameter<FullPrecision<T>, D> weight, bias;

  TransposedConvolution(Index inputs, Index outputs, const TransposedConvolutionOptions& options, const Random& random,
                        bool with_bias = true)
      : inputs_(inputs),
        outputs_(outputs),
        groups_(options.groups),
        windows_(name, Dimensions, options.kernel, options.stride, options.padding, options.dilation),
        output_padding_(options.output_padding.values("an output padding", Dimensions, 0, 0)) {
    require(inputs > 0 && outputs > 0, name, " needs at least one input and output channel, not ", inputs, " and ",
            outputs);
    detail::check_groups(name, inputs, outputs, groups_);
    for (std::size_t i = 0; i < 3; ++i) {
      const WindowAxis& axis = windows_.axes()[i];
      require(output_padding_[i] < std::max(axis.stride, axis.dilation), "an output padding is less than the stride ",
              axis.stride, " or the dilation ", axis.dilation, ", not ", output_padding_[i]);
      require(!windows_.same() || output_padding_[i] == 0, "same padding leaves no choice of an output padding of ",
              output_padding_[i]);
    }
    Shape shape{inputs, outputs / groups_};
    windows_.append_kernel(shape);
    weight = Parameter<FullPrecision<T>, D>(shape);
    initialize_orthogonal(weight, random);
    if (with_bias) bias = Parameter<FullPrecision<T>, D>(Shape{outputs});
  }

  Index inputs() const { return inputs_; }
  Index outputs() const { return outputs_; }

  template <class F>
  void visit(const std::string& prefix, F& f) {
    f(prefix + "weight", weight);
    if (bias.value) f(prefix + "bias", bias);
  }

  // What spectral normalisation needs; see AppliedLayer.

  Tensor<T, D> packed_weight(const PreciseView& sigma = {}) const {
    Tensor<T, D> packed;
    const WeightToPack<T> todo = packing(sigma, packed);
    D::pack_weight(todo.outputs, todo.inputs, todo.taps, todo.weight, todo.sigma, todo.packed);
    return packed;
  }

  WeightToPack<T> packing(const PreciseView& sigma, Tensor<T, D>& packed) const {
    packed = Tensor<T, D>(Shape{taps(), outputs_ / groups_, inputs_});
    return {inputs_, outputs_ / groups_, taps(), weight.value.data(), sigma.data(), packed.data()};
  }

  void check(const Input& x, const View& onto = {}) const {
    const Shape shape = output_shape(x.shape());
    require(!onto || onto.shape() == shape, name, "'s result of shape ", shape, " cannot be added to ", onto.shape());
  }

  Tensor<T, D> apply(const View& packed, const Input& x, Tensor<T, D> onto) const {
    check(x, onto);
    const bool accumulate{onto};
    Tensor<T, D> y = accumulate ? std::move(onto) : Tensor<T, D>(output_shape(x.shape()));
    add_bias(y, accumulate);
    products(x.shape()).add_backward_input(packed, x.data(), y.data());
    return y;
  }

  Tensor<T, D> apply_backward(const View& packed, const Input& x, const View& dy, Tensor<T, D>* dpacked, bool wants_dx,
                              Tensor<T, D> onto) {
    check_gradient(name, dy, output_shape(x.shape()));
    check_added(name, onto, x.shape());
    const auto of_windows = products(x.shape());
    if (dpacked) {
      const View from = readable_beyond(x);
      of_windows.backward_weight(dy.data(), from.data(), dpacked->data());
      if (bias.value)
        D::sum_rows(1, dy.size() / outputs_, outputs_, dy.data(), outputs_, bias.accumulator().data(), true);
    }
    if (!wants_dx) return {};
    const bool accumulate{onto};
    Tensor<T, D> dx = accumulate ? std::move(onto) : Tensor<T, D>(x.shape());
    of_windows.forward(packed, dy.data(), nullptr, dx.data(), accumulate);
    return dx;
  }

  void add_weight_gradient(const View& dpacked, const View& packed, const PreciseView& sigma, const PreciseView& u,
                           const PreciseView& v) {
    D::unpack_weight_gradient(inputs_, outputs_ / groups_, taps(), dpacked.data(), packed.data(), sigma.data(),
                              u.data(), v.data(), weight.accumulator().data());
  }

  WeightGradientToUnpack<T> unpacking(const View& dpacked, const View& packed, const PreciseView& sigma,
                                      const PreciseView& u, const PreciseView& v) {
    return {inputs_,  outputs_ / groups_,         taps(), dpacked.data(), packed.data(), sigma.data(), u.data(),
            v.data(), weight.accumulator().data()};
  }

 private:
  Index taps() const { return weight.value.size() / (inputs_ * (outputs_ / groups_)); }

  /// The windows of the convolution that makes x of y: one for each position of x.
  WindowSize size_for(const Shape& x) const {
    WindowSize size = windows_.sizes(x, inputs_);
    std::size_t i = 0;
    for (WindowAxis* axis : {&size.time, &size.height, &size.width}) {
      axis->outputs = axis->inputs;
      const Index whole = (axis->outputs - 1) * axis->stride + (axis->kernel - 1) * axis->dilation + 1;
      if (windows_.same()) {
        axis->inputs = axis->outputs * axis->stride;
        axis->padding = std::max<Index>(whole - axis->inputs, 0) / 2;
      } else {
        axis->inputs = whole - 2 * axis->padding + output_padding_[i];
        require(axis->inputs > 0, name, " of ", x, " with ", axis->padding,
                " of padding at both ends leaves nothing of an axis of ", axis->outputs);
      }
      ++i;
    }
    return size;
  }

  Shape output_shape(const Shape& x) const {
    const WindowSize size = size_for(x);
    return windows_.resized(x, size.time.inputs, size.height.inputs, size.width.inputs, outputs_);
  }

  WindowProducts<T, D> products(const Shape& x) const {
    WindowSize size = size_for(x);
    size.channels = outputs_ / groups_;
    return {size, inputs_, groups_};
  }

  /// y = bias or 0 or, if `accumulate`, y + bias
  void add_bias(Tensor<T, D>& y, bool accumulate) const {
    if (!bias.value) {
      if (!accumulate) D::fill(y.size(), T(0), y.data());
      return;
    }
    Tensor<T, D> rounded(bias.value.shape());
    D::convert(outputs_, bias.value.data(), rounded.data());
    Tensor<T, D> all = accumulate ? Tensor<T, D>(y.shape()) : Tensor<T, D>();
    D::broadcast_rows(1, y.size() / outputs_, outputs_, rounded.data(), accumulate ? all.data() : y.data());
    if (accumulate) D::add(y.size(), all.data(), y.data());
  }

  Index inputs_, outputs_, groups_;
  WindowOptions windows_;
  std::array<Index, 3> output_padding_;
};

/// A transposed convolution over images.
template <Scalar T, Device D = Cpu>
using TransposedConv2D = TransposedConvolution<2, T, D>;

/// A transposed convolution over the frames of videos.
template <Scalar T, Device D = Cpu>
using TransposedConv3D = TransposedConvolution<3, T, D>;

static_assert(Layer<TransposedConv2D<float>> && AppliedLayer<TransposedConv2D<float>> &&
              AppliedLayer<TransposedConv3D<float>>);

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
