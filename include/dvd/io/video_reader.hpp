// A video read once, frame by frame, from its start to its end.
#pragma once

#include "dvd/core/macros_begin.hpp"

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavutil/frame.h>
}

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/io/entry_points.hpp"
#include "dvd/io/frame_scaler.hpp"
#include "dvd/io/framing.hpp"
#include "dvd/io/libav.hpp"
#include "dvd/io/video_condition.hpp"
#include "dvd/io/video_stream.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Decodes a video file once, from its start to its end: the frames that the ffmpeg program shows, turned and mirrored
/// as the program does by itself. A stretch that cannot be decoded is left out, and remarked upon. For one thread.
class VideoReader {
 public:
  /// Throws FileError as VideoFile does, but for a file without frames, which the first `next` tells.
  explicit VideoReader(const std::filesystem::path& path)
      : path_(path),
        input_(path),
        track_(input_.find_track()),
        decoder_(path, track_),
        points_(*track_.parameters),
        packet_(detail::libav_allocated(av_packet_alloc())) {
    condition_.frames_per_second = track_.frames_per_second;
    condition_.codec = avcodec_get_name(track_.parameters->codec_id);
  }

  /// To the next frame; false behind the last one.
  bool next() {
    bool failed = false;
    for (;;) {
      frame_ = decoder_.receive(failed);
      if (failed) fail_at_packet();
      failed = false;
      if (frame_) break;
      if (ended_) return finish();
      send_packet();
    }
    take_time();
    remark_upon_frame();
    ++condition_.frames;
    return true;
  }

  /// When the current frame is shown: seconds from the first one. A clock that begins anew goes on where it was.
  double seconds() const { return seconds_; }
  /// Pixels of the current frame, as shown.
  std::int64_t width() const { return shown_.transposed ? frame_->height : frame_->width; }
  std::int64_t height() const { return shown_.transposed ? frame_->width : frame_->height; }

  /// The current frame cut and scaled as `framing` says, `[height, width, channels]`, into `target`. Throws FileError
  /// for colours that are not understood, and what `framing.validate()` throws.
  void copy(const Framing& framing, std::uint8_t* target) {
    framing.validate();
    if (!scaler_ || scaled_channels_ != framing.image_channels) {
      scaler_.emplace(framing.image_channels, track_.parameters->codec_id);
      scaled_channels_ = framing.image_channels;
    }
    try {
      scaler_->cut(*frame_, shown_, framing, target);
    } catch (const FileError& error) {
      detail::fail_file(path_, error.what());
    }
  }

  /// What was seen so far; whole once `next` has answered false.
  const VideoCondition& condition() const { return condition_; }

 private:
  double seconds_of(std::int64_t time) const { return static_cast<double>(time) * av_q2d(track_.time_base); }

  void send_packet() {
    if (!input_.read(*packet_)) {
      ended_ = true;
      decoder_.send_end();
      return;
    }
    const auto number = static_cast<std::int64_t>(times_.size());
    times_.push_back(packet_->pts);
    const bool marked = (packet_->flags & AV_PKT_FLAG_KEY) != 0;
    kind_ = points_.inspect(*packet_);
    if (marked && kind_ == detail::PacketKind::plain) ++falsely_marked_;
    if (packet_->dts != AV_NOPTS_VALUE) {
      if (clock_ != AV_NOPTS_VALUE && packet_->dts < clock_) restart_ = number;
      clock_ = packet_->dts;
    }
    if (!decoder_.send(*packet_, number)) fail_at_packet();
  }

  void fail_at_packet() {
    if (times_.empty() || kind_ == detail::PacketKind::header ||
        failed_packet_ == static_cast<std::int64_t>(times_.size()))
      return;
    failed_packet_ = static_cast<std::int64_t>(times_.size());
    ++condition_.undecodable;
    const std::int64_t time = times_.back();
    failures_.add(failed_packet_,
                  time == AV_NOPTS_VALUE || first_time_ == AV_NOPTS_VALUE ? seconds_ : seconds_of(time - first_time_));
  }

  void take_time() {
    const double step = 1 / track_.frames_per_second;
    const bool known = frame_->pts >= 0 && frame_->pts < static_cast<std::int64_t>(times_.size());
    const std::int64_t time = known ? times_[static_cast<std::size_t>(frame_->pts)] : AV_NOPTS_VALUE;
    if (time != AV_NOPTS_VALUE && first_time_ == AV_NOPTS_VALUE) {
      first_time_ = time;
      offset_ = condition_.frames == 0 ? 0 : seconds_ + step;
    }
    const double before = seconds_;
    if (time == AV_NOPTS_VALUE) {
      seconds_ = condition_.frames == 0 ? 0 : before + step;
    } else {
      seconds_ = seconds_of(time - first_time_) + offset_;
      if (condition_.frames > 0 && seconds_ <= before) {
        offset_ += before + step - seconds_;
        seconds_ = before + step;
      }
    }
    if (restart_ >= 0 && frame_->pts >= restart_) {
      restarts_.add(condition_.frames, seconds_);
      restart_ = -1;
    }
    const double away = seconds_ - static_cast<double>(condition_.frames) * step;
    constexpr double tolerance = 0.6;  // frames; a container's clock may be coarse
    if (std::abs(away) > tolerance * step + 0.001) condition_.rate_varies = true;
  }

  void remark_upon_frame() {
    try {
      shown_ = detail::shown_orientation(*frame_, track_);
    } catch (const FileError& error) {
      detail::fail_file(path_, error.what());
    }
    if (condition_.frames == 0) {
      condition_.width = width();
      condition_.height = height();
      detail::check_frame_size(path_, width(), height());
    } else if (width() != last_width_ || height() != last_height_) {
      resizes_.add(condition_.frames, seconds_);
    }
    last_width_ = width();
    last_height_ = height();
    if (frame_->decode_error_flags != 0 || (frame_->flags & AV_FRAME_FLAG_CORRUPT) != 0) {
      ++condition_.damaged;
      damages_.add(condition_.frames, seconds_);
    }
  }

  bool finish() {
    if (finished_) return false;
    finished_ = true;
    if (condition_.frames == 0) detail::fail_file(path_, "none of its frames can be decoded");
    failures_.tell(condition_.remarks, "cannot be decoded");
    damages_.tell(condition_.remarks, "is damaged");
    restarts_.tell(condition_.remarks, "its clock begins anew");
    resizes_.tell(condition_.remarks, "changes its size");
    if (falsely_marked_ > 0)
      condition_.remarks.push_back(concat(falsely_marked_, " frames are marked as key frames and are none"));
    return false;
  }

  std::filesystem::path path_;
  detail::VideoInput input_;
  detail::TrackFormat track_;
  detail::FrameDecoder decoder_;
  detail::EntryPoints points_;
  detail::LibavPacket packet_;
  detail::PacketKind kind_ = detail::PacketKind::plain;  // of the last packet
  const AVFrame* frame_ = nullptr;
  detail::Orientation shown_;
  std::optional<detail::FrameScaler> scaler_;
  std::int64_t scaled_channels_ = 0;
  VideoCondition condition_;
  std::vector<std::int64_t> times_;  // of the packets, in the track's units
  std::int64_t first_time_ = AV_NOPTS_VALUE, clock_ = AV_NOPTS_VALUE;
  std::int64_t restart_ = -1;  // the packet at which the clock began anew, until its frame is there
  double seconds_ = 0, offset_ = 0;
  std::int64_t failed_packet_ = -1, falsely_marked_ = 0, last_width_ = 0, last_height_ = 0;
  bool ended_ = false, finished_ = false;
  detail::Stretches failures_, damages_, restarts_, resizes_;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
