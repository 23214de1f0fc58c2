// Division by numbers that a launch knows beforehand.
//
// A GPU has no instruction for it: a division of 64-bit integers is a routine of about a hundred, one of 32-bit
// integers a third of that, and a kernel that finds out which pixel it is at needs several. A number below 2^31 is
// divided by a multiplication, an addition and a shift (Granlund, Montgomery 1994, "Division by Invariant Integers
// using Multiplication").
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <cstdint>

#include "dvd/core/shape.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

/// Positions as kernels count them: in 32 bits where all that they count is at most this much, else in 64.
constexpr Index largest_small_index = 0x7FFFFFFF;

/// A quotient and what is left.
template <class I>
struct Divided {
  I quotient, remainder;
};

/// A divisor, more than 0. Dividends are not negative.
class FastDivide {
 public:
  constexpr FastDivide(Index divisor = 1) : divisor_(divisor) {
    // quotient = n (2^32 + multiplier) / 2^(32 + shift), rounded down, with 2^shift >= divisor. A divisor that no small
    // index reaches gives 0.
    if (divisor > largest_small_index || divisor < 1) return;
    shift_ = 0;
    while ((std::int64_t{1} << shift_) < divisor) ++shift_;
    const std::uint64_t power = std::uint64_t{1} << shift_, d = static_cast<std::uint64_t>(divisor);
    multiplier_ = static_cast<std::uint32_t>(((power - d) << 32) / d + 1);
  }

  /// Of a small index: exact for all of them.
  constexpr std::int32_t quotient(std::int32_t n) const {
    const std::uint32_t dividend = static_cast<std::uint32_t>(n);
    const std::uint32_t high = static_cast<std::uint32_t>(std::uint64_t{dividend} * multiplier_ >> 32);
    return static_cast<std::int32_t>((high + dividend) >> shift_);
  }
  constexpr Index quotient(Index n) const {
    return n <= largest_small_index ? quotient(static_cast<std::int32_t>(n)) : n / divisor_;
  }

  template <class I>
  constexpr Divided<I> divide(I n) const {
    const I result = quotient(n);
    return {result, n - result * static_cast<I>(divisor_)};
  }

  constexpr Index value() const { return divisor_; }

 private:
  Index divisor_ = 1;
  std::uint32_t multiplier_ = 0;
  std::int32_t shift_ = 31;
};

/// a * b, where the product may be more than an I: as cheap for two small indices as a product of 32 bits.
template <class I>
constexpr Index product(I a, Index b) {
  if constexpr (sizeof(I) == sizeof(Index))
    return a * b;
  else
    return static_cast<Index>(a) * static_cast<std::int32_t>(b);
}

}  // namespace dvd::cuda

#include "dvd/core/macros_end.hpp"
