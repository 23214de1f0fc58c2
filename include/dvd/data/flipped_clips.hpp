// Training clips of any source, half of them mirrored.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "dvd/data/clip_source.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

namespace detail {

/// Each row of `width` pixels from its last pixel to its first; channels keep their order.
template <class Number>
void mirror_rows(std::vector<Number>& values, std::int64_t width, std::int64_t channels) {
  const std::int64_t row = width * channels;
  for (auto begin = values.begin(); begin != values.end(); begin += row)
    for (std::int64_t left = 0, right = width - 1; left < right; ++left, --right)
      std::swap_ranges(begin + left * channels, begin + (left + 1) * channels, begin + right * channels);
}

}  // namespace detail

/// Mirrors all frames of a clip: what was left is right. Throws ArgumentError for a clip that does not hold what its
/// sizes promise.
inline void mirror(Clip& clip) {
  detail::check_clip_size(clip.size(), clip.pixels.size(), "bytes");
  detail::mirror_rows(clip.pixels, clip.width, clip.channels);
}
inline void mirror(FloatClip& clip) {
  detail::check_clip_size(clip.size(), clip.values.size(), "values");
  detail::mirror_rows(clip.values, clip.width, clip.channels);
}
/// The label and what the clip is conditioned on stay as they are.
inline void mirror(TrainingClip& training) {
  std::visit([](auto& clip) { mirror(clip); }, training.clip);
}

/// Draws the clips that another source draws, each mirrored with probability 1/2: twice the data, where left and right
/// mean nothing.
///
///     dvd::VideoSet set("ucf-64", {.frames = 16});
///     dvd::FlippedClips clips(set);
///     trainer.step(clips);
///
/// Whether a clip is mirrored depends on its own random numbers alone, and which clip it is does not depend on that:
/// without this, the same clips are drawn. A label stays, so this is not for classes that tell left from right, such as
/// those of MovingShapes, nor for conditions that do.
template <ClipSource Source>
class FlippedClips {
 public:
  /// The source must outlive this.
  explicit FlippedClips(Source& source) : source_(source) {}

  /// Those of the source; 0, and no names, where it has no labels.
  Index classes() const { return classes_of(source_); }
  std::vector<std::string> class_names() const { return class_names_of(source_); }

  TrainingClip draw(const Random& random) const {
    TrainingClip clip = source_.draw(random);
    if (random.stream("flip").uniform(0) < 0.5) mirror(clip);
    return clip;
  }

 private:
  Source& source_;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
