// What stands against the discriminators: the generator and, in DVD-GAN-FP, the stack that reads what it continues.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <optional>

#include "dvd/layers/grid_cell_regularizer.hpp"
#include "dvd/models/conditioning_stack.hpp"
#include "dvd/models/generator.hpp"
#include "dvd/models/video_gan.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// The networks that the generator's optimizer trains, and whose moving average samples are made from.
template <class GeneratorType>
struct GeneratorNetworks {
  using scalar_type = typename GeneratorType::scalar_type;
  using device_type = typename GeneratorType::device_type;
  using T = scalar_type;
  using D = device_type;
  using View = ConstTensorView<T, D>;
  static constexpr bool draws_at_random = detail::draws_at_random<GeneratorType>;
  using Conditioning = ConditioningStack<T, D>;

  struct Cache {
    typename GeneratorType::Cache generator;
    typename Conditioning::Cache conditioning;
  };

  /// Gradients of the inputs of `generate`.
  struct InputGradients {
    Tensor<T, D> z, condition;
  };

  GeneratorType generator;
  std::optional<Conditioning> conditioning;  ///< where there are conditioning frames
  /// For training with conditioning frames, if wanted: a term of the loss that compares what is made with what really
  /// followed. Not of the paper. It is set before a Trainer is made.
  std::optional<GridCellRegularizer<>> grid_cell = {};

  /// Throws ArgumentError if the configuration makes no sense.
  GeneratorNetworks(const DvdGanConfig& config, const Random& random) : generator(config, random.stream("generator")) {
    if (config.condition_frames > 0) conditioning.emplace(config, random.stream("conditioning"));
  }

  /// The frames made, `[frames, N, H, W, C]` in [-1, 1], from latents z `[N, latent_dim]`, labels (none, if there are
  /// no classes) and, where there is a conditioning stack, the frames to be continued, `[condition_frames, N, H, W,
  /// C]`. Another number of frames than the configuration's, which 0 means, is made by running statistics only; what is
  /// beyond it was never trained (see Generator).
  Tensor<T, D> generate(const View& z, const Rows<D>& labels, const View& condition, Pass pass, Cache* cache = nullptr,
                        Index frames = 0) {
    require(bool{condition} == conditioning.has_value(),
            conditioning ? "this model continues videos: it needs conditioning frames"
                         : "this model makes videos from nothing: it takes no conditioning frames");
    generator.check(z, labels);  // before any u advances
    frames = generator.frames_made(frames, pass);
    if (conditioning) {
      conditioning->check(condition);
      require(condition.extent(1) == z.extent(0), "the generator got ", z.extent(0),
              " latents and conditioning frames of shape ", condition.shape());
    }
    const SpectralEstimates estimates(*this, pass);
    pass = estimates.in(pass);
    typename GeneratorType::States states;
    if (conditioning) {
      states = conditioning->forward(condition, pass, part(cache, &Cache::conditioning));
    }
    return generator.forward(z, labels, pass, part(cache, &Cache::generator), states, frames);
  }

  /// The same as a VideoGenerator. Throws ArgumentError for condition vectors, of which it knows none.
  Tensor<T, D> generate(const View& z, const Conditions<T, D>& conditions, Pass pass, Cache* cache = nullptr,
                        Index frames = 0) {
    require(!conditions.vectors, "a DVD-GAN knows labels and conditioning frames, but no condition vectors");
    return generate(z, conditions.labels, conditions.frames, pass, cache, frames);
  }

  /// See settings_of.
  std::vector<double> settings() const { return settings_of(generator); }

  /// See training/regularizer.hpp.
  const std::optional<GridCellRegularizer<>>& regularizer() const { return grid_cell; }

  VideoSizes sizes() const {
    const DvdGanConfig& config = generator.config();
    return {config.frames,     config.image_height(), config.image_width(),    config.image_channels,
            config.latent_dim, config.classes,        config.condition_frames, 0};
  }

  /// The gradients of the inputs, `condition` being empty unless wanted. Lets go of a cache that is moved in.
  InputGradients backward(const View& dvideo, Cache cache, Gradients gradients) {
    auto from_generator = generator.backward(dvideo, std::move(cache.generator), gradients);
    InputGradients result{std::move(from_generator.z), {}};
    if (conditioning) {
      const typename Conditioning::States states(from_generator.states.begin(), from_generator.states.end());
      result.condition = conditioning->backward(states, cache.conditioning, gradients);
    }
    return result;
  }

  template <class F>
  void visit(const std::string& prefix, F& f) {
    generator.visit(prefix + "generator.", f);
    if (conditioning) conditioning->visit(prefix + "conditioning.", f);
  }
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
