// The kernel distance against its definition.
#include "dvd/metrics/kernel_distance.hpp"

#include <doctest/doctest.h>

#include "support/error_of.hpp"
#include "support/random_rows.hpp"

namespace {

using namespace dvd;
using namespace dvd::testing;

long double kernel(std::span<const double> x, std::span<const double> y) {
  long double product = 0;
  for (std::size_t k = 0; k < x.size(); ++k) product += static_cast<long double>(x[k]) * y[k];
  const long double value = product / static_cast<long double>(x.size()) + 1;
  return value * value * value;
}

double plain_distance(const FeatureRows& a, const FeatureRows& b) {
  long double of_a = 0, of_b = 0, across = 0;
  const auto m = static_cast<long double>(a.count()), n = static_cast<long double>(b.count());
  for (Index i = 0; i < a.count(); ++i)
    for (Index j = 0; j < a.count(); ++j)
      if (i != j) of_a += kernel(a.row(i), a.row(j)) / (m * (m - 1));
  for (Index i = 0; i < b.count(); ++i)
    for (Index j = 0; j < b.count(); ++j)
      if (i != j) of_b += kernel(b.row(i), b.row(j)) / (n * (n - 1));
  for (Index i = 0; i < a.count(); ++i)
    for (Index j = 0; j < b.count(); ++j) across += kernel(a.row(i), b.row(j)) / (m * n);
  return static_cast<double>(of_a + of_b - 2 * across);
}

TEST_CASE("the distance is that of the definition") {
  for (const auto [m, n, dimensions] : {std::array<Index, 3>{2, 2, 1}, {2, 70, 3}, {65, 64, 40}, {130, 67, 300}}) {
    const FeatureRows a = random_rows(1, m, dimensions), b = random_rows(2, n, dimensions, 1.3, 0.2);
    const double expected = plain_distance(a, b);
    CHECK(kernel_distance(a, b) == doctest::Approx(expected).epsilon(1e-11));
    CHECK(kernel_distance(b, a) == doctest::Approx(expected).epsilon(1e-11));
  }
  const FeatureRows a = random_rows(1, 20, 7);
  CHECK(kernel_distance(a, a) == doctest::Approx(plain_distance(a, a)).epsilon(1e-11));
  CHECK(kernel_distance(a, a) < 0);  // where every row has itself across
}

TEST_CASE("the same bits on one thread") {
  const FeatureRows a = random_rows(1, 300, 50), b = random_rows(2, 250, 50);
  const double distance = kernel_distance(a, b);
  const ThreadLimit one(1);
  CHECK(kernel_distance(a, b) == distance);
}

TEST_CASE("sets of one distribution are at 0 on average, and others are not") {
  double same = 0, other = 0;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    same += kernel_distance(random_rows(2 * seed + 100, 60, 10), random_rows(2 * seed + 101, 60, 10)) / 20;
    other += kernel_distance(random_rows(2 * seed + 100, 60, 10), random_rows(2 * seed + 101, 60, 10, 1, 0.5)) / 20;
  }
  CHECK(std::abs(same) < 0.02);
  CHECK(other > 0.3);
}

TEST_CASE("what cannot be compared is refused") {
  const FeatureRows good = random_rows(1, 5, 4);
  CHECK(holds(error_of([&] { kernel_distance(good, random_rows(1, 1, 4)); }), "at least 2"));
  CHECK(holds(error_of([&] { kernel_distance(random_rows(1, 1, 4), good); }), "at least 2"));
  CHECK(holds(error_of([&] { kernel_distance(good, random_rows(1, 5, 3)); }), "4 and of 3"));
  CHECK(holds(error_of([&] { kernel_distance(good, with_value(good, 5, NAN)); }), "row 1, column 1"));
  CHECK(holds(error_of([&] { kernel_distance(good, random_rows(1, 5, 4, 1e100)); }), "too large"));
}

}  // namespace
