// The convolutional gated recurrent unit (Ballas, Yao, Pal, Courville 2016) of DVD-GAN's generator.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <array>
#include <memory>
#include <utility>
#include <vector>

#include "dvd/core/gru_gates.hpp"
#include "dvd/layers/convolution.hpp"
#include "dvd/layers/recurrent_unit.hpp"
#include "dvd/layers/spectral_norm.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// What a ConvGRU makes of its candidate's pre-activation.
enum class GruCandidate { relu, tanh };

/// Unrolls over the frames of x `[T, N, H, W, C]`; all convolutions 3x3, and as `Normalization` makes them:
///
///     r   = sigmoid(W_r * [h_{t-1}; x_t] + b_r)
///     u   = sigmoid(W_u * [h_{t-1}; x_t] + b_u)
///     c   = relu   (W_c * [r . h_{t-1}; x_t] + b_c)       or tanh
///     h_t = u . h_{t-1} + (1 - u) . c
///
/// Returns all h_t, `[T, N, H, W, C]`. The initial state is 0 unless given as `[N, H, W, C]`. An x of one frame may
/// stand for `frames` equal ones.
///
/// Computed in another order than written, which changes nothing but rounding: what x adds to the three gates does not
/// depend on the state, so it is one convolution of 3C outputs over all frames at once (over one, if x is one frame),
/// or two, of 2C and C, where the device would have the gates apart; reset and update share their input, so the state's
/// part is one convolution of 2C outputs.
///
/// See the aliases ConvGRU, below, and those in plain_conv_gru.hpp.
template <GruCandidate Candidate, template <WeightedLayer L> class Normalization, Scalar T, Device D = Cpu>
class ConvolutionalGRU {
 public:
  using scalar_type = T;
  using device_type = D;
  using View = ConstTensorView<T, D>;
  using Gate = Normalization<Conv2D<T, D>>;

  /// Arrays that gates lie in: r | u | c in one, or r | u and c.
  static constexpr std::size_t array_count = D::gru_gates_apart ? 2 : 1;
  using Views = std::array<View, array_count>;
  using Tensors = std::array<Tensor<T, D>, array_count>;

  /// Of the weights for inputs, for the gates and for the candidate, in this order, where filters fit all sizes; else
  /// empty.
  using Filters = std::vector<FilterOf<D, T>>;

  struct Cache {
    View x;        ///< [T or 1, N, H, W, C]
    View state;    ///< the given initial state, or empty
    Views gates;   ///< [T, N, H, W, 3C], or 2C and C
    View outputs;  ///< [T, N, H, W, C]: h_t
    Views input_weights;
    View gates_weight, candidate_weight;
    Filters filters;
    typename Gate::NormalizedWeight reset, update, candidate;
  };

  /// Gradients of both inputs; `state` is empty where none was given.
  struct InputGradients {
    Tensor<T, D> x, state;
  };

  Gate reset, update, candidate;

  /// Throws ArgumentError for a width below 1.
  ConvolutionalGRU(Index width, const Random& random)
      : reset(random.stream("reset u"), 2 * width, width, 3, random.stream("reset")),
        update(random.stream("update u"), 2 * width, width, 3, random.stream("update")),
        candidate(random.stream("candidate u"), 2 * width, width, 3, random.stream("candidate")),
        width_(width) {
    if constexpr (requires { reset.filter_ahead; })
      reset.filter_ahead = update.filter_ahead = candidate.filter_ahead = false;
  }

  Index width() const { return width_; }

  Tensor<T, D> forward(const View& x, Index frames, const View& state, Pass pass, Cache* cache = nullptr) {
    require(frames >= 1 && x.shape().rank() == 5 && x.size() > 0 && x.extent(4) == width_ &&
                (x.extent(0) == frames || x.extent(0) == 1),
            "a ConvGRU of width ", width_, " over ", frames, " frames expects at least one frame, [", frames,
            ", N, H, W, ", width_, "] with no extent of 0, not ", x.shape());
    require(!state || state.shape() == x.shape().tail(), "a ConvGRU expects a state of shape ", x.shape().tail(),
            ", not ", state.shape());
    const Shape frame = x.shape().tail();
    const Index batch = frame[0], pixels = frame.size() / width_;
    const Shape gates_shape{frames, batch, frame[1], frame[2], 3 * width_};  // not too large, before any u advances
    const std::shared_ptr<const Weights> weights = made_once<Weights>(pass, this, [&] { return weights_for(pass); });

    Tensors gates = gate_arrays(gates_shape);
    give_inputs(x, *weights, gates, pass);

    Tensor<T, D> outputs(x.shape().with_first(frames));
    Tensor<T, D> reset_state(frame);  // r . h_{t-1}
    const ConvolutionSize gates_size = size_for(1, frame, 2 * width_), candidate_size = size_for(1, frame, width_);
    const auto gates_filter = filter(pass, gates_size, weights->gates, weights->filters, array_count);
    const auto candidate_filter = filter(pass, candidate_size, weights->candidate, weights->filters, array_count + 1);
    const bool keep = cache != nullptr;
    for (Index t = 0; t < frames; ++t) {
      const GruGates<T> gate = gates_at<T>(gates, t);
      const TensorView<T, D> output = outputs[t];
      const View before = t == 0 ? state : View(outputs[t - 1]);
      if (before) {
        D::convolve(gates_size, ConvolutionInput<T>{before.data()}, gates_filter, nullptr, gate.reset, gate.reset_row,
                    true);
        D::gru_reset(pixels, width_, gate, before.data(), reset_state.data(), keep);
        D::convolve(candidate_size, ConvolutionInput<T>{reset_state.data()}, candidate_filter, nullptr, gate.candidate,
                    gate.candidate_row, true);
      }
      D::gru_output(pixels, width_, gate, before.data(), output.data(), tanh_candidate, keep);
    }
    if (pass.watch) pass.watch->see(&candidate.layer.weight, outputs);
    if (cache)
      *cache = {x,
                state,
                views(gates),
                outputs,
                views(weights->inputs),
                weights->gates,
                weights->candidate,
                weights->filters,
                weights->reset_norm,
                weights->update_norm,
                weights->candidate_norm};
    return outputs;
  }

  InputGradients backward(const View& dy, const Cache& cache, Gradients gradients) {
    check_filled("a ConvGRU", cache.outputs);
    check_gradient("a ConvGRU", dy, cache.outputs.shape());
    const Index frames = dy.extent(0);
    const Shape frame = dy.shape().tail();
    const Index pixels = frame.size() / width_;

    const ConvolutionSize gates_size = size_for(1, frame, 2 * width_), candidate_size = size_for(1, frame, width_);
    const auto gates_filter = backward_filter(gates_size, cache.gates_weight, cache.filters, array_count);
    const auto candidate_filter =
        backward_filter(candidate_size, cache.candidate_weight, cache.filters, array_count + 1);

    Tensors dgates = gate_arrays(dy.shape().with_last(3 * width_));
    Tensor<T, D> dreset_state(frame);
    Tensor<T, D> dstate;  // gradient of h_t through step t + 1
    for (Index t = frames - 1; t >= 0; --t) {
      const GruGates<const T> gate = gates_at<const T>(cache.gates, t);
      const GruGates<T> dgate = gates_at<T>(dgates, t);
      const View before = t == 0 ? cache.state : cache.outputs[t - 1];
      Tensor<T, D> dbefore = before ? Tensor<T, D>(frame) : Tensor<T, D>();
      D::gru_output_backward(pixels, width_, gate, before.data(), dy[t].data(), std::as_const(dstate).data(), dgate,
                             dbefore.data(), tanh_candidate);
      if (before) {
        D::convolve_backward_input(candidate_size, ConvolutionInput<T>{}, dgate.candidate, dgate.candidate_row,
                                   candidate_filter, dreset_state.data(), false);
        D::gru_reset_backward(pixels, width_, gate, before.data(), std::as_const(dreset_state).data(), dgate,
                              dbefore.data());
        D::convolve_backward_input(gates_size, ConvolutionInput<T>{}, dgate.reset, dgate.reset_row, gates_filter,
                                   dbefore.data(), true);
      }
      dstate = std::move(dbefore);
    }

    // One frame of x stood for all: its gradient is the sum over frames.
    Views dinputs = views(dgates);
    if (cache.x.extent(0) < frames)
      for (View& dinput : dinputs) {
        Tensor<T, D> sum(dinput.shape().with_first(1));
        D::sum_rows(1, frames, sum.size(), dinput.data(), sum.size(), sum.data(), false);
        dinput = sum;
      }
    if (wants_parameters(gradients)) add_parameter_gradients(cache, views(dgates), dinputs, gradients);
    InputGradients result;
    if (wants_inputs(gradients)) {
      result.x = Tensor<T, D>(cache.x.shape());
      for (std::size_t i = 0; i < dinputs.size(); ++i) {
        const Index outputs = dinputs[i].extent(-1);
        const ConvolutionSize size = size_for(cache.x.extent(0), frame, outputs);
        D::convolve_backward_input(size, ConvolutionInput<T>{}, dinputs[i].data(), outputs,
                                   backward_filter(size, cache.input_weights[i], cache.filters, i), result.x.data(),
                                   i > 0);
      }
      result.state = std::move(dstate);
    }
    return result;
  }

  template <class F>
  void visit(const std::string& prefix, F& f) {
    reset.visit(prefix + "reset.", f);
    update.visit(prefix + "update.", f);
    candidate.visit(prefix + "candidate.", f);
  }

 private:
  static constexpr bool tanh_candidate = Candidate == GruCandidate::tanh;

  struct Weights {
    Tensors inputs;                 ///< [9, C, 3C], or 2C and C
    Tensor<T, D> gates, candidate;  ///< [9, C, 2C], [9, C, C]
    PreciseTensor<T, D> bias;       ///< [3C]
    Filters filters;
    typename Gate::NormalizedWeight reset_norm, update_norm, candidate_norm;
  };

  /// An array that gates lie in holds `gates` of them, the first being number `first`.
  struct Place {
    Index first, gates;
  };
  static constexpr std::array<Place, array_count> places() {
    if constexpr (D::gru_gates_apart)
      return {Place{0, 2}, Place{2, 1}};
    else
      return {Place{0, 3}};
  }

  /// One array of `shape`, or two with its channels between them.
  Tensors gate_arrays(const Shape& shape) const {
    Tensors arrays;
    for (std::size_t i = 0; i < arrays.size(); ++i)
      arrays[i] = Tensor<T, D>(shape.with_last(places()[i].gates * width_));
    return arrays;
  }
  static Views views(const Tensors& tensors) {
    Views result;
    std::copy(tensors.begin(), tensors.end(), result.begin());
    return result;
  }

  /// Of frame t; Element is T or const T.
  template <class Element, class Arrays>
  GruGates<Element> gates_at(Arrays& arrays, Index t) const {
    Element* const first = arrays.front()[t].data();
    if constexpr (D::gru_gates_apart)
      return {first, 2 * width_, arrays.back()[t].data(), width_};
    else
      return {first, 3 * width_, first + 2 * width_, 3 * width_};
  }

  ConvolutionSize size_for(Index frames, const Shape& frame, Index outputs) const {
    return {1, frames * frame[0], frame[1], frame[2], width_, outputs, 1, 3};
  }

  // The weight of a gate is [9, 2C, C], inputs ordered [h; x]. Its two halves take their places in weights that serve
  // several gates, as gate number `gate` of `count`.
  RowsToCopy<T> half(const View& from, Index half, Tensor<T, D>& to, Index gate, Index count) const {
    return {9,
            width_,
            width_,
            from.data() + half * width_ * width_,
            2 * width_ * width_,
            width_,
            to.data() + gate * width_,
            count * width_ * width_,
            count * width_};
  }
  RowsToCopy<T> half_back(const View& from, Index gate, Index count, Tensor<T, D>& to, Index half) const {
    return {9,
            width_,
            width_,
            from.data() + gate * width_,
            count * width_ * width_,
            count * width_,
            to.data() + half * width_ * width_,
            2 * width_ * width_,
            width_};
  }

  // The filter of weight number `number`: the one made before, or one for this size.
  static auto filter(Pass pass, const ConvolutionSize& size, const View& weight, const Filters& made,
                     std::size_t number) {
    if constexpr (D::filters_fit_all_sizes)
      return made[number];
    else
      return filter_for(pass, size, weight);
  }
  static auto backward_filter(const ConvolutionSize& size, const View& weight, const Filters& made,
                              std::size_t number) {
    if constexpr (D::filters_fit_all_sizes)
      return made[number];
    else
      return D::backward_filter(size, weight.data());
  }

  Weights weights_for(Pass pass) {
    Weights weights{gate_arrays(Shape{9, width_, 3 * width_}),
                    Tensor<T, D>(Shape{9, width_, 2 * width_}),
                    Tensor<T, D>(Shape{9, width_, width_}),
                    PreciseTensor<T, D>(Shape{3 * width_}),
                    {},
                    reset.normalized_weight(pass),
                    update.normalized_weight(pass),
                    candidate.normalized_weight(pass)};
    const View packed[] = {weights.reset_norm.packed, weights.update_norm.packed, weights.candidate_norm.packed};
    const Parameter<FullPrecision<T>, D>* biases[] = {&reset.layer.bias, &update.layer.bias, &candidate.layer.bias};
    std::vector<ArrayPair<FullPrecision<T>>> bias_copies;
    for (Index gate = 0; gate < 3; ++gate)
      bias_copies.push_back({width_, biases[gate]->value.data(), weights.bias.data() + gate * width_});
    D::copy_arrays(bias_copies, nullptr);
    std::vector<RowsToCopy<T>> halves;
    for (std::size_t i = 0; i < places().size(); ++i)
      for (Index gate = 0; gate < places()[i].gates; ++gate)
        halves.push_back(half(packed[places()[i].first + gate], 1, weights.inputs[i], gate, places()[i].gates));
    halves.push_back(half(weights.reset_norm.packed, 0, weights.gates, 0, 2));
    halves.push_back(half(weights.update_norm.packed, 0, weights.gates, 1, 2));
    halves.push_back(half(weights.candidate_norm.packed, 0, weights.candidate, 0, 1));
    D::copy_rows(halves);
    if constexpr (D::filters_fit_all_sizes) {
      std::vector<PackedWeight<T>> all;
      for (std::size_t i = 0; i < places().size(); ++i)
        all.push_back({places()[i].gates * width_, width_, 9, weights.inputs[i].data(),
                       weights.bias.data() + places()[i].first * width_});
      all.push_back({2 * width_, width_, 9, weights.gates.data()});
      all.push_back({width_, width_, 9, weights.candidate.data()});
      weights.filters = D::filters(all);
    }
    return weights;
  }

  /// gates = what x and the biases contribute, for all frames.
  void give_inputs(const View& x, const Weights& weights, Tensors& gates, Pass pass) {
    for (std::size_t i = 0; i < gates.size(); ++i) {
      Tensor<T, D>& here = gates[i];
      const Index outputs = here.extent(-1), frame = here[0].size(), copies = here.extent(0) - x.extent(0);
      const ConvolutionSize size = size_for(x.extent(0), x.shape().tail(), outputs);
      D::convolve(size, ConvolutionInput<T>{x.data()}, filter(pass, size, weights.inputs[i], weights.filters, i),
                  weights.bias.data() + places()[i].first * width_, here.data(), outputs, false);
      // The one frame that stands for all.
      if (copies > 0) D::copy_rows(1, copies, frame, here.data(), 0, 0, here.data() + frame, 0, frame);
    }
  }

  void add_parameter_gradients(const Cache& cache, const Views& dgates, const Views& dinputs, Gradients gradients) {
    const Index frames = cache.outputs.extent(0);
    const Shape frame = cache.outputs.shape().tail();

    Tensors dweights;
    PreciseTensor<T, D> dbias(Shape{3 * width_});
    for (std::size_t i = 0; i < dinputs.size(); ++i) {
      const View& dinput = dinputs[i];
      const Index outputs = dinput.extent(-1);
      dweights[i] = Tensor<T, D>(cache.input_weights[i].shape());
      D::convolve_backward_weight(size_for(dinput.extent(0), frame, outputs), ConvolutionInput<T>{cache.x.data()},
                                  dinput.data(), outputs, dweights[i].data());
      D::sum_rows(1, dinput.size() / outputs, outputs, dinput.data(), outputs,
                  dbias.data() + places()[i].first * width_, false);
    }
    // The state's part, for the steps that had a state: first the given one, then h_1 .. h_{T-1}.
    Tensor<T, D> dgate_state, dcandidate_state;
    const auto add = [](Tensor<T, D> some, Tensor<T, D>& sum) {
      if (sum)
        D::add(some.size(), std::as_const(some).data(), sum.data());
      else
        sum = std::move(some);
    };
    const auto add_steps = [&](const View& states, Index first, Index count) {
      const GruGates<const T> gate = gates_at<const T>(cache.gates, first), dgate = gates_at<const T>(dgates, first);
      Tensor<T, D> some(cache.gates_weight.shape());
      D::convolve_backward_weight(size_for(count, frame, 2 * width_), ConvolutionInput<T>{states.data()}, dgate.reset,
                                  dgate.reset_row, some.data());
      add(std::move(some), dgate_state);
      Tensor<T, D> reset_states(Shape{count * frame.size() / width_, width_}), other(cache.candidate_weight.shape());
      D::multiply_columns(reset_states.extent(0), width_, gate.reset, gate.reset_row, states.data(),
                          reset_states.data());
      D::convolve_backward_weight(size_for(count, frame, width_), ConvolutionInput<T>{reset_states.data()},
                                  dgate.candidate, dgate.candidate_row, other.data());
      add(std::move(other), dcandidate_state);
    };
    if (cache.state) add_steps(cache.state, 0, 1);
    if (frames > 1) add_steps(cache.outputs, 1, frames - 1);
    if (!dgate_state) {
      dgate_state = Tensor<T, D>::zeros(cache.gates_weight.shape());
      dcandidate_state = Tensor<T, D>::zeros(cache.candidate_weight.shape());
    }

    Gate* gates[] = {&reset, &update, &candidate};
    const typename Gate::NormalizedWeight* weights[] = {&cache.reset, &cache.update, &cache.candidate};
    std::array<Tensor<T, D>, 3> dpacked;
    std::vector<RowsToCopy<T>> halves;
    for (Index gate = 0; gate < 3; ++gate) {
      Tensor<T, D>& here = dpacked[static_cast<std::size_t>(gate)];
      here = Tensor<T, D>(weights[gate]->packed.shape());
      const std::size_t i = gate < places()[0].gates ? 0 : 1;
      halves.push_back(half_back(dweights[i], gate - places()[i].first, places()[i].gates, here, 1));
      halves.push_back(gate < 2 ? half_back(dgate_state, gate, 2, here, 0)
                                : half_back(dcandidate_state, 0, 1, here, 0));
    }
    D::copy_rows(halves);
    for (Index gate = 0; gate < 3; ++gate) {
      gates[gate]->add_weight_gradient(dpacked[static_cast<std::size_t>(gate)], *weights[gate], gradients);
      D::add(width_, dbias.data() + gate * width_, gates[gate]->layer.bias.accumulator().data());
    }
  }

  Index width_;
};

/// DVD-GAN's unit: spectrally normalised, its candidate a ReLU.
template <Scalar T, Device D = Cpu>
using ConvGRU = ConvolutionalGRU<GruCandidate::relu, SpectralNorm, T, D>;

static_assert(RecurrentUnit<ConvGRU<float>>);

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
