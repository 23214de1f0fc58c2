// Reading frames out of video files of any container and codec that FFmpeg's libav* libraries know.
#pragma once

#include "dvd/core/macros_begin.hpp"

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavutil/frame.h>
}

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <new>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/io/clip.hpp"
#include "dvd/io/frame_scaler.hpp"
#include "dvd/io/framing.hpp"
#include "dvd/io/libav.hpp"
#include "dvd/io/packet_reader.hpp"
#include "dvd/io/saved_index.hpp"
#include "dvd/io/video_index.hpp"
#include "dvd/io/video_info.hpp"
#include "dvd/io/video_stream.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

namespace detail {

/// Counts, by several threads at once; a copy goes on by itself.
class Counter {
 public:
  Counter() = default;
  Counter(const Counter& other) : value_(other.value()) {}
  Counter& operator=(const Counter& other) {
    value_.store(other.value(), std::memory_order_relaxed);
    return *this;
  }
  void count() { value_.fetch_add(1, std::memory_order_relaxed); }
  int value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int> value_ = 0;
};

}  // namespace detail

/// A video file's track of pictures, readable at any frame. It keeps an index of the file and opens it anew for every
/// reading, so that many fit into memory, no file stays open and several threads may read from one object at once.
/// The same call always gives the same pixels.
///
/// Frame i is the i-th, from 0, that decoding the file from its start shows, as the ffmpeg program does it, turned and
/// mirrored as the program does by itself; reading it gives just that frame, or throws. Of several tracks it is the one
/// that the program takes. Pixels are taken to be square. Silences libav's logging.
class VideoFile {
 public:
  /// Indexes the file: reads it, and where its packets do not tell what they hold, decodes it once. Throws FileError
  /// ("PATH: what is wrong") where the file is missing, is no regular file, is empty, is in no format that FFmpeg
  /// reads, has no video track, one of absurd dimensions, or no frame that can be decoded.
  explicit VideoFile(std::filesystem::path path) : path_(std::move(path)), index_(detail::VideoIndexer::index(path_)) {}

  /// The same from what `saved_index` gave, without reading the file, which must not have changed since. Throws
  /// FileError where these bytes are no index.
  VideoFile(std::filesystem::path path, std::string_view saved_index)
      : path_(std::move(path)), index_(detail::load_index(saved_index)) {
    detail::silence_libav();
  }
  /// For programs on this machine that use the same libraries.
  std::string saved_index() const { return detail::save_index(index_); }

  const std::filesystem::path& path() const { return path_; }
  VideoInfo info() const { return {index_.width, index_.height, index_.frames, index_.track.frames_per_second}; }

  /// Seconds from the first frame to when frame `frame` is shown. Throws ArgumentError where there is none.
  double seconds(std::int64_t frame) const {
    require(frame >= 0 && frame < index_.frames, path_.string(), ": has no frame ", frame, ", but ", index_.frames,
            " from 0 on");
    if (index_.times.empty()) return static_cast<double>(frame) / index_.track.frames_per_second;
    const auto i = static_cast<std::size_t>(frame);
    return static_cast<double>(index_.times[i] - index_.times[0]) * av_q2d(index_.track.time_base);
  }

  /// The frame that is shown at this second: the last one that begins at or before it, to a thousandth. Before the
  /// first frame that is the first, behind the last one the last.
  std::int64_t frame_at(double second) const {
    std::int64_t first = 0, last = index_.frames - 1;
    while (first < last) {
      const std::int64_t middle = last - (last - first) / 2;
      if (seconds(middle) <= second + 0.0005)
        first = middle;
      else
        last = middle - 1;
    }
    return first;
  }

  /// `frames` frames of the file's own size: first, first + stride, first + 2 * stride, ... A frame whose size differs
  /// from the file's first one is stretched to it.
  ///
  /// A frame that is too damaged to be decoded repeats the one before it, as players do. Throws FileError where this
  /// concerns more than half of the frames asked for, where the file has no such frames or ends before the last one,
  /// and for colours and turns that are not understood, and ArgumentError for a negative `first`, `frames` or `stride`
  /// below one.
  Clip read(std::int64_t first, std::int64_t frames, std::int64_t stride = 1) const {
    detail::FrameScaler scaler(3, codec());
    return read({first, frames, stride}, {frames, index_.height, index_.width},
                [&](const AVFrame& frame, const detail::Orientation& shown, std::uint8_t* target) {
                  scaler.stretch(frame, shown, index_.height, index_.width, target);
                });
  }

  /// The same frames cut and scaled as `framing` says, whose `validate` it calls.
  Clip read(std::int64_t first, std::int64_t frames, std::int64_t stride, const Framing& framing) const {
    framing.validate();
    detail::FrameScaler scaler(framing.image_channels, codec());
    return read({first, frames, stride},
                {frames, framing.image_height(), framing.image_width(), framing.image_channels},
                [&](const AVFrame& frame, const detail::Orientation& shown, std::uint8_t* target) {
                  scaler.cut(frame, shown, framing, target);
                });
  }

 private:
  struct Range {
    std::int64_t first, frames, stride;
    std::int64_t at(std::int64_t i) const { return first + i * stride; }
  };

  [[noreturn]] void fail(const std::string& what) const { detail::fail_file(path_, what); }
  AVCodecID codec() const { return index_.track.parameters->codec_id; }
  bool is_decoded() const { return !index_.contents.empty(); }
  std::uint64_t content(std::int64_t frame) const { return index_.contents[static_cast<std::size_t>(frame)]; }

  // Calls visit(frame, its index) for those decoded from a packet on, in the order in which they are shown, until it
  // answers false. True where nothing failed on the way.
  template <class Visit>
  bool decode(std::size_t start, Visit&& visit) const {
    detail::PacketReader packets(path_, index_, start);
    detail::FrameDecoder decoder(path_, index_.track);
    std::int64_t counted = 0;
    bool failed = false;
    for (bool more = true; more;) {
      AVPacket* const packet = packets.next();
      more = packet != nullptr;
      if (more)
        failed = !decoder.send(*packet, packets.number()) || failed;
      else
        decoder.send_end();
      while (const AVFrame* const frame = decoder.receive(failed)) {
        const bool known = frame->pts >= 0 && frame->pts < static_cast<std::int64_t>(index_.packets.size());
        const std::int64_t index = !index_.packets_tell_frames ? counted++
                                   : known ? index_.packets[static_cast<std::size_t>(frame->pts)].frame
                                           : -1;
        if (index >= 0 && !visit(*frame, index)) return !failed;
      }
    }
    return !failed;
  }

  // A clip of this size, whose frames `put(frame, orientation, target)` makes.
  template <class Put>
  Clip read(const Range& range, const ClipSize& size, Put&& put) const {
    require(range.first >= 0 && range.frames >= 1 && range.stride >= 1, "VideoFile: cannot read ", range.frames,
            " frames at stride ", range.stride, " from frame ", range.first, " on");
    if (range.first >= index_.frames || range.frames - 1 > (index_.frames - 1 - range.first) / range.stride)
      fail(concat("has ", index_.frames, " frames, too few for ", range.frames, " at stride ", range.stride,
                  " from frame ", range.first, " on"));
    Clip clip(size.frames, size.height, size.width, size.channels);
    for (const std::size_t start : starts(shown_for(range.first))) {
      if (fill(clip, range, start, put)) return clip;
      if (is_decoded()) vain_starts_.count();
    }
    fail("gives other frames than when it was opened; was it changed?");
  }

  // The frame that is shown at a frame's place: one that cannot be decoded has another one for it.
  std::int64_t shown_for(std::int64_t frame) const {
    while (is_decoded() && content(frame) == 0) --frame;
    return frame;
  }

  // Packets at which decoding may begin in order to get at a frame, the best first. The last one is always the first of
  // the file.
  std::vector<std::size_t> starts(std::int64_t frame) const {
    constexpr int most_tries = 2, most_in_vain = 16;
    std::vector<std::size_t> found;
    if (index_.packets_tell_frames && vain_starts_.value() < most_in_vain) {
      for (std::size_t i = index_.packets.size(); i-- > 1 && found.size() < (is_decoded() ? most_tries : 1);)
        if (index_.packets[i].entry && index_.packets[i].frame >= 0 && index_.packets[i].frame <= frame)
          found.push_back(i);
    }
    found.push_back(0);
    return found;
  }

  // False where decoding from `start` does not show what decoding from the file's start does. In a file that has not
  // been decoded before, what `start` 0 gives is the truth: it makes do with gaps, or throws.
  template <class Put>
  bool fill(Clip& clip, const Range& range, std::size_t start, Put& put) const {
    const detail::LibavFrame last = detail::make_frame();  // the last frame decoded so far
    const std::int64_t first_needed = shown_for(range.first);
    std::int64_t filled = 0, repeated = 0, last_index = -1;
    bool damaged = false, disordered = false, other = false;
    const auto put_next = [&](const AVFrame& frame) {
      try {
        put(frame, detail::shown_orientation(frame, index_.track), clip.frame(filled));
      } catch (const FileError& error) {
        fail(error.what());
      }
    };
    const bool whole = decode(start, [&](const AVFrame& frame, std::int64_t index) {
      if (is_decoded() && content(index) == 0) return true;  // another one stands in for it
      disordered = index <= last_index;
      other = is_decoded() && index >= first_needed && detail::content_of(frame) != content(index);
      if (disordered || other) return false;
      last_index = index;
      damaged = damaged || frame.decode_error_flags != 0 || (frame.flags & AV_FRAME_FLAG_CORRUPT) != 0;
      for (; filled < range.frames && range.at(filled) <= index; ++filled) {
        const bool skipped = range.at(filled) < index;
        if (skipped && is_decoded() && (content(range.at(filled)) != 0 || !last->buf[0])) return !(other = true);
        repeated += skipped;
        put_next(skipped && last->buf[0] ? *last : frame);
      }
      av_frame_unref(last.get());
      if (av_frame_ref(last.get(), &frame) < 0) throw std::bad_alloc();
      return filled < range.frames;
    });
    if (is_decoded() ? other || filled < range.frames
                     : start > 0 && (filled < range.frames || repeated > 0 || damaged || !whole))
      return false;
    if (disordered) fail("shows its frames in another order than its time stamps say");
    if (filled < range.frames) fail(concat("ends before its frame ", range.at(filled), " could be decoded"));
    if (repeated * 2 > range.frames)
      fail(concat("only ", range.frames - repeated, " of the ", range.frames, " frames from ", range.first,
                  " on can be decoded"));
    return true;
  }

  std::filesystem::path path_;
  detail::VideoIndex index_;
  // Of a file whose key frames cannot be believed: how often beginning at one failed. It steers time, not pixels.
  mutable detail::Counter vain_starts_;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
