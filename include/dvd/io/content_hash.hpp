// Telling whether content is still what it was.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "dvd/core/instruction_set.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::detail {

/// A hash of bytes, 64 bits, taken 8 bytes at a time: against damage, not against forgery.
class ContentHash {
 public:
  void add(std::span<const std::byte> bytes) {
    add_word(bytes.size());  // so that neighbours cannot trade bytes
    for (; bytes.size() >= sizeof(std::uint64_t); bytes = bytes.subspan(sizeof(std::uint64_t))) add_word(word(bytes));
    if (!bytes.empty()) add_word(word(bytes));
  }
  void add(std::string_view text) { add(std::as_bytes(std::span(text))); }

  std::uint64_t value() const { return state_; }

  /// As 16 hexadecimal digits.
  std::string text() const {
    char digits[17];
    std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(state_));
    return digits;
  }

 private:
  static std::uint64_t word(std::span<const std::byte> bytes) {
    std::uint64_t result = 0;
    std::memcpy(&result, bytes.data(), std::min(bytes.size(), sizeof result));
    return result;
  }

  void add_word(std::uint64_t value) {
    state_ = (state_ ^ value) * 0x9E3779B97F4A7C15;
    state_ ^= state_ >> 32;
  }

  std::uint64_t state_ = 0xCBF29CE484222325;
};

}  // namespace dvd::detail

#include "dvd/core/macros_end.hpp"
