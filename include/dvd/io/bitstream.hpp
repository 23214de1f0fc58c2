// Reading in coded pictures as far as their headers go.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>

#include "dvd/core/instruction_set.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::detail {

using CodedBytes = std::span<const std::uint8_t>;

/// Reads bits from the front of bytes; zeros behind their end.
class BitReader {
 public:
  explicit BitReader(CodedBytes bytes) : bytes_(bytes) {}

  unsigned take(unsigned count) {
    unsigned result = 0;
    for (; count > 0; --count, ++at_) {
      const unsigned byte = at_ / 8 < bytes_.size() ? bytes_[at_ / 8] : 0;
      result = result << 1 | (byte >> (7 - at_ % 8) & 1);
    }
    return result;
  }
  void skip(std::size_t count) { at_ += count; }

 private:
  CodedBytes bytes_;
  std::size_t at_ = 0;
};

/// Calls visit(bytes from behind a start code 00 00 01 to the next one) for each of them.
template <class Visit>
void for_each_start_code(CodedBytes bytes, Visit&& visit) {
  const auto find = [&](std::size_t from) {
    for (std::size_t i = from; i + 3 <= bytes.size(); ++i)
      if (bytes[i] == 0 && bytes[i + 1] == 0 && bytes[i + 2] == 1) return i;
    return bytes.size();
  };
  for (std::size_t at = find(0); at < bytes.size();) {
    const std::size_t begin = at + 3;
    at = find(begin);
    if (at > begin) visit(bytes.subspan(begin, at - begin));
  }
}

/// Calls visit(unit) for each unit of H.264 or HEVC: behind its length in so many bytes, or where that is 0, behind a
/// start code. False where the lengths make no sense.
template <class Visit>
bool for_each_unit(CodedBytes bytes, std::size_t length_bytes, Visit&& visit) {
  if (length_bytes == 0) {
    for_each_start_code(bytes, visit);
    return true;
  }
  while (bytes.size() > length_bytes) {
    std::size_t length = 0;
    for (std::size_t i = 0; i < length_bytes; ++i) length = length << 8 | bytes[i];
    bytes = bytes.subspan(length_bytes);
    if (length > bytes.size()) return false;
    if (length > 0) visit(bytes.first(length));
    bytes = bytes.subspan(length);
  }
  return bytes.empty();
}

/// Calls visit(type, content) for each unit of AV1. False where the lengths make no sense.
template <class Visit>
bool for_each_av1_unit(CodedBytes bytes, Visit&& visit) {
  while (!bytes.empty()) {
    const unsigned header = bytes[0];
    const bool extended = (header & 4) != 0, has_length = (header & 2) != 0;
    std::size_t at = extended ? 2 : 1, length = 0;
    if (has_length) {
      for (unsigned shift = 0; shift < 35; shift += 7) {
        if (at >= bytes.size()) return false;
        const std::size_t byte = bytes[at++];
        length |= (byte & 127) << shift;
        if (byte < 128) break;
      }
    } else {
      length = bytes.size() - std::min(at, bytes.size());
    }
    if (at > bytes.size() || length > bytes.size() - at) return false;
    visit(header >> 3 & 15, bytes.subspan(at, length));
    bytes = bytes.subspan(at + length);
  }
  return true;
}

/// Calls visit(marker) for each segment of a JPEG picture up to its samples. False where it is none.
template <class Visit>
bool for_each_jpeg_marker(CodedBytes bytes, Visit&& visit) {
  if (bytes.size() < 4 || bytes[0] != 0xFF || bytes[1] != 0xD8) return false;
  for (std::size_t at = 2; at + 4 <= bytes.size();) {
    if (bytes[at] != 0xFF) return false;
    const unsigned marker = bytes[at + 1];
    if (marker == 0xFF) {  // a byte that fills
      ++at;
      continue;
    }
    visit(marker);
    if (marker == 0xDA) return true;
    at += 2 + (std::size_t{bytes[at + 2]} << 8 | bytes[at + 3]);
  }
  return false;
}

/// Whether a JPEG picture is there to its end, behind which a little may follow.
inline bool ends_as_jpeg(CodedBytes bytes) {
  constexpr std::uint8_t end[] = {0xFF, 0xD9};
  const CodedBytes tail = bytes.last(std::min<std::size_t>(bytes.size(), 256));
  return std::search(tail.begin(), tail.end(), std::begin(end), std::end(end)) != tail.end();
}

}  // namespace dvd::inline DVD_INSTRUCTION_SET::detail

#include "dvd/core/macros_end.hpp"
