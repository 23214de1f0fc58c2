// Convolutions over images and over videos: the fast ones, of stride 1 and "same" zero padding, and how to get at the
// others.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <memory>
#include <optional>
#include <utility>

#include "dvd/layers/initialize.hpp"
#include "dvd/layers/weighted.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Images and, where there is one, an affine map per image and channel that has not been carried out yet: what stands
/// for scale * x + shift. A convolution does that on the way in.
template <Scalar T, Device D = Cpu>
struct ScaledImages {
  ConstTensorView<T, D> x;               ///< `[..., H, W, C]`
  PreciseTensorView<T, D> scale, shift;  ///< `[images, C]`, or empty

  ScaledImages() = default;
  // Not explicit: images as they are serve as well.
  ScaledImages(const ConstTensorView<T, D>& images) : x(images) {}
  ScaledImages(const TensorView<T, D>& images) : x(images) {}
  ScaledImages(const Tensor<T, D>& images) : x(images) {}
  ScaledImages(const ConstTensorView<T, D>& images, const PreciseTensorView<T, D>& factors,
               const PreciseTensorView<T, D>& offsets)
      : x(images), scale(factors), shift(offsets) {}
};

/// What a 3x3 convolution does beside convolving, without passes over memory of its own.
struct ConvolutionFusion {
  bool rectify = false;                     ///< ReLU of the input, after its affine map
  std::optional<Upsampling> upsample = {};  ///< then double the input's height and width
  bool pool = false;  ///< average the outputs over 2x2 pixels or, in three dimensions, over 2x2x2 while there is more
                      ///< than one frame; odd ends are dropped
  /// ReLU of the outputs, which are added to nothing. The gradient that the layer is given is that before this ReLU, as
  /// the next convolution, with `rectified`, returns it.
  bool rectify_result = false;
  bool rectified = false;  ///< `rectify` has happened already, by the layer before; only the gradient is to know of it
};

/// Any kernel, stride, padding, dilation and groups. Who has a use for it includes layers/general_convolution.hpp,
/// which defines it.
struct ConvolutionOptions;

/// How a convolution is computed that is none of the fast ones; see layers/general_convolution.hpp. It holds sizes
/// alone, so that copies of a layer share it. Its users have made sure that everything fits.
template <Scalar T, Device D>
class ConvolutionMethod {
 public:
  using View = ConstTensorView<T, D>;

  virtual ~ConvolutionMethod() = default;
  /// The shape of the result. Throws ArgumentError unless the input's fits.
  virtual Shape output_shape(const Shape& x) const = 0;
  virtual void apply(const View& packed, const View& x, const FullPrecision<T>* bias, const TensorView<T, D>& y,
                     bool accumulate) const = 0;
  virtual void backward_input(const View& packed, const View& dy, const TensorView<T, D>& dx,
                              bool accumulate) const = 0;
  virtual void backward_weight(const View& x, const View& dy, const TensorView<T, D>& dpacked) const = 0;
};

/// A convolution with weight `[out, in, (k,) k, k]` and bias `[out]`, k being 1 or 3. `Dimensions` is 2 or 3; see the
/// aliases Conv2D and Conv3D.
///
/// Conv2D maps `[..., H, W, in]` to `[..., H, W, out]`: all leading axes are images. Conv3D maps `[T, N, H, W, in]` to
/// `[T, N, H, W, out]` with a k x k x k kernel over T, H and W.
///
/// A `fusion` makes it a convolution between other layers: max(., 0) and an upsampling before, an average after. The
/// gradient is that of x, or of what the affine map of ScaledImages makes of x, rectified.
///
/// With ConvolutionOptions, `Conv2D<float>(3, 64, {.kernel = 4, .stride = 2, .padding = 1}, random)`, kernels, strides
/// and the rest are what they say; see layers/general_convolution.hpp, which is to be included for that.
///
/// Weights start orthogonal, biases at zero. Throws ArgumentError for sizes below 1, kernels other than 1 and 3 without
/// options, and a fusion with a kernel of 1.
template <int Dimensions, Scalar T, Device D = Cpu>
requires(Dimensions == 2 || Dimensions == 3) class Convolution
    : public Weighted<Convolution<Dimensions, T, D>, ScaledImages<T, D>, T, D> {
 public:
  using Input = typename Weighted<Convolution<Dimensions, T, D>, ScaledImages<T, D>, T, D>::Input;
  using View = ConstTensorView<T, D>;
  using PreciseView = PreciseTensorView<T, D>;

  static constexpr const char* name = "a convolution";  ///< for messages

  Parameter<FullPrecision<T>, D> weight, bias;

  Convolution(Index inputs, Index outputs, Index kernel, const Random& random, bool with_bias = true,
              ConvolutionFusion fusion = {})
      : inputs_(inputs),
        outputs_(outputs),
        kernel_frames_(Dimensions == 2 ? 1 : kernel),
        kernel_(kernel),
        fusion_(fusion) {
    check_channels();
    require(kernel == 1 || kernel == 3, "a convolution's kernel is 1 or 3, not ", kernel);
    require(kernel == 3 || (!fusion.rectify && !fusion.upsample && !fusion.pool),
            "only a convolution with a kernel of 3 can be fused with others");
    require(!fusion.rectify_result || kernel == 3, "only a convolution with a kernel of 3 rectifies its result");
    require(!fusion.rectified || fusion.rectify, "a convolution of rectified images is one that rectifies");
    weight = Parameter<FullPrecision<T>, D>(Dimensions == 2 ? Shape{outputs, inputs, kernel, kernel}
                                                            : Shape{outputs, inputs, kernel, kernel, kernel});
    initialize_orthogonal(weight, random);
    if (with_bias) bias = Parameter<FullPrecision<T>, D>(Shape{outputs});
  }

  /// Defined in layers/general_convolution.hpp.
  Convolution(Index inputs, Index outputs, const ConvolutionOptions& options, const Random& random,
              bool with_bias = true);

  Index inputs() const { return inputs_; }
  Index outputs() const { return outputs_; }
  /// Elements of the kernel of one pair of channels.
  Index taps() const { return weight.value.size() / (outputs_ * group_inputs()); }

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
    packed = Tensor<T, D>(Shape{taps(), group_inputs(), outputs_});
    return {outputs_, group_inputs(), taps(), weight.value.data(), sigma.data(), packed.data()};
  }

  void check(const Input& input, const View& onto = {}) const {
    const Shape shape = result_shape(input);
    require(!onto || onto.shape() == shape, "a convolution's result of shape ", shape, " cannot be added to ",
            onto.shape());
    require(!onto || !fusion_.rectify_result, "a convolution that rectifies its result adds to nothing");
    require(!input.scale || !fusion_.rectified, "a convolution of rectified images takes no affine map");
  }

  /// Whether the weight is read as a filter that can be made ahead, with those of other layers, and whether its
  /// gradient can lie as that does.
  bool wants_filter() const { return D::filters_fit_all_sizes && !method_; }
  bool has_filter_gradient() const { return wants_filter() && kernel_ == 3; }
  bool pools() const { return fusion_.pool; }

  /// See kept_filter.
  std::optional<ConvolutionSize> filter_size(const Input& input) const {
    return method_ ? std::nullopt : std::optional(size_for(input));
  }

  /// If `kept` is given, a device that prepares inputs leaves there what it has made of this one, for the backward
  /// pass.
  Tensor<T, D> apply(const View& packed, const Input& input, Tensor<T, D> onto, const FilterOf<D, T>* made = nullptr,
                     std::shared_ptr<void>* kept = nullptr) const {
    check(input, onto);
    const bool accumulate{onto};
    Tensor<T, D> y = accumulate ? std::move(onto) : Tensor<T, D>(result_shape(input));
    if (method_) {
      method_->apply(packed, input.x, bias.value.data(), y, accumulate);
      return y;
    }
    const ConvolutionSize size = size_for(input);
    ConvolutionInput<T> from = kernel_input(input);
    if constexpr (D::prepares_inputs)
      if (kept) {
        *kept = D::prepare(size, from);
        from.prepared = static_cast<const T*>(kept->get());
      }
    const auto convolve = [&](const auto& filter) {
      D::convolve(size, from, filter, bias.value.data(), y.data(), outputs_, accumulate);
    };
    made ? convolve(*made) : convolve(D::filter(size, packed.data()));
    return y;
  }

  /// With a filter made ahead, the gradient of the packed weight may be asked for as `dfilter`.
  Tensor<T, D> apply_backward(const View& packed, const Input& input, const View& dy, Tensor<T, D>* dpacked,
                              bool wants_dx, Tensor<T, D> onto, const FilterOf<D, T>* made = nullptr,
                              FilterOf<D, T>* dfilter = nullptr, const std::shared_ptr<void>& kept = nullptr) {
    check_gradient(name, dy, result_shape(input));
    check_added(name, onto, input.x.shape());
    if (dpacked || dfilter) {
      Input readable = input;
      readable.x = readable_beyond(input.x);
      ConvolutionInput<T> from = kernel_input(readable);
      from.prepared = static_cast<const T*>(kept.get());
      const View upstream = readable_beyond(dy);
      if (method_)
        method_->backward_weight(readable.x, upstream, *dpacked);
      else if (dpacked)
        D::convolve_backward_weight(size_for(input), from, upstream.data(), outputs_, dpacked->data());
      if constexpr (D::unpacks_together)
        if (dfilter) *dfilter = D::weight_gradient(size_for(input), from, upstream.data(), outputs_);
      if (bias.value)
        D::sum_rows(1, dy.size() / outputs_, outputs_, dy.data(), outputs_, bias.accumulator().data(), true);
    }
    if (!wants_dx) return {};
    const bool accumulate{onto};
    Tensor<T, D> dx = accumulate ? std::move(onto) : Tensor<T, D>(input.x.shape());
    if (method_) {
      method_->backward_input(packed, dy, dx, accumulate);
      return dx;
    }
    const ConvolutionSize size = size_for(input);
    const auto convolve = [&](const auto& filter) {
      D::convolve_backward_input(size, kernel_input(input), dy.data(), outputs_, filter, dx.data(), accumulate);
    };
    made ? convolve(*made) : convolve(D::backward_filter(size, packed.data()));
    return dx;
  }

  void add_weight_gradient(const View& dpacked, const View& packed, const PreciseView& sigma, const PreciseView& u,
                           const PreciseView& v) {
    D::unpack_weight_gradient(outputs_, group_inputs(), taps(), dpacked.data(), packed.data(), sigma.data(), u.data(),
                              v.data(), weight.accumulator().data());
  }

  WeightGradientToUnpack<T> unpacking(const View& dpacked, const View& packed, const PreciseView& sigma,
                                      const PreciseView& u, const PreciseView& v) {
    return {.outputs = outputs_,
            .inputs = group_inputs(),
            .taps = taps(),
            .dpacked = dpacked.data(),
            .packed = packed.data(),
            .sigma = sigma.data(),
            .u = u.data(),
            .v = v.data(),
            .dweight = weight.accumulator().data(),
            .pool = fusion_.pool};
  }

 private:
  void check_channels() const {
    require(inputs_ > 0 && outputs_ > 0, "a convolution needs at least one input and output channel, not ", inputs_,
            " and ", outputs_);
  }

  /// The input channels that an output channel sees.
  Index group_inputs() const { return weight.value.extent(1); }

  Shape result_shape(const Input& input) const {
    if (!method_) return output_shape(size_for(input), input.x.shape());
    require(!input.scale && !input.shift, "a convolution with options of its own takes images without an affine map");
    return method_->output_shape(input.x.shape());
  }

  ConvolutionInput<T> kernel_input(const Input& input) const {
    return {input.x.data(), input.scale.data(), input.shift.data(), fusion_.rectify, fusion_.rectified};
  }

  ConvolutionSize size_for(const Input& input) const {
    const Shape& shape = input.x.shape();
    const bool fits = Dimensions == 2 ? shape.rank() >= 3 : shape.rank() == 5;
    require(fits && shape.size() > 0 && shape[-1] == inputs_, "a convolution of ", inputs_,
            " channels expects an input ", Dimensions == 2 ? "[..., H, W, " : "[T, N, H, W, ", inputs_,
            "] with no extent of 0, not ", shape);
    const Index images = shape.size() / (shape[-3] * shape[-2] * inputs_), scale = fusion_.upsample ? 2 : 1;
    require(input.scale.size() == input.shift.size() && (!input.scale || input.scale.size() == images * inputs_),
            "a convolution of ", images, " images with ", inputs_, " channels got a scale of shape ",
            input.scale.shape(), " and a shift of shape ", input.shift.shape());
    const Index frames = Dimensions == 2 ? 1 : shape[0], height = scale * shape[-3], width = scale * shape[-2];
    require(!fusion_.pool || (height >= 2 && width >= 2), "averaging over 2x2 pixels needs that many, not ", height,
            "x", width);
    return {frames,
            images / frames,
            height,
            width,
            inputs_,
            outputs_,
            kernel_frames_,
            kernel_,
            fusion_.upsample,
            fusion_.pool,
            fusion_.pool && frames > 1 ? Index{2} : Index{1},
            fusion_.rectify_result};
  }

  Shape output_shape(const ConvolutionSize& size, const Shape& input) const {
    Shape result;
    for (int axis = 0; axis + 3 < input.rank(); ++axis) result.append(input[axis]);
    if constexpr (Dimensions == 3) result = {size.output_frames(), size.batch};
    result.append(size.output_height());
    result.append(size.output_width());
    result.append(outputs_);
    return result;
  }

  Index inputs_, outputs_, kernel_frames_ = 1, kernel_ = 1;
  ConvolutionFusion fusion_;
  std::shared_ptr<const ConvolutionMethod<T, D>> method_;  ///< of a convolution that is none of the fast ones
};

/// A convolution over images.
template <Scalar T, Device D = Cpu>
using Conv2D = Convolution<2, T, D>;

/// A convolution over the frames of videos.
template <Scalar T, Device D = Cpu>
using Conv3D = Convolution<3, T, D>;

static_assert(Layer<Conv2D<float>> && AppliedLayer<Conv2D<float>> && AppliedLayer<Conv3D<float>>);

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
