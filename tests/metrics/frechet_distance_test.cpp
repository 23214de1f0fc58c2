// The Frechet distance against reference values of 50 digits, closed forms and itself at other scales.
#include "dvd/metrics/frechet_distance.hpp"

#include <doctest/doctest.h>

#include <cstdio>
#include <limits>

#include "support/error_of.hpp"
#include "support/formula.hpp"
#include "support/metric_values.hpp"
#include "support/random_rows.hpp"

namespace {

using namespace dvd;
using namespace dvd::testing;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

// Prints how far off each case is, where DVD_PARITY_REPORT asks for it.
void check_distance(const std::string& name, double distance, double expected, double scale) {
  const double error = scale > 0 ? std::abs(distance - expected) / scale : std::abs(distance - expected);
  CHECK_MESSAGE(error <= 1e-9, name, " is off by ", error);
  CHECK(distance >= 0);
  if (std::getenv("DVD_PARITY_REPORT")) std::printf("%-40s %.1e\n", name.c_str(), error);
}

CovarianceForm form_of(const std::string& run) {
  return run == "biased" ? CovarianceForm::biased : CovarianceForm::unbiased;
}

FeatureMoments moments_of(const FeatureRows& rows) {
  FeatureMoments moments;
  moments.add(rows);
  return moments;
}

Gaussian gaussian_of(const MetricValues& values, const std::string& name, const std::string& number) {
  return {values.numbers(name + ".in.mean" + number), values.numbers(name + ".in.covariance" + number)};
}

Gaussian diagonal(const std::vector<double>& variances) {
  Gaussian result{std::vector<double>(variances.size()), std::vector<double>(variances.size() * variances.size())};
  for (std::size_t i = 0; i < variances.size(); ++i) result.covariance[i * variances.size() + i] = variances[i];
  return result;
}

Gaussian scaled(Gaussian gaussian, double by) {
  for (double& value : gaussian.mean) value *= by;
  for (double& value : gaussian.covariance) value = value * by * by;
  return gaussian;
}

TEST_CASE("distances from means and covariances") {
  const MetricValues values("frechet");
  for (const auto& entry : values.attributes().at("statistics")) {
    const auto name = entry.get<std::string>();
    const Gaussian first = gaussian_of(values, name, "1"), second = gaussian_of(values, name, "2");
    const double expected = values.number(name + ".out.distance"), scale = values.number(name + ".out.scale");
    check_distance(name, frechet_distance(first, second), expected, scale);
    check_distance(name + " the other way round", frechet_distance(second, first), expected, scale);
    // Exact powers of two: features of 1e150 and 1e-150 and, of the covariances, their squares.
    for (const double by : {0x1p498, 0x1p-498}) {
      if (name == "huge" || name == "tiny" || name == "mixed_scales" || name == "tiny_covariance") continue;
      check_distance(name + " rescaled", frechet_distance(scaled(first, by), scaled(second, by)) / by / by, expected,
                     scale);
    }
  }
}

TEST_CASE("distances from rows, at hand and accumulated") {
  const MetricValues values("frechet");
  for (const auto& entry : values.attributes().at("features"))
    for (const std::string run : {"biased", "unbiased"}) {
      const auto name = entry.get<std::string>();
      const auto rows = [&](const std::string& number) {
        const std::string tensor = name + ".in.features" + number;
        return FeatureRows{values.shape(tensor)[1], values.numbers(tensor)};
      };
      const FeatureRows first = rows("1"), second = rows("2");
      const double expected = values.number(name + "." + run + ".out.distance");
      const double scale = values.number(name + "." + run + ".out.scale");
      check_distance(name + "." + run, frechet_distance(first, second, form_of(run)), expected, scale);
      check_distance(name + "." + run + " by moments",
                     frechet_distance(moments_of(first), moments_of(second), form_of(run)), expected, scale);
    }
}

TEST_CASE("distances of fewer rows than dimensions") {
  const MetricValues values("frechet_wide");
  const auto rows = [&](const std::string& key) {
    const auto& input = values.attributes().at(key);
    const auto shape = input.at("shape").get<std::vector<Index>>();
    const std::vector<float> entries =
        formula_tensor(values.seed(), input.at("name").get<std::string>(), input.at("kind").get<std::string>(), shape);
    return FeatureRows{shape[1], std::vector<double>(entries.begin(), entries.end())};
  };
  const FeatureRows first = rows("features1"), second = rows("features2");
  for (const std::string run : {"biased", "unbiased"}) {
    const double expected = values.number(run + ".out.distance"), scale = values.number(run + ".out.scale");
    check_distance("wide." + run, frechet_distance(first, second, form_of(run)), expected, scale);
    Gaussian by_moments = moments_of(first).gaussian(form_of(run));
    const Gaussian other = moments_of(second).gaussian(form_of(run));
    check_distance("wide." + run + " by moments", frechet_distance(by_moments, other), expected, scale);
    by_moments.largest_rank = -1;
    check_distance("wide." + run + " by moments of unknown rank", frechet_distance(by_moments, other), expected, scale);
  }
}

TEST_CASE("of diagonal covariances the distance is that of the deviations, whatever their range") {
  std::vector<double> falling, rising;
  for (int i = 0; i < 24; ++i) {
    falling.push_back(std::pow(10.0, -i));
    rising.push_back(std::pow(10.0, i - 23));
  }
  double expected = 0, scale = 0;
  for (std::size_t i = 0; i < falling.size(); ++i) {
    expected += std::pow(std::sqrt(falling[i]) - std::sqrt(rising[i]), 2);
    scale += falling[i] + rising[i];
  }
  check_distance("falling and rising", frechet_distance(diagonal(falling), diagonal(rising)), expected, scale);
  CHECK(frechet_distance(diagonal({4}), diagonal({9})) == doctest::Approx(1).epsilon(1e-14));
  CHECK(frechet_distance(diagonal({0}), diagonal({9})) == doctest::Approx(9).epsilon(1e-14));
  CHECK(frechet_distance(diagonal({0, 0}), diagonal({0, 0})) == 0);
  Gaussian moved = diagonal({0, 0});
  moved.mean = {3e150, -4e150};
  CHECK(frechet_distance(moved, diagonal({0, 0})) == doctest::Approx(25e300).epsilon(1e-14));
}

TEST_CASE("many rows, and rows that repeat: by all three ways") {
  for (const Index count : {30, 200}) {
    FeatureRows first = random_rows(21, count, 24, 1, 5);
    const FeatureRows second = random_rows(22, count + 9, 24, 0.7, 5.2);
    for (std::size_t i = 0; i < first.values.size(); i += 24) {
      first.values[i + 3] = 2 * first.values[i + 7] - first.values[i + 9];  // a dimension that says nothing new
      first.values[i + 5] = 1;
    }
    const double by_rows = frechet_distance(first, second, CovarianceForm::unbiased);
    check_distance("by moments", frechet_distance(moments_of(first), moments_of(second), CovarianceForm::unbiased),
                   by_rows, 24);
    const Gaussian one = moments_of(first).gaussian(CovarianceForm::unbiased);
    CHECK(frechet_distance(one, one) < 1e-12);
    CHECK(frechet_distance(first, first, CovarianceForm::biased) < 1e-12);
  }
}

TEST_CASE("what is no pair of distributions is refused in words") {
  const Gaussian good = diagonal({1, 2});
  const auto refused = [&](const Gaussian& bad) {
    const std::string first = error_of([&] { frechet_distance(bad, good); });
    CHECK(!first.empty());
    CHECK(!error_of([&] { frechet_distance(good, bad); }).empty());
    return first;
  };
  CHECK(holds(refused(diagonal({1, 2, 3})), "3 and of 2 dimensions"));
  CHECK(holds(refused({{0, 0}, {1, 0, 0}}), "2 x 2"));
  CHECK(holds(error_of([] { frechet_distance(Gaussian{}, Gaussian{}); }), "no features"));
  CHECK(holds(refused({{0, nan}, {1, 0, 0, 1}}), "not a number"));
  CHECK(holds(refused({{0, 0}, {1, nan, nan, 1}}), "not a number at 0, 1"));
  CHECK(holds(refused({{0, 0}, {1, 0.5, 0.25, 1}}), "not symmetric"));
  CHECK(holds(refused({{0, 0}, {1, 0, 0, -1}}), "variance of -1 at 1"));
  CHECK(holds(refused({{0, 0}, {1, 2, 2, 1}}), "larger than all variances"));
  CHECK(holds(refused({{0, 0}, {0, 2, 2, 0}}), "larger than all variances"));
  CHECK(holds(refused({{0, 0}, {1, 2, 2, 2}}), "negative eigenvalue"));
  CHECK(holds(refused({{0, 0}, {1e300, 2e300, 2e300, 2e300}}), "negative eigenvalue"));
  CHECK(holds(refused({{0, 0}, {1e-300, 2e-300, 2e-300, 2e-300}}), "negative eigenvalue"));
  CHECK(frechet_distance({{0, 0}, {1, 0, 0, -1e-15}}, good) == doctest::Approx(2).epsilon(1e-7));
  Gaussian far = good;
  far.mean = {1e200, 0};
  CHECK(holds(error_of([&] { frechet_distance(far, good); }), "larger than a double"));
  far.mean = {1.5e308, 0};
  Gaussian opposite = good;
  opposite.mean = {-1.5e308, 0};
  CHECK(holds(error_of([&] { frechet_distance(far, opposite); }), "farther apart"));

  const FeatureRows rows = random_rows(1, 5, 3);
  CHECK(holds(error_of([&] { frechet_distance(rows, random_rows(1, 5, 4), CovarianceForm::biased); }), "3 and of 4"));
  CHECK(holds(error_of([&] { frechet_distance(rows, random_rows(1, 1, 3), CovarianceForm::unbiased); }), "at least 2"));
  CHECK(holds(error_of([&] { frechet_distance(with_value(rows, 4, nan), rows, CovarianceForm::biased); }),
              "row 1, column 1"));
  CHECK(holds(error_of([&] { frechet_distance(FeatureRows{}, rows, CovarianceForm::biased); }), "0 rows"));
  CHECK(
      holds(error_of([&] { frechet_distance(FeatureMoments(), moments_of(rows), CovarianceForm::biased); }), "0 rows"));
}

}  // namespace
