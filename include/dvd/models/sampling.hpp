// Latents to sample from, truncated or not, and standing statistics.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <vector>

#include "dvd/core/random.hpp"
#include "dvd/layers/embedding.hpp"
#include "dvd/models/config.hpp"
#include "dvd/models/video_gan.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// What to sample.
struct SampleOptions {
  Index label = 0;     ///< of every sample; of a model without classes it must stay 0
  Labels labels = {};  ///< in its place, one for each sample, which are then as many
  Index count = 1;     ///< of samples; with `labels` it may stay 1
  std::uint64_t seed = 0;
  double truncation = 1;  ///< z ~ N(0, truncation^2)
  double threshold = 0;   ///< every |z_i| above it is drawn again (BigGAN); 0 means never
  /// Of every video; 0: as many as the model was trained to make. Those beyond it are normalised by the statistics of
  /// the last one that was trained, and nothing ever judged them: the more they are, the worse they may be.
  Index frames = 0;
  /// The number of the first sample: latents depend on the seed and on their sample's number, so that samples 8 .. 15
  /// are the same with those before them and without.
  Index first = 0;

  /// How many samples there are to be.
  Index samples() const { return labels.empty() ? count : static_cast<Index>(labels.size()); }

  /// Throws ArgumentError for a count below 1, a negative first number or number of frames, truncation or threshold, a
  /// threshold so small that drawing would take forever, and for labels beside another label or another count.
  void validate() const {
    require(labels.empty() || label == 0, "samples have one label, ", label, ", or labels, not both");
    require(labels.empty() || count == 1 || count == samples(), "there are ", samples(), " labels for ", count,
            " samples; give as many, or leave the count out");
    require(samples() >= 1 && samples() <= 1'000'000, "the number of samples must be between 1 and 1000000, not ",
            samples());
    require(first >= 0 && first <= 1'000'000, "the number of the first sample must be between 0 and 1000000, not ",
            first);
    require(frames >= 0 && frames <= 1'000'000, "the number of frames must be between 1 and 1000000, or 0 for the ",
            "model's own, not ", frames);
    require(truncation >= 0 && truncation <= 100, "truncation must be between 0 and 100, not ", truncation);
    require(threshold == 0 || threshold >= 0.01, "threshold must be 0 (off) or at least 0.01, not ", threshold);
  }
};

/// Latents `[samples(), latent_dim]`. Throws ArgumentError for options that make no sense.
template <Scalar T, Device D = Cpu>
Tensor<T, D> draw_latents(Index latent_dim, const SampleOptions& options) {
  options.validate();
  const Random random = Random(options.seed).stream("latents");
  std::vector<T> values(static_cast<std::size_t>(options.samples() * latent_dim));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::uint64_t number = static_cast<std::uint64_t>(options.first * latent_dim) + i;
    double z = random.normal(number);
    for (std::uint64_t attempt = 1; options.threshold > 0 && std::abs(z) > options.threshold; ++attempt)
      z = random.stream(attempt).normal(number);
    values[i] = static_cast<T>(options.truncation * z);
  }
  return Tensor<T, D>(Shape{options.samples(), latent_dim}, values);
}

/// The labels of the samples: none, if the model has no classes. Throws ArgumentError for a label of such a model.
inline Labels labels_for(Index classes, const SampleOptions& options) {
  if (classes > 0 && !options.labels.empty()) return options.labels;
  if (classes > 0) return Labels(static_cast<std::size_t>(options.count), options.label);
  require(options.label == 0 && options.labels.empty(), "this model has no classes, so there is no label ",
          options.labels.empty() ? options.label : options.labels.front());
  return {};
}

/// The same of a generator that is given nothing but latents and labels. Throws ArgumentError for one that is given
/// more.
inline Labels labels_for(const VideoSizes& sizes, const SampleOptions& options) {
  require(!sizes.given_something(),
          "this generator makes videos from frames or vectors that it is given: ", "call sample(options, conditions)");
  return labels_for(sizes.classes, options);
}

/// Replaces the running statistics of a generator's batch norms by standing ones: plain averages of mean and unbiased
/// variance over `batches` batches of `batch` random latents, truncated as the samples will be, and labels, if there
/// are classes. No u moves (BigGAN, section 3.1).
template <class Generator>
void collect_standing_statistics(Generator& generator, Index batches, Index batch, std::uint64_t seed,
                                 double truncation = 1, double threshold = 0) {
  using T = typename Generator::scalar_type;
  using D = typename Generator::device_type;
  require(batches >= 1 && batch >= 1, "standing statistics need at least one batch of one, not ", batches, " of ",
          batch);
  const auto& config = generator.config();
  require(config.condition_frames == 0, "standing statistics of a model that continues videos cannot be collected ",
          "without videos");
  for (Index i = 0; i < batches; ++i) {
    const Random random = Random(seed).stream("standing statistics").stream(static_cast<std::uint64_t>(i));
    const Tensor<T, D> z = draw_latents<T, D>(
        config.latent_dim,
        {.count = batch, .seed = random.stream("latents").bits(0), .truncation = truncation, .threshold = threshold});
    Labels labels;
    for (Index n = 0; config.classes > 0 && n < batch; ++n)
      labels.push_back(random.stream("labels").below(static_cast<std::uint64_t>(n), config.classes));
    generator.forward(z, labels, Pass::standing(static_cast<int>(i)));
  }
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
