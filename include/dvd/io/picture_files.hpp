// A video that is a folder of pictures.
#pragma once

#include "dvd/core/macros_begin.hpp"

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavutil/frame.h>
}

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/core/is_finite.hpp"
#include "dvd/io/clip.hpp"
#include "dvd/io/frame_scaler.hpp"
#include "dvd/io/framing.hpp"
#include "dvd/io/libav.hpp"
#include "dvd/io/video_condition.hpp"
#include "dvd/io/video_info.hpp"
#include "dvd/io/video_stream.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

namespace detail {

/// A picture out of a file of its own, with what its colours and its orientation are told by.
struct DecodedPicture {
  LibavFrame frame;
  Orientation shown;
  AVCodecID codec = AV_CODEC_ID_NONE;

  std::int64_t width() const { return shown.transposed ? frame->height : frame->width; }
  std::int64_t height() const { return shown.transposed ? frame->width : frame->height; }
};

/// Throws FileError ("PATH: what is wrong") where it cannot be decoded.
inline DecodedPicture decode_picture(const std::filesystem::path& path) {
  VideoInput input(path);
  const TrackFormat track = input.find_track();
  FrameDecoder decoder(path, track);
  const LibavPacket packet(libav_allocated(av_packet_alloc()));
  bool failed = false;
  for (std::int64_t number = 0;; ++number) {
    const bool more = input.read(*packet);
    if (more)
      failed = !decoder.send(*packet, number) || failed;
    else
      decoder.send_end();
    if (const AVFrame* const frame = decoder.receive(failed)) {
      DecodedPicture picture;
      picture.frame.reset(libav_allocated(av_frame_clone(frame)));
      picture.codec = track.parameters->codec_id;
      try {
        picture.shown = shown_orientation(*frame, track);
      } catch (const FileError& error) {
        fail_file(path, error.what());
      }
      check_frame_size(path, picture.width(), picture.height());
      return picture;
    }
    if (!more) fail_file(path, "cannot be decoded");
  }
}

inline void check_pictures(const std::vector<std::filesystem::path>& pictures, double frames_per_second) {
  require(!pictures.empty(), "a video of pictures needs at least one");
  require(is_finite(frames_per_second) && frames_per_second > 0, "a video of pictures cannot have ", frames_per_second,
          " frames a second");
}

}  // namespace detail

/// A video whose frames are pictures, each a file of its own, in a format that FFmpeg reads. No file stays open, and
/// several threads may read from one object at once.
class PictureFiles {
 public:
  /// Decodes the first picture that can be. Throws FileError where none can, and ArgumentError where there are no
  /// pictures or the rate is not above 0.
  explicit PictureFiles(std::vector<std::filesystem::path> pictures, double frames_per_second = 25)
      : pictures_(std::move(pictures)) {
    detail::check_pictures(pictures_, frames_per_second);
    info_.frames = static_cast<std::int64_t>(pictures_.size());
    info_.frames_per_second = frames_per_second;
    std::string why;
    for (const std::filesystem::path& path : pictures_) try {
        const detail::DecodedPicture picture = detail::decode_picture(path);
        info_.width = picture.width();
        info_.height = picture.height();
        return;
      } catch (const FileError& error) {
        if (why.empty()) why = error.what();
      }
    throw FileError(why);
  }

  const std::vector<std::filesystem::path>& pictures() const { return pictures_; }
  const VideoInfo& info() const { return info_; }

  /// As VideoFile's: pictures first, first + stride, ... cut and scaled as `framing` says. One that cannot be decoded
  /// repeats the one before it; throws FileError where this concerns more than half of them, or the first.
  Clip read(std::int64_t first, std::int64_t frames, std::int64_t stride, const Framing& framing) const {
    framing.validate();
    require(first >= 0 && frames >= 1 && stride >= 1, "PictureFiles: cannot read ", frames, " frames at stride ",
            stride, " from frame ", first, " on");
    if (first >= info_.frames || frames - 1 > (info_.frames - 1 - first) / stride)
      throw FileError(concat(pictures_.front().parent_path().string(), ": has ", info_.frames,
                             " pictures, too few for ", frames, " at stride ", stride, " from number ", first, " on"));
    Clip clip(frames, framing.image_height(), framing.image_width(), framing.image_channels);
    std::optional<detail::FrameScaler> scaler;
    AVCodecID codec = AV_CODEC_ID_NONE;
    std::optional<detail::DecodedPicture> last;
    std::int64_t repeated = 0;
    for (std::int64_t t = 0; t < frames; ++t) {
      const std::filesystem::path& path = pictures_[static_cast<std::size_t>(first + t * stride)];
      try {
        last = detail::decode_picture(path);
      } catch (const FileError&) {
        if (!last || ++repeated * 2 > frames) throw;
      }
      if (!scaler || codec != last->codec) {
        codec = last->codec;
        scaler.emplace(framing.image_channels, codec);
      }
      try {
        scaler->cut(*last->frame, last->shown, framing, clip.frame(t));
      } catch (const FileError& error) {
        detail::fail_file(path, error.what());
      }
    }
    return clip;
  }

 private:
  std::vector<std::filesystem::path> pictures_;
  VideoInfo info_;
};

/// The same pictures read once, one by one, as VideoReader does it with a file. Those that cannot be decoded are left
/// out. For one thread.
class PictureReader {
 public:
  /// Throws ArgumentError where there are no pictures or the rate is not above 0.
  explicit PictureReader(std::vector<std::filesystem::path> pictures, double frames_per_second = 25)
      : pictures_(std::move(pictures)) {
    detail::check_pictures(pictures_, frames_per_second);
    condition_.frames_per_second = frames_per_second;
  }

  /// To the next picture; false behind the last one. Throws FileError behind the last one where none can be decoded.
  bool next() {
    for (; next_ < pictures_.size(); ++next_) try {
        picture_ = detail::decode_picture(pictures_[next_]);
        take_picture();
        return true;
      } catch (const FileError& error) {
        if (why_.empty()) why_ = error.what();
        ++condition_.undecodable;
        failures_.add(static_cast<std::int64_t>(next_), seconds_at(next_));
      }
    if (condition_.frames == 0) throw FileError(why_);
    if (!finished_) {
      finished_ = true;
      failures_.tell(condition_.remarks, "cannot be decoded");
      resizes_.tell(condition_.remarks, "changes its size");
    }
    return false;
  }

  /// When the current picture is shown: seconds from the first one, at an even rate.
  double seconds() const { return seconds_; }
  std::int64_t width() const { return picture_.width(); }    ///< pixels of the current picture, as shown
  std::int64_t height() const { return picture_.height(); }  ///< pixels

  /// The current picture cut and scaled as `framing` says, `[height, width, channels]`, into `target`. Throws FileError
  /// for colours that are not understood, and what `framing.validate()` throws.
  void copy(const Framing& framing, std::uint8_t* target) {
    framing.validate();
    detail::FrameScaler scaler(framing.image_channels, picture_.codec);
    try {
      scaler.cut(*picture_.frame, picture_.shown, framing, target);
    } catch (const FileError& error) {
      detail::fail_file(pictures_[next_ - 1], error.what());
    }
  }

  /// What was seen so far; whole once `next` has answered false.
  const VideoCondition& condition() const { return condition_; }

 private:
  double seconds_at(std::size_t number) const { return static_cast<double>(number) / condition_.frames_per_second; }

  void take_picture() {
    seconds_ = seconds_at(next_);
    if (condition_.frames == 0) {
      condition_.width = width();
      condition_.height = height();
      condition_.codec = avcodec_get_name(picture_.codec);
    } else if (width() != last_width_ || height() != last_height_) {
      resizes_.add(condition_.frames, seconds_);
    }
    last_width_ = width();
    last_height_ = height();
    ++condition_.frames;
    ++next_;
  }

  std::vector<std::filesystem::path> pictures_;
  detail::DecodedPicture picture_;
  VideoCondition condition_;
  std::size_t next_ = 0;
  double seconds_ = 0;
  std::int64_t last_width_ = 0, last_height_ = 0;
  std::string why_;
  bool finished_ = false;
  detail::Stretches failures_, resizes_;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
