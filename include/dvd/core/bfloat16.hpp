// The 16-bit floating-point number of matrix units: float's exponent, 7 bits of fraction.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <bit>
#include <concepts>
#include <cstdint>
#include <limits>

#include "dvd/core/instruction_set.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// A float without the lower half of its bits. Arithmetic is float's: a bfloat16 becomes a float by itself, and a float
/// becomes a bfloat16 where that is written, rounded to the nearest (to even, if two are as near).
class bfloat16 {
 public:
  bfloat16() = default;

  template <class Number>
  requires std::integral<Number> || std::floating_point<Number>
  explicit constexpr bfloat16(Number value) : bits_(rounded(static_cast<float>(value))) {}

  constexpr operator float() const { return std::bit_cast<float>(static_cast<std::uint32_t>(bits_) << 16); }

  static constexpr bfloat16 from_bits(std::uint16_t bits) {
    bfloat16 result;
    result.bits_ = bits;
    return result;
  }
  constexpr std::uint16_t bits() const { return bits_; }

 private:
  static constexpr std::uint16_t rounded(float value) {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    if ((bits & 0x7FFFFFFF) > 0x7F800000) return static_cast<std::uint16_t>(bits >> 16 | 0x40);  // stays no number
    return static_cast<std::uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
  }

  std::uint16_t bits_;
};

namespace detail {
template <class T>
struct FullPrecisionOf {
  using type = T;
};
template <>
struct FullPrecisionOf<bfloat16> {
  using type = float;
};
}  // namespace detail

/// What goes with elements of type T where T itself would be too coarse: weights as they are learned, statistics,
/// sigmas and losses. float for bfloat16, T for every other (Micikevicius et al. 2018, "Mixed Precision Training").
template <class T>
using FullPrecision = typename detail::FullPrecisionOf<T>::type;

}  // namespace dvd

/// Those limits that this library asks for.
template <>
class std::numeric_limits<dvd::bfloat16> {
 public:
  static constexpr bool is_specialized = true, is_signed = true, is_iec559 = false, has_infinity = true,
                        has_quiet_NaN = true;
  static constexpr int digits = 8;
  static constexpr dvd::bfloat16 epsilon() { return dvd::bfloat16::from_bits(0x3C00); }
  static constexpr dvd::bfloat16 max() { return dvd::bfloat16::from_bits(0x7F7F); }
  static constexpr dvd::bfloat16 lowest() { return dvd::bfloat16::from_bits(0xFF7F); }
  static constexpr dvd::bfloat16 min() { return dvd::bfloat16::from_bits(0x0080); }
  static constexpr dvd::bfloat16 infinity() { return dvd::bfloat16::from_bits(0x7F80); }
  static constexpr dvd::bfloat16 quiet_NaN() { return dvd::bfloat16::from_bits(0x7FC0); }
};

#include "dvd/core/macros_end.hpp"
