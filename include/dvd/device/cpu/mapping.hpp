// Pointwise kernels of somebody else's functions, and dropout.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <cmath>
#include <concepts>
#include <cstdint>

#include "dvd/core/bfloat16.hpp"
#include "dvd/core/random.hpp"
#include "dvd/device/cpu/parallel.hpp"
#include "dvd/device/cpu/simd.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cpu {

namespace detail {

/// A function that is written for vectors, too: it takes and returns them.
template <class Function, class T, class... Arguments>
concept OfVectors = requires(const Function& function, const Vector<T, native_lanes<T>>& x, const Arguments&... more) {
  { function(x, more...)[0] } -> std::convertible_to<T>;
};

/// Random::bits of `first` (even), first + 1, ..., `Count` of them: many counters at a time, each word of Philox's in
/// the lower half of a lane.
template <Index Count>
void random_bits(const Random& random, std::uint64_t first, std::uint64_t* bits) {
  constexpr int lanes = native_lanes<std::uint64_t>;
  static_assert(Count % (2 * lanes) == 0);
  using V = Vector<std::uint64_t, lanes>;
  constexpr std::uint64_t low = 0xFFFFFFFF;
  V step{};
  for (int lane = 0; lane < lanes; ++lane) step[lane] = static_cast<std::uint64_t>(lane);
  for (Index i = 0; i < Count; i += 2 * lanes) {
    const V counter = step + (first + static_cast<std::uint64_t>(i)) / 2;
    V word0 = counter & low, word1 = counter >> 32, word2{}, word3{};
    std::uint64_t key0 = random.key()[0], key1 = random.key()[1];
    for (int round = 0; round < 10; ++round) {
      const V product0 = word0 * 0xD2511F53, product1 = word2 * 0xCD9E8D57;
      word0 = product1 >> 32 ^ word1 ^ key0;
      word1 = product1 & low;
      word2 = product0 >> 32 ^ word3 ^ key1;
      word3 = product0 & low;
      key0 = (key0 + 0x9E3779B9) & low;
      key1 = (key1 + 0xBB67AE85) & low;
    }
    const V even = word0 << 32 | word1, odd = word2 << 32 | word3;
    for (int lane = 0; lane < lanes; ++lane) {
      bits[i + 2 * lane] = even[lane];
      bits[i + 2 * lane + 1] = odd[lane];
    }
  }
}

}  // namespace detail

/// Pointwise kernels of the contract that take a function or random numbers; see core/device.hpp.
struct Mapping {
  template <class Function, class T>
  static void map(Index size, const Function& function, const T* x, T* y) {
    parallel_chunks(size, pointwise_grain, [=](Index begin, Index end) {
      if constexpr (detail::OfVectors<Function, T>) {
        for_lanes<T>(
            end,
            [=](Index i, auto lanes) {
              using V = Vector<T, lanes>;
              store(y + i, V(function(load<V>(x + i))));
            },
            begin);
      } else {
        using P = FullPrecision<T>;
        for (Index i = begin; i < end; ++i) y[i] = static_cast<T>(function(static_cast<P>(x[i])));
      }
    });
  }

  template <class Function, class T>
  static void map(Index size, const Function& function, const T* x, const T* y, T* z) {
    parallel_chunks(size, pointwise_grain, [=](Index begin, Index end) {
      if constexpr (detail::OfVectors<Function, T, Vector<T, native_lanes<T>>>) {
        for_lanes<T>(
            end,
            [=](Index i, auto lanes) {
              using V = Vector<T, lanes>;
              store(z + i, V(function(load<V>(x + i), load<V>(y + i))));
            },
            begin);
      } else {
        using P = FullPrecision<T>;
        for (Index i = begin; i < end; ++i) z[i] = static_cast<T>(function(static_cast<P>(x[i]), static_cast<P>(y[i])));
      }
    });
  }

  template <class T>
  static void dropout(Index size, const Random& random, std::uint64_t first, double probability, const T* x, T* y);
};

template <class T>
void Mapping::dropout(Index size, const Random& random, std::uint64_t first, double probability, const T* x, T* y) {
  const T factor = static_cast<T>(1 / (1 - probability));
  // A uniform number is 53 bits, k * 2^-53. Below the probability it is if k is below this.
  const auto limit = static_cast<std::uint64_t>(std::ceil(probability * 0x1p53));
  constexpr Index chunk = 1024;
  parallel_chunks(size, chunk, [=](Index begin, Index end) {
    const std::uint64_t number = first + static_cast<std::uint64_t>(begin);
    const Index odd = static_cast<Index>(number % 2);
    constexpr auto drawn = static_cast<std::size_t>(chunk + 2 * native_lanes<std::uint64_t>);  // from an even number on
    std::uint64_t bits[drawn];
    detail::random_bits<static_cast<Index>(drawn)>(random, number & ~std::uint64_t{1}, bits);
    T keeps[chunk];  // without branches, which nobody could foretell
    for (Index i = 0; i < chunk; ++i) keeps[i] = static_cast<T>(bits[i + odd] >> 11 >= limit);
    for_lanes<T>(end - begin, [&](Index i, auto lanes) {
      using V = Vector<T, lanes>;
      store(y + begin + i, load<V>(keeps + i) > 0 ? load<V>(x + begin + i) * factor : V{});
    });
  });
}

}  // namespace dvd::cpu

#include "dvd/core/macros_end.hpp"
