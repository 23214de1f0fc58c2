// Philox against published vectors; that streams have the moments and the independence they promise.
#include "dvd/core/random.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <set>
#include <string>

namespace {

using dvd::philox;
using dvd::Random;
using Words = std::array<std::uint32_t, 4>;

constexpr std::uint64_t draws = 200'000;

// Mean of f(i) over the draws. Its standard error is the standard deviation of f over sqrt(draws) = 447.
template <class F>
double mean(F f) {
  double sum = 0;
  for (std::uint64_t i = 0; i < draws; ++i) sum += f(i);
  return sum / static_cast<double>(draws);
}

// Five standard errors for a deviation of 1: a right generator fails once in two million.
constexpr double tolerance = 5 / 447.0;

}  // namespace

// From Random123's kat_vectors, "philox4x32 10".
TEST_CASE("philox gives the vectors of its authors") {
  CHECK(philox({0, 0, 0, 0}, {0, 0}) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}) ==
        Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("a number depends on seed, stream and index alone") {
  const Random random(7);
  CHECK(random.bits(5) == Random(7).bits(5));
  CHECK(random.stream("a").stream(3).bits(9) == Random(7).stream("a").stream(3).bits(9));
  static_assert(Random(1).stream("at compile time").bits(0) == Random(1).stream("at compile time").bits(0));
}

TEST_CASE("seeds, streams and indices give different numbers") {
  std::set<std::uint64_t> seen;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    seen.insert(Random(i).bits(0));
    seen.insert(Random(0).bits(i + 1));
    seen.insert(Random(0).stream(i).bits(0));
    seen.insert(Random(0).stream(i).stream(0).bits(0));
    seen.insert(Random(0).stream(0).stream(i + 1).bits(0));
    seen.insert(Random(0).stream(std::to_string(i)).bits(0));
  }
  CHECK(seen.size() == 6000);
  CHECK(Random(0).stream("ab").bits(0) != Random(0).stream("a").stream("b").bits(0));
}

TEST_CASE("uniform numbers fill [0, 1) evenly") {
  const Random random = Random(1).stream("uniform");
  double low = 1, high = 0;
  std::array<int, 10> tenths{};
  for (std::uint64_t i = 0; i < draws; ++i) {
    const double u = random.uniform(i);
    low = std::min(low, u);
    high = std::max(high, u);
    ++tenths[static_cast<std::size_t>(u * 10)];
  }
  CHECK(low >= 0);
  CHECK(low < 1e-4);
  CHECK(high < 1);
  CHECK(high > 1 - 1e-4);
  for (const int count : tenths) CHECK(std::abs(count / static_cast<double>(draws) - 0.1) < tolerance * 0.3);
  CHECK(std::abs(mean([&](auto i) { return random.uniform(i); }) - 0.5) < tolerance * 0.29);
  CHECK(std::abs(mean([&](auto i) { return random.uniform(i) * random.uniform(i + 1); }) - 0.25) < tolerance * 0.3);
}

TEST_CASE("uniform numbers of a range stay in it") {
  const Random random(2);
  for (std::uint64_t i = 0; i < 1000; ++i) {
    const double u = random.uniform(i, -3, -1);
    CHECK((u >= -3 && u < -1));
    CHECK(u == -3 + 2 * random.uniform(i));
  }
}

TEST_CASE("below(i, n) draws 0 .. n - 1 equally often") {
  const Random random(3);
  std::array<int, 7> counts{};
  for (std::uint64_t i = 0; i < draws; ++i) ++counts[static_cast<std::size_t>(random.below(i, 7))];
  for (const int count : counts) CHECK(std::abs(count / static_cast<double>(draws) - 1.0 / 7) < tolerance * 0.35);
  CHECK(random.below(0, 1) == 0);
}

TEST_CASE("normal numbers have the moments 0, 1, 0, 3") {
  const Random random = Random(4).stream("normal");
  const auto moment = [&](int power) { return mean([&](auto i) { return std::pow(random.normal(i), power); }); };
  CHECK(std::abs(moment(1)) < tolerance);
  CHECK(std::abs(moment(2) - 1) < tolerance * std::sqrt(2));
  CHECK(std::abs(moment(3)) < tolerance * std::sqrt(15));
  CHECK(std::abs(moment(4) - 3) < tolerance * std::sqrt(96));
  for (std::uint64_t i = 0; i < draws; ++i) REQUIRE(std::isfinite(random.normal(i)));
}

TEST_CASE("numbers of one pair, of neighbouring pairs and of sibling streams do not correlate") {
  const Random random(5), sibling = random.stream(0), other = random.stream(1);
  CHECK(std::abs(mean([&](auto i) { return random.normal(2 * i) * random.normal(2 * i + 1); })) < tolerance);
  CHECK(std::abs(mean([&](auto i) { return random.normal(2 * i) * random.normal(2 * i + 2); })) < tolerance);
  CHECK(std::abs(mean([&](auto i) { return sibling.normal(i) * other.normal(i); })) < tolerance);
  CHECK(std::abs(mean([&](auto i) { return random.normal(i) * sibling.normal(i); })) < tolerance);
  CHECK(std::abs(mean([&](auto i) { return random.stream(i).normal(0) * random.stream(i + 1).normal(0); })) <
        tolerance);
}
