// The bytes of protocol buffers, and of what else is written in their numbers.
// Source: https://protobuf.dev/programming-guides/encoding
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>

#include "dvd/core/error.hpp"
#include "dvd/io/safetensors_header.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::detail {

/// Reads numbers and texts off the front of `bytes`. FileError, beginning with `where`, where they end too early.
class WireReader : FileChecks {
 public:
  /// A field of a message: its number, and what it holds, by its kind.
  struct Field {
    std::uint64_t number = 0;
    bool is_bytes = false;  ///< then it holds `bytes`, otherwise `value`
    std::uint64_t value = 0;
    std::span<const std::byte> bytes = {};  ///< a text or a message
  };

  WireReader(const std::string& where, std::span<const std::byte> bytes) : FileChecks(where), bytes_(bytes) {}

  bool done() const { return bytes_.empty(); }

  /// A number of 7 bits a byte, the lowest first.
  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<std::uint64_t>(take(1)[0]);
      check(shift < 63 || byte <= 1, damaged, " (a number of more than 64 bits)");
      value |= (byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    fail(damaged, " (a number of more than 10 bytes)");
  }

  std::span<const std::byte> take(std::uint64_t size) {
    check(size <= bytes_.size(), damaged, " (it ends within a field)");
    const std::span<const std::byte> taken = bytes_.first(size);
    bytes_ = bytes_.subspan(size);
    return taken;
  }

  /// A number of 4 or 8 bytes, the lowest first.
  template <class Number>
  Number fixed() {
    Number value = 0;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }

  /// The message's next field; none at its end.
  std::optional<Field> field() {
    if (done()) return std::nullopt;
    const std::uint64_t tag = varint();
    Field result{.number = tag >> 3};
    switch (tag & 7) {
      case 0:
        result.value = varint();
        break;
      case 1:
        result.value = fixed<std::uint64_t>();
        break;
      case 2:
        result.is_bytes = true;
        result.bytes = take(varint());
        break;
      case 5:
        result.value = fixed<std::uint32_t>();
        break;
      default:
        fail(damaged, " (a field of kind ", tag & 7, ")");
    }
    return result;
  }

 private:
  static constexpr const char* damaged = "is damaged";

  std::span<const std::byte> bytes_;
};

}  // namespace dvd::detail

#include "dvd/core/macros_end.hpp"
