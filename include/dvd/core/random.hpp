// Counter-based random numbers (Philox4x32-10): number i of a stream depends on the stream and on i, and on nothing
// else, so every thread and every device draws the same numbers in any order.
// Source: Salmon, Moraes, Dror, Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <string_view>

#include "dvd/core/instruction_set.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Four 32-bit random numbers for one counter under one key.
constexpr std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t product0 = std::uint64_t{0xD2511F53} * counter[0];
    const std::uint64_t product1 = std::uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<std::uint32_t>(product1 >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(product1),
               static_cast<std::uint32_t>(product0 >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(product0)};
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return counter;
}

/// A stream of random numbers, addressed by index. Cheap to copy; has no state.
///
///     Random random(seed);
///     Random latents = random.stream("latents").stream(step);   // independent of every other stream
///     float z = latents.normal(i);
class Random {
 public:
  explicit constexpr Random(std::uint64_t seed = 0) : key_(mix(seed)) {}

  /// For networks whose weights are not to be initialised, because others are about to be loaded or nobody needs any:
  /// initialisers leave zeros. The streams of this stream are such, too.
  static constexpr Random none() {
    Random result;
    result.none_ = true;
    return result;
  }
  constexpr bool is_none() const { return none_; }

  /// An independent stream named by a number or by a word.
  constexpr Random stream(std::uint64_t name) const {
    Random result = *this;
    result.key_ = mix(key_ ^ mix(name + 0x9E3779B97F4A7C15));
    return result;
  }
  constexpr Random stream(std::string_view name) const {
    std::uint64_t hash = 0xCBF29CE484222325;  // FNV-1a
    for (const char letter : name) hash = (hash ^ static_cast<unsigned char>(letter)) * 0x100000001B3;
    return stream(hash);
  }

  /// The key under which `philox` makes, of counter k, numbers 2k and 2k + 1: for who draws many at once.
  constexpr std::array<std::uint32_t, 2> key() const {
    return {static_cast<std::uint32_t>(key_), static_cast<std::uint32_t>(key_ >> 32)};
  }

  /// Number `index` of the stream, all 64 bits random.
  constexpr std::uint64_t bits(std::uint64_t index) const {
    const auto words = block(index / 2);
    const std::size_t half = index % 2 * 2;
    return std::uint64_t{words[half]} << 32 | words[half + 1];
  }

  /// Uniform in [0, 1), 53 bits.
  constexpr double uniform(std::uint64_t index) const { return static_cast<double>(bits(index) >> 11) * 0x1p-53; }

  /// Uniform in [low, high).
  constexpr double uniform(std::uint64_t index, double low, double high) const {
    return low + (high - low) * uniform(index);
  }

  /// Uniform among 0, 1, ..., count - 1 (count > 0).
  constexpr std::int64_t below(std::uint64_t index, std::int64_t count) const {
    return static_cast<std::int64_t>(uniform(index) * static_cast<double>(count));
  }

  /// Two standard normal numbers in polar coordinates: radius * cos(angle) and radius * sin(angle).
  struct NormalPair {
    double radius, angle;
  };

  /// Normal numbers `index`, which is even, and `index + 1` (Box-Muller); they share a pair of uniforms.
  NormalPair normal_pair(std::uint64_t index) const {
    return {std::sqrt(-2 * std::log(1 - uniform(index))),  // 1 - u is in (0, 1]
            2 * std::numbers::pi * uniform(index + 1)};
  }

  /// Standard normal.
  double normal(std::uint64_t index) const {
    const NormalPair pair = normal_pair(index & ~std::uint64_t{1});
    return pair.radius * (index % 2 == 0 ? std::cos(pair.angle) : std::sin(pair.angle));
  }

 private:
  // SplitMix64's finaliser: every bit of the result depends on every bit of the argument.
  static constexpr std::uint64_t mix(std::uint64_t x) {
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9;
    x = (x ^ x >> 27) * 0x94D049BB133111EB;
    return x ^ x >> 31;
  }

  constexpr std::array<std::uint32_t, 4> block(std::uint64_t counter) const {
    return philox({static_cast<std::uint32_t>(counter), static_cast<std::uint32_t>(counter >> 32), 0, 0}, key());
  }

  std::uint64_t key_;
  bool none_ = false;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
