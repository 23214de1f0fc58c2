// Clips to be scored, from a model or from videos that were generated before.
#pragma once

#include <algorithm>
#include <dvd/core/is_finite.hpp>
#include <dvd/io/clip_tensor.hpp>
#include <dvd/layers/embedding.hpp>
#include <memory>
#include <optional>
#include <utility>

#include "clip_maker.hpp"
#include "options.hpp"
#include "videos.hpp"

namespace examples {

/// A batch of clips `[T, N, H, W, C]` and their classes, if there are any.
struct LabelledVideos {
  dvd::Tensor<float> videos;
  dvd::Labels labels;
};

/// The entries of a batch of videos from frame `first` on.
inline dvd::Tensor<float> frames_of(const dvd::ConstTensorView<float>& videos, dvd::Index first, dvd::Index count) {
  return videos.slice(first, count).clone();
}

/// Throws Error where clips hold what is no number, of which rounding to bytes would make something.
inline void check_finite(const dvd::Tensor<float>& clips, const std::string& of) {
  const float* const end = clips.data() + clips.size();
  if (std::find_if_not(clips.data(), end, dvd::is_finite<float>) != end)
    throw dvd::Error(dvd::concat(of, ": a clip holds a value that is not finite, and cannot be scored"));
}

/// What `--fake` names.
class GeneratedClips {
 public:
  std::unique_ptr<ClipMaker> maker;  ///< either this
  std::unique_ptr<Videos> videos;    ///< or this

  /// Frames of a clip that there can be, at most.
  dvd::Index most_frames() const {
    if (!maker) return videos->frames(0);
    return maker->config.condition_frames + maker->config.frames;
  }
  bool continues() const { return maker && maker->config.condition_frames > 0; }
  dvd::Index height() const { return maker ? maker->config.image_height() : videos->height; }
  dvd::Index width() const { return maker ? maker->config.image_width() : videos->width; }
  dvd::Index channels() const { return maker ? maker->config.image_channels : videos->channels; }
  const std::vector<std::string>& class_names() const { return maker ? maker->class_names : videos->class_names; }
  const std::string& description() const { return maker ? maker->description : videos->description; }
  const std::string& identity() const { return maker ? maker->identity : videos->identity; }

  /// Fixes the order in which videos are taken, spread over their classes.
  void set_order(const dvd::Random& random) {
    if (videos) order_ = dvd::detail::stratified_order(*videos, random);
  }

  /// Clips number first, ... of a repeat, as the protocol wants them. `truth` are the real clips of these numbers,
  /// which a model that continues videos is given the first frames of.
  LabelledVideos make(const dvd::Protocol& protocol, dvd::Index repeat, dvd::Index first, dvd::Index count,
                      const LabelledVideos& truth) const {
    LabelledVideos made = maker ? from_model(repeat, first, count, truth) : from_videos(protocol, repeat, first, count);
    const dvd::Index given = protocol.with_given_frames || !continues() ? 0 : maker->config.condition_frames;
    made.videos = frames_of(made.videos, given, protocol.frames);
    check_finite(made.videos, description());
    if (protocol.bytes) made.videos = dvd::to_tensor<float>(dvd::to_clips(made.videos));
    return made;
  }

 private:
  LabelledVideos from_model(dvd::Index repeat, dvd::Index first, dvd::Index count, const LabelledVideos& truth) const {
    LabelledVideos made;
    const dvd::DvdGanConfig& config = maker->config;
    for (dvd::Index i = 0; config.classes > 0 && i < count; ++i)
      made.labels.push_back(continues() ? truth.labels[static_cast<std::size_t>(i)] : (first + i) % config.classes);
    if (!continues()) {
      made.videos = maker->make(repeat, first, count, made.labels, {});
      return made;
    }
    const auto given = truth.videos.slice(0, config.condition_frames);
    const dvd::Tensor<float> frames = maker->make(repeat, first, count, made.labels, given);
    const dvd::Shape& shape = frames.shape();
    made.videos = dvd::Tensor<float>(dvd::Shape{given.extent(0) + shape[0], count, shape[2], shape[3], shape[4]});
    made.videos.slice(0, given.extent(0)).copy_from(given);
    made.videos.slice(given.extent(0), shape[0]).copy_from(frames);
    return made;
  }

  /// From their beginnings: what a generated video shows first is part of what was generated.
  LabelledVideos from_videos(const dvd::Protocol& protocol, dvd::Index repeat, dvd::Index first,
                             dvd::Index count) const {
    LabelledVideos made;
    std::vector<dvd::ChosenClip> chosen;
    for (dvd::Index i = 0; i < count; ++i) {
      const dvd::Index video = order_[static_cast<std::size_t>((repeat * protocol.fake_clips + first + i) %
                                                               static_cast<dvd::Index>(order_.size()))];
      chosen.push_back({video, 0});
      if (videos->classes() > 0) made.labels.push_back(videos->label(video));
    }
    made.videos = videos->clips(chosen, protocol.frames, 1);
    return made;
  }

  std::vector<dvd::Index> order_;
};

}  // namespace examples
