// The index of a video file as bytes, so that it need not be made again.
#pragma once

#include "dvd/core/macros_begin.hpp"

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
}

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/io/libav.hpp"
#include "dvd/io/video_index.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::detail {

/// Appends numbers and arrays of them to bytes, as they lie in memory: for this machine alone.
class ByteWriter {
 public:
  template <class Number>
  requires std::is_trivially_copyable_v<Number>
  void add(const Number& number) { bytes_.append(reinterpret_cast<const char*>(&number), sizeof number); }
  void add(std::string_view text) {
    add(std::uint64_t{text.size()});
    bytes_.append(text);
  }
  template <class Number>
  void add(const std::vector<Number>& numbers) {
    add(std::string_view(reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(Number)));
  }
  std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

/// Takes them back. Throws FileError where bytes are missing.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : bytes_(bytes) {}

  template <class Number>
  requires std::is_trivially_copyable_v<Number> Number take() {
    Number number;
    std::memcpy(&number, part(sizeof number).data(), sizeof number);
    return number;
  }
  std::string_view text() { return part(take<std::uint64_t>()); }
  template <class Number>
  std::vector<Number> numbers() {
    const std::string_view bytes = text();
    if (bytes.size() % sizeof(Number) != 0) fail();
    std::vector<Number> result(bytes.size() / sizeof(Number));
    if (!bytes.empty()) std::memcpy(result.data(), bytes.data(), bytes.size());
    return result;
  }
  bool is_empty() const { return bytes_.empty(); }
  std::string_view rest() const { return bytes_; }

 private:
  [[noreturn]] static void fail() { throw FileError("a saved index of videos is damaged"); }
  std::string_view part(std::uint64_t size) {
    if (size > bytes_.size()) fail();
    const std::string_view result = bytes_.substr(0, size);
    bytes_.remove_prefix(result.size());
    return result;
  }

  std::string_view bytes_;
};

/// What must be the same for a saved index to hold: our format, and the libraries that made it.
inline std::string index_version() {
  return concat("dvd video index 1, ", avformat_version(), ", ", avcodec_version());
}

// The parameters that a decoder is opened with.
template <class Visit>
void for_each_parameter(AVCodecParameters& parameters, Visit&& visit) {
  visit(parameters.codec_type);
  visit(parameters.codec_id);
  visit(parameters.codec_tag);
  visit(parameters.format);
  visit(parameters.bit_rate);
  visit(parameters.bits_per_coded_sample);
  visit(parameters.bits_per_raw_sample);
  visit(parameters.profile);
  visit(parameters.level);
  visit(parameters.width);
  visit(parameters.height);
  visit(parameters.sample_aspect_ratio);
  visit(parameters.field_order);
  visit(parameters.color_range);
  visit(parameters.color_primaries);
  visit(parameters.color_trc);
  visit(parameters.color_space);
  visit(parameters.chroma_location);
  visit(parameters.video_delay);
}

inline std::string save_index(const VideoIndex& index) {
  ByteWriter bytes;
  bytes.add(index.track.stream);
  for_each_parameter(*index.track.parameters, [&](const auto& value) { bytes.add(value); });
  bytes.add(std::string_view(reinterpret_cast<const char*>(index.track.parameters->extradata),
                             static_cast<std::size_t>(index.track.parameters->extradata_size)));
  bytes.add(index.track.time_base);
  bytes.add(index.track.frames_per_second);
  bytes.add(index.track.matrix.has_value());
  bytes.add(index.track.matrix.value_or(DisplayMatrix{}));
  bytes.add(index.width);
  bytes.add(index.height);
  bytes.add(index.frames);
  std::vector<std::int32_t> packets;  // twice the frame, and 1 for an entry
  packets.reserve(index.packets.size());
  for (const IndexedPacket& packet : index.packets) packets.push_back(packet.frame * 2 + packet.entry);
  bytes.add(packets);
  bytes.add(index.times);
  bytes.add(index.contents);
  bytes.add(index.packets_tell_frames);
  std::vector<std::int64_t> places;
  for (const PacketPlace& place : index.places) places.insert(places.end(), {place.position, place.time, place.size});
  bytes.add(places);
  return bytes.take();
}

/// Throws FileError where the bytes are no index.
inline VideoIndex load_index(std::string_view saved) {
  const auto expect = [](bool condition) {
    if (!condition) throw FileError("a saved index of videos is damaged");
  };
  ByteReader bytes(saved);
  VideoIndex index;
  index.track.stream = bytes.take<int>();
  index.track.parameters.reset(libav_allocated(avcodec_parameters_alloc()));
  AVCodecParameters& parameters = *index.track.parameters;
  for_each_parameter(parameters, [&](auto& value) { value = bytes.take<std::remove_reference_t<decltype(value)>>(); });
  if (const std::string_view extra = bytes.text(); !extra.empty()) {
    parameters.extradata =
        static_cast<std::uint8_t*>(libav_allocated(av_mallocz(extra.size() + AV_INPUT_BUFFER_PADDING_SIZE)));
    std::memcpy(parameters.extradata, extra.data(), extra.size());
    parameters.extradata_size = static_cast<int>(extra.size());
  }
  index.track.time_base = bytes.take<AVRational>();
  index.track.frames_per_second = bytes.take<double>();
  const bool turned = bytes.take<bool>();
  const auto matrix = bytes.take<DisplayMatrix>();
  if (turned) index.track.matrix = matrix;
  index.width = bytes.take<std::int64_t>();
  index.height = bytes.take<std::int64_t>();
  index.frames = bytes.take<std::int64_t>();
  for (const std::int32_t packet : bytes.numbers<std::int32_t>())
    index.packets.push_back({(packet - (packet & 1)) / 2, (packet & 1) != 0});
  index.times = bytes.numbers<std::int64_t>();
  index.contents = bytes.numbers<std::uint64_t>();
  index.packets_tell_frames = bytes.take<bool>();
  const std::vector<std::int64_t> places = bytes.numbers<std::int64_t>();
  expect(places.size() == 3 * index.packets.size() || places.empty());
  for (std::size_t i = 0; i + 3 <= places.size(); i += 3)
    index.places.push_back({places[i], places[i + 1], static_cast<std::int32_t>(places[i + 2])});

  const auto frames = static_cast<std::size_t>(index.frames);
  expect(bytes.is_empty() && index.frames > 0 && index.width > 0 && index.height > 0 &&
         (index.times.empty() || index.times.size() == frames) &&
         (index.contents.empty() || index.contents.size() == frames));
  for (const IndexedPacket& packet : index.packets) expect(packet.frame >= -1 && packet.frame < index.frames);
  expect(index.contents.empty() || index.contents[0] != 0);
  return index;
}

}  // namespace dvd::inline DVD_INSTRUCTION_SET::detail

#include "dvd/core/macros_end.hpp"
