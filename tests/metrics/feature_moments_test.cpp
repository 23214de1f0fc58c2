// Rows of features, and their moments: against the definition in long double, in whatever chunks rows come.
#include "dvd/metrics/feature_moments.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <set>

#include "support/error_of.hpp"
#include "support/metric_values.hpp"
#include "support/random_rows.hpp"

namespace {

using namespace dvd;
using namespace dvd::testing;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

FeatureMoments moments_of(const FeatureRows& rows) {
  FeatureMoments moments;
  moments.add(rows);
  return moments;
}

struct Plain {
  std::vector<double> mean, covariance;
};

Plain plain_moments(const FeatureRows& rows, Index divisor) {
  const auto dimensions = static_cast<std::size_t>(rows.dimensions);
  std::vector<long double> mean(dimensions), covariance(dimensions * dimensions);
  const auto count = static_cast<long double>(rows.count());
  for (std::size_t i = 0; i < rows.values.size(); ++i) mean[i % dimensions] += rows.values[i] / count;
  for (Index r = 0; r < rows.count(); ++r)
    for (std::size_t i = 0; i < dimensions; ++i)
      for (std::size_t j = 0; j < dimensions; ++j)
        covariance[i * dimensions + j] += (rows.row(r)[i] - mean[i]) * (rows.row(r)[j] - mean[j]);
  Plain result;
  for (const long double value : mean) result.mean.push_back(static_cast<double>(value));
  for (const long double value : covariance)
    result.covariance.push_back(static_cast<double>(value / static_cast<long double>(divisor)));
  return result;
}

TEST_CASE("rows are appended and read") {
  FeatureRows rows;
  CHECK(rows.count() == 0);
  rows.append(std::vector<double>{1, 2, 3});
  rows.append(std::vector<double>{4, 5, 6});
  CHECK(rows.count() == 2);
  CHECK(rows.row(1)[2] == 6);
  CHECK(holds(error_of([&] { rows.append(std::vector<double>{1, 2}); }), "rows of 3"));
  CHECK(holds(error_of([&] { rows.append(std::vector<double>{}); }), "at least one"));
  CHECK(holds(error_of([&] { rows.row(2); }), "outside 0 .. 1"));
  CHECK(holds(error_of([&] { rows.row(-1); }), "outside"));
}

TEST_CASE("moments are those of the definition, with a mean that is large beside the deviations, too") {
  for (const Index count : {1, 2, 255, 256, 257, 700})
    for (const double offset : {0.0, 1e6}) {
      CAPTURE(count);
      CAPTURE(offset);
      const FeatureRows rows = random_rows(5, count, 70, 1, offset);
      const FeatureMoments moments = moments_of(rows);
      CHECK(moments.count() == count);
      CHECK(moments.dimensions() == 70);
      const Plain plain = plain_moments(rows, count);
      CHECK(relative_difference(moments.mean(), plain.mean) < 1e-14);
      CHECK(relative_difference(moments.covariance(CovarianceForm::biased), plain.covariance) < 1e-13);
      CHECK(moments.gaussian(CovarianceForm::biased).largest_rank == count - 1);
      if (count > 1)
        CHECK(relative_difference(moments.covariance(CovarianceForm::unbiased),
                                  plain_moments(rows, count - 1).covariance) < 1e-13);
    }
}

TEST_CASE("moments are those of the reference values") {
  const MetricValues values("frechet");
  for (const auto& entry : values.attributes().at("features")) {
    const auto name = entry.get<std::string>();
    for (const std::string form : {"biased", "unbiased"})
      for (const std::string number : {"1", "2"}) {
        if (!values.contains(name + "." + form + ".out.covariance" + number)) continue;
        const FeatureMoments moments = moments_of(
            {values.shape(name + ".in.features" + number)[1], values.numbers(name + ".in.features" + number)});
        CHECK(relative_difference(moments.mean(), values.numbers(name + ".out.mean" + number)) < 1e-13);
        CHECK(relative_difference(
                  moments.covariance(form == "biased" ? CovarianceForm::biased : CovarianceForm::unbiased),
                  values.numbers(name + "." + form + ".out.covariance" + number)) < 1e-13);
      }
  }
}

TEST_CASE("the chunks that rows come in do not matter to a bit") {
  const FeatureRows rows = random_rows(6, 900, 33, 2, 10);
  const FeatureMoments whole = moments_of(rows);
  for (const Index chunk : {1, 7, 256, 300, 899}) {
    FeatureMoments moments;
    for (Index first = 0; first < 900; first += chunk) {
      moments.add(some_rows(rows, first, std::min(chunk, 900 - first)));
      if (first < 300) moments.covariance(CovarianceForm::biased);  // to look does not matter either
    }
    CHECK(moments.mean() == whole.mean());
    CHECK(moments.scatter() == whole.scatter());
  }
  const ThreadLimit one(1);
  CHECK(moments_of(rows).scatter() == whole.scatter());
}

TEST_CASE("moments of parts are merged, and saved ones go on") {
  const FeatureRows rows = random_rows(7, 800, 20, 1, -3);
  const FeatureMoments whole = moments_of(rows);
  FeatureMoments first = moments_of(some_rows(rows, 0, 300));
  const FeatureMoments second = moments_of(some_rows(rows, 300, 500));
  first.merge(FeatureMoments());
  first.merge(second);
  CHECK(first.count() == 800);
  CHECK(relative_difference(first.mean(), whole.mean()) < 1e-14);
  CHECK(relative_difference(first.scatter(), whole.scatter()) < 1e-13);
  FeatureMoments empty;
  empty.merge(whole);
  CHECK(empty.scatter() == whole.scatter());
  empty.merge(empty);
  CHECK(empty.count() == 1600);
  CHECK(relative_difference(empty.covariance(CovarianceForm::biased), whole.covariance(CovarianceForm::biased)) <
        1e-13);

  FeatureMoments again(second.count(), second.mean(), second.scatter());
  CHECK(again.count() == 500);
  CHECK(again.dimensions() == 20);
  CHECK(again.covariance(CovarianceForm::unbiased) == second.covariance(CovarianceForm::unbiased));
  again.add(some_rows(rows, 0, 300));
  CHECK(relative_difference(again.scatter(), whole.scatter()) < 1e-13);
}

TEST_CASE("what is no number, or does not fit, is refused and changes nothing") {
  FeatureMoments moments = moments_of(random_rows(8, 10, 4));
  const auto before = moments.scatter();
  CHECK(holds(error_of([&] { moments.add(with_value(random_rows(9, 3, 4), 6, nan)); }), "row 1, column 2"));
  CHECK(holds(error_of([&] { moments.add(with_value(random_rows(9, 3, 4), 11, -INFINITY)); }), "row 2, column 3"));
  CHECK(holds(error_of([&] { moments.add(with_value(random_rows(9, 3, 4), 11, 1e200)); }), "1e+200"));
  CHECK(holds(error_of([&] { moments.add(random_rows(9, 3, 5)); }), "4 and of 5"));
  CHECK(holds(error_of([&] { moments.add(FeatureRows{4, {1, 2, 3}}); }), "no rows of 4"));
  CHECK(holds(error_of([&] { moments.merge(moments_of(random_rows(9, 3, 5))); }), "4 and of 5"));
  CHECK(moments.count() == 10);
  CHECK(moments.scatter() == before);
  moments.add(FeatureRows{});
  CHECK(moments.count() == 10);

  CHECK(holds(error_of([] { FeatureMoments().mean(); }), "no rows"));
  CHECK(holds(error_of([] { FeatureMoments().covariance(CovarianceForm::biased); }), "0 rows"));
  CHECK(holds(error_of([] { moments_of(random_rows(1, 1, 3)).covariance(CovarianceForm::unbiased); }), "1 row"));
  CHECK(holds(error_of([] { FeatureMoments(0, {1}, {1}); }), "0 rows"));
  CHECK(holds(error_of([] { FeatureMoments(2, {1, 2}, {1}); }), "the square"));
  CHECK(holds(error_of([] { FeatureMoments(2, {nan}, {1}); }), "not a number"));
  CHECK(holds(error_of([] { FeatureMoments(2, {1}, {nan}); }), "not a number"));
  CHECK(holds(error_of([] { FeatureMoments(2, {1}, {-1}); }), "negative"));
  CHECK(holds(error_of([] { FeatureMoments(2, {1, 2}, {1, 2, 3, 1}); }), "not symmetric"));
}

}  // namespace
