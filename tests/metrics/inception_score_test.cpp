// The Inception Score against reference values of 50 digits, and where it is known.
#include "dvd/metrics/inception_score.hpp"

#include <doctest/doctest.h>

#include <limits>

#include "support/error_of.hpp"
#include "support/metric_values.hpp"
#include "support/random_rows.hpp"

namespace {

using namespace dvd;
using namespace dvd::testing;

LogGuard guard_of(const std::string& name) {
  if (name == "tgan") return LogGuard::tgan;
  return name == "tganv2" ? LogGuard::tganv2 : LogGuard::none;
}

TEST_CASE("scores are those of the reference values, with every guard") {
  const MetricValues values("inception_score");
  for (const auto& [name, all_splits] : values.attributes().at("cases").items()) {
    const std::string tensor = name + ".in.probabilities";
    const FeatureRows rows{values.shape(tensor)[1], values.numbers(tensor)};
    for (const Index splits : all_splits.get<std::vector<Index>>())
      for (const std::string guard : {"none", "tgan", "tganv2"}) {
        CAPTURE(name);
        CAPTURE(splits);
        CAPTURE(guard);
        const InceptionScore score = inception_score(rows, splits, guard_of(guard));
        const std::string out = name + "." + guard + ".splits" + std::to_string(splits) + ".out.";
        const double mean = values.number(out + "mean"), deviation = values.number(out + "deviation");
        CHECK(relative_difference(score.scores, values.numbers(out + "scores")) <= 1e-12);
        CHECK(std::abs(score.mean - mean) <= 1e-12 * std::max(mean, deviation));
        CHECK(std::abs(score.deviation - deviation) <= 1e-12 * std::max(mean, deviation));
      }
  }
}

TEST_CASE("equal rows score 1, sure rows of even classes their number") {
  const FeatureRows rows = softmax(random_rows(3, 1, 101, 3));
  FeatureRows same;
  for (int i = 0; i < 20000; ++i) same.append(rows.row(0));
  CHECK(inception_score(same, 10).mean == doctest::Approx(1).epsilon(1e-12));
  FeatureRows sure;
  for (std::size_t i = 0; i < 5050; ++i) {
    std::vector<double> row(101);
    row[i % 101] = 1;
    sure.append(row);
  }
  CHECK(inception_score(sure, 10).mean == doctest::Approx(101).epsilon(1e-12));
  CHECK(inception_score(sure, 10).deviation < 1e-10);
}

TEST_CASE("softmax gives probabilities, of large logits, too") {
  const FeatureRows rows = softmax({3, {1000, 1000, -1000, 0, std::log(2.0), std::log(5.0)}});
  CHECK(rows.row(0)[0] == 0.5);
  CHECK(rows.row(0)[2] == 0);
  CHECK(rows.row(1)[1] == doctest::Approx(0.25).epsilon(1e-15));
  CHECK(rows.row(1)[2] == doctest::Approx(0.625).epsilon(1e-15));
  CHECK(softmax(FeatureRows{}).count() == 0);
  CHECK(holds(error_of([] { softmax({2, {1, INFINITY}}); }), "column 1"));
}

TEST_CASE("what is no set of probabilities is refused") {
  const FeatureRows good = softmax(random_rows(4, 9, 5));
  CHECK(holds(error_of([&] { inception_score(good, 10); }), "9 rows"));
  CHECK(holds(error_of([&] { inception_score(good, 0); }), "0 parts"));
  CHECK(holds(error_of([&] { inception_score(FeatureRows{}); }), "at least 1"));
  CHECK(holds(error_of([&] { inception_score(random_rows(4, 9, 5)); }), "softmax"));
  CHECK(holds(error_of([&] { inception_score({2, {0.5, 0.4}}); }), "sums to 0.9"));
  CHECK(holds(error_of([&] { inception_score({2, {1.5, -0.5}}); }), "-0.5"));
  CHECK(holds(error_of([&] { inception_score({2, {NAN, 1}}); }), "row 0, column 0"));
  CHECK(error_of([&] { inception_score(good, 9); }).empty());
}

}  // namespace
