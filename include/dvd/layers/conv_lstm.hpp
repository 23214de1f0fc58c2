// The convolutional LSTM (Shi, Chen, Wang, Yeung, Wong, Woo, "Convolutional LSTM Network", NIPS 2015).
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <array>
#include <memory>
#include <utility>

#include "dvd/core/is_finite.hpp"
#include "dvd/layers/convolution.hpp"
#include "dvd/layers/recurrent_unit.hpp"
#include "dvd/layers/spectral_norm.hpp"
#include "dvd/layers/unnormalized.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Unrolls over the frames of x `[T, N, H, W, C]`; all convolutions 3x3, and as `Normalization` makes them:
///
///     i   = sigmoid(W_i * [h_{t-1}; x_t] + b_i)      input
///     f   = sigmoid(W_f * [h_{t-1}; x_t] + b_f)      forget
///     o   = sigmoid(W_o * [h_{t-1}; x_t] + b_o)      output
///     g   = tanh   (W_g * [h_{t-1}; x_t] + b_g)      candidate
///     c_t = f . c_{t-1} + i . g
///     h_t = o . tanh(c_t)
///
/// without the paper's peepholes (W_ci . c_{t-1} and its kin), which later work leaves out. b_f starts at 1, so that a
/// new unit remembers (Jozefowicz, Zaremba, Sutskever 2015), the other biases at 0.
///
/// Returns all h_t, `[T, N, H, W, C]`. A given initial state `[N, H, W, C]` is both h_0 and c_0, or they are 0. An x of
/// one frame may stand for `frames` equal ones. Cells are kept in full precision. What x adds to the gates is one
/// convolution over all frames at once. See the aliases ConvLSTM and PlainConvLSTM.
template <template <WeightedLayer L> class Normalization, Scalar T, Device D = Cpu>
class ConvolutionalLSTM {
 public:
  using scalar_type = T;
  using device_type = D;
  using View = ConstTensorView<T, D>;
  using P = FullPrecision<T>;
  using PreciseView = ConstTensorView<P, D>;
  using Gate = Normalization<Conv2D<T, D>>;

  static constexpr Index gate_count = 4;

  struct Cache {
    View x;              ///< [T or 1, N, H, W, C]
    View state;          ///< the given initial state, or empty
    PreciseView before;  ///< the same as a cell
    View gates;          ///< [T, N, H, W, 4C]: i | f | o | g
    PreciseView cells;   ///< [T, N, H, W, C]: c_t
    View outputs;        ///< [T, N, H, W, C]: h_t
    View input_weight, state_weight;
    std::array<typename Gate::NormalizedWeight, gate_count> weights;
  };

  /// Gradients of both inputs; `state` is empty where none was given.
  struct InputGradients {
    Tensor<T, D> x, state;
  };

  Gate input, forget, output, candidate;

  /// Throws ArgumentError for a width below 1, and a bias of the forget gate that is not finite.
  ConvolutionalLSTM(Index width, const Random& random, double forget_bias = 1)
      : input(random.stream("input u"), 2 * width, width, 3, random.stream("input")),
        forget(random.stream("forget u"), 2 * width, width, 3, random.stream("forget")),
        output(random.stream("output u"), 2 * width, width, 3, random.stream("output")),
        candidate(random.stream("candidate u"), 2 * width, width, 3, random.stream("candidate")),
        width_(width) {
    require(is_finite(forget_bias), "the forget gate's bias is a number, not ", forget_bias);
    forget.layer.bias.value.fill(static_cast<P>(forget_bias));
    if constexpr (requires { input.filter_ahead; })
      input.filter_ahead = forget.filter_ahead = output.filter_ahead = candidate.filter_ahead = false;
  }

  Index width() const { return width_; }

  Tensor<T, D> forward(const View& x, Index frames, const View& state, Pass pass, Cache* cache = nullptr) {
    require(frames >= 1 && x.shape().rank() == 5 && x.size() > 0 && x.extent(4) == width_ &&
                (x.extent(0) == frames || x.extent(0) == 1),
            "a ConvLSTM of width ", width_, " over ", frames, " frames expects at least one frame, [", frames,
            ", N, H, W, ", width_, "] with no extent of 0, not ", x.shape());
    require(!state || state.shape() == x.shape().tail(), "a ConvLSTM expects a state of shape ", x.shape().tail(),
            ", not ", state.shape());
    const Shape frame = x.shape().tail();
    const Index pixels = frame.size() / width_, all = gate_count * width_;
    Tensor<T, D> gates(Shape{frames, frame[0], frame[1], frame[2], all});  // not too large, before any u advances
    Tensor<T, D> outputs(x.shape().with_first(frames));
    Tensor<P, D> cells(outputs.shape());
    const PreciseView first_cell = cast<P>(state);

    const std::shared_ptr<const Weights> weights = made_once<Weights>(pass, this, [&] { return weights_for(pass); });
    give_inputs(x, *weights, gates, pass);

    const ConvolutionSize size = size_for(1, frame);
    const auto filter = filter_for<T, D>(pass, size, weights->state);
    for (Index t = 0; t < frames; ++t) {
      const TensorView<T, D> gate = gates[t];
      const View before = t == 0 ? state : View(outputs[t - 1]);
      const PreciseView cell_before = t == 0 ? first_cell : PreciseView(cells[t - 1]);
      if (before) D::convolve(size, ConvolutionInput<T>{before.data()}, filter, nullptr, gate.data(), all, true);
      D::lstm_output(pixels, width_, gate.data(), cell_before.data(), cells[t].data(), outputs[t].data());
    }
    if (pass.watch) pass.watch->see(&candidate.layer.weight, outputs);
    if (cache)
      *cache = {x, state, first_cell, gates, cells, outputs, weights->input, weights->state, weights->normalized};
    return outputs;
  }

  InputGradients backward(const View& dy, const Cache& cache, Gradients gradients) {
    check_filled("a ConvLSTM", cache.outputs);
    check_gradient("a ConvLSTM", dy, cache.outputs.shape());
    const Index frames = dy.extent(0), all = gate_count * width_;
    const Shape frame = dy.shape().tail();
    const Index pixels = frame.size() / width_;

    const ConvolutionSize size = size_for(1, frame);
    const auto filter = D::backward_filter(size, cache.state_weight.data());
    Tensor<T, D> dgates(cache.gates.shape());
    Tensor<T, D> dstate;                              // gradient of h_t through step t + 1
    Tensor<P, D> dcell = Tensor<P, D>::zeros(frame);  // and of c_t
    for (Index t = frames - 1; t >= 0; --t) {
      const View before = t == 0 ? cache.state : View(cache.outputs[t - 1]);
      const PreciseView cell_before = t == 0 ? cache.before : PreciseView(cache.cells[t - 1]);
      const TensorView<T, D> dgate = dgates[t];
      D::lstm_output_backward(pixels, width_, cache.gates[t].data(), cell_before.data(), cache.cells[t].data(),
                              dy[t].data(), std::as_const(dstate).data(), dcell.data(), dgate.data());
      Tensor<T, D> dbefore = before ? Tensor<T, D>(frame) : Tensor<T, D>();
      if (before)
        D::convolve_backward_input(size, ConvolutionInput<T>{}, dgate.data(), all, filter, dbefore.data(), false);
      dstate = std::move(dbefore);
    }

    // One frame of x stood for all: its gradient is the sum over frames.
    View dinputs = dgates;
    if (cache.x.extent(0) < frames) {
      Tensor<T, D> sum(Shape{1, frame[0], frame[1], frame[2], all});
      D::sum_rows(1, frames, sum.size(), dgates.data(), sum.size(), sum.data(), false);
      dinputs = sum;
    }
    if (wants_parameters(gradients)) add_parameter_gradients(cache, dgates, dinputs, gradients);
    InputGradients result;
    if (!wants_inputs(gradients)) return result;
    result.x = Tensor<T, D>(cache.x.shape());
    const ConvolutionSize inputs = size_for(cache.x.extent(0), frame);
    D::convolve_backward_input(inputs, ConvolutionInput<T>{}, dinputs.data(), all,
                               D::backward_filter(inputs, cache.input_weight.data()), result.x.data(), false);
    if (!cache.state) return result;
    const View as_cell = cast<T>(dcell);
    D::add(as_cell.size(), as_cell.data(), dstate.data());
    result.state = std::move(dstate);
    return result;
  }

  template <class F>
  void visit(const std::string& prefix, F& f) {
    input.visit(prefix + "input.", f);
    forget.visit(prefix + "forget.", f);
    output.visit(prefix + "output.", f);
    candidate.visit(prefix + "candidate.", f);
  }

 private:
  struct Weights {
    Tensor<T, D> input, state;  ///< [9, C, 4C]
    PreciseTensor<T, D> bias;   ///< [4C]
    std::array<typename Gate::NormalizedWeight, gate_count> normalized;
  };

  Weights weights_for(Pass pass) {
    const Shape shape{9, width_, gate_count * width_};
    Weights weights{Tensor<T, D>(shape), Tensor<T, D>(shape), PreciseTensor<T, D>(Shape{gate_count * width_}), {}};
    for (Index number = 0; number < gate_count; ++number) {
      auto& normalized = weights.normalized[static_cast<std::size_t>(number)];
      normalized = gate(number).normalized_weight(pass);
      copy_half(normalized.packed, 1, weights.input, number);
      copy_half(normalized.packed, 0, weights.state, number);
      D::copy_rows(1, 1, width_, gate(number).layer.bias.value.data(), 0, 0, weights.bias.data() + number * width_, 0,
                   0);
    }
    return weights;
  }

  /// In the order in which they lie in `gates`.
  Gate& gate(Index number) {
    Gate* const all[] = {&input, &forget, &output, &candidate};
    return *all[number];
  }

  ConvolutionSize size_for(Index frames, const Shape& frame) const {
    return {1, frames * frame[0], frame[1], frame[2], width_, gate_count * width_, 1, 3};
  }

  // The weight of a gate is [9, 2C, C], inputs ordered [h; x]. Its two halves take their places in weights [9, C, 4C]
  // that serve all gates.
  void copy_half(const View& from, Index half, Tensor<T, D>& to, Index gate) const {
    D::copy_rows(9, width_, width_, from.data() + half * width_ * width_, 2 * width_ * width_, width_,
                 to.data() + gate * width_, gate_count * width_ * width_, gate_count * width_);
  }
  void copy_half_back(const View& from, Index gate, Tensor<T, D>& to, Index half) const {
    D::copy_rows(9, width_, width_, from.data() + gate * width_, gate_count * width_ * width_, gate_count * width_,
                 to.data() + half * width_ * width_, 2 * width_ * width_, width_);
  }

  /// gates = what x and the biases contribute, for all frames.
  void give_inputs(const View& x, const Weights& weights, Tensor<T, D>& gates, Pass pass) {
    const Index all = gate_count * width_;
    const ConvolutionSize size = size_for(x.extent(0), x.shape().tail());
    D::convolve(size, ConvolutionInput<T>{x.data()}, filter_for<T, D>(pass, size, weights.input), weights.bias.data(),
                gates.data(), all, false);
    // The one frame that stands for all.
    const Index frame = gates[0].size(), copies = gates.extent(0) - x.extent(0);
    if (copies > 0) D::copy_rows(1, copies, frame, gates.data(), 0, 0, gates.data() + frame, 0, frame);
  }

  void add_parameter_gradients(const Cache& cache, const View& dgates, const View& dinputs, Gradients gradients) {
    const Index frames = dgates.extent(0), all = gate_count * width_;
    const Shape frame = cache.outputs.shape().tail();

    Tensor<T, D> dinput(cache.input_weight.shape());
    const View x = readable_beyond(cache.x);
    D::convolve_backward_weight(size_for(dinputs.extent(0), frame), ConvolutionInput<T>{x.data()}, dinputs.data(), all,
                                dinput.data());
    // The state's part, for the steps that had a state: first the given one, then h_1 .. h_{T-1}.
    Tensor<T, D> dstate = Tensor<T, D>::zeros(cache.state_weight.shape());
    const auto add_steps = [&](const View& states, Index first, Index count) {
      Tensor<T, D> some(dstate.shape());
      D::convolve_backward_weight(size_for(count, frame), ConvolutionInput<T>{states.data()}, dgates[first].data(), all,
                                  some.data());
      D::add(some.size(), some.data(), dstate.data());
    };
    if (cache.state) add_steps(readable_beyond(cache.state), 0, 1);
    if (frames > 1) add_steps(cache.outputs, 1, frames - 1);

    PreciseTensor<T, D> dbias(Shape{all});
    D::sum_rows(1, dinputs.size() / all, all, dinputs.data(), all, dbias.data(), false);
    for (Index number = 0; number < gate_count; ++number) {
      const auto& weight = cache.weights[static_cast<std::size_t>(number)];
      Tensor<T, D> dpacked(weight.packed.shape());
      copy_half_back(dinput, number, dpacked, 1);
      copy_half_back(dstate, number, dpacked, 0);
      gate(number).add_weight_gradient(dpacked, weight, gradients);
      D::add(width_, dbias.data() + number * width_, gate(number).layer.bias.accumulator().data());
    }
  }

  Index width_;
};

/// Spectrally normalised, as everything in DVD-GAN is.
template <Scalar T, Device D = Cpu>
using ConvLSTM = ConvolutionalLSTM<SpectralNorm, T, D>;

/// With the weights as they are.
template <Scalar T, Device D = Cpu>
using PlainConvLSTM = ConvolutionalLSTM<Unnormalized, T, D>;

static_assert(RecurrentUnit<ConvLSTM<float>> && RecurrentUnit<PlainConvLSTM<float>>);

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
