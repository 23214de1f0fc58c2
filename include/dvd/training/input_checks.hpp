// Whether what an update is made from fits the model: asked before anything changes.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <vector>

#include "dvd/models/config.hpp"
#include "dvd/training/inputs.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

namespace detail {

/// Throws ArgumentError unless `labels` are those of `videos` videos, all of them classes of the model.
inline void check_labels(const DvdGanConfig& config, const Labels& labels, Index videos, const char* whose) {
  require(static_cast<Index>(labels.size()) == videos, "an update got ", videos, " ", whose, " videos and ",
          labels.size(), " labels");
  for (const Index label : labels)
    require(label >= 0 && label < config.classes, "label ", label, " is not a class of the model, which has ",
            config.classes, config.classes == 1 ? " (set .classes)" : "");
}

/// Throws ArgumentError unless `frames` are `count` of the frames that the model makes, of each of `videos` videos.
inline void check_frames(const DvdGanConfig& config, const FrameIndices& frames, Index videos, Index count,
                         const char* whose) {
  const Index size = static_cast<Index>(frames.values.size());  // compared by dividing, as no product can overflow then
  require(
      frames.videos == videos && frames.count == count && count >= 1 && size % videos == 0 && size / videos == count,
      "an update expects ", count, " frames (at least one) of each of ", videos, " ", whose, " videos, not ",
      frames.values.size(), " indices, ", frames.count, " of each of ", frames.videos);
  for (const Index frame : frames.values)
    require(frame >= 0 && frame < config.frames, "frame index ", frame, " is outside 0 .. ", config.frames - 1);
}

/// Throws ArgumentError unless z holds at least one latent. Returns how many.
template <AnyTensor X>
Index check_latents(const DvdGanConfig& config, const X& z) {
  const Shape& shape = z.shape();
  require(shape.rank() == 2 && shape[0] >= 1 && shape[1] == config.latent_dim, "an update expects latents [N, ",
          config.latent_dim, "], at least one, not ", shape);
  return shape[0];
}

/// Throws ArgumentError unless these are `frames` frames of at least one video. Returns of how many.
template <AnyTensor X>
Index check_videos(const DvdGanConfig& config, const X& videos, Index frames, const char* whose) {
  const Shape& shape = videos.shape();
  require(
      shape.rank() == 5 && shape[1] >= 1 && shape == Shape{frames, shape[1], config.resolution, config.resolution, 3},
      "an update expects ", whose, " videos [", frames, ", N, ", config.resolution, ", ", config.resolution,
      ", 3], at least one, not ", shape);
  return shape[1];
}

}  // namespace detail

/// Throws ArgumentError, naming what is wrong, unless an update of the discriminators can be made from these.
template <Scalar T, Device D>
void check_inputs(const DvdGanConfig& config, const DiscriminatorInputs<T, D>& inputs) {
  const Index real = detail::check_videos(config, inputs.real, config.video_frames(), "real");
  const Index fake = detail::check_latents(config, inputs.z);
  require(config.condition_frames == 0 || real == fake, "an update continues each real video once, so it expects ",
          real, " latents, not ", fake);
  detail::check_labels(config, inputs.real_labels, real, "real");
  detail::check_labels(config, inputs.labels, fake, "generated");
  detail::check_frames(config, inputs.real_frames, real, inputs.real_frames.count, "real");
  detail::check_frames(config, inputs.frames, fake, inputs.real_frames.count, "generated");
}

/// Throws ArgumentError, naming what is wrong, unless an update of the generator can be made from these.
template <Scalar T, Device D>
void check_inputs(const DvdGanConfig& config, const GeneratorInputs<T, D>& inputs) {
  const Index fake = detail::check_latents(config, inputs.z);
  detail::check_labels(config, inputs.labels, fake, "generated");
  detail::check_frames(config, inputs.frames, fake, inputs.frames.count, "generated");
  if (config.condition_frames == 0) {
    require(!inputs.condition, "this model makes videos from nothing: an update takes no conditioning frames");
    return;
  }
  const Index given = detail::check_videos(config, inputs.condition, config.condition_frames, "conditioning");
  require(given == fake, "an update got conditioning frames of ", given, " videos and ", fake, " latents");
}

/// The same for a batch in parts, at least one.
template <class Inputs>
void check_inputs(const DvdGanConfig& config, const std::vector<Inputs>& parts) {
  require(!parts.empty(), "an update needs at least one part of a batch");
  for (const Inputs& part : parts) check_inputs(config, part);
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
