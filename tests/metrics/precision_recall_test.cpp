// Precision and recall of k nearest neighbours: constructed sets, and all distances written out.
#include "dvd/metrics/precision_recall.hpp"

#include <doctest/doctest.h>

#include "support/error_of.hpp"
#include "support/random_rows.hpp"

namespace {

using namespace dvd;
using namespace dvd::testing;

double plain_squared(std::span<const double> a, std::span<const double> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum;
}

double plain_share(const FeatureRows& candidates, const FeatureRows& set, Index k) {
  std::vector<double> radii;
  for (Index i = 0; i < set.count(); ++i) {
    std::vector<double> distances;
    for (Index j = 0; j < set.count(); ++j)
      if (i != j) distances.push_back(plain_squared(set.row(i), set.row(j)));
    std::sort(distances.begin(), distances.end());
    radii.push_back(distances.at(static_cast<std::size_t>(k - 1)));
  }
  Index within = 0;
  for (Index i = 0; i < candidates.count(); ++i) {
    bool found = false;
    for (Index j = 0; j < set.count(); ++j)
      found = found || plain_squared(candidates.row(i), set.row(j)) <= radii[static_cast<std::size_t>(j)];
    within += found;
  }
  return static_cast<double>(within) / static_cast<double>(candidates.count());
}

// Whole numbers: distances are exact and often equal.
FeatureRows whole_rows(std::uint64_t seed, Index count, Index dimensions, double range) {
  FeatureRows rows = random_rows(seed, count, dimensions, range);
  for (double& value : rows.values) value = std::round(value);
  return rows;
}

TEST_CASE("precision and recall are those of all distances, ties and copies among them") {
  for (const Index k : {1, 3, 5}) {
    for (std::uint64_t seed = 0; seed < 6; ++seed) {
      const FeatureRows real = whole_rows(seed, 150, 3, 3), generated = whole_rows(seed + 50, 90, 3, 4);
      const PrecisionRecall result = precision_recall(real, generated, k);
      CHECK(result.precision == plain_share(generated, real, k));
      CHECK(result.recall == plain_share(real, generated, k));
      CHECK(result.precision < 1);
    }
    const FeatureRows real = random_rows(7, 140, 20), generated = random_rows(8, 70, 20, 0.8);
    CHECK(precision_recall(real, generated, k).precision == plain_share(generated, real, k));
    CHECK(precision_recall(real, generated, k).recall == plain_share(real, generated, k));
  }
}

TEST_CASE("constructed sets") {
  const FeatureRows line{1, {0, 1, 2, 3, 4, 5, 6, 7}};
  const PrecisionRecall same = precision_recall(line, line);
  CHECK(same.precision == 1);
  CHECK(same.recall == 1);
  // The outermost balls reach 3 beyond the ends, their surface included.
  CHECK(precision_recall(line, {1, {-3, 10, 3.5, 10.5, -4, 100}}).precision == 0.5);
  // Far apart: nothing of one in the other.
  const PrecisionRecall apart = precision_recall(line, {1, {100, 101, 102, 103, 104}});
  CHECK(apart.precision == 0);
  CHECK(apart.recall == 0);
  // One real row over and over: its copies are others, its ball a point.
  const PrecisionRecall copies = precision_recall(line, {1, {2, 2, 2, 2, 2}});
  CHECK(copies.precision == 1);
  CHECK(copies.recall == 0.125);
}

TEST_CASE("the same on one thread") {
  const FeatureRows real = random_rows(1, 300, 30), generated = random_rows(2, 280, 30, 0.9);
  const PrecisionRecall result = precision_recall(real, generated);
  const ThreadLimit one(1);
  CHECK(precision_recall(real, generated).precision == result.precision);
  CHECK(precision_recall(real, generated).recall == result.recall);
}

TEST_CASE("what cannot be compared is refused") {
  const FeatureRows good = random_rows(1, 5, 4);
  CHECK(holds(error_of([&] { precision_recall(good, random_rows(1, 3, 4)); }), "3 rows (expected at least 4)"));
  CHECK(holds(error_of([&] { precision_recall(random_rows(1, 5, 4), good, 5); }), "at least 6"));
  CHECK(holds(error_of([&] { precision_recall(good, good, 0); }), "k is 0"));
  CHECK(holds(error_of([&] { precision_recall(good, good, std::numeric_limits<Index>::max()); }), "5 rows"));
  CHECK(holds(error_of([&] { precision_recall(good, random_rows(1, 5, 3)); }), "4 and of 3"));
  CHECK(holds(error_of([&] { precision_recall(good, with_value(good, 5, NAN)); }), "row 1, column 1"));
  CHECK(holds(error_of([&] { precision_recall(good, with_value(good, 5, -1e160)); }), "1e+160"));
}

}  // namespace
