// The checksum of record files.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "dvd/core/instruction_set.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::detail {

// What each byte does to the remainder, bits lowest first; the polynomial is Castagnoli's.
inline constexpr std::array<std::uint32_t, 256> crc32c_table = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < table.size(); ++byte) {
    std::uint32_t rest = byte;
    for (int bit = 0; bit < 8; ++bit) rest = rest >> 1u ^ (rest & 1u ? 0x82F63B78u : 0u);
    table[byte] = rest;
  }
  return table;
}();

// CRC-32C (RFC 3720, appendix B.4).
inline std::uint32_t crc32c(std::span<const std::byte> bytes) {
  std::uint32_t rest = 0xFFFFFFFF;
  for (const std::byte byte : bytes)
    rest = rest >> 8u ^ crc32c_table[(rest ^ std::to_integer<std::uint32_t>(byte)) & 0xFFu];
  return ~rest;
}

}  // namespace dvd::detail

#include "dvd/core/macros_end.hpp"
