// What is kept of a video file so that any of its frames can be decoded alone, and how that is found out.
#pragma once

#include "dvd/core/macros_begin.hpp"

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavutil/imgutils.h>
#include <libavutil/pixdesc.h>
}

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/io/content_hash.hpp"
#include "dvd/io/entry_points.hpp"
#include "dvd/io/libav.hpp"
#include "dvd/io/video_stream.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::detail {

/// A packet, as far as finding frames needs it.
struct IndexedPacket {
  std::int32_t frame;  ///< that it holds; -1: none that is shown
  bool entry;          ///< decoding can begin here; where the index knows contents, it is worth trying
};

/// By which a packet is known again behind a seek.
struct PacketPlace {
  std::int64_t position;  ///< in the file, bytes
  std::int64_t time;      ///< of presentation, or where that is not known of decoding
  std::int32_t size;

  friend bool operator==(const PacketPlace&, const PacketPlace&) = default;
};

inline PacketPlace place_of(const AVPacket& packet) {
  return {packet.pos, packet.pts != AV_NOPTS_VALUE ? packet.pts : packet.dts, packet.size};
}

/// Frames are numbered in the order in which they are shown. Most files are indexed packet by packet, without decoding
/// them: their own pictures say where decoding can begin. Those of which that cannot be trusted are decoded once, from
/// start to end, and what was shown is remembered: a frame decoded later must have the same content.
struct VideoIndex {
  TrackFormat track;
  std::int64_t width = 0, height = 0;  ///< of the first frame, as shown
  std::int64_t frames = 0;
  std::vector<IndexedPacket> packets;  ///< in order of decoding
  std::vector<std::int64_t> times;     ///< when each frame is shown, in the track's units; empty: at an even rate
  /// Of each frame, a hash; 0 for one that cannot be decoded and that the one before it stands in for. Empty where the
  /// file was not decoded.
  std::vector<std::uint64_t> contents;
  bool packets_tell_frames = true;  ///< else only counting them from the start does
  std::vector<PacketPlace> places;  ///< of the packets; empty where the file is short, or they do not tell
};

/// A hash of a frame's samples, format and size.
inline std::uint64_t content_of(const AVFrame& frame) {
  ContentHash hash;
  const auto format = static_cast<AVPixelFormat>(frame.format);
  const AVPixFmtDescriptor* const description = av_pix_fmt_desc_get(format);
  const std::int32_t head[] = {frame.width, frame.height, frame.format};
  hash.add(std::as_bytes(std::span(head)));
  const int planes = av_pix_fmt_count_planes(format);
  for (int plane = 0; description && plane < planes; ++plane) {
    const bool chroma = plane == 1 || plane == 2;
    const int shift = chroma && (description->flags & AV_PIX_FMT_FLAG_RGB) == 0 ? description->log2_chroma_h : 0;
    const int rows = -((-frame.height) >> shift), bytes = av_image_get_linesize(format, frame.width, plane);
    for (int y = 0; bytes > 0 && y < rows; ++y)
      hash.add(std::as_bytes(
          std::span(frame.data[plane] + std::ptrdiff_t{y} * frame.linesize[plane], static_cast<std::size_t>(bytes))));
  }
  constexpr std::size_t palette_bytes = 1024;
  if (description && (description->flags & AV_PIX_FMT_FLAG_PAL) != 0 && frame.data[1])
    hash.add(std::as_bytes(std::span(frame.data[1], palette_bytes)));
  return std::max<std::uint64_t>(hash.value(), 1);
}

/// Makes the index of a file.
class VideoIndexer {
 public:
  /// Throws FileError where no frame can be decoded, and for what a VideoInput refuses.
  static VideoIndex index(const std::filesystem::path& path) { return VideoIndexer(path).take(); }

 private:
  struct Stamps {
    std::int64_t shown, decoded;  // time stamps: of presentation and of decoding
    bool hidden;
  };

  explicit VideoIndexer(const std::filesystem::path& path) : path_(path) {
    VideoInput input(path);
    index_.track = input.find_track();
    const bool trusted = list_packets(input) && order_packets() && are_entries_near();
    if (trusted && look_at_first_frame()) return;
    decode_all();
  }

  VideoIndex take() { return std::move(index_); }

  // False where a packet is not what one expects.
  bool list_packets(VideoInput& input) {
    EntryPoints points(*index_.track.parameters);
    const LibavPacket packet(libav_allocated(av_packet_alloc()));
    bool expected = true;
    while (input.read(*packet)) {
      const bool discarded = (packet->flags & AV_PKT_FLAG_DISCARD) != 0;
      const PacketKind kind = points.inspect(*packet);
      expected = expected && kind != PacketKind::doubtful && kind != PacketKind::header &&
                 (packet->flags & AV_PKT_FLAG_CORRUPT) == 0;
      is_header_.push_back(kind == PacketKind::header);
      index_.packets.push_back({-1, kind == PacketKind::entry});
      marked_.push_back((packet->flags & AV_PKT_FLAG_KEY) != 0);
      stamps_.push_back({packet->pts, packet->dts, discarded || kind == PacketKind::hidden});
      index_.places.push_back(place_of(*packet));
    }
    return expected && !index_.packets.empty();
  }

  // Packets stand in order of decoding, their time stamps tell the order of presentation. False where they do not: some
  // containers (AVI) have none for codecs that reorder frames, and where recordings were joined the clock begins anew.
  bool order_packets() {
    std::vector<std::pair<std::int64_t, std::size_t>> shown;
    std::int64_t clock = std::numeric_limits<std::int64_t>::min();
    for (std::size_t i = 0; i < stamps_.size(); ++i) {
      const Stamps& stamps = stamps_[i];
      if (stamps.shown == AV_NOPTS_VALUE) return false;
      if (stamps.decoded != AV_NOPTS_VALUE) {
        if (stamps.decoded < clock) return false;
        clock = stamps.decoded;
      }
      if (stamps.shown < stamps_[0].shown) return false;  // frames that would need others, before the file
      if (!stamps.hidden) shown.emplace_back(stamps.shown, i);
    }
    std::sort(shown.begin(), shown.end());
    for (std::size_t i = 0; i < shown.size(); ++i) {
      if (i > 0 && shown[i].first == shown[i - 1].first) return false;
      index_.packets[shown[i].second].frame = static_cast<std::int32_t>(i);
      index_.times.push_back(shown[i].first);
    }
    index_.frames = static_cast<std::int64_t>(shown.size());
    return index_.frames > 0 && index_.packets[0].entry;
  }

  // False where decoding from the nearest entry would be long, although the file marks more packets as key frames than
  // can be believed: those will be tried, and what they give compared.
  bool are_entries_near() const {
    constexpr std::size_t far = 1000;
    std::size_t last = 0;
    bool marked = false;
    for (std::size_t i = 0; i < index_.packets.size(); ++i) {
      if (index_.packets[i].entry) {
        last = i;
        marked = false;
      }
      marked = marked || (marked_[i] && i > last);
      if (marked && i - last > far) return false;
    }
    return true;
  }

  // False where the first frame is not the first packet's, or turns the picture.
  bool look_at_first_frame() {
    std::size_t first_shown = 0;
    while (index_.packets[first_shown].frame != 0) ++first_shown;
    bool expected = false;
    decode([&](const AVFrame& frame) {
      expected = frame.pts == static_cast<std::int64_t>(first_shown) && frame.decode_error_flags == 0 &&
                 (frame.flags & AV_FRAME_FLAG_CORRUPT) == 0 &&
                 !av_frame_get_side_data(&frame, AV_FRAME_DATA_DISPLAYMATRIX);
      take_size(frame);
      return false;
    });
    if (!expected) return false;
    drop_even_times();
    keep_places();
    return true;
  }

  // The truth: what decoding from start to end shows.
  void decode_all() {
    const auto listed = static_cast<std::int64_t>(index_.packets.size());
    index_.frames = 0;
    index_.times.clear();
    for (IndexedPacket& packet : index_.packets) packet.frame = -1;
    std::vector<std::int64_t> numbers;  // of the packets that the frames are from
    bool damaged = false;
    const std::int64_t read = decode([&](const AVFrame& frame) {
      if (numbers.empty()) take_size(frame);
      damaged = damaged || frame.decode_error_flags != 0 || (frame.flags & AV_FRAME_FLAG_CORRUPT) != 0;
      numbers.push_back(frame.pts);
      index_.contents.push_back(content_of(frame));
      return true;
    });
    if (numbers.empty()) fail_file(path_, "none of its frames can be decoded");
    if (!failures_.empty() || damaged) drop_unstable(numbers);
    if (numbers.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()))
      fail_file(path_, "has too many frames");
    const bool in_order = std::is_sorted(numbers.begin(), numbers.end(), std::less_equal<>());
    if (in_order && read == listed) insert_failures(numbers);
    index_.frames = static_cast<std::int64_t>(numbers.size());
    index_.packets_tell_frames = read == listed && assign_frames(numbers);
    for (std::size_t i = 0; i < index_.packets.size(); ++i)
      index_.packets[i].entry = index_.packets_tell_frames && marked_[i] && index_.packets[i].frame >= 0;
    time_frames(numbers);
    drop_even_times();
    keep_places();
  }

  // Damaged frames may depend on what was in memory before. Those that another fill changes are no frames.
  void drop_unstable(const std::vector<std::int64_t>& numbers) {
    constexpr int other_fill = 0xA5;
    const std::vector<std::int64_t> failures = failures_;
    std::vector<std::uint64_t> again;
    decode(
        [&](const AVFrame& frame) {
          again.push_back(content_of(frame));
          return again.size() < numbers.size();
        },
        other_fill);
    failures_ = failures;
    again.resize(numbers.size());
    for (std::size_t i = 1; i < numbers.size(); ++i)  // nothing could stand in for the first
      if (again[i] != index_.contents[i]) index_.contents[i] = 0;
  }

  // False where two frames say that they are from one packet, or one that it is from none.
  bool assign_frames(const std::vector<std::int64_t>& numbers) {
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      if (numbers[i] < 0 || numbers[i] >= static_cast<std::int64_t>(index_.packets.size())) return false;
      IndexedPacket& packet = index_.packets[static_cast<std::size_t>(numbers[i])];
      if (packet.frame >= 0) return false;
      packet.frame = static_cast<std::int32_t>(i);
    }
    return true;
  }

  // Packets that could not be decoded, between others that could, are frames as well: the one before them stands in.
  void insert_failures(std::vector<std::int64_t>& numbers) {
    std::vector<std::int64_t> all;
    std::vector<std::uint64_t> contents;
    auto failure = std::upper_bound(failures_.begin(), failures_.end(), numbers.front());
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      for (; failure != failures_.end() && *failure < numbers[i]; ++failure)
        if (all.empty() || *failure > all.back()) {
          all.push_back(*failure);
          contents.push_back(0);
        }
      all.push_back(numbers[i]);
      contents.push_back(index_.contents[i]);
      while (failure != failures_.end() && *failure <= numbers[i]) ++failure;
    }
    numbers = std::move(all);
    index_.contents = std::move(contents);
  }

  // From the time stamps of the frames' packets; a clock that begins anew goes on where it was.
  void time_frames(const std::vector<std::int64_t>& numbers) {
    const AVRational base = index_.track.time_base;
    const double units = base.num > 0 ? base.den / (base.num * index_.track.frames_per_second) : 1;
    const auto step = std::max<std::int64_t>(1, static_cast<std::int64_t>(std::llround(units)));
    std::int64_t last = AV_NOPTS_VALUE, offset = 0;
    for (const std::int64_t number : numbers) {
      const bool known = number >= 0 && number < static_cast<std::int64_t>(stamps_.size());
      std::int64_t time = known ? stamps_[static_cast<std::size_t>(number)].shown : AV_NOPTS_VALUE;
      if (time == AV_NOPTS_VALUE) {
        time = last == AV_NOPTS_VALUE ? 0 : last + step;
      } else {
        time += offset;
        if (last != AV_NOPTS_VALUE && time <= last) {
          offset += last + step - time;
          time = last + step;
        }
      }
      index_.times.push_back(time);
      last = time;
    }
  }

  // Times that say no more than the frame rate does.
  void drop_even_times() {
    const std::vector<std::int64_t>& times = index_.times;
    if (times.empty()) return;
    const AVRational base = index_.track.time_base;
    const double unit = av_q2d(base), rate = index_.track.frames_per_second;
    for (std::size_t i = 0; i < times.size(); ++i) {
      const double seconds = static_cast<double>(times[i] - times[0]) * unit;
      if (std::abs(seconds * rate - static_cast<double>(i)) > 0.1) return;
    }
    index_.times = {};
  }

  void keep_places() {
    constexpr std::size_t few = 512;  // which are read faster than a seek takes
    const auto later = [](const PacketPlace& a, const PacketPlace& b) { return a.position < b.position; };
    if (index_.places.size() <= few || index_.places.size() != index_.packets.size() ||
        index_.places.front().position < 0 || !std::is_sorted(index_.places.begin(), index_.places.end(), later))
      index_.places = {};
    index_.places.shrink_to_fit();
    index_.packets.shrink_to_fit();
  }

  void take_size(const AVFrame& frame) {
    Orientation shown;
    try {
      shown = shown_orientation(frame, index_.track);
    } catch (const FileError& error) {
      fail_file(path_, error.what());
    }
    index_.width = shown.transposed ? frame.height : frame.width;
    index_.height = shown.transposed ? frame.width : frame.height;
    check_frame_size(path_, index_.width, index_.height);
  }

  // Calls visit(frame) for all that are shown until it answers false. Fills failures_; returns the packets read.
  template <class Visit>
  std::int64_t decode(Visit&& visit, int fill = 0) {
    VideoInput input(path_, index_.track);
    FrameDecoder decoder(path_, index_.track, fill);
    const LibavPacket packet(libav_allocated(av_packet_alloc()));
    failures_.clear();
    for (std::int64_t number = 0;; ++number) {
      const bool more = input.read(*packet);
      bool failed = false;
      if (more)
        failed = !decoder.send(*packet, number);
      else
        decoder.send_end();
      while (const AVFrame* const frame = decoder.receive(failed))
        if (!visit(*frame)) return number;
      if (!more) return number;
      const bool listed = number < static_cast<std::int64_t>(is_header_.size());
      if (failed && !(listed && is_header_[static_cast<std::size_t>(number)])) failures_.push_back(number);
    }
  }

  std::filesystem::path path_;
  VideoIndex index_;
  std::vector<Stamps> stamps_;
  std::vector<bool> is_header_;         // packets without a picture
  std::vector<bool> marked_;            // packets that the file says are key frames
  std::vector<std::int64_t> failures_;  // packets that could not be decoded
};

}  // namespace dvd::inline DVD_INSTRUCTION_SET::detail

#include "dvd/core/macros_end.hpp"
