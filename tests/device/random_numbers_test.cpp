// The CPU's arrays of random numbers are, to the bit, those of Random, which draws them one by one.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "dvd/core/random.hpp"
#include "dvd/device/cpu.hpp"

namespace {

using dvd::Cpu;
using dvd::Index;
using dvd::Random;

// Odd and even ones, and those around the ends of the pieces that threads take.
const std::vector<Index> sizes{0, 1, 2, 3, 8, 1023, 1024, 1025, 2047, 5001};

TEST_CASE_TEMPLATE("normal numbers", T, float, double) {
  const Random random = Random(3).stream("normal");
  for (const Index size : sizes) {
    std::vector<T> y(static_cast<std::size_t>(size) + 1, T(7));
    Cpu::random_normal(size, random, T(0.75), y.data());
    bool equal = true;
    for (std::size_t i = 0; i + 1 < y.size(); ++i) equal = equal && y[i] == T(0.75) * static_cast<T>(random.normal(i));
    CHECK_MESSAGE(equal, "of ", size, " numbers");
    CHECK(y.back() == T(7));
  }
}

TEST_CASE("a pair is two neighbouring numbers") {
  const Random random(4);
  for (std::uint64_t i = 0; i < 1000; i += 2) {
    const Random::NormalPair pair = random.normal_pair(i);
    CHECK(random.normal(i) == pair.radius * std::cos(pair.angle));
    CHECK(random.normal(i + 1) == pair.radius * std::sin(pair.angle));
  }
}

TEST_CASE_TEMPLATE("uniform numbers", T, float, double) {
  const Random random = Random(5).stream("uniform");
  for (const Index size : sizes) {
    std::vector<T> y(static_cast<std::size_t>(size) + 1, T(7));
    Cpu::random_uniform(size, random, T(-2), T(3), y.data());
    bool equal = true;
    for (std::size_t i = 0; i + 1 < y.size(); ++i) equal = equal && y[i] == static_cast<T>(random.uniform(i, -2, 3));
    CHECK_MESSAGE(equal, "of ", size, " numbers");
    CHECK(y.back() == T(7));
  }
}

TEST_CASE("many bits at once") {
  const Random random = Random(6).stream("bits");
  for (const std::uint64_t first : {std::uint64_t{0}, std::uint64_t{1024}, (std::uint64_t{1} << 33) - 512}) {
    std::uint64_t bits[1024];
    dvd::cpu::detail::random_bits<1024>(random, first, bits);
    bool equal = true;
    for (std::uint64_t i = 0; i < 1024; ++i) equal = equal && bits[i] == random.bits(first + i);
    CHECK(equal);
  }
}

}  // namespace
