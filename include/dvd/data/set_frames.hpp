// The frames of a video as a set holds them: the part that is wanted, at the set's size and rate.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "dvd/data/video_list.hpp"
#include "dvd/data/video_set_index.hpp"
#include "dvd/io/framing.hpp"
#include "dvd/io/picture_files.hpp"
#include "dvd/io/video_condition.hpp"
#include "dvd/io/video_reader.hpp"

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
      : format_(format),
        framing_(framing_of(format)),
        start_(video.start),
        end_(video.end),
        tolerance_(format.frames_per_second > 0 ? std::min(millisecond, 0.25 / format.frames_per_second)
                                                : millisecond) {
    if (video.pictures.empty())
      reader_.emplace(video.path);
    else
      pictures_.emplace(video.pictures);
    pixels_.resize(static_cast<std::size_t>(format.frame_bytes()));
  }

  /// To the next frame; false behind the last one. Throws FileError where the video cannot be read on.
  bool next() { return format_.frames_per_second > 0 ? next_instant() : next_shown(); }

  /// The current frame, [height, width, channels].
  const std::vector<std::uint8_t>& pixels() const { return pixels_; }

  const VideoCondition& condition() const { return reader_ ? reader_->condition() : pictures_->condition(); }

 private:
  bool advance_reader() { return reader_ ? reader_->next() : pictures_->next(); }
  double seconds() const { return reader_ ? reader_->seconds() : pictures_->seconds(); }
  void copy() {
    if (reader_)
      reader_->copy(framing_, pixels_.data());
    else
      pictures_->copy(framing_, pixels_.data());
  }

  bool is_before_end(double time) const { return end_ <= 0 || time < end_ - tolerance_; }

  // Every frame that is first shown in the wanted part.
  bool next_shown() {
    while (advance_reader()) {
      if (seconds() < start_ - tolerance_) continue;
      if (!is_before_end(seconds())) return false;
      copy();
      return true;
    }
    return false;
  }

  // The reader is one frame ahead, because only the next frame tells how long one is shown.
  bool next_instant() {
    const double instant = start_ + static_cast<double>(instants_) / format_.frames_per_second;
    if (!is_before_end(instant)) return false;
    if (instants_ == 0) ahead_ = advance();
    while (ahead_ && seconds() <= instant + tolerance_) {
      copy();
      shown_from_ = seconds();
      any_ = true;
      ahead_ = advance();
    }
    if (!ahead_ && (!any_ || instant >= shown_from_ + last_interval_ - tolerance_)) return false;
    if (!any_) {  // the first frame comes late: it is shown from the beginning
      copy();
      any_ = true;
    }
    ++instants_;
    return true;
  }

  bool advance() {
    const double before = any_ ? shown_from_ : 0;
    const bool more = advance_reader();
    const double rate = condition().frames_per_second;
    if (rate > 0)
      last_interval_ = 1 / rate;
    else if (more && any_)
      last_interval_ = seconds() - before;
    return more;
  }

  static constexpr double millisecond = 1e-3;

  std::optional<VideoReader> reader_;  // one of the two
  std::optional<PictureReader> pictures_;
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
