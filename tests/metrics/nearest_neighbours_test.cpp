// The nearest rows of a set that comes in chunks, against sorting all of them.
#include "dvd/metrics/nearest_neighbours.hpp"

#include <doctest/doctest.h>

#include "support/error_of.hpp"
#include "support/random_rows.hpp"

namespace {

using namespace dvd;
using namespace dvd::testing;

std::vector<Neighbour> plain_nearest(std::span<const double> row, const FeatureRows& set, Index k) {
  std::vector<Neighbour> all;
  for (Index j = 0; j < set.count(); ++j) {
    double sum = 0;
    for (std::size_t i = 0; i < row.size(); ++i) sum += (row[i] - set.row(j)[i]) * (row[i] - set.row(j)[i]);
    all.push_back({j, std::sqrt(sum)});
  }
  std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.distance < b.distance; });
  all.resize(static_cast<std::size_t>(std::min(k, set.count())));
  return all;
}

TEST_CASE("the nearest rows, equally near ones in their order, whatever the chunks") {
  FeatureRows rows = random_rows(1, 70, 3, 2), set = random_rows(2, 200, 3, 2);
  for (double& value : rows.values) value = std::round(value);  // many are equally near
  for (double& value : set.values) value = std::round(value);
  for (const Index k : {1, 4, 300}) {
    const auto found = nearest_neighbours(rows, set, k);
    for (Index i = 0; i < rows.count(); ++i)
      CHECK(found[static_cast<std::size_t>(i)] == plain_nearest(rows.row(i), set, k));
    for (const Index chunk : {1, 63, 64, 65, 199}) {
      NearestNeighbours nearest(rows, k);
      for (Index first = 0; first < set.count(); first += chunk)
        nearest.add(some_rows(set, first, std::min(chunk, set.count() - first)));
      CHECK(nearest.seen() == 200);
      for (Index i = 0; i < rows.count(); ++i) CHECK(nearest.of(i) == found[static_cast<std::size_t>(i)]);
    }
  }
}

TEST_CASE("a row finds itself at distance 0 among long rows") {
  const FeatureRows set = random_rows(3, 90, 1000, 1, 50);
  const auto found = nearest_neighbours(some_rows(set, 30, 3), set, 2);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(found[i][0] == Neighbour{static_cast<Index>(30 + i), 0});
    CHECK(found[i][1].distance > 1);
  }
  const ThreadLimit one(1);
  CHECK(nearest_neighbours(some_rows(set, 30, 3), set, 2) == found);
}

TEST_CASE("what cannot be searched is refused") {
  const FeatureRows rows = random_rows(1, 5, 4);
  CHECK(holds(error_of([&] { NearestNeighbours(rows, 0); }), "k is 0"));
  CHECK(holds(error_of([&] { NearestNeighbours(FeatureRows{}, 1); }), "at least 1"));
  CHECK(holds(error_of([&] { NearestNeighbours(with_value(rows, 7, NAN), 1); }), "row 1, column 3"));
  NearestNeighbours nearest(rows, 2);
  CHECK(holds(error_of([&] { nearest.add(random_rows(1, 5, 3)); }), "4 and of 3"));
  CHECK(holds(error_of([&] { nearest.add(with_value(rows, 7, INFINITY)); }), "row 1, column 3"));
  CHECK(nearest.seen() == 0);
  nearest.add(FeatureRows{});
  CHECK(nearest.of(4).empty());
  CHECK(holds(error_of([&] { nearest.of(5); }), "outside"));
}

}  // namespace
