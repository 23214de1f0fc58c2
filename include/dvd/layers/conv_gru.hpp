// The convolutional gated recurrent unit (Ballas, Yao, Pal, Courville 2016) of DVD-GAN's generator.
#pragma once

#include "dvd/core/macros_begin.hpp"

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
/// depend on the state, so it is one convolution of 3C outputs over all frames at once (over one, if x is one frame);
/// reset and update share their input, so the state's part is one convolution of 2C outputs.
///
/// See the aliases ConvGRU, below, and those in plain_conv_gru.hpp.
template <GruCandidate Candidate, template <WeightedLayer L> class Normalization, Scalar T, Device D = Cpu>
class ConvolutionalGRU {
 public:
  using scalar_type = T;
  using device_type = D;
  using View = ConstTensorView<T, D>;
  using Gate = Normalization<Conv2D<T, D>>;

  struct Cache {
    View x;        ///< [T or 1, N, H, W, C]
    View state;    ///< the given initial state, or empty
    View gates;    ///< [T, N, H, W, 3C]: r | u | c
    View outputs;  ///< [T, N, H, W, C]: h_t
    View input_weight, gates_weight, candidate_weight;
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
        width_(width) {}

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
    Weights weights = normalized_weights(pass);

    Tensor<T, D> gates(gates_shape);
    give_inputs(x, weights.input, gates);

    Tensor<T, D> outputs(x.shape().with_first(frames));
    Tensor<T, D> reset_state(frame);  // r . h_{t-1}
    const ConvolutionSize gates_size = size_for(1, frame, 2 * width_), candidate_size = size_for(1, frame, width_);
    const auto gates_filter = D::filter(gates_size, weights.gates.data());
    const auto candidate_filter = D::filter(candidate_size, weights.candidate.data());
    for (Index t = 0; t < frames; ++t) {
      const TensorView<T, D> gate = gates[t], output = outputs[t];
      const View before = t == 0 ? state : View(outputs[t - 1]);
      if (before) {
        D::convolve(gates_size, ConvolutionInput<T>{before.data()}, gates_filter, nullptr, gate.data(), 3 * width_,
                    true);
        D::gru_reset(pixels, width_, gate.data(), before.data(), reset_state.data());
        D::convolve(candidate_size, ConvolutionInput<T>{reset_state.data()}, candidate_filter, nullptr,
                    gate.data() + 2 * width_, 3 * width_, true);
      }
      D::gru_output(pixels, width_, gate.data(), before.data(), output.data(), tanh_candidate);
    }
    if (pass.watch) pass.watch->see(&candidate.layer.weight, outputs);
    if (cache)
      *cache = {x,
                state,
                gates,
                outputs,
                weights.input,
                weights.gates,
                weights.candidate,
                std::move(weights.reset_norm),
                std::move(weights.update_norm),
                std::move(weights.candidate_norm)};
    return outputs;
  }

  InputGradients backward(const View& dy, const Cache& cache, Gradients gradients) {
    check_filled("a ConvGRU", cache.outputs);
    check_gradient("a ConvGRU", dy, cache.outputs.shape());
    const Index frames = dy.extent(0);
    const Shape frame = dy.shape().tail();
    const Index pixels = frame.size() / width_;

    const ConvolutionSize gates_size = size_for(1, frame, 2 * width_), candidate_size = size_for(1, frame, width_);
    const auto gates_filter = D::backward_filter(gates_size, cache.gates_weight.data());
    const auto candidate_filter = D::backward_filter(candidate_size, cache.candidate_weight.data());

    Tensor<T, D> dgates(cache.gates.shape()), dreset_state(frame);
    Tensor<T, D> dstate;  // gradient of h_{t-1} through step t
    for (Index t = frames - 1; t >= 0; --t) {
      const View gate = cache.gates[t], before = t == 0 ? cache.state : cache.outputs[t - 1];
      const TensorView<T, D> dgate = dgates[t];
      View doutput = dy[t];
      if (dstate) {
        D::add(doutput.size(), doutput.data(), dstate.data());
        doutput = dstate;
      }
      Tensor<T, D> dbefore = before ? Tensor<T, D>(frame) : Tensor<T, D>();
      D::gru_output_backward(pixels, width_, gate.data(), before.data(), doutput.data(), dgate.data(), dbefore.data(),
                             tanh_candidate);
      if (before) {
        D::convolve_backward_input(candidate_size, ConvolutionInput<T>{}, dgate.data() + 2 * width_, 3 * width_,
                                   candidate_filter, dreset_state.data(), false);
        D::gru_reset_backward(pixels, width_, gate.data(), before.data(), dreset_state.data(), dgate.data(),
                              dbefore.data());
        D::convolve_backward_input(gates_size, ConvolutionInput<T>{}, dgate.data(), 3 * width_, gates_filter,
                                   dbefore.data(), true);
      }
      dstate = std::move(dbefore);
    }

    // One frame of x stood for all: its gradient is the sum over frames.
    View dinputs = dgates;
    if (cache.x.extent(0) < frames) {
      Tensor<T, D> sum(Shape{1, frame[0], frame[1], frame[2], 3 * width_});
      D::sum_rows(1, frames, sum.size(), dgates.data(), sum.size(), sum.data(), false);
      dinputs = sum;
    }
    if (wants_parameters(gradients)) add_parameter_gradients(cache, dgates, dinputs);
    InputGradients result;
    if (wants_inputs(gradients)) {
      result.x = Tensor<T, D>(cache.x.shape());
      const ConvolutionSize size = size_for(cache.x.extent(0), frame, 3 * width_);
      D::convolve_backward_input(size, ConvolutionInput<T>{}, dinputs.data(), 3 * width_,
                                 D::backward_filter(size, cache.input_weight.data()), result.x.data(), false);
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
    Tensor<T, D> input, gates, candidate;  ///< [3, 3, C, 3C], [3, 3, C, 2C], [3, 3, C, C]
    typename Gate::NormalizedWeight reset_norm, update_norm, candidate_norm;
  };

  ConvolutionSize size_for(Index frames, const Shape& frame, Index outputs) const {
    return {1, frames * frame[0], frame[1], frame[2], width_, outputs, 1, 3};
  }

  // The weight of a gate is [9, 2C, C], inputs ordered [h; x]. Its two halves take their places in weights that serve
  // several gates: `gate_slice` is where gate number `gate` of `count` stands in such a weight.
  void copy_half(const View& from, Index half, Tensor<T, D>& to, Index gate, Index count) const {
    D::copy_rows(9, width_, width_, from.data() + half * width_ * width_, 2 * width_ * width_, width_,
                 to.data() + gate * width_, count * width_ * width_, count * width_);
  }
  void copy_half_back(const View& from, Index gate, Index count, Tensor<T, D>& to, Index half) const {
    D::copy_rows(9, width_, width_, from.data() + gate * width_, count * width_ * width_, count * width_,
                 to.data() + half * width_ * width_, 2 * width_ * width_, width_);
  }

  Weights normalized_weights(Pass pass) {
    Weights weights{Tensor<T, D>(Shape{9, width_, 3 * width_}),
                    Tensor<T, D>(Shape{9, width_, 2 * width_}),
                    Tensor<T, D>(Shape{9, width_, width_}),
                    reset.normalized_weight(pass),
                    update.normalized_weight(pass),
                    candidate.normalized_weight(pass)};
    copy_half(weights.reset_norm.packed, 1, weights.input, 0, 3);
    copy_half(weights.update_norm.packed, 1, weights.input, 1, 3);
    copy_half(weights.candidate_norm.packed, 1, weights.input, 2, 3);
    copy_half(weights.reset_norm.packed, 0, weights.gates, 0, 2);
    copy_half(weights.update_norm.packed, 0, weights.gates, 1, 2);
    copy_half(weights.candidate_norm.packed, 0, weights.candidate, 0, 1);
    return weights;
  }

  /// gates = what x and the biases contribute, for all frames.
  void give_inputs(const View& x, const View& weight, Tensor<T, D>& gates) {
    PreciseTensor<T, D> bias(Shape{3 * width_});
    const Parameter<FullPrecision<T>, D>* biases[] = {&reset.layer.bias, &update.layer.bias, &candidate.layer.bias};
    for (Index gate = 0; gate < 3; ++gate)
      D::copy_rows(1, 1, width_, biases[gate]->value.data(), 0, 0, bias.data() + gate * width_, 0, 0);
    const ConvolutionSize size = size_for(x.extent(0), x.shape().tail(), 3 * width_);
    D::convolve(size, ConvolutionInput<T>{x.data()}, D::filter(size, weight.data()), bias.data(), gates.data(),
                3 * width_, false);
    const Index frame = gates[0].size();
    for (Index t = x.extent(0); t < gates.extent(0); ++t)
      D::copy_rows(1, 1, frame, gates.data(), 0, 0, gates.data() + t * frame, 0, 0);
  }

  void add_parameter_gradients(const Cache& cache, const View& dgates, const View& dinputs) {
    const Index frames = dgates.extent(0);
    const Shape frame = cache.outputs.shape().tail();

    Tensor<T, D> dinput(cache.input_weight.shape());
    D::convolve_backward_weight(size_for(dinputs.extent(0), frame, 3 * width_), ConvolutionInput<T>{cache.x.data()},
                                dinputs.data(), 3 * width_, dinput.data());
    // The state's part, for the steps that had a state: first the given one, then h_1 .. h_{T-1}.
    Tensor<T, D> dgate_state = Tensor<T, D>::zeros(cache.gates_weight.shape());
    Tensor<T, D> dcandidate_state = Tensor<T, D>::zeros(cache.candidate_weight.shape());
    const auto add_steps = [&](const View& states, Index first, Index count) {
      Tensor<T, D> some(dgate_state.shape());
      D::convolve_backward_weight(size_for(count, frame, 2 * width_), ConvolutionInput<T>{states.data()},
                                  dgates[first].data(), 3 * width_, some.data());
      D::add(some.size(), some.data(), dgate_state.data());
      Tensor<T, D> reset_states(Shape{count * frame.size() / width_, width_}), other(dcandidate_state.shape());
      D::multiply_columns(reset_states.extent(0), width_, cache.gates[first].data(), 3 * width_, states.data(),
                          reset_states.data());
      D::convolve_backward_weight(size_for(count, frame, width_), ConvolutionInput<T>{reset_states.data()},
                                  dgates[first].data() + 2 * width_, 3 * width_, other.data());
      D::add(other.size(), other.data(), dcandidate_state.data());
    };
    if (cache.state) add_steps(cache.state, 0, 1);
    if (frames > 1) add_steps(cache.outputs, 1, frames - 1);

    PreciseTensor<T, D> dbias(Shape{3 * width_});
    D::sum_rows(1, dinputs.size() / (3 * width_), 3 * width_, dinputs.data(), 3 * width_, dbias.data(), false);
    Gate* gates[] = {&reset, &update, &candidate};
    const typename Gate::NormalizedWeight* weights[] = {&cache.reset, &cache.update, &cache.candidate};
    for (Index gate = 0; gate < 3; ++gate) {
      Tensor<T, D> dpacked(weights[gate]->packed.shape());
      copy_half_back(dinput, gate, 3, dpacked, 1);
      if (gate < 2)
        copy_half_back(dgate_state, gate, 2, dpacked, 0);
      else
        copy_half_back(dcandidate_state, 0, 1, dpacked, 0);
      gates[gate]->add_weight_gradient(dpacked, *weights[gate]);
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
