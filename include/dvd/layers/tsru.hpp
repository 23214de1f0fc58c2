// The transformation-based spatial recurrent unit (Luc et al., "Transformation-based Adversarial Video Prediction on
// Large-Scale Data", arXiv 2003.04035), which can stand in the place of the ConvGRU.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <utility>
#include <vector>

#include "dvd/layers/convolution.hpp"
#include "dvd/layers/recurrent_unit.hpp"
#include "dvd/layers/spectral_norm.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// What the update gate of a TSRU looks at.
enum class TsruGate {
  state,  ///< the state before and the input: TSRU
  result  ///< the warped state and the candidate, once they are known: TSRU_s
};

/// Unrolls over the frames of x `[T, N, H, W, C]`; all convolutions 3x3 and spectrally normalised:
///
///     theta = f(h_{t-1}, x_t)
///     h^    = warp(h_{t-1}; theta)
///     c     = relu   (W_c * [h^; x_t] + b_c)
///     u     = sigmoid(W_u * [h_{t-1}; x_t] + b_u)           TSRU
///     u     = sigmoid(W_u * [h^; c] + b_u)                  TSRU_s
///     h_t   = u . h_{t-1} + (1 - u) . c
///
/// The paper leaves f and warp open. Here f is a convolution of [h_{t-1}; x_t] to an offset (down, right; in pixels)
/// for every pixel, and the warp samples the state there, bilinearly, clamped to the image: the state of a moving thing
/// can move with it.
///
/// Returns all h_t, `[T, N, H, W, C]`. The initial state is 0 unless given as `[N, H, W, C]`. An x of one frame may
/// stand for `frames` equal ones. See the aliases TSRU and TSRUs.
template <TsruGate Gate, Scalar T, Device D = Cpu>
class TransformationUnit {
 public:
  using scalar_type = T;
  using device_type = D;
  using View = ConstTensorView<T, D>;
  using Conv = SpectralNorm<Conv2D<T, D>>;

  /// What a frame's computation leaves for its gradient.
  struct Step {
    View before;   ///< [N, H, W, 2C]: [h_{t-1}; x_t]
    View warped;   ///< [N, H, W, 2C]: [h^; x_t]
    View result;   ///< [N, H, W, 2C]: [h^; c], for TSRU_s
    View offsets;  ///< [N, H, W, 2]
    View candidate, update;
  };

  struct Weights {
    typename Conv::NormalizedWeight offset, candidate, update;
  };

  struct Cache {
    Shape x;        ///< of the input, whose first axis may be 1
    Shape outputs;  ///< of the result
    std::vector<Step> steps;
    Weights weights;
    bool with_state = false;
  };

  /// Gradients of both inputs; `state` is empty where none was given.
  struct InputGradients {
    Tensor<T, D> x, state;
  };

  Conv offset, candidate, update;

  /// Throws ArgumentError for a width below 1.
  TransformationUnit(Index width, const Random& random)
      : offset(random.stream("offset u"), 2 * width, Index{2}, 3, random.stream("offset")),
        candidate(random.stream("candidate u"), 2 * width, width, 3, random.stream("candidate")),
        update(random.stream("update u"), 2 * width, width, 3, random.stream("update")),
        width_(width) {
    offset.filter_ahead = candidate.filter_ahead = update.filter_ahead = false;
  }

  Index width() const { return width_; }

  Tensor<T, D> forward(const View& x, Index frames, const View& state, Pass pass, Cache* cache = nullptr) {
    require(frames >= 1 && x.shape().rank() == 5 && x.size() > 0 && x.extent(4) == width_ &&
                (x.extent(0) == frames || x.extent(0) == 1),
            "a TSRU of width ", width_, " over ", frames, " frames expects at least one frame, [", frames,
            ", N, H, W, ", width_, "] with no extent of 0, not ", x.shape());
    require(!state || state.shape() == x.shape().tail(), "a TSRU expects a state of shape ", x.shape().tail(), ", not ",
            state.shape());
    const Shape frame = x.shape().tail(), all_frames = x.shape().with_first(frames);
    Weights weights{offset.normalized_weight(pass), candidate.normalized_weight(pass), update.normalized_weight(pass)};
    const ConvolutionSize size{1, frame[0], frame[1], frame[2], 2 * width_, width_, 1, 3};
    ConvolutionSize of_offsets = size;
    of_offsets.outputs = 2;
    const Filters filters{filter_for(pass, of_offsets, weights.offset.packed),
                          filter_for(pass, size, weights.candidate.packed),
                          filter_for(pass, size, weights.update.packed)};
    Tensor<T, D> outputs(all_frames);
    if (cache) *cache = {x.shape(), outputs.shape(), {}, weights, bool{state}};
    View before = state ? state : View(Tensor<T, D>::zeros(frame));
    for (Index t = 0; t < frames; ++t) {
      const TensorView<T, D> output = outputs[t];
      Step step = advance(before, x[x.extent(0) == 1 ? 0 : t], weights, filters, output);
      if (cache) cache->steps.push_back(std::move(step));
      before = output;
    }
    if (pass.watch) pass.watch->see(&candidate.layer.weight, outputs);
    return outputs;
  }

  InputGradients backward(const View& dy, const Cache& cache, Gradients gradients) {
    require(!cache.steps.empty(), "the backward pass of a TSRU got a cache that no forward pass has filled");
    check_gradient("a TSRU", dy, cache.outputs);
    Sums sums;
    if (wants_parameters(gradients))
      sums = {Tensor<T, D>::zeros(cache.weights.offset.packed.shape()),
              Tensor<T, D>::zeros(cache.weights.candidate.packed.shape()),
              Tensor<T, D>::zeros(cache.weights.update.packed.shape())};
    auto dx = Tensor<T, D>::zeros(cache.x);
    Tensor<T, D> dstate = Tensor<T, D>::zeros(dy.shape().tail());  // gradient of h_t through what comes after step t
    for (Index t = dy.extent(0) - 1; t >= 0; --t) {
      D::add(dstate.size(), dy[t].data(), dstate.data());
      const TensorView<T, D> dinput = dx[dx.extent(0) == 1 ? 0 : t];
      dstate = go_back(dstate, cache.steps[static_cast<std::size_t>(t)], cache.weights, dinput, sums);
    }
    if (wants_parameters(gradients)) {
      offset.add_weight_gradient(sums.offset, cache.weights.offset, gradients);
      candidate.add_weight_gradient(sums.candidate, cache.weights.candidate, gradients);
      update.add_weight_gradient(sums.update, cache.weights.update, gradients);
    }
    if (!wants_inputs(gradients)) return {};
    return {std::move(dx), cache.with_state ? std::move(dstate) : Tensor<T, D>()};
  }

  template <class F>
  void visit(const std::string& prefix, F& f) {
    offset.visit(prefix + "offset.", f);
    candidate.visit(prefix + "candidate.", f);
    update.visit(prefix + "update.", f);
  }

 private:
  /// Of the weights, for all frames.
  struct Filters {
    FilterOf<D, T> offset, candidate, update;
  };

  /// Gradients of the packed weights over all frames; empty if not wanted.
  struct Sums {
    Tensor<T, D> offset, candidate, update;
  };

  /// [a; b]
  Tensor<T, D> pair(const View& a, const View& b) const {
    Tensor<T, D> both(Shape{a.extent(0), a.extent(1), a.extent(2), 2 * width_});
    const Index pixels = a.size() / width_;
    D::copy_rows(1, pixels, width_, a.data(), 0, width_, both.data(), 0, 2 * width_);
    D::copy_rows(1, pixels, width_, b.data(), 0, width_, both.data() + width_, 0, 2 * width_);
    return both;
  }

  std::pair<Tensor<T, D>, Tensor<T, D>> split(const View& both) const {
    Tensor<T, D> a(Shape{both.extent(0), both.extent(1), both.extent(2), width_}), b(a.shape());
    const Index pixels = a.size() / width_;
    D::copy_rows(1, pixels, width_, both.data(), 0, 2 * width_, a.data(), 0, width_);
    D::copy_rows(1, pixels, width_, both.data() + width_, 0, 2 * width_, b.data(), 0, width_);
    return {std::move(a), std::move(b)};
  }

  /// One frame: fills `output` with h_t.
  Step advance(const View& state, const View& x, const Weights& weights, const Filters& filters,
               const TensorView<T, D>& output) {
    const Shape& frame = state.shape();
    Step step;
    step.before = pair(state, x);
    step.offsets = offset.layer.apply(weights.offset.packed, step.before, {}, &filters.offset);
    Tensor<T, D> moved(frame);
    D::warp(frame[0], frame[1], frame[2], width_, state.data(), step.offsets.data(), moved.data());
    step.warped = pair(moved, x);
    Tensor<T, D> c = candidate.layer.apply(weights.candidate.packed, step.warped, {}, &filters.candidate);
    D::relu(c.size(), c.data(), c.data());
    step.candidate = c;
    if constexpr (Gate == TsruGate::result) step.result = pair(moved, step.candidate);
    Tensor<T, D> u = update.layer.apply(weights.update.packed, seen_by_gate(step), {}, &filters.update);
    D::sigmoid(u.size(), u.data(), u.data());
    step.update = u;
    D::blend(output.size(), step.update.data(), state.data(), step.candidate.data(), output.data());
    return step;
  }

  static const View& seen_by_gate(const Step& step) { return Gate == TsruGate::state ? step.before : step.result; }

  /// Takes the gradient of h_t, adds to those of x_t and of the weights; returns that of h_{t-1}.
  Tensor<T, D> go_back(const View& doutput, const Step& step, const Weights& weights, const TensorView<T, D>& dx,
                       Sums& sums) {
    const Shape& frame = doutput.shape();
    const View state = split(step.before).first;
    Tensor<T, D> dstate(frame), dcandidate(frame), dupdate(frame);
    D::blend_backward(doutput.size(), step.update.data(), state.data(), step.candidate.data(), doutput.data(),
                      dupdate.data(), dstate.data(), dcandidate.data());
    D::sigmoid_backward(dupdate.size(), step.update.data(), dupdate.data(), dupdate.data());
    const auto [from_gate, other_from_gate] =
        split(apply_backward(update, weights.update, seen_by_gate(step), dupdate, sums.update));
    if constexpr (Gate == TsruGate::result) {
      D::add(dcandidate.size(), other_from_gate.data(), dcandidate.data());
    } else {
      D::add(dstate.size(), from_gate.data(), dstate.data());
      D::add(dx.size(), other_from_gate.data(), dx.data());
    }
    D::relu_backward(dcandidate.size(), step.candidate.data(), dcandidate.data(), dcandidate.data());
    auto [dmoved, from_candidate] =
        split(apply_backward(candidate, weights.candidate, step.warped, dcandidate, sums.candidate));
    D::add(dx.size(), from_candidate.data(), dx.data());
    if constexpr (Gate == TsruGate::result) D::add(dmoved.size(), from_gate.data(), dmoved.data());
    Tensor<T, D> from_warp(frame), doffsets(step.offsets.shape());
    D::warp_backward(frame[0], frame[1], frame[2], width_, state.data(), step.offsets.data(), dmoved.data(),
                     from_warp.data(), doffsets.data());
    D::add(dstate.size(), from_warp.data(), dstate.data());
    const auto [from_offset, x_from_offset] =
        split(apply_backward(offset, weights.offset, step.before, doffsets, sums.offset));
    D::add(dstate.size(), from_offset.data(), dstate.data());
    D::add(dx.size(), x_from_offset.data(), dx.data());
    return dstate;
  }

  /// The gradient of a convolution's input; adds that of its packed weight to `sum`, if wanted.
  static Tensor<T, D> apply_backward(Conv& conv, const typename Conv::NormalizedWeight& weight, const View& x,
                                     const View& dy, Tensor<T, D>& sum) {
    Tensor<T, D> dpacked(weight.packed.shape());
    Tensor<T, D> dx = conv.layer.apply_backward(weight.packed, x, dy, sum ? &dpacked : nullptr, true, {});
    if (sum) D::add(sum.size(), dpacked.data(), sum.data());
    return dx;
  }

  Index width_;
};

/// The unit whose update gate looks at the state and the input.
template <Scalar T, Device D = Cpu>
using TSRU = TransformationUnit<TsruGate::state, T, D>;

/// The sequential unit, whose update gate looks at the warped state and the candidate.
template <Scalar T, Device D = Cpu>
using TSRUs = TransformationUnit<TsruGate::result, T, D>;

static_assert(RecurrentUnit<TSRU<float>> && RecurrentUnit<TSRUs<float>>);

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
