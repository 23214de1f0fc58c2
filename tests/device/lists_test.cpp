// The kernels over lists of arrays, for each device and scalar: as many arrays as a network has, empty ones among them,
// and what keeps them from doing anything.
#include "support/devices.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "dvd/core/arrays.hpp"
#include "support/device_arrays.hpp"

namespace {

using namespace dvd;
using dvd::testing::check_close;
using dvd::testing::Precise;
using dvd::testing::plain::at;
using dvd::testing::plain::Vector;

// Sizes of a network's parameters, and their number.
const std::vector<std::vector<Index>> networks = {{}, {0}, {5}, {1, 0, 17, 40001, 3}, [] {
                                                    std::vector<Index> many;
                                                    for (Index i = 0; i < 1500; ++i) many.push_back(i % 97);
                                                    return many;
                                                  }()};

template <class O>
std::vector<Precise<O>> arrays(const std::vector<Index>& sizes, std::uint64_t seed) {
  std::vector<Precise<O>> result;
  for (std::size_t i = 0; i < sizes.size(); ++i) result.push_back(Precise<O>::random(sizes[i], seed + 10 * i));
  return result;
}

template <class O>
void check_all(const char* what, const std::vector<Precise<O>>& actual, const std::vector<Vector>& expected,
               double error) {
  for (std::size_t i = 0; i < actual.size(); ++i) check_close(what, actual[i], expected[i], error, 1);
}

template <class O>
std::vector<Vector> before(const std::vector<Precise<O>>& all) {
  std::vector<Vector> result;
  for (const auto& each : all) result.push_back(each.before());
  return result;
}

TEST_CASE_TEMPLATE("Adam", O, DVD_DEVICES) {
  using D = typename O::D;
  using P = FullPrecision<typename O::T>;
  const double beta1 = 0.5, beta2 = 0.75, epsilon = 0.125, rate = 0.25, correction1 = 0.75, correction2 = 0.4375;
  const Precise<O> rates(Vector{rate, correction1, correction2});
  for (const auto& sizes : networks)
    for (const double apply : {1.0, 0.0}) {
      const auto gradient = arrays<O>(sizes, 1);
      auto weight = arrays<O>(sizes, 2), average = arrays<O>(sizes, 3);
      std::vector<Precise<O>> square;
      for (const auto& each : arrays<O>(sizes, 4)) {
        Vector squares = each.before();
        for (double& value : squares) value *= value;
        square.emplace_back(squares);
      }
      std::vector<AdamArrays<P>> list;
      auto weights = before<O>(weight), averages = before<O>(average), squares = before<O>(square);
      for (std::size_t i = 0; i < sizes.size(); ++i) {
        list.push_back({sizes[i], gradient[i].data(), weight[i].data(), average[i].data(), square[i].data()});
        for (Index k = 0; apply > 0 && k < sizes[i]; ++k) {
          const double g = at(gradient[i].before(), k);
          double& m = at(averages[i], k);
          double& v = at(squares[i], k);
          m = beta1 * m + (1 - beta1) * g;
          v = beta2 * v + (1 - beta2) * g * g;
          at(weights[i], k) -= rate * (m / correction1) / (std::sqrt(v / correction2) + epsilon);
        }
      }
      const Precise<O> flag(1, apply);
      D::adam(list, P(beta1), P(beta2), P(epsilon), rates.data(), flag.data());
      check_all<O>("weight", weight, weights, apply > 0 ? 4 : 0);
      check_all<O>("average", average, averages, apply > 0 ? 4 : 0);
      check_all<O>("average square", square, squares, apply > 0 ? 4 : 0);
    }
}

TEST_CASE_TEMPLATE("momentum", O, DVD_DEVICES) {
  using D = typename O::D;
  using P = FullPrecision<typename O::T>;
  const double momentum = 0.75, decay = 0.125, rate = 0.25;
  const Precise<O> rates(Vector{rate});
  for (const auto& sizes : networks)
    for (const bool nesterov : {false, true})
      for (const double apply : {1.0, 0.0}) {
        const auto gradient = arrays<O>(sizes, 1);
        auto weight = arrays<O>(sizes, 2), velocity = arrays<O>(sizes, 3);
        std::vector<MomentumArrays<P>> list;
        auto weights = before<O>(weight), velocities = before<O>(velocity);
        for (std::size_t i = 0; i < sizes.size(); ++i) {
          list.push_back({sizes[i], gradient[i].data(), weight[i].data(), velocity[i].data()});
          for (Index k = 0; apply > 0 && k < sizes[i]; ++k) {
            const double g = at(gradient[i].before(), k) + decay * at(weights[i], k);
            double& v = at(velocities[i], k);
            v = momentum * v + g;
            at(weights[i], k) -= rate * (nesterov ? g + momentum * v : v);
          }
        }
        const Precise<O> flag(1, apply);
        D::momentum(list, P(momentum), nesterov, P(decay), rates.data(), flag.data());
        check_all<O>("weight", weight, weights, apply > 0 ? 4 : 0);
        check_all<O>("velocity", velocity, velocities, apply > 0 ? 4 : 0);
      }
}

TEST_CASE_TEMPLATE("filling arrays", O, DVD_DEVICES) {
  using D = typename O::D;
  using P = FullPrecision<typename O::T>;
  for (const auto& sizes : networks)
    for (const double value : {0.0, -0.625}) {
      auto x = arrays<O>(sizes, 1);
      std::vector<MutableArray<P>> list;
      std::vector<Vector> expected;
      for (std::size_t i = 0; i < sizes.size(); ++i) {
        list.push_back({sizes[i], x[i].data()});
        expected.emplace_back(static_cast<std::size_t>(sizes[i]), value);
      }
      D::fill_arrays(list, P(value));
      check_all<O>("x", x, expected, 0);
    }
}

TEST_CASE_TEMPLATE("scaling arrays", O, DVD_DEVICES) {
  using D = typename O::D;
  using P = FullPrecision<typename O::T>;
  const Precise<O> factor(Vector{0.625});
  for (const auto& sizes : networks)
    for (const double apply : {1.0, 0.0}) {
      auto x = arrays<O>(sizes, 1);
      auto expected = before<O>(x);
      std::vector<MutableArray<P>> list;
      for (std::size_t i = 0; i < sizes.size(); ++i) {
        list.push_back({sizes[i], x[i].data()});
        for (Index k = 0; apply > 0 && k < sizes[i]; ++k) at(expected[i], k) *= 0.625;
      }
      const Precise<O> flag(1, apply);
      D::scale_arrays(list, factor.data(), flag.data());
      check_all<O>("x", x, expected, apply > 0 ? 1 : 0);
    }
}

TEST_CASE_TEMPLATE("averages and copies", O, DVD_DEVICES) {
  using D = typename O::D;
  using P = FullPrecision<typename O::T>;
  for (const auto& sizes : networks) {
    const auto x = arrays<O>(sizes, 1);
    const auto with = [&](auto f, const std::function<double(double, double)>& value, double error) {
      auto y = arrays<O>(sizes, 2);
      std::vector<ArrayPair<P>> list;
      auto expected = before<O>(y);
      for (std::size_t i = 0; i < sizes.size(); ++i) {
        list.push_back({sizes[i], x[i].data(), y[i].data()});
        for (Index k = 0; k < sizes[i]; ++k) at(expected[i], k) = value(at(x[i].before(), k), at(expected[i], k));
      }
      f(list);
      check_all<O>("y", y, expected, error);
    };
    using List = std::vector<ArrayPair<P>>;
    const Precise<O> one(1, 1), none(1, 0), most(1, 0.75);
    const auto untouched = [](double, double b) { return b; };
    const auto copied = [](double a, double) { return a; };
    with([&](const List& list) { D::follow(list, most.data(), one.data()); },
         [](double a, double b) { return 0.75 * b + 0.25 * a; }, 4);
    with([&](const List& list) { D::follow(list, most.data(), none.data()); }, untouched, 0);
    with([&](const List& list) { D::follow(list, none.data(), one.data()); }, copied, 0);
    with([&](const List& list) { D::copy_arrays(list, nullptr); }, copied, 0);
    with([&](const List& list) { D::copy_arrays(list, none.data()); }, copied, 0);
    with([&](const List& list) { D::copy_arrays(list, one.data()); }, untouched, 0);
  }
}

// As one after the other, to the bit, and nothing in between is touched.
TEST_CASE_TEMPLATE("copies of rows", O, DVD_DEVICES) {
  using D = typename O::D;
  using T = typename O::T;
  std::vector<dvd::testing::Array<O>> x, together, lone;
  std::vector<RowsToCopy<T>> list;
  for (Index i = 0; i < 600; ++i) {
    const Index blocks = i % 4, rows = 1 + i % 7, width = i == 300 ? 5000 : 1 + i % 23, x_row = width + i % 3,
                x_block = rows * x_row + i % 5, y_row = width + i % 2, y_block = rows * y_row + i % 6;
    x.push_back(dvd::testing::Array<O>::random((blocks + 1) * x_block, static_cast<std::uint64_t>(i)));
    for (auto* y : {&together, &lone}) y->emplace_back((blocks + 1) * y_block, 7);
    list.push_back({blocks, rows, width, x.back().data(), x_block, x_row, together.back().data(), y_block, y_row});
    D::copy_rows(blocks, rows, width, x.back().data(), x_block, x_row, lone.back().data(), y_block, y_row);
  }
  D::copy_rows(list);
  for (std::size_t i = 0; i < list.size(); ++i) CHECK(together[i].now() == lone[i].now());
  D::copy_rows(std::vector<RowsToCopy<T>>());
}

TEST_CASE_TEMPLATE("sums of squares and what is not finite", O, DVD_DEVICES) {
  using D = typename O::D;
  using P = FullPrecision<typename O::T>;
  for (const auto& sizes : networks) {
    const auto x = arrays<O>(sizes, 1);
    std::vector<ArrayView<P>> list;
    double expected = 0;
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      list.push_back({sizes[i], x[i].data()});
      for (const double value : x[i].before()) expected += value * value;
    }
    Precise<O> sum(1, 7), finite(1, 0.5);
    D::sum_squares(list, sum.data());
    check_close("sum of squares", sum, {expected}, 100);
    D::check_finite(list, finite.data());
    check_close("finite", finite, {0.5}, 0);
    if (expected == 0) continue;
    for (const double bad : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(),
                             -std::numeric_limits<double>::infinity()})
      for (const std::size_t which : {std::size_t{0}, sizes.size() / 2, sizes.size() - 1})
        for (const bool at_end : {false, true}) {
          if (sizes[which] == 0) continue;
          Vector values = x[which].before();
          (at_end ? values.back() : values.front()) = bad;
          const Precise<O> damaged(values);
          auto others = list;
          others[which].x = damaged.data();
          Precise<O> flag(1, 1);
          D::check_finite(others, flag.data());
          check_close("not finite", flag, {0}, 0);
        }
  }
}

}  // namespace
