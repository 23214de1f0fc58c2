// Division by multiplication, as kernels of dvd::Cuda do it, beside the plain one.
#include <doctest/doctest.h>

#include <cstdint>
#include <random>
#include <vector>

#include "dvd/device/cuda/divide.hpp"

namespace {

using namespace dvd;
using cuda::FastDivide;

constexpr std::int64_t most = cuda::largest_small_index;

/// How often the quotient or the remainder is another than the plain one.
int wrong(std::int64_t divisor, const std::vector<std::int64_t>& dividends) {
  const FastDivide divide(divisor);
  int wrong = divide.value() != divisor;
  for (const std::int64_t n : dividends) {
    if (n < 0) continue;
    const auto wide = divide.divide<Index>(n);
    wrong += wide.quotient != n / divisor || wide.remainder != n % divisor;
    if (n > most) continue;
    const auto small = divide.divide(static_cast<std::int32_t>(n));
    wrong += divide.quotient(static_cast<std::int32_t>(n)) != n / divisor;
    if (divisor <= most) wrong += small.quotient != n / divisor || small.remainder != n % divisor;
  }
  return wrong;
}

/// Multiples of a divisor and their neighbours, where rounding would show first, the largest among them.
std::vector<std::int64_t> edges(std::int64_t divisor) {
  std::vector<std::int64_t> all{0, 1, 2, most - 2, most - 1, most, most + 1, std::int64_t{1} << 40};
  const std::int64_t last = most / divisor * divisor;
  for (const std::int64_t multiple : {divisor, 2 * divisor, 3 * divisor, last / 2 / divisor * divisor, last})
    for (std::int64_t n = multiple - 2; n <= multiple + 2; ++n) all.push_back(n);
  return all;
}

TEST_CASE("every small divisor, at its edges") {
  int total = 0;
  for (std::int64_t divisor = 1; divisor <= 100'000; ++divisor) total += wrong(divisor, edges(divisor));
  CHECK(total == 0);
}

TEST_CASE("powers of two and their neighbours, and the largest divisors") {
  for (int bit = 0; bit < 40; ++bit)
    for (std::int64_t divisor = (std::int64_t{1} << bit) - 3; divisor <= (std::int64_t{1} << bit) + 3; ++divisor)
      if (divisor > 0) CHECK(wrong(divisor, edges(divisor)) == 0);
  for (std::int64_t divisor = most - 100; divisor <= most + 100; ++divisor) CHECK(wrong(divisor, edges(divisor)) == 0);
}

TEST_CASE("random divisors and dividends of all lengths") {
  std::mt19937_64 random(1);
  const auto drawn = [&] { return static_cast<std::int64_t>(random() >> (33 + random() % 31)); };
  int total = 0;
  for (int i = 0; i < 20'000; ++i) {
    const std::int64_t divisor = drawn() + 1;
    std::vector<std::int64_t> dividends = edges(divisor);
    for (int k = 0; k < 50; ++k) dividends.push_back(drawn());
    total += wrong(divisor, dividends);
  }
  CHECK(total == 0);
}

TEST_CASE("every dividend of 31 bits, for some divisors") {
  for (const std::int32_t divisor : {7, 641}) {
    const FastDivide divide(divisor);
    std::int64_t total = 0;
    std::int32_t expected = 0, next = divisor;
    for (std::int32_t n = 0;; ++n) {
      if (n == next) {
        ++expected;
        next = next <= cuda::largest_small_index - divisor ? next + divisor : 0;
      }
      total += divide.quotient(n) != expected;
      if (n == cuda::largest_small_index) break;
    }
    CHECK(total == 0);
  }
}

TEST_CASE("products of small indices that are none") {
  CHECK(cuda::product(std::int32_t{1} << 20, Index{1} << 20) == Index{1} << 40);
  CHECK(cuda::product(Index{1} << 35, Index{12}) == Index{12} << 35);
}

}  // namespace
