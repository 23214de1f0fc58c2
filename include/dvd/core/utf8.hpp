// Names of files, which are any bytes, as text.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "dvd/core/instruction_set.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

namespace detail {

// The length of the character that a text begins with; 0 where its bytes are no UTF-8.
inline std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(text[i])); };
  const std::uint32_t first = byte(0);
  const std::size_t length = first < 0x80 ? 1 : first < 0xc0 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  if (length <= 1) return length;
  if (text.size() < length) return 0;
  std::uint32_t code = first & (0x7fu >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    code = code << 6 | (byte(i) & 0x3f);
  }
  const std::uint32_t least = length == 2 ? 0x80 : length == 3 ? 0x800 : 0x10000;
  return code < least || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ? 0 : length;
}

}  // namespace detail

/// A name as UTF-8, for files that hold nothing else, such as JSON: what is UTF-8 stays as it is, and any other byte is
/// written as four characters, `\xEF`. So different names of one folder stay different.
inline std::string utf8_text(std::string_view name) {
  constexpr char digits[] = "0123456789ABCDEF";
  std::string text;
  while (!name.empty()) {
    const std::size_t length = detail::utf8_length(name);
    if (length > 0) {
      text += name.substr(0, length);
    } else {
      const auto byte = static_cast<unsigned char>(name[0]);
      text += {'\\', 'x', digits[byte >> 4], digits[byte & 15]};
    }
    name.remove_prefix(length > 0 ? length : 1);
  }
  return text;
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
