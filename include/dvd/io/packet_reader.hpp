// A track's packets from a given one on, each with its number.
#pragma once

#include "dvd/core/macros_begin.hpp"

extern "C" {
#include <libavcodec/avcodec.h>
}

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>

#include "dvd/io/libav.hpp"
#include "dvd/io/video_index.hpp"
#include "dvd/io/video_stream.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::detail {

/// Packets that lie before are dropped, which next to decoding costs nothing and is exact in every container. Where
/// there are many of them a seek comes first, and counts only if the packets behind it are known by their places.
class PacketReader {
 public:
  /// From packet `start` of the index on.
  PacketReader(const std::filesystem::path& path, const VideoIndex& index, std::size_t start)
      : path_(path),
        index_(index),
        start_(static_cast<std::int64_t>(start)),
        packet_(libav_allocated(av_packet_alloc())) {
    constexpr std::int64_t few = 128;
    input_.emplace(path_, index_.track);
    if (start_ > few && !index_.places.empty() && !seek()) from_the_beginning();
  }

  /// The next packet, valid until the next call; null behind the last one.
  AVPacket* next() {
    if (!pending_) read();
    pending_ = false;
    while (!ended_ && number_ < start_) read();
    return ended_ ? nullptr : packet_.get();
  }
  /// That of the packet which `next` gave last.
  std::int64_t number() const { return number_; }

 private:
  void read() {
    ended_ = !input_->read(*packet_);
    ++number_;
  }

  void from_the_beginning() {
    input_.emplace(path_, index_.track);
    number_ = -1;
    pending_ = ended_ = false;
  }

  // Stands before packet `start_` afterwards, or at it, unless it returns false.
  bool seek() {
    const std::int64_t time = place(start_).time;
    if (time == AV_NOPTS_VALUE) return false;
    for (const double seconds_before : {0.0, 1.0, 5.0, 25.0}) {
      const double units = seconds_before / std::max(av_q2d(index_.track.time_base), 1e-9);
      if (!input_->seek(time - static_cast<std::int64_t>(units), *packet_)) return false;
      if (find_place()) return true;
    }
    return false;
  }

  // Reads on to the packet `start_`, if the packets now to be read are those before it. The first ones behind a seek
  // may be parts of packets.
  bool find_place() {
    constexpr int most_parts = 64;
    number_ = -1;
    ended_ = false;
    for (int i = 0; i < most_parts && number_ < 0; ++i) {
      if (!input_->read(*packet_)) return false;
      number_ = known_number();
    }
    if (number_ < 0 || number_ > start_) return false;
    while (number_ < start_) {
      read();
      if (ended_ || place(number_) != place_of(*packet_)) return false;
    }
    return pending_ = true;
  }

  std::int64_t known_number() const {
    const PacketPlace here = place_of(*packet_);
    const auto before = [](const PacketPlace& a, const PacketPlace& b) { return a.position < b.position; };
    const auto [first, last] = std::equal_range(index_.places.begin(), index_.places.end(), here, before);
    const auto found = std::find(first, last, here);
    return found == last || here.time == AV_NOPTS_VALUE ? -1 : found - index_.places.begin();
  }

  const PacketPlace& place(std::int64_t number) const { return index_.places[static_cast<std::size_t>(number)]; }

  const std::filesystem::path& path_;
  const VideoIndex& index_;
  std::int64_t start_, number_ = -1;
  bool pending_ = false;  // packet_ has been read and not been given
  bool ended_ = false;
  std::optional<VideoInput> input_;
  LibavPacket packet_;
};

}  // namespace dvd::inline DVD_INSTRUCTION_SET::detail

#include "dvd/core/macros_end.hpp"
