// The checksum of TensorFlow's and LevelDB's files.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "dvd/core/instruction_set.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::detail {

/// CRC-32C (Castagnoli; RFC 3720, section 12.1), a byte at a time by a table.
class Crc32c {
 public:
  void add(std::span<const std::byte> bytes) {
    for (const std::byte byte : bytes) state_ = table[(state_ ^ static_cast<std::uint32_t>(byte)) & 0xFF] ^ state_ >> 8;
  }

  std::uint32_t value() const { return ~state_; }

  /// As LevelDB stores it, so that checksums of data that hold checksums are no weaker.
  std::uint32_t masked() const { return (value() >> 15 | value() << 17) + 0xA282EAD8; }

 private:
  static constexpr std::array<std::uint32_t, 256> table = [] {
    std::array<std::uint32_t, 256> entries{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      std::uint32_t value = i;
      for (int bit = 0; bit < 8; ++bit) value = value >> 1 ^ (value & 1 ? 0x82F63B78 : 0);
      entries[i] = value;
    }
    return entries;
  }();

  std::uint32_t state_ = 0xFFFFFFFF;
};

}  // namespace dvd::detail

#include "dvd/core/macros_end.hpp"
