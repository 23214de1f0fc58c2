// Whether a value is a number, by its bits: std::isfinite and comparisons are what -ffast-math, a choice of the program
// that includes this library, allows a compiler to leave out.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "dvd/core/instruction_set.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

namespace detail {
template <std::size_t Bytes>
struct BitsOf;
template <>
struct BitsOf<2> {
  using type = std::uint16_t;
};
template <>
struct BitsOf<4> {
  using type = std::uint32_t;
};
template <>
struct BitsOf<8> {
  using type = std::uint64_t;
};
}  // namespace detail

/// Whether the compiler was told (-ffast-math, -ffinite-math-only) that there are no others: then a NaN may get lost on
/// its way through a kernel.
#if __FINITE_MATH_ONLY__ + 0
inline constexpr bool compiled_for_finite_numbers = true;
#else
inline constexpr bool compiled_for_finite_numbers = false;
#endif

/// False for NaN and the infinities. For float, double and bfloat16. Takes the value by its address, so that its bits
/// are read as they lie there: a value that is handed over as a number may already be taken for a finite one.
template <class T>
constexpr bool is_finite(const T& value) {
  using Bits = typename detail::BitsOf<sizeof(T)>::type;
  constexpr int exponent_begin = std::numeric_limits<T>::digits - 1;  // the fraction is below it, the sign above
  constexpr Bits sign = static_cast<Bits>(Bits{1} << (8 * sizeof(T) - 1));
  constexpr Bits exponent = static_cast<Bits>(sign - (Bits{1} << exponent_begin));
  return (std::bit_cast<Bits>(value) & exponent) != exponent;
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
