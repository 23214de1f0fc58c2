// Affine maps of vectors.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <optional>
#include <utility>

#include "dvd/layers/initialize.hpp"
#include "dvd/layers/weighted.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// y = W x + b: maps `[N, in]` to `[N, out]`, with weight `[out, in]` and bias `[out]`. Starts orthogonal, with bias 0.
/// Throws ArgumentError for sizes below 1.
template <Scalar T, Device D = Cpu>
class Linear : public Weighted<Linear<T, D>, ConstTensorView<T, D>, T, D> {
 public:
  using Input = typename Weighted<Linear<T, D>, ConstTensorView<T, D>, T, D>::Input;
  using View = ConstTensorView<T, D>;
  using PreciseView = PreciseTensorView<T, D>;

  static constexpr const char* name = "a linear layer";  ///< for messages

  Parameter<FullPrecision<T>, D> weight, bias;

  Linear(Index inputs, Index outputs, const Random& random, bool with_bias = true)
      : inputs_(inputs), outputs_(outputs) {
    require(inputs > 0 && outputs > 0, "a linear layer needs at least one input and output, not ", inputs, " and ",
            outputs);
    weight = Parameter<FullPrecision<T>, D>(Shape{outputs, inputs});
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

  // What spectral normalisation needs; see AppliedLayer. A vector is a pixel, and W a 1x1 convolution.

  Tensor<T, D> packed_weight(const PreciseView& sigma = {}) const {
    Tensor<T, D> packed;
    const WeightToPack<T> todo = packing(sigma, packed);
    D::pack_weight(todo.outputs, todo.inputs, todo.taps, todo.weight, todo.sigma, todo.packed);
    return packed;
  }

  WeightToPack<T> packing(const PreciseView& sigma, Tensor<T, D>& packed) const {
    packed = Tensor<T, D>(Shape{1, inputs_, outputs_});
    return {outputs_, inputs_, 1, weight.value.data(), sigma.data(), packed.data()};
  }

  void check(const View& x, const View& onto = {}) const {
    const ConvolutionSize size = size_for(x.shape());
    const Shape shape{size.batch, outputs_};
    require(!onto || onto.shape() == shape, "a linear layer's result of shape ", shape, " cannot be added to ",
            onto.shape());
  }

  /// See kept_filter.
  std::optional<ConvolutionSize> filter_size(const View& x) const { return size_for(x.shape()); }

  Tensor<T, D> apply(const View& packed, const View& x, Tensor<T, D> onto, const FilterOf<D, T>* made = nullptr) const {
    check(x, onto);
    const ConvolutionSize size = size_for(x.shape());
    const bool accumulate{onto};
    Tensor<T, D> y = accumulate ? std::move(onto) : Tensor<T, D>(Shape{x.extent(0), outputs_});
    const auto multiply = [&](const FilterOf<D, T>& filter) {
      D::convolve(size, ConvolutionInput<T>{x.data()}, filter, bias.value.data(), y.data(), outputs_, accumulate);
    };
    made ? multiply(*made) : multiply(D::filter(size, packed.data()));
    return y;
  }

  Tensor<T, D> apply_backward(const View& packed, const View& x, const View& dy, Tensor<T, D>* dpacked, bool wants_dx,
                              Tensor<T, D> onto) {
    const ConvolutionSize size = size_for(x.shape());
    check_gradient(name, dy, {x.extent(0), outputs_});
    check_added(name, onto, x.shape());
    const ConvolutionInput<T> input{x.data()};
    if (dpacked) {
      const View from = readable_beyond(x), upstream = readable_beyond(dy);
      D::convolve_backward_weight(size, ConvolutionInput<T>{from.data()}, upstream.data(), outputs_, dpacked->data());
      if (bias.value) D::sum_rows(1, x.extent(0), outputs_, dy.data(), outputs_, bias.accumulator().data(), true);
    }
    if (!wants_dx) return {};
    const bool accumulate{onto};
    Tensor<T, D> dx = accumulate ? std::move(onto) : Tensor<T, D>(x.shape());
    D::convolve_backward_input(size, input, dy.data(), outputs_, D::backward_filter(size, packed.data()), dx.data(),
                               accumulate);
    return dx;
  }

  void add_weight_gradient(const View& dpacked, const View& packed, const PreciseView& sigma, const PreciseView& u,
                           const PreciseView& v) {
    D::unpack_weight_gradient(outputs_, inputs_, 1, dpacked.data(), packed.data(), sigma.data(), u.data(), v.data(),
                              weight.accumulator().data());
  }

  WeightGradientToUnpack<T> unpacking(const View& dpacked, const View& packed, const PreciseView& sigma,
                                      const PreciseView& u, const PreciseView& v) {
    return {outputs_,       inputs_,       1,
            dpacked.data(), packed.data(), sigma.data(),
            u.data(),       v.data(),      weight.accumulator().data()};
  }

 private:
  ConvolutionSize size_for(const Shape& shape) const {
    require(shape.rank() == 2 && shape[0] > 0 && shape[1] == inputs_, "a linear layer of ", inputs_,
            " inputs expects [N, ", inputs_, "] of at least one vector, not ", shape);
    return {1, shape[0], 1, 1, inputs_, outputs_, 1, 1};
  }

  Index inputs_, outputs_;
};

static_assert(Layer<Linear<float>> && AppliedLayer<Linear<float>>);

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
