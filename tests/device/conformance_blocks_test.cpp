// Kernels that layers beside DVD-GAN's ask for, against loops that read as their definition: functions of the caller's,
// dropout, norms of groups.
#include "support/devices.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <concepts>

#include "dvd/layers/cell_weights.hpp"
#include "dvd/layers/functions.hpp"
#include "support/kernel_tests.hpp"

namespace {

using namespace dvd;
using namespace dvd::testing;
using dvd::testing::plain::at;
using dvd::testing::plain::zeros;

double normal_below(double x) { return std::erfc(-x / std::sqrt(2.0)) / 2; }

// `value` and, from what is kept, `slope`.
template <class O, class Function, class Value, class Slope>
void check_function(const char* name, const Function& function, const Value& value, const Slope& slope) {
  using D = typename O::D;
  INFO(std::string(name));
  for (const Index size : lengths) {
    CAPTURE(size);
    const auto x = Array<O>::random(size, 1, 3), dy = Array<O>::random(size, 2);
    Array<O> y(size, 7), dx(size, 7), in_place(x.before()), over(dy.before());
    D::map(size, function, x.data(), y.data());
    check_close("value", y, map(x.before(), value), transcendental, 1);
    D::map(size, function, in_place.data(), in_place.data());
    check_close("in place", in_place, y.now(), exact);

    const Array<O>& kept = Function::from_value ? y : x;
    D::map(size, function, kept.data(), dy.data(), dx.data());
    check_close("gradient", dx, map(kept.now(), dy.before(), [&](double v, double d) { return slope(v) * d; }),
                transcendental);
    D::map(size, function, kept.data(), over.data(), over.data());
    check_close("gradient in place", over, dx.now(), exact);
  }
}

TEST_CASE_TEMPLATE("functions of the caller's", O, DVD_DEVICES) {
  using P = FullPrecision<typename O::T>;
  check_function<O>(
      "leaky ReLU", LeakyReLUFunction<P>(0.25), [](double x) { return x > 0 ? x : 0.25 * x; },
      [](double y) { return y > 0 ? 1 : 0.25; });
  check_function<O>(
      "ELU", ELUFunction<P>(0.5), [](double x) { return x > 0 ? x : 0.5 * std::expm1(x); },
      [](double y) { return y > 0 ? 1 : y + 0.5; });
  check_function<O>(
      "GELU", GELUFunction<P>(), [](double x) { return x * normal_below(x); },
      [](double x) { return normal_below(x) + x * std::exp(-x * x / 2) / std::sqrt(2 * 3.14159265358979323846); });
  check_function<O>(
      "softplus", SoftplusFunction<P>(), [](double x) { return std::log1p(std::exp(x)); },
      [](double y) { return -std::expm1(-y); });
}

TEST_CASE_TEMPLATE("functions of two arrays", O, DVD_DEVICES) {
  using D = typename O::D;
  for (const Index size : lengths) {
    const auto x = Array<O>::random(size, 1), y = Array<O>::random(size, 2);
    Array<O> difference(size, 7), sign(size, 7);
    D::map(size, DifferenceFunction{}, x.data(), y.data(), difference.data());
    check_close("difference", difference, map(x.before(), y.before(), [](double a, double b) { return a - b; }),
                rounded);
    D::map(size, SignFunction{}, x.data(), sign.data());
    check_close("sign", sign, map(x.before(), [](double a) { return a > 0 ? 1 : a < 0 ? -1 : 0; }), exact);
    Array<O> weighted(size, 7);
    const LinearCellWeight weight{.offset = 1, .slope = 0.5, .most = 1.25};
    D::map(size, WeightedSign<LinearCellWeight>{weight}, x.data(), y.data(), weighted.data());
    check_close("weighted sign", weighted,
                map(x.before(), y.before(),
                    [](double truth, double error) {
                      return std::min(1 + truth / 2, 1.25) * (error > 0 ? 1 : error < 0 ? -1 : 0);
                    }),
                rounded);
    if constexpr (std::floating_point<typename O::T>) {
      Array<O> factor(size, 7);
      D::map(size, LengthFactor{3}, x.data(), factor.data());
      check_close("length factor", factor, map(x.before(), [](double a) { return a > 0 ? 3 / std::sqrt(a) : a; }),
                  transcendental);
    }
  }
}

TEST_CASE_TEMPLATE("extreme arguments of functions", O, DVD_DEVICES) {
  using D = typename O::D;
  using P = FullPrecision<typename O::T>;
  const Array<O> x(Vector{-1e4, -100, -20, -1e-3, 0, 1e-3, 20, 100, 1e4});
  Array<O> y(x.size(), 7), dx(x.size(), 7);
  const Array<O> ones(x.size(), 1);
  D::map(x.size(), SoftplusFunction<P>(), x.data(), y.data());
  check_close("softplus", y, map(x.before(), [](double a) { return a > 50 ? a : std::log1p(std::exp(a)); }),
              transcendental);
  D::map(x.size(), GELUFunction<P>(), x.data(), y.data());
  check_close("GELU", y, map(x.before(), [](double a) { return a * normal_below(a); }), transcendental);
  D::map(x.size(), GELUFunction<P>(), x.data(), ones.data(), dx.data());
  const auto slope = [](double a) { return normal_below(a) + a * std::exp(-a * a / 2) * 0.3989422804014327; };
  check_close("GELU's gradient", dx, map(x.before(), slope), transcendental);
  D::map(x.size(), ELUFunction<P>(1), x.data(), y.data());
  check_close("ELU", y, map(x.before(), [](double a) { return a > 0 ? a : std::expm1(a); }), transcendental);
}

TEST_CASE_TEMPLATE("dropout", O, DVD_DEVICES) {
  using D = typename O::D;
  const Random random = Random(11).stream("conformance");
  for (const Index size : lengths)
    for (const double probability : {0.0, 0.3, 0.9}) {
      const auto x = Array<O>::random(size, 1);
      Array<O> y(size, 7), in_place(x.before());
      Vector expected;
      for (Index i = 0; i < size; ++i)
        expected.push_back(
            random.uniform(static_cast<std::uint64_t>(i)) < probability ? 0 : at(x.before(), i) / (1 - probability));
      D::dropout(size, random, 0, probability, x.data(), y.data());
      check_close("dropout", y, expected, rounded);
      D::dropout(size, random, 0, probability, in_place.data(), in_place.data());
      check_close("in place", in_place, y.now(), exact);
      if (const Index first = 5; size > first) {
        Array<O> end(size - first, 7);
        D::dropout(end.size(), random, first, probability, x.data() + first, end.data());
        const Vector all = y.now();
        check_close("from a place on", end, Vector(all.begin() + first, all.end()), exact);
      }
      bool same_places = true;
      for (Index i = 0; i < size; ++i) same_places = same_places && (at(y.now(), i) == 0) == (at(expected, i) == 0);
      if (size < 2000) CHECK(same_places);
    }
}

struct Groups {
  Index images, rows, groups, width;
};

TEST_CASE_TEMPLATE("norms of groups", O, DVD_DEVICES) {
  using D = typename O::D;
  using P = FullPrecision<typename O::T>;
  const Groups sizes[] = {{1, 1, 1, 1},    {1, 300, 5, 1},  {1, 2, 17, 1}, {2, 700, 3, 8}, {3, 35, 4, 16}, {5, 9, 1, 7},
                          {1, 1000, 2, 3}, {900, 1, 1, 33}, {7, 1, 1, 64}, {2, 1, 3, 5},   {40, 2, 1, 100}};
  for (const Groups& s : sizes) {
    CAPTURE(s.images);
    CAPTURE(s.rows);
    CAPTURE(s.groups);
    CAPTURE(s.width);
    const Index channels = s.groups * s.width, size = s.images * s.rows * channels, sets = s.images * s.groups;
    const double count = static_cast<double>(s.rows * s.width);
    const auto x = Array<O>::random(size, 1), dy = Array<O>::random(size, 2);
    const auto weight = Precise<O>::random(channels, 3), bias = Precise<O>::random(channels, 4);
    const double epsilon = 0.125;
    const auto set_of = [&](Index i) { return i / (s.rows * channels) * s.groups + i % channels / s.width; };

    Vector mean = zeros(sets), variance = zeros(sets);
    for (Index i = 0; i < size; ++i) at(mean, set_of(i)) += at(x.before(), i) / count;
    for (Index i = 0; i < size; ++i)
      at(variance, set_of(i)) += std::pow(at(x.before(), i) - at(mean, set_of(i)), 2) / count;
    Precise<O> means(sets, 7), variances(sets, 7);
    D::group_moments(s.images, s.rows, s.groups, s.width, x.data(), means.data(), variances.data());
    check_close("means", means, mean, summed, 1);
    check_close("variances", variances, variance, summed, 1);

    // From the kernel's own moments.
    mean = means.now();
    variance = variances.now();
    const P* const no_weight = nullptr;
    P* const no_gradient = nullptr;
    typename O::T* const no_dx = nullptr;
    for (const bool affine : {true, false}) {
      const auto weight_at = [&](Index i) { return affine ? at(weight.before(), i % channels) : 1; };
      Vector y = zeros(size), total = zeros(sets), moment = zeros(sets), dweight = zeros(channels),
             dbias = zeros(channels);
      for (Index i = 0; i < size; ++i) {
        const double inverse = 1 / std::sqrt(at(variance, set_of(i)) + epsilon);
        const double normalized = (at(x.before(), i) - at(mean, set_of(i))) * inverse;
        at(y, i) = weight_at(i) * normalized + (affine ? at(bias.before(), i % channels) : 0);
        at(dweight, i % channels) += at(dy.before(), i) * normalized;
        at(dbias, i % channels) += at(dy.before(), i);
        at(total, set_of(i)) += weight_at(i) * at(dy.before(), i) / count;
        at(moment, set_of(i)) += weight_at(i) * at(dy.before(), i) * normalized / count;
      }
      Array<O> result(size, 7);
      D::group_norm(s.images, s.rows, s.groups, s.width, x.data(), means.data(), variances.data(),
                    affine ? weight.data() : no_weight, affine ? bias.data() : no_weight, static_cast<P>(epsilon),
                    result.data());
      check_close("normalised", result, y, rounded * 4);

      for (const bool own : {true, false}) {
        Vector dx = zeros(size);
        for (Index i = 0; i < size; ++i) {
          const double inverse = 1 / std::sqrt(at(variance, set_of(i)) + epsilon);
          const double normalized = (at(x.before(), i) - at(mean, set_of(i))) * inverse;
          at(dx, i) = inverse * (weight_at(i) * at(dy.before(), i) -
                                 (own ? at(total, set_of(i)) + normalized * at(moment, set_of(i)) : 0));
        }
        auto weight_gradient = Precise<O>::random(channels, 5), bias_gradient = Precise<O>::random(channels, 6);
        const Vector expected_weight = added(weight_gradient.before(), dweight),
                     expected_bias = added(bias_gradient.before(), dbias);
        Array<O> in_place(dy.before()), gradient(size, 7);
        D::group_norm_backward(s.images, s.rows, s.groups, s.width, x.data(), dy.data(), means.data(), variances.data(),
                               affine ? weight.data() : no_weight, static_cast<P>(epsilon), own, weight_gradient.data(),
                               bias_gradient.data(), gradient.data());
        check_close("gradient of x", gradient, dx, summed, 1);
        const double spread = std::sqrt(static_cast<double>(s.images * s.rows));
        check_close("gradient of the weight", weight_gradient, expected_weight, summed, spread);
        check_close("gradient of the bias", bias_gradient, expected_bias, summed, spread);
        D::group_norm_backward(s.images, s.rows, s.groups, s.width, x.data(), in_place.data(), means.data(),
                               variances.data(), affine ? weight.data() : no_weight, static_cast<P>(epsilon), own,
                               no_gradient, no_gradient, in_place.data());
        check_close("in place, alone", in_place, gradient.now(), exact);
        auto again = Precise<O>::random(channels, 5), bias_again = Precise<O>::random(channels, 6);
        D::group_norm_backward(s.images, s.rows, s.groups, s.width, x.data(), dy.data(), means.data(), variances.data(),
                               affine ? weight.data() : no_weight, static_cast<P>(epsilon), own, again.data(),
                               bias_again.data(), no_dx);
        check_close("gradient of the weight, alone", again, weight_gradient.now(), exact);
        check_close("gradient of the bias, alone", bias_again, bias_gradient.now(), exact);
      }
    }
  }
}

}  // namespace
