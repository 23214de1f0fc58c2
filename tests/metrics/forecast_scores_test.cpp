#include "dvd/metrics/forecast_scores.hpp"

#include <doctest/doctest.h>

#include <cmath>

#include "dvd/core/random.hpp"

namespace {

using namespace dvd;

TEST_CASE("the critical success index counts hits among all events") {
  ContingencyTable table;
  CHECK(std::isnan(table.critical_success_index()));
  const std::vector<float> forecast = {0, 5, 5, 0, 4}, truth = {0, 5, 0, 5, 9};
  table.add(forecast, truth, 4);
  CHECK(table.hits == 2);
  CHECK(table.false_alarms == 1);
  CHECK(table.misses == 1);
  CHECK(table.correct_negatives == 1);
  CHECK(table.critical_success_index() == 0.5);
  table.add(truth, truth, 5);
  CHECK(table.hits == 5);
  CHECK_THROWS_WITH_AS(table.add(std::vector<float>{1, NAN}, std::vector<float>{1, 2}, 4),
                       "cell 1 is not finite: leave cells without a measurement out of forecast and truth",
                       ArgumentError);
  CHECK_THROWS_WITH_AS(table.add(forecast, std::vector<float>{1, 2}, 4),
                       "a forecast of 5 cells cannot be compared with 2 cells", ArgumentError);
}

TEST_CASE("the continuous ranked probability score is that of the definition") {
  CHECK(continuous_ranked_probability_score({3}, 5) == 2);  // one member: the absolute error
  CHECK(continuous_ranked_probability_score({4, 4, 4}, 4) == 0);
  const Random random(1);
  for (std::uint64_t size = 1; size < 12; ++size) {
    std::vector<float> members;
    for (std::uint64_t m = 0; m < size; ++m) members.push_back(static_cast<float>(random.stream(size).normal(m)));
    const float truth = static_cast<float>(random.normal(size));
    double error = 0, spread = 0;
    for (const double x : members) {
      error += std::abs(x - truth);
      for (const double other : members) spread += std::abs(x - other);
    }
    const double count = static_cast<double>(size);
    CHECK(continuous_ranked_probability_score(members, truth) ==
          doctest::Approx(error / count - spread / (2 * count * count)).epsilon(1e-9));
    // The integral of the squared distance of the distributions (Matheson and Winkler 1976).
    double integral = 0;
    const double step = 1e-3;
    for (double x = -8; x < 8; x += step) {
      double below = 0;
      for (const float member : members) below += member <= x ? 1 / count : 0;
      const double distance = below - (truth <= x ? 1 : 0);
      integral += distance * distance * step;
    }
    CHECK(continuous_ranked_probability_score(members, truth) == doctest::Approx(integral).epsilon(0.01));
  }
  CHECK_THROWS_AS(continuous_ranked_probability_score({1}, NAN), ArgumentError);
  CHECK_THROWS_AS(continuous_ranked_probability_score({1, NAN}, 1), ArgumentError);
  CHECK_THROWS_WITH_AS(continuous_ranked_probability_score({}, 1), "an ensemble needs at least one member",
                       ArgumentError);
}

}  // namespace
