// Whether what an update is made from fits the GAN: asked before anything changes.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <vector>

#include "dvd/training/expected_inputs.hpp"
#include "dvd/training/inputs.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

namespace detail {

/// Throws ArgumentError unless `labels` are those of `videos` videos, all of them classes of the model.
inline void check_labels(const VideoSizes& sizes, const Labels& labels, Index videos, const char* whose) {
  if (sizes.classes == 0) {
    require(labels.empty(), "a model without classes takes no labels, but an update got ", labels.size(), " of ", whose,
            " videos");
    return;
  }
  require(static_cast<Index>(labels.size()) == videos, "an update got ", videos, " ", whose, " videos and ",
          labels.size(), " labels");
  for (const Index label : labels)
    require(label >= 0 && label < sizes.classes, "label ", label, " is not a class of the model, which has ",
            sizes.classes, sizes.classes == 1 ? " (set .classes)" : "");
}

/// Throws ArgumentError unless `frames` are, for every discriminator that samples frames, as many as `like` of the
/// frames that the model makes, of each of `videos` videos.
inline void check_frames(const ExpectedInputs& expected, const SampledFrames& frames, Index videos,
                         const SampledFrames& like, const char* whose) {
  require(frames.size() == expected.samplers, "an update expects the frames of ", expected.samplers,
          " discriminators that sample ", whose, " videos, not of ", frames.size());
  for (std::size_t i = 0; i < frames.size(); ++i) {
    const FrameIndices& each = frames[i];
    const Index count = like[i].count, size = static_cast<Index>(each.values.size());
    require(  // compared by dividing, as no product can overflow then
        each.videos == videos && each.count == count && count >= 1 && size % videos == 0 && size / videos == count,
        "an update expects ", count, " frames (at least one) of each of ", videos, " ", whose, " videos, not ", size,
        " indices, ", each.count, " of each of ", each.videos);
    for (const Index frame : each.values)
      require(frame >= 0 && frame < expected.sizes.frames, "frame index ", frame, " is outside 0 .. ",
              expected.sizes.frames - 1);
  }
}

/// Throws ArgumentError unless z holds at least one latent. Returns how many.
template <AnyTensor X>
Index check_latents(const VideoSizes& sizes, const X& z) {
  const Shape& shape = z.shape();
  require(shape.rank() == 2 && shape[0] >= 1 && shape[1] == sizes.latent_dim, "an update expects latents [N, ",
          sizes.latent_dim, "], at least one, not ", shape);
  return shape[0];
}

/// Throws ArgumentError unless these are `frames` frames of at least one video. Returns of how many.
template <AnyTensor X>
Index check_videos(const VideoSizes& sizes, const X& videos, Index frames, const char* whose) {
  const Shape& shape = videos.shape();
  require(
      shape.rank() == 5 && shape[1] >= 1 && shape == Shape{frames, shape[1], sizes.height, sizes.width, sizes.channels},
      "an update expects ", whose, " videos [", frames, ", N, ", sizes.height, ", ", sizes.width, ", ", sizes.channels,
      "], at least one, not ", shape);
  return shape[1];
}

/// Throws ArgumentError unless these are the vectors of `videos` videos.
template <AnyTensor X>
void check_vectors(const VideoSizes& sizes, const X& vectors, Index videos, const char* whose) {
  if (sizes.condition_dim == 0)
    require(!vectors, "this model takes no condition vectors, but an update got some of ", whose, " videos");
  else
    require((vectors.shape() == Shape{videos, sizes.condition_dim}), "an update expects condition vectors [", videos,
            ", ", sizes.condition_dim, "] of ", whose, " videos, not ", vectors.shape());
}

}  // namespace detail

/// Throws ArgumentError, naming what is wrong, unless an update of the discriminators can be made from these.
template <Scalar T, Device D>
void check_inputs(const ExpectedInputs& expected, const DiscriminatorInputs<T, D>& inputs) {
  const VideoSizes& sizes = expected.sizes;
  const Index real = detail::check_videos(sizes, inputs.real, sizes.video_frames(), "real");
  const Index fake = detail::check_latents(sizes, inputs.z);
  require(sizes.condition_frames == 0 || real == fake, "an update continues each real video once, so it expects ", real,
          " latents, not ", fake);
  detail::check_labels(sizes, inputs.real_labels, real, "real");
  detail::check_labels(sizes, inputs.labels, fake, "generated");
  detail::check_vectors(sizes, inputs.real_vectors, real, "real");
  detail::check_vectors(sizes, inputs.vectors, fake, "generated");
  detail::check_frames(expected, inputs.real_frames, real, inputs.real_frames, "real");
  detail::check_frames(expected, inputs.frames, fake, inputs.real_frames, "generated");
  const Index mismatched = static_cast<Index>(inputs.other_classes.size());
  require(mismatched <= std::min(real, fake), "an update got other classes of ", mismatched, " real videos, of which ",
          "there are ", real, ", to stand in the place of ", fake, " generated ones");
  for (std::size_t i = 0; i < inputs.other_classes.size(); ++i) {
    const Index other = inputs.other_classes[i];
    require(other >= 0 && other < sizes.classes && other != inputs.real_labels[i], "class ", other, " is not another ",
            "than that of real video ", i, " among the ", sizes.classes, " of the model");
  }
}

/// Throws ArgumentError, naming what is wrong, unless an update of the generator can be made from these.
template <Scalar T, Device D>
void check_inputs(const ExpectedInputs& expected, const GeneratorInputs<T, D>& inputs) {
  const VideoSizes& sizes = expected.sizes;
  const Index fake = detail::check_latents(sizes, inputs.z);
  detail::check_labels(sizes, inputs.labels, fake, "generated");
  detail::check_vectors(sizes, inputs.vectors, fake, "generated");
  detail::check_frames(expected, inputs.frames, fake, inputs.frames, "generated");
  if (sizes.condition_frames == 0) {
    require(!inputs.condition, "this model makes videos from nothing: an update takes no conditioning frames");
  } else {
    const Index given = detail::check_videos(sizes, inputs.condition, sizes.condition_frames, "conditioning");
    require(given == fake, "an update got conditioning frames of ", given, " videos and ", fake, " latents");
  }
  if (expected.samples == 0) {
    require(!inputs.truth, "an update takes the true videos only for a generator with a regularizer");
  } else {
    const Index truth = detail::check_videos(sizes, inputs.truth, sizes.frames, "true");
    require(fake == truth * expected.samples, "the generator's regularizer expects ", expected.samples,
            " generated videos for each true one, not ", fake, " for ", truth);
  }
  if (!expected.real_videos_for_generator) {
    require(!inputs.real && inputs.real_labels.empty() && inputs.real_frames.empty() && !inputs.real_vectors,
            "an update of the generator takes real videos only for a loss that sees their scores, too");
    return;
  }
  const Index real = detail::check_videos(sizes, inputs.real, sizes.video_frames(), "real");
  detail::check_labels(sizes, inputs.real_labels, real, "real");
  detail::check_vectors(sizes, inputs.real_vectors, real, "real");
  detail::check_frames(expected, inputs.real_frames, real, inputs.frames, "real");
}

namespace detail {

/// Throws ArgumentError unless a part of an update says which of the videos of all ranks it has, or that it has all.
template <class Inputs>
void check_place(const ExpectedInputs& expected, const Inputs& inputs) {
  const BatchPlace& place = inputs.place;
  const Index real = inputs.real ? inputs.real.extent(1) : 0, fake = inputs.z.extent(0);
  if (expected.shards == 0)
    require(place.count == 0 || place.count == place.total, "a part of an update has ", place.count, " of ",
            place.total, " videos, but this trainer has no other ranks to share them with");
  else
    require(place.count >= 1 && fake % place.count == 0 && real % place.count == 0 && place.first >= 0 &&
                place.first + place.count <= place.total,
            "on ranks that share a batch, `place` tells which of its videos a part of an update has: ", fake,
            " generated and ", real, " real ones are not videos ", place.first, " to ", place.first + place.count - 1,
            " of ", place.total);
}

}  // namespace detail

/// The same for a batch in parts, at least one, each in as many shards as this rank has.
template <class Inputs>
void check_inputs(const ExpectedInputs& expected, const std::vector<Inputs>& parts) {
  require(!parts.empty(), "an update needs at least one part of a batch");
  require(expected.shards == 0 || static_cast<Index>(parts.size()) % expected.shards == 0,
          "an update takes the parts of a batch in ", expected.shards, " shards each, not ", parts.size(), " in all");
  for (const Inputs& part : parts) {
    check_inputs(expected, part);
    detail::check_place(expected, part);
  }
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
