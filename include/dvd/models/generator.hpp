// DVD-GAN's generator (section 3.1, figure 4 of the paper).
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <utility>
#include <vector>

#include "dvd/layers/activation.hpp"
#include "dvd/layers/attention.hpp"
#include "dvd/layers/columns.hpp"
#include "dvd/layers/conv_gru.hpp"
#include "dvd/layers/finished_gradients.hpp"
#include "dvd/layers/recording_key.hpp"
#include "dvd/layers/replay.hpp"
#include "dvd/layers/spectral_estimates.hpp"
#include "dvd/models/class_embedding.hpp"
#include "dvd/models/config.hpp"
#include "dvd/models/generator_stage.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Makes videos `[T, N, H, W, C]` in [-1, 1], C = `image_channels`, from latents z `[N, latent_dim]` and class labels:
///
/// 1. c = [z; e(y)], and an affine map of c to an image of base_height() x base_width(), 4x4 or a little more, the
///    input of the first recurrent unit at every frame;
/// 2. stages of a recurrent unit and two residual blocks, each doubling height and width;
/// 3. class-conditional batch norm, ReLU, 3x3 convolution to C channels, tanh.
///
/// A model without classes has c = z, and its labels are empty. An attention, if there is one, takes the features at
/// half the final height and width, before the last stage.
///
/// By running statistics (Pass::evaluate) it makes videos of any length: a number of `frames` stands in the place of
/// config().frames, which 0 means. Fewer frames are the first ones of the whole video. Those beyond it are normalised
/// by the statistics of its last one, there being none of their own: the model was never trained to make them.
template <Scalar T, Device D = Cpu, RecurrentUnit Recurrent = ConvGRU<T, D>,
          VideoAttention Attention = NoAttention<T, D>>
class Generator {
 public:
  using scalar_type = T;
  using device_type = D;
  using View = ConstTensorView<T, D>;
  using Stage = GeneratorStage<T, D, Recurrent>;
  static constexpr bool draws_at_random = detail::draws_at_random<Recurrent> || detail::draws_at_random<Attention>;
  /// One state a stage, from the coarsest: the recurrent units' initial states, or nothing for zeros.
  using States = std::vector<View>;

  /// What it takes to run a stage again.
  struct StageReplay {
    Replay<T, D> replay;
    View x, condition, state;
    Index frames = 0;
    Pass pass = Pass::evaluate();
  };

  struct Cache {
    typename ClassEmbedding<T, D>::Cache embedding;
    typename SpectralNorm<Linear<T, D>>::Cache input;
    std::vector<typename Stage::Cache> stages;  ///< or, if `recompute`, ...
    std::vector<StageReplay> replays;           ///< ... what it takes to fill them
    SpectralEstimates estimates;                ///< of the pass that is run again
    typename Attention::Cache attention;
    typename ClassConditionalBatchNorm<T, D>::Cache norm;
    typename SpectralNorm<Conv2D<T, D>>::Cache conv;
    typename Tanh<T, D>::Cache output;
  };

  /// Gradients of the inputs; a state's is empty where none was given.
  struct InputGradients {
    Tensor<T, D> z;
    std::vector<Tensor<T, D>> states;
  };

  ClassEmbedding<T, D> embedding;
  SpectralNorm<Linear<T, D>> input;
  std::vector<Stage> stages;
  Attention attention;
  ClassConditionalBatchNorm<T, D> norm;
  SpectralNorm<Conv2D<T, D>> conv;

  /// Whether a forward pass for training keeps the inputs of the stages alone, and the backward pass computes each
  /// stage again when it comes to it: the same bits for less memory and one more forward pass.
  bool recompute = false;

  /// Throws ArgumentError if the configuration makes no sense.
  Generator(const DvdGanConfig& config, const Random& random) : Generator(config, config.generator_widths(), random) {}

  const DvdGanConfig& config() const { return config_; }

  /// See settings_of.
  std::vector<double> settings() const {
    std::vector<double> all = settings_of(attention);
    all.push_back(recompute);
    for (const Stage& stage : stages)
      for (const double each : settings_of(stage.gru)) all.push_back(each);
    return all;
  }

  Tensor<T, D> forward(const View& z, const Rows<D>& labels, Pass pass, Cache* cache = nullptr,
                       const States& states = {}, Index frames = 0) {
    check(z, labels);
    const Tensor<T, D> condition =
        embedding ? join_columns(z, embedding.forward(labels, part(cache, &Cache::embedding))) : z.clone();
    return forward_condition(condition, pass, cache, states, frames);
  }

  /// Throws ArgumentError unless there are latents for as many labels, all of which are classes; without classes, for
  /// no labels.
  void check(const View& z, const Rows<D>& labels) const {
    if (embedding) {
      const Index batch = labels.size();
      require((batch > 0 && z.shape() == Shape{batch, config_.latent_dim}), "the generator expects ", batch,
              " latents of ", config_.latent_dim, " for as many labels, at least one, not ", z.shape());
    } else {
      require(z.shape().rank() == 2 && z.size() > 0 && z.extent(1) == config_.latent_dim,
              "the generator expects latents [N, ", config_.latent_dim, "] of at least one video, not ", z.shape());
    }
    embedding.check(labels);
  }

  /// How many frames a pass makes that is asked for `frames`. Throws ArgumentError if there are to be less than one,
  /// and for another number than config().frames in a pass by the batch's statistics.
  Index frames_made(Index frames, Pass pass) const {
    if (frames == 0 || frames == config_.frames) return config_.frames;
    require(frames >= 1 && frames <= 1'000'000, "the number of frames to make must be between 1 and 1000000, not ",
            frames);
    require(!pass.batch_statistics, "in training the generator makes the ", config_.frames,
            " frames of its configuration, not ", frames, "; another number only by running statistics");
    return frames;
  }

  /// The shape of a stage's initial state for `batch` videos.
  Shape state_shape(std::size_t stage, Index batch) const {
    return {batch, config_.base_height() << stage, config_.base_width() << stage, widths_[stage]};
  }

  /// The same from conditions c = [z; e] `[N, condition_dim()]`, whose e need not be the embedding of a class: for
  /// interpolating between classes.
  Tensor<T, D> forward_condition(const View& condition, Pass pass, Cache* cache = nullptr, const States& states = {},
                                 Index frames = 0) {
    frames = frames_made(frames, pass);
    const Index batch = condition.shape().rank() == 2 ? condition.extent(0) : 0;
    require((batch > 0 && condition.shape() == Shape{batch, config_.condition_dim()}),
            "the generator expects conditions [N, ", config_.condition_dim(), "] of at least one video, not ",
            condition.shape());
    require(config_.condition_frames == 0 || !states.empty(),
            "the generator of a model that continues videos needs the states that its conditioning stack gives");
    require(states.empty() || states.size() == stages.size(), "the generator expects a state for each of ",
            stages.size(), " stages, not ", states.size());
    for (std::size_t i = 0; i < states.size(); ++i)
      require(states[i].shape() == state_shape(i, batch), "the generator expects a state of shape ",
              state_shape(i, batch), " for stage ", i, ", not ", states[i].shape());
    const SpectralEstimates estimates(*this, pass);
    pass = estimates.in(pass);
    // The affine map's output is ordered (channel, row, column); images are (row, column, channel).
    const Tensor<T, D> flat = input.forward(condition, pass, part(cache, &Cache::input));
    const Index height = config_.base_height(), width = config_.base_width();
    Tensor<T, D> x(Shape{1, batch, height, width, widths_.front()});
    D::transpose(batch, widths_.front(), height * width, flat.data(), x.data());

    if (cache) cache->stages = std::vector<typename Stage::Cache>(stages.size());
    if (cache) cache->replays.clear();
    if (cache && recompute) cache->estimates = *pass.estimates;
    for (std::size_t i = 0; i < stages.size(); ++i) {
      if (i + 1 == stages.size()) x = attention.forward(std::move(x), pass, part(cache, &Cache::attention));
      const View state = states.empty() ? View() : states[i];
      if (cache && recompute) cache->replays.push_back({Replay<T, D>(stages[i]), x, condition, state, frames, pass});
      x = stages[i].forward(x, condition, frames, state, pass, cache && !recompute ? &cache->stages[i] : nullptr);
    }
    x = conv.forward(norm.scaled(x, condition, pass, part(cache, &Cache::norm), true), pass, part(cache, &Cache::conv));
    return Tanh<T, D>().forward(x, pass, part(cache, &Cache::output));
  }

  /// Lets go of a cache that is moved in, part by part as it is used: activations are most of what training holds.
  InputGradients backward(const View& dvideo, Cache cache, Gradients gradients) {
    require(cache.stages.size() == stages.size(), "the backward pass of a generator got a cache that no forward pass ",
            "has filled");
    const Gradients inner = with_inputs(gradients);
    Tensor<T, D> dx = Tanh<T, D>().backward(dvideo, cache.output, inner);
    cache.output = {};
    dx = conv.backward(dx, std::exchange(cache.conv, {}), inner);
    tell_finished(gradients, conv);
    InputGradients result;
    auto [dnormalized, dcondition] = norm.backward(std::move(dx), std::exchange(cache.norm, {}), inner);
    dx = std::move(dnormalized);
    tell_finished(gradients, norm);
    result.states = std::vector<Tensor<T, D>>(stages.size());
    for (std::size_t i = stages.size(); i-- > 0;) {
      if (!cache.replays.empty()) {
        StageReplay kept = std::exchange(cache.replays[i], {});
        kept.pass.estimates = &cache.estimates;
        kept.replay.again(stages[i], [&] {
          stages[i].forward(kept.x, kept.condition, kept.frames, kept.state, kept.pass, &cache.stages[i]);
        });
      }
      auto [dinput, from_stage, dstate] = stages[i].backward(dx, std::exchange(cache.stages[i], {}), inner);
      tell_finished(gradients, stages[i]);
      D::add(dcondition.size(), from_stage.data(), dcondition.data());
      dx = i + 1 == stages.size() ? attention.backward(std::move(dinput), cache.attention, inner) : std::move(dinput);
      result.states[i] = std::move(dstate);
    }

    const Index batch = dcondition.extent(0), width = widths_.front(), pixels = dx.size() / (batch * width);
    Tensor<T, D> dflat(Shape{batch, pixels * width});
    D::transpose(batch, pixels, width, dx.data(), dflat.data());
    const Tensor<T, D> from_input = input.backward(dflat, cache.input, inner);
    D::add(dcondition.size(), from_input.data(), dcondition.data());

    if (embedding) {
      auto [dz, dembedding] = split_columns(dcondition, config_.latent_dim);
      if (wants_parameters(gradients)) embedding.backward(dembedding, cache.embedding);
      result.z = std::move(dz);
    } else {
      result.z = std::move(dcondition);
    }
    return result;
  }

  template <class F>
  void visit(const std::string& prefix, F& f) {
    embedding.visit(prefix + "embedding.", f);
    input.visit(prefix + "input.", f);
    for (std::size_t i = 0; i < stages.size(); ++i) stages[i].visit(concat(prefix, "stages.", i, "."), f);
    attention.visit(prefix + "attention.", f);
    norm.visit(prefix + "output.norm.", f);
    conv.visit(prefix + "output.conv.", f);
  }

 private:
  Generator(const DvdGanConfig& config, const std::vector<Index>& widths, const Random& random)
      : embedding(config.classes, config.embed_dim, random.stream("embedding")),
        input(random.stream("input u"), config.condition_dim(),
              config.base_height() * config.base_width() * widths.front(), random.stream("input")),
        attention(widths[widths.size() - 2], random.stream("attention")),
        norm(config.frames, widths.back(), config.condition_dim(), random.stream("norm")),
        conv(random.stream("conv u"), widths.back(), config.image_channels, 3, random.stream("conv"), true,
             ConvolutionFusion{.rectify = true}),
        config_(config),
        widths_(widths) {
    for (std::size_t i = 0; i + 1 < widths.size(); ++i)
      stages.push_back({widths[i], widths[i + 1], config, random.stream("stage").stream(i)});
  }

  DvdGanConfig config_;
  std::vector<Index> widths_;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
