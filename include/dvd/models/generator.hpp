// DVD-GAN's generator (section 3.1, figure 4 of the paper).
#pragma once

#include <utility>
#include <vector>

#include "dvd/layers/activation.hpp"
#include "dvd/layers/attention.hpp"
#include "dvd/layers/conv_gru.hpp"
#include "dvd/layers/embedding.hpp"
#include "dvd/layers/generator_block.hpp"
#include "dvd/layers/replay.hpp"
#include "dvd/layers/spectral_estimates.hpp"
#include "dvd/models/config.hpp"

namespace dvd {

/// A unit that carries a state from frame to frame. `U(width, random)` constructs one for C = `width` channels;
/// `forward(x, frames, state, pass, cache)` maps x `[T or 1, N, H, W, C]` (one frame standing for T = `frames` equal
/// ones) and an initial state `[N, H, W, C]` (empty: 0), both views, to the states after every frame, `[T, N, H, W,
/// C]`; `backward(dy, cache, gradients)` returns the gradients `.x`, of the shape of x, and `.state`, which does not
/// matter where no state was given. A unit holds its parameters as members, so that a copy has parameters of its own.
/// examples/custom_gan writes a unit.
template <class U>
concept RecurrentUnit = Visitable<U> && std::copy_constructible<U> &&
    std::constructible_from<U, Index, const Random&> && std::default_initializable<typename U::Cache> &&
    requires(U& unit, const ViewOf<U>& x, Index frames, Pass pass, typename U::Cache& cache, Gradients gradients) {
  { unit.forward(x, frames, x, pass, &cache) } -> std::same_as<TensorOf<U>>;
  { unit.backward(x, cache, gradients).x } -> std::convertible_to<TensorOf<U>>;
  { unit.backward(x, cache, gradients).state } -> std::convertible_to<TensorOf<U>>;
};

/// One resolution of the generator: a recurrent unit, a residual block, and a residual block that doubles the
/// resolution.
template <Scalar T, Device D, RecurrentUnit Recurrent>
class GeneratorStage {
 public:
  using scalar_type = T;
  using device_type = D;
  using View = ConstTensorView<T, D>;

  struct Cache {
    typename Recurrent::Cache gru;
    typename GeneratorBlock<T, D>::Cache block0, block1;
    Shape x;
    bool with_state = false;
  };

  /// Gradients of the three inputs.
  struct InputGradients {
    Tensor<T, D> x, condition, state;
  };

  Recurrent gru;
  GeneratorBlock<T, D> block0, block1;

  GeneratorStage(Index inputs, Index outputs, const DvdGanConfig& config, const Random& random)
      : gru(inputs, random.stream("gru")),
        block0(inputs, inputs, config.frames, config.condition_dim(), std::nullopt, random.stream("block 0")),
        block1(inputs, outputs, config.frames, config.condition_dim(), config.upsample, random.stream("block 1")),
        frames_(config.frames),
        width_(inputs) {}

  /// The shape of an initial state for `batch` videos, of which this stage is given `resolution` pixels.
  Shape state_shape(Index batch, Index resolution) const { return {batch, resolution, resolution, width_}; }

  Tensor<T, D> forward(const View& x, const View& condition, const View& state, Pass pass, Cache* cache) {
    Tensor<T, D> h = gru.forward(x, frames_, state, pass, part(cache, &Cache::gru));
    const Shape expected = x.shape().with_first(frames_);
    require(h.shape() == expected, "the recurrent unit gives states of shape ", h.shape(), " instead of ", expected);
    if (cache) {
      cache->x = x.shape();
      cache->with_state = bool{state};
    }
    h = block0.forward(h, condition, pass, part(cache, &Cache::block0));
    return block1.forward(h, condition, pass, part(cache, &Cache::block1));
  }

  /// Lets go of a cache that is moved in, part by part as it is used.
  InputGradients backward(const View& dy, Cache cache, Gradients gradients) {
    auto [dh, dcondition] = block1.backward(dy, cache.block1, gradients);
    cache.block1 = {};
    auto from_block0 = block0.backward(std::exchange(dh, {}), cache.block0, gradients);
    cache.block0 = {};
    D::add(dcondition.size(), from_block0.condition.data(), dcondition.data());
    auto from_unit = gru.backward(from_block0.x, cache.gru, gradients);
    require(from_unit.x.shape() == cache.x, "the recurrent unit gives a gradient of x of shape ", from_unit.x.shape(),
            " instead of ", cache.x);
    require(!cache.with_state || from_unit.state.shape() == cache.x.tail(),
            "the recurrent unit gives a gradient of the initial state of shape ", from_unit.state.shape(),
            " instead of ", cache.x.tail());
    return {std::move(from_unit.x), std::move(dcondition),
            cache.with_state ? Tensor<T, D>(std::move(from_unit.state)) : Tensor<T, D>()};
  }

  template <class F>
  void visit(const std::string& prefix, F& f) {
    gru.visit(prefix + "gru.", f);
    block0.visit(prefix + "blocks.0.", f);
    block1.visit(prefix + "blocks.1.", f);
  }

 private:
  Index frames_, width_;
};

/// Makes videos `[T, N, R, R, 3]` in [-1, 1] from latents z `[N, latent_dim]` and class labels:
///
/// 1. c = [z; e(y)], and an affine map of c to a 4x4 image, the input of the first recurrent unit at every frame;
/// 2. stages of a recurrent unit and two residual blocks, each doubling the resolution;
/// 3. class-conditional batch norm, ReLU, 3x3 convolution to RGB, tanh.
///
/// An attention, if there is one, takes the features at half the final resolution, before the last stage.
template <Scalar T, Device D = Cpu, RecurrentUnit Recurrent = ConvGRU<T, D>,
          VideoAttention Attention = NoAttention<T, D>>
class Generator {
 public:
  using scalar_type = T;
  using device_type = D;
  using View = ConstTensorView<T, D>;
  using Stage = GeneratorStage<T, D, Recurrent>;
  /// One state a stage, from the coarsest: the recurrent units' initial states, or nothing for zeros.
  using States = std::vector<View>;

  /// What it takes to run a stage again.
  struct StageReplay {
    Replay<T, D> replay;
    View x, condition, state;
    Pass pass = Pass::evaluate();
  };

  struct Cache {
    typename Embedding<T, D>::Cache embedding;
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

  Embedding<T, D> embedding;
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

  Tensor<T, D> forward(const View& z, const Rows<D>& labels, Pass pass, Cache* cache = nullptr,
                       const States& states = {}) {
    check(z, labels);
    return forward_condition(join(z, embedding.forward(labels, part(cache, &Cache::embedding))), pass, cache, states);
  }

  /// Throws ArgumentError unless there are latents for as many labels, all of which are classes.
  void check(const View& z, const Rows<D>& labels) const {
    const Index batch = labels.size();
    require((batch > 0 && z.shape() == Shape{batch, config_.latent_dim}), "the generator expects ", batch,
            " latents of ", config_.latent_dim, " for as many labels, at least one, not ", z.shape());
    embedding.check(labels);
  }

  /// The same from conditions c = [z; e] `[N, latent_dim + embed_dim]`, whose e need not be the embedding of a class:
  /// for interpolating between classes.
  Tensor<T, D> forward_condition(const View& condition, Pass pass, Cache* cache = nullptr, const States& states = {}) {
    const Index batch = condition.shape().rank() == 2 ? condition.extent(0) : 0;
    require((batch > 0 && condition.shape() == Shape{batch, config_.condition_dim()}),
            "the generator expects conditions [N, ", config_.condition_dim(), "] of at least one video, not ",
            condition.shape());
    require(config_.condition_frames == 0 || !states.empty(),
            "the generator of a model that continues videos needs the states that its conditioning stack gives");
    require(states.empty() || states.size() == stages.size(), "the generator expects a state for each of ",
            stages.size(), " stages, not ", states.size());
    for (std::size_t i = 0; i < states.size(); ++i)
      require(states[i].shape() == stages[i].state_shape(batch, Index{4} << i),
              "the generator expects a state of shape ", stages[i].state_shape(batch, Index{4} << i), " for stage ", i,
              ", not ", states[i].shape());
    const SpectralEstimates estimates(*this, pass);
    pass = estimates.in(pass);
    // The affine map's output is ordered (channel, row, column); images are (row, column, channel).
    const Tensor<T, D> flat = input.forward(condition, pass, part(cache, &Cache::input));
    Tensor<T, D> x(Shape{1, batch, 4, 4, width_});
    D::transpose(batch, width_, 16, flat.data(), x.data());

    if (cache) cache->stages.resize(stages.size());
    if (cache) cache->replays.clear();
    if (cache && recompute) cache->estimates = *pass.estimates;
    for (std::size_t i = 0; i < stages.size(); ++i) {
      if (i + 1 == stages.size()) x = attention.forward(std::move(x), pass, part(cache, &Cache::attention));
      const View state = states.empty() ? View() : states[i];
      if (cache && recompute) cache->replays.push_back({Replay<T, D>(stages[i]), x, condition, state, pass});
      x = stages[i].forward(x, condition, state, pass, cache && !recompute ? &cache->stages[i] : nullptr);
    }
    x = conv.forward(norm.scaled(x, condition, pass, part(cache, &Cache::norm), true), pass, part(cache, &Cache::conv));
    return Tanh<T, D>().forward(x, pass, part(cache, &Cache::output));
  }

  /// Lets go of a cache that is moved in, part by part as it is used: activations are most of what training holds.
  InputGradients backward(const View& dvideo, Cache cache, Gradients gradients) {
    require(cache.stages.size() == stages.size(), "the backward pass of a generator got a cache that no forward pass ",
            "has filled");
    const Gradients inner = wants_parameters(gradients) ? Gradients::all : Gradients::inputs;
    Tensor<T, D> dx = Tanh<T, D>().backward(dvideo, cache.output, inner);
    cache.output = {};
    dx = conv.backward(dx, std::exchange(cache.conv, {}), inner);
    InputGradients result;
    auto [dnormalized, dcondition] = norm.backward(std::move(dx), std::exchange(cache.norm, {}), inner);
    dx = std::move(dnormalized);
    result.states.resize(stages.size());
    for (std::size_t i = stages.size(); i-- > 0;) {
      if (!cache.replays.empty()) {
        StageReplay kept = std::exchange(cache.replays[i], {});
        kept.pass.estimates = &cache.estimates;
        kept.replay.again(stages[i],
                          [&] { stages[i].forward(kept.x, kept.condition, kept.state, kept.pass, &cache.stages[i]); });
      }
      auto [dinput, from_stage, dstate] = stages[i].backward(dx, std::exchange(cache.stages[i], {}), inner);
      D::add(dcondition.size(), from_stage.data(), dcondition.data());
      dx = i + 1 == stages.size() ? attention.backward(std::move(dinput), cache.attention, inner) : std::move(dinput);
      result.states[i] = std::move(dstate);
    }

    const Index batch = dcondition.extent(0);
    Tensor<T, D> dflat(Shape{batch, 16 * width_});
    D::transpose(batch, 16, width_, dx.data(), dflat.data());
    const Tensor<T, D> from_input = input.backward(dflat, cache.input, inner);
    D::add(dcondition.size(), from_input.data(), dcondition.data());

    auto [dz, dembedding] = split(dcondition);
    if (wants_parameters(gradients)) embedding.backward(dembedding, cache.embedding);
    result.z = std::move(dz);
    return result;
  }

  template <class F>
  void visit(const std::string& prefix, F& f) {
    embedding.visit(prefix + "embedding.", f);
    input.visit(prefix + "input.", f);
    for (std::size_t i = 0; i < stages.size(); ++i) stages[i].visit(prefix + "stages." + std::to_string(i) + ".", f);
    attention.visit(prefix + "attention.", f);
    norm.visit(prefix + "output.norm.", f);
    conv.visit(prefix + "output.conv.", f);
  }

 private:
  Generator(const DvdGanConfig& config, const std::vector<Index>& widths, const Random& random)
      : embedding(config.classes, config.embed_dim, random.stream("embedding")),
        input(random.stream("input u"), config.condition_dim(), 16 * widths.front(), random.stream("input")),
        attention(widths[widths.size() - 2], random.stream("attention")),
        norm(config.frames, widths.back(), config.condition_dim(), random.stream("norm")),
        conv(random.stream("conv u"), widths.back(), Index{3}, 3, random.stream("conv"), true,
             ConvolutionFusion{.rectify = true}),
        config_(config),
        width_(widths.front()) {
    for (std::size_t i = 0; i + 1 < widths.size(); ++i)
      stages.emplace_back(widths[i], widths[i + 1], config, random.stream("stage").stream(i));
  }

  /// c = [z; e]
  Tensor<T, D> join(const View& z, const View& e) const {
    const Index batch = z.extent(0), width = config_.condition_dim();
    Tensor<T, D> c(Shape{batch, width});
    D::copy_rows(1, batch, config_.latent_dim, z.data(), 0, config_.latent_dim, c.data(), 0, width);
    D::copy_rows(1, batch, config_.embed_dim, e.data(), 0, config_.embed_dim, c.data() + config_.latent_dim, 0, width);
    return c;
  }

  std::pair<Tensor<T, D>, Tensor<T, D>> split(const View& c) const {
    const Index batch = c.extent(0), width = config_.condition_dim();
    Tensor<T, D> z(Shape{batch, config_.latent_dim}), e(Shape{batch, config_.embed_dim});
    D::copy_rows(1, batch, config_.latent_dim, c.data(), 0, width, z.data(), 0, config_.latent_dim);
    D::copy_rows(1, batch, config_.embed_dim, c.data() + config_.latent_dim, 0, width, e.data(), 0, config_.embed_dim);
    return {std::move(z), std::move(e)};
  }

  DvdGanConfig config_;
  Index width_;
};

}  // namespace dvd
