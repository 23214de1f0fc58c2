// The frames of a video as a set holds them: the part that is wanted, at the set's size and rate.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "dvd/data/stand_in_sources.hpp"
#include "dvd/data/video_set_index.hpp"
#include "dvd/io/framing.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::detail {

inline Framing framing_of(const VideoSetFormat& format) {
  return {.resolution = format.height,
          .position = format.position,
          .height = format.height,
          .width = format.width,
          .image_channels = format.channels};
}

/// Decodes a video once and holds one frame of the set at a time.
///
/// With a rate F, the set's frame k is the one that is shown at k / F seconds after the start: the last one whose time
/// is not after that instant. The last frame of the video is shown as long as its rate says. Times are compared to a
/// millisecond, which is what many formats round them to.
class SetFrames {
 public:
  /// Throws FileError where the video cannot be opened.
  SetFrames(const ListedVideo& video, const VideoSetFormat& format)
      : reader_(open(video)),
        format_(format),
        framing_(framing_of(format)),
        start_(video.start),
        end_(video.end),
        tolerance_(format.frames_per_second > 0 ? std::min(millisecond, 0.25 / format.frames_per_second)
                                                : millisecond) {
    pixels_.resize(static_cast<std::size_t>(format.frame_bytes()));
  }

  /// To the next frame; false behind the last one. Throws FileError where the video cannot be read on.
  bool next() { return format_.frames_per_second > 0 ? next_instant() : next_shown(); }

  /// The current frame, [height, width, channels].
  const std::vector<std::uint8_t>& pixels() const { return pixels_; }

  const VideoCondition& condition() const { return reader_.condition(); }

 private:
  static VideoReader open(const ListedVideo& video) {
    if (video.pictures.empty()) return VideoReader(video.path);
    return VideoReader(video.pictures);
  }

  bool is_before_end(double seconds) const { return end_ <= 0 || seconds < end_ - tolerance_; }

  // Every frame that is first shown in the wanted part.
  bool next_shown() {
    while (reader_.next()) {
      if (reader_.seconds() < start_ - tolerance_) continue;
      if (!is_before_end(reader_.seconds())) return false;
      reader_.copy(framing_, pixels_.data());
      return true;
    }
    return false;
  }

  // The reader is one frame ahead, because only the next frame tells how long one is shown.
  bool next_instant() {
    const double instant = start_ + static_cast<double>(instants_) / format_.frames_per_second;
    if (!is_before_end(instant)) return false;
    if (instants_ == 0) ahead_ = advance();
    while (ahead_ && reader_.seconds() <= instant + tolerance_) {
      reader_.copy(framing_, pixels_.data());
      shown_from_ = reader_.seconds();
      any_ = true;
      ahead_ = advance();
    }
    if (!ahead_ && (!any_ || instant >= shown_from_ + last_interval_ - tolerance_)) return false;
    if (!any_) {  // the first frame comes late: it is shown from the beginning
      reader_.copy(framing_, pixels_.data());
      any_ = true;
    }
    ++instants_;
    return true;
  }

  bool advance() {
    const double before = any_ ? shown_from_ : 0;
    const bool more = reader_.next();
    const double rate = reader_.condition().frames_per_second;
    if (rate > 0)
      last_interval_ = 1 / rate;
    else if (more && any_)
      last_interval_ = reader_.seconds() - before;
    return more;
  }

  static constexpr double millisecond = 1e-3;

  VideoReader reader_;
  VideoSetFormat format_;
  Framing framing_;
  double start_, end_;
  double tolerance_;  // seconds
  std::vector<std::uint8_t> pixels_;
  std::int64_t instants_ = 0;  // that have been given
  bool ahead_ = false;         // the reader holds the frame after the one in `pixels_`
  bool any_ = false;           // `pixels_` holds one
  double shown_from_ = 0;      // when that one is first shown
  double last_interval_ = 0;
};

}  // namespace dvd::detail

#include "dvd/core/macros_end.hpp"
