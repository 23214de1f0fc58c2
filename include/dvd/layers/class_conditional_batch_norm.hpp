// Batch normalisation whose gain and bias come from a latent vector and a class (de Vries et al. 2017; BigGAN).
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <array>
#include <cmath>
#include <utility>

#include "dvd/layers/convolution.hpp"
#include "dvd/layers/linear.hpp"
#include "dvd/layers/share_moments.hpp"
#include "dvd/layers/spectral_norm.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// y = (1 + G c) * (x - mean) / sqrt(variance + 1e-5) + B c, for videos x `[T, N, H, W, C]` and a condition c `[N, D]`;
/// then, if asked for, ReLU in the same pass over memory. `scaled` leaves both to the convolution that follows.
///
/// Mean and (biased) variance are taken over N, H, W for every frame on its own, never over T: statistics must not
/// carry information from frame to frame (DVD-GAN, section 3.1). Running statistics `[T, C]` start at 0 and 1 and
/// follow with the pass's momentum and the unbiased variance. G and B are spectrally normalised and have no offset.
///
/// By running statistics a video may be of another length: frame t has the statistics of frame t, and those beyond the
/// last one for which there are any have that one's.
template <Scalar T, Device D = Cpu>
class ClassConditionalBatchNorm {
 public:
  using scalar_type = T;
  using device_type = D;
  using View = ConstTensorView<T, D>;
  using Projection = SpectralNorm<Linear<T, D>>;

  using P = FullPrecision<T>;
  using PreciseView = ConstTensorView<P, D>;

  static constexpr P epsilon = P(1e-5);

  struct Cache {
    View x, gain;
    PreciseView mean, variance, scale, shift;
    typename Projection::Cache gain_projection, bias_projection;
    bool rectify = false, batch_statistics = false;
    const BatchExchange* exchange = nullptr;  ///< that of the pass, which must still be there in the backward pass
    BatchPlace place{};
  };

  /// Gradients of both inputs.
  struct InputGradients {
    Tensor<T, D> x, condition;
  };

  Projection gain, bias;
  Buffer<P, D> running_mean, running_var;

  /// Throws ArgumentError for sizes below 1.
  ClassConditionalBatchNorm(Index frames, Index channels, Index condition, const Random& random)
      : gain(random.stream("gain u"), condition, channels, random.stream("gain"), false),
        bias(random.stream("bias u"), condition, channels, random.stream("bias"), false) {
    require(frames > 0, "batch norm needs at least one frame, not ", frames);
    running_mean.value = Tensor<P, D>::zeros(Shape{frames, channels});
    running_var.value = Tensor<P, D>::full(Shape{frames, channels}, 1);
  }

  Tensor<T, D> forward(const View& x, const View& condition, Pass pass, Cache* cache = nullptr, bool rectify = false) {
    const ScaledImages<T, D> images = scaled(x, condition, pass, cache, rectify);
    Tensor<T, D> y(x.shape());
    const Index channels = x.extent(4), rows = x.extent(2) * x.extent(3);
    D::scale_shift(x.extent(0) * x.extent(1), rows, channels, x.data(), images.scale.data(), images.shift.data(),
                   rectify, y.data());
    return y;
  }

  /// The same as an affine map of x that is still to be done. `rectify` tells whether a ReLU will follow: the gradient
  /// that `backward` is then given is that of the ReLU's result.
  ScaledImages<T, D> scaled(const View& x, const View& condition, Pass pass, Cache* cache, bool rectify) {
    check(x, condition, pass);
    const Index frames = x.extent(0), channels = x.extent(4), batch = x.extent(1), rows = x.extent(2) * x.extent(3);

    const auto [gains, biases] = projected(condition, pass, cache);
    Tensor<P, D> scale(Shape{frames * batch, channels}), shift(Shape{frames * batch, channels});
    PreciseView mean, variance;
    if (!pass.batch_statistics) {
      mean = for_frames(frames, running_mean.value);
      variance = for_frames(frames, running_var.value);
      D::batch_norm_coefficients(frames, batch, channels, mean.data(), variance.data(), gains.data(), biases.data(),
                                 epsilon, scale.data(), shift.data());
    } else {
      Tensor<P, D> mean_now(Shape{frames, channels}), variance_now(Shape{frames, channels});
      const RunningStatistics<P> followed = running(pass.momentum, pass.place.of_all(batch * rows));
      if (pass.exchange) {
        D::moments(frames, batch * rows, channels, x.data(), mean_now.data(), variance_now.data());
        detail::share_moments<P, D>(pass, batch * rows, running_mean.value, mean_now, variance_now);
        D::follow_statistics(frames * channels, followed.decay, followed.unbias, mean_now.data(), variance_now.data(),
                             followed.mean, followed.variance);
        D::batch_norm_coefficients(frames, batch, channels, mean_now.data(), variance_now.data(), gains.data(),
                                   biases.data(), epsilon, scale.data(), shift.data());
      } else {
        D::batch_norm_statistics(frames, batch, rows, channels, x.data(), gains.data(), biases.data(), epsilon,
                                 mean_now.data(), variance_now.data(), followed, scale.data(), shift.data());
      }
      mean = mean_now;
      variance = variance_now;
    }
    if (cache) {
      cache->x = x;
      // Running statistics move on; a cache keeps those of its pass.
      cache->mean = pass.batch_statistics ? mean : PreciseView(mean.clone());
      cache->variance = pass.batch_statistics ? variance : PreciseView(variance.clone());
      cache->gain = gains;
      cache->scale = scale;
      cache->shift = shift;
      cache->rectify = rectify;
      cache->batch_statistics = pass.batch_statistics;
      cache->exchange = pass.exchange;
      cache->place = pass.place;
    }
    return {x, scale, shift};
  }

  /// Throws ArgumentError unless x and the condition fit the layer, each other, and the pass: by the batch's statistics
  /// x must have as many frames as the running ones.
  void check(const View& x, const View& condition, Pass pass) const {
    const Index frames = running_mean.value.extent(0), channels = running_mean.value.extent(1);
    require(x.shape().rank() == 5 && x.size() > 0 && x.extent(4) == channels &&
                (x.extent(0) == frames || !pass.batch_statistics),
            "batch norm expects [", frames, ", N, H, W, ", channels, "] with no extent of 0, not ", x.shape());
    gain.layer.check(condition);
    require(condition.extent(0) == x.extent(1), "batch norm got ", x.extent(1), " videos and ", condition.extent(0),
            " conditions");
  }

  /// The gradient of x takes the place of dy: to move dy in saves an array.
  InputGradients backward(Tensor<T, D> dy, const Cache& cache, Gradients gradients) {
    check_filled("batch norm", cache.x);
    check_gradient("batch norm", dy, cache.x.shape());
    const Index frames = dy.extent(0), batch = dy.extent(1), rows = dy.extent(2) * dy.extent(3),
                channels = dy.extent(4);
    Tensor<T, D> dprojected(Shape{2, batch, channels});  // of the gain, of the bias
    T* const dx = wants_inputs(gradients) ? dy.data() : nullptr;
    if (cache.exchange && cache.batch_statistics) {
      Tensor<double, D> sums(Shape{2, frames, channels});
      D::batch_norm_gradient_sums(frames, batch, rows, channels, cache.x.data(), dy.data(), cache.mean.data(),
                                  cache.variance.data(), cache.scale.data(), cache.shift.data(), epsilon, cache.rectify,
                                  dprojected[0].data(), dprojected[1].data(), sums.data());
      if (dx) {
        cache.exchange->sum(sums.size(), sums.data());
        D::batch_norm_gradient(frames, batch, rows, channels, cache.x.data(), dy.data(), cache.mean.data(),
                               cache.variance.data(), cache.scale.data(), cache.shift.data(), epsilon, cache.rectify,
                               cache.place.of_all(batch * rows), sums.data(), dx);
      }
    } else {
      D::batch_norm_backward(frames, batch, rows, channels, cache.x.data(), dy.data(), cache.mean.data(),
                             cache.variance.data(), cache.gain.data(), cache.scale.data(), cache.shift.data(), epsilon,
                             cache.rectify, cache.batch_statistics, dprojected[0].data(), dprojected[1].data(), dx);
    }
    InputGradients result;
    if (wants_inputs(gradients)) result.x = std::move(dy);
    result.condition = projected_backward(dprojected, cache, gradients);
    return result;
  }

  template <class F>
  void visit(const std::string& prefix, F& f) {
    gain.visit(prefix + "gain.", f);
    bias.visit(prefix + "bias.", f);
    f(prefix + "running_mean", running_mean);
    f(prefix + "running_var", running_var);
  }

 private:
  /// Gains and biases [N, C] for a condition.
  std::array<View, 2> projected(const View& condition, Pass pass, Cache* cache) {
    if constexpr (!D::pairs_products) {
      return {gain.forward(condition, pass, part(cache, &Cache::gain_projection)),
              bias.forward(condition, pass, part(cache, &Cache::bias_projection))};
    } else {
      auto gain_weight = gain.normalized_weight(pass), bias_weight = bias.normalized_weight(pass);
      const Index batch = condition.extent(0), inputs = gain.layer.inputs(), channels = gain.layer.outputs();
      Tensor<T, D> both(Shape{2, batch, channels});
      D::linear_pair(batch, inputs, channels, condition.data(), {gain_weight.packed.data(), bias_weight.packed.data()},
                     both.data());
      if (pass.watch) {
        pass.watch->see(&gain.layer.weight, both[0].clone());
        pass.watch->see(&bias.layer.weight, both[1].clone());
      }
      if (cache) {
        cache->gain_projection = {condition, std::move(gain_weight)};
        cache->bias_projection = {condition, std::move(bias_weight)};
      }
      return {both[0], both[1]};
    }
  }

  /// The gradient of the condition, empty unless wanted, from those of gains and biases.
  Tensor<T, D> projected_backward(const View& dprojected, const Cache& cache, Gradients gradients) {
    const auto &of_gain = cache.gain_projection, &of_bias = cache.bias_projection;
    Tensor<T, D> dcondition;
    if constexpr (!D::pairs_products) {
      dcondition = gain.backward(dprojected[0], of_gain, gradients);
      const Tensor<T, D> from_bias = bias.backward(dprojected[1], of_bias, gradients);
      if (wants_inputs(gradients)) D::add(from_bias.size(), from_bias.data(), dcondition.data());
    } else {
      if (wants_parameters(gradients)) {
        const Index batch = of_gain.x.extent(0), inputs = gain.layer.inputs(), channels = gain.layer.outputs();
        Tensor<T, D> dpacked(Shape{2, inputs, channels});
        D::linear_pair_backward_weight(batch, inputs, channels, of_gain.x.data(), dprojected.data(), dpacked.data());
        gain.add_weight_gradient(dpacked[0], of_gain.weight, gradients);
        bias.add_weight_gradient(dpacked[1], of_bias.weight, gradients);
      }
      const Gradients rest = Gradients::inputs;
      if (wants_inputs(gradients))
        dcondition = bias.backward(dprojected[1], of_bias, rest, gain.backward(dprojected[0], of_gain, rest));
    }
    return dcondition;
  }

  /// Running statistics of this many frames: the last one's go on.
  static PreciseView for_frames(Index frames, const Tensor<P, D>& running) {
    const Index known = running.extent(0), channels = running.extent(1);
    if (frames <= known) return running.slice(0, frames);
    Tensor<P, D> longer(Shape{frames, channels});
    longer.slice(0, known).copy_from(running);
    D::broadcast_rows(1, frames - known, channels, running[known - 1].data(), longer[known].data());
    return longer;
  }

  /// As they are to follow the statistics of `count` pixels.
  RunningStatistics<P> running(double momentum, Index count) {
    const double unbias = static_cast<double>(count) / static_cast<double>(std::max<Index>(count - 1, 1));
    return {static_cast<P>(1 - momentum), static_cast<P>(unbias), running_mean.value.data(), running_var.value.data()};
  }
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
