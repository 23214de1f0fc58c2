// Continuing videos for longer than the model was trained to.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/models/generator_networks.hpp"
#include "dvd/models/sampling.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Videos and what they were made from.
template <Scalar T, Device D = Cpu>
struct Continuation {
  Tensor<T, D> frames;                ///< `[steps, N, H, W, C]`: those that were made
  std::vector<Tensor<T, D>> latents;  ///< `[N, latent_dim]`, of every round
};

namespace detail {

/// The rounds of `continue_videos`, of a generator of these sizes: `generate(z, condition, frames)` makes that many
/// frames behind the condition.
template <Scalar T, Device D, class Generate>
Continuation<T, D> continue_in_rounds(const VideoSizes& sizes, const ConstTensorView<T, D>& condition,
                                      const Labels& labels, Index steps, SampleOptions options,
                                      const Generate& generate) {
  options.label = 0, options.labels.clear(), options.count = 1;
  options.validate();
  require(steps >= 1 && steps <= Shape::max_size, "the number of frames to predict must be between 1 and ",
          Shape::max_size, ", not ", steps);
  const Index made = options.frames > 0 ? options.frames : sizes.frames;
  const Index given = sizes.condition_frames, rounds = (steps + made - 1) / made;
  const Shape& shape = condition.shape();
  require(given > 0, "this model makes videos from nothing; it continues none");
  require(shape.rank() == 5 && shape[0] == given && shape[1] > 0, "expected ", given,
          " frames of each of at least one video, not ", shape);
  require(sizes.classes == 0 || shape[1] == static_cast<Index>(labels.size()), "expected ", given,
          " frames of each of ", labels.size(), " videos, not ", shape);
  options.count = shape[1];

  Tensor<T, D> video(Shape{given + rounds * made, shape[1], shape[2], shape[3], shape[4]});
  video.slice(0, given).copy_from(condition);
  Continuation<T, D> result;
  const Random random = Random(options.seed).stream("rounds");
  for (Index round = 0; round < rounds; ++round) {
    if (round > 0) options.seed = random.bits(static_cast<std::uint64_t>(round));
    result.latents.push_back(draw_latents<T, D>(sizes.latent_dim, options));
    const Index begin = round * made;
    video.slice(begin + given, made).copy_from(generate(result.latents.back(), video.slice(begin, given), made));
  }
  result.frames = video.slice(given, steps).clone();
  return result;
}

}  // namespace detail

/// The next `steps` frames of videos that begin with `condition` `[condition_frames, N, H, W, C]`, by running
/// statistics, under a label a video, or none if there are no classes. A model makes `options.frames` frames a round,
/// config().frames where that is 0; for more, the last `condition_frames` frames that there are, its own among them,
/// are continued, with new latents. `options.count`, `.label` and `.labels` do not matter; latents of a round are a
/// function of the seed and of the round.
///
/// Throws ArgumentError for less than one step and for frames and labels that do not fit the model.
template <class GeneratorType>
auto continue_videos(GeneratorNetworks<GeneratorType>& networks, const ViewOf<GeneratorType>& condition,
                     const Labels& labels, Index steps, const SampleOptions& options = {}) {
  using View = ViewOf<GeneratorType>;
  return detail::continue_in_rounds(networks.sizes(), condition, labels, steps, options,
                                    [&](const View& z, const View& given, Index frames) {
                                      return networks.generate(z, labels, given, Pass::evaluate(), nullptr, frames);
                                    });
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
