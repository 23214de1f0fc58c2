// The kernels of batch and spectral normalisation, and sums, against loops that read as their definition, for each
// device and scalar.
#include "support/devices.hpp"

#include <doctest/doctest.h>

#include <cmath>

#include "support/kernel_tests.hpp"

namespace {

using namespace dvd;
using namespace dvd::testing;
using dvd::testing::plain::at;
using dvd::testing::plain::zeros;
namespace plain = dvd::testing::plain;

TEST_CASE_TEMPLATE("batch statistics and their affine map", O, DVD_DEVICES) {
  using D = typename O::D;
  using T = typename O::T;
  using P = FullPrecision<T>;
  constexpr double epsilon = 1e-5;
  for (const Index channels : channel_counts)
    for (const Index rows : {Index{1}, Index{4}, Index{35}, Index{561}}) {
      const Index frames = frame_counts[channels % 4], batch = 1 + rows % 5, count = frames * batch * rows * channels;
      CAPTURE(channels);
      CAPTURE(rows);
      CAPTURE(frames);
      CAPTURE(batch);
      // Means as large as the deviations, and different from channel to channel.
      Vector values = Array<O>::random(count, 1).before();
      for (Index i = 0; i < count; ++i) at(values, i) += static_cast<double>(i % channels % 3) - 1;
      const Array<O> x(values);
      Precise<O> mean(frames * channels, 7), variance(frames * channels, 7);
      D::moments(frames, batch * rows, channels, x.data(), mean.data(), variance.data());
      const plain::Moments moments = plain::moments(frames, batch * rows, channels, x.before());
      check_close("mean", mean, moments.mean, summed, 1);
      check_close("variance", variance, moments.variance, summed, 1);
      if (batch * rows < 4) continue;  // what a few values leave of their gradients is rounding

      // From exact statistics on, so that each kernel answers for itself.
      const Precise<O> m(moments.mean), v(moments.variance);
      const auto gain = Array<O>::random(batch * channels, 2, 0.5), bias = Array<O>::random(batch * channels, 3, 0.5);
      Precise<O> scale(frames * batch * channels, 7), shift(frames * batch * channels, 7);
      D::batch_norm_coefficients(frames, batch, channels, m.data(), v.data(), gain.data(), bias.data(), P(epsilon),
                                 scale.data(), shift.data());
      Vector expected_scale = zeros(scale.size()), expected_shift = zeros(scale.size());
      for (Index i = 0; i < scale.size(); ++i) {
        const Index c = i % channels, n = i / channels % batch, t = i / channels / batch;
        const double slope = (1 + at(gain.before(), n * channels + c)) /
                             std::sqrt(at(v.before(), t * channels + c) + static_cast<double>(P(epsilon)));
        at(expected_scale, i) = slope;
        at(expected_shift, i) = at(bias.before(), n * channels + c) - at(m.before(), t * channels + c) * slope;
      }
      check_close("scale", scale, expected_scale, rounded);
      check_close("shift", shift, expected_shift, rounded, 1);

      {  // all three at once
        const auto remembered = Precise<O>::random(frames * channels, 5);
        auto running_mean = remembered, running_variance = remembered, mean_alone = remembered,
             variance_alone = remembered;
        Precise<O> means(mean.size(), 7), variances(mean.size(), 7), factors(scale.size(), 7), offsets(scale.size(), 7);
        D::batch_norm_statistics(frames, batch, rows, channels, x.data(), gain.data(), bias.data(), P(epsilon),
                                 means.data(), variances.data(),
                                 RunningStatistics<P>{P(0.875), P(1.5), running_mean.data(), running_variance.data()},
                                 factors.data(), offsets.data());
        check_close("mean of all", means, mean.now(), exact);
        check_close("variance of all", variances, variance.now(), exact);
        D::follow_statistics(mean.size(), P(0.875), P(1.5), mean.data(), variance.data(), mean_alone.data(),
                             variance_alone.data());
        check_close("running mean of all", running_mean, mean_alone.now(), rounded);
        check_close("running variance of all", running_variance, variance_alone.now(), rounded);
        D::batch_norm_coefficients(frames, batch, channels, mean.data(), variance.data(), gain.data(), bias.data(),
                                   P(epsilon), scale.data(), shift.data());
        check_close("scale of all", factors, scale.now(), rounded);
        check_close("shift of all", offsets, shift.now(), rounded, 1);
        D::batch_norm_coefficients(frames, batch, channels, m.data(), v.data(), gain.data(), bias.data(), P(epsilon),
                                   scale.data(), shift.data());
      }

      const auto dy = Array<O>::random(count, 4);
      const Vector slopes = scale.now(), offsets = shift.now();
      for (const bool rectify : {false, true}) {
        Array<O> y(count, 7);
        D::scale_shift(frames * batch, rows, channels, x.data(), scale.data(), shift.data(), rectify, y.data());
        Vector expected = zeros(count);
        for (Index i = 0; i < count; ++i) {
          const Index k = i / channels / rows * channels + i % channels;
          const double value = at(slopes, k) * at(x.before(), i) + at(offsets, k);
          at(expected, i) = rectify ? std::max(value, 0.0) : value;
        }
        check_close("y", y, expected, rounded);

        for (const bool batch_statistics : {false, true}) {
          Array<O> dgain(batch * channels, 7), dbias(batch * channels, 7), dx(count, 7);
          D::batch_norm_backward(frames, batch, rows, channels, x.data(), dy.data(), m.data(), v.data(), gain.data(),
                                 scale.data(), shift.data(), P(epsilon), rectify, batch_statistics, dgain.data(),
                                 dbias.data(), dx.data());
          const auto gradients = plain::batch_norm_backward(frames, batch, rows, channels, x.before(), dy.before(),
                                                            {m.before(), v.before()}, gain.before(), bias.before(),
                                                            static_cast<double>(P(epsilon)), rectify, batch_statistics);
          check_close("dgain", dgain, gradients.gain, ratio);
          check_close("dbias", dbias, gradients.bias, summed);
          check_close("dx", dx, gradients.x, ratio);
          Array<O> dgain_alone(batch * channels, 7), dbias_alone(batch * channels, 7);
          D::batch_norm_backward(frames, batch, rows, channels, x.data(), dy.data(), m.data(), v.data(), gain.data(),
                                 scale.data(), shift.data(), P(epsilon), rectify, batch_statistics, dgain_alone.data(),
                                 dbias_alone.data(), static_cast<T*>(nullptr));
          check_close("dgain without dx", dgain_alone, dgain.now(), exact);
          check_close("dbias without dx", dbias_alone, dbias.now(), exact);
        }
      }
    }
}

TEST_CASE_TEMPLATE("moments of values far from 0", O, DVD_DEVICES) {
  using D = typename O::D;
  Vector values = Array<O>::random(7 * 600, 1).before();
  for (double& value : values) value += 1000;
  const Array<O> x(values);
  Precise<O> mean(7, 7), variance(7, 7);
  D::moments(1, 600, 7, x.data(), mean.data(), variance.data());
  const auto expected = plain::moments(1, 600, 7, x.before());
  check_close("mean", mean, expected.mean, summed);
  // Naive formulas lose the square of the mean's digits: a million roundoffs.
  check_close("variance", variance, expected.variance, 1000);
}

TEST_CASE_TEMPLATE("sums", O, DVD_DEVICES) {
  using D = typename O::D;
  for (const Index channels : channel_counts)
    for (const Index rows : {Index{1}, Index{4}, Index{35}, Index{1122}}) {
      const Index groups = 1 + channels % 3, x_row = channels + rows % 2 * 5;
      const auto x = Array<O>::random(groups * rows * x_row, 1);
      auto y = Array<O>::random(groups * channels, 2);
      const Vector expected = plain::sum_rows(groups, rows, channels, x.before(), x_row);
      const Vector accumulated = added(y.before(), expected);
      D::sum_rows(groups, rows, channels, x.data(), x_row, y.data(), true);
      check_close("sum_rows, accumulated", y, accumulated, summed);
      D::sum_rows(groups, rows, channels, x.data(), x_row, y.data(), false);
      check_close("sum_rows", y, expected, summed);
      Precise<O> precise(groups * channels, 7);
      D::sum_rows(groups, rows, channels, x.data(), x_row, precise.data(), false);
      check_close("sum_rows, in full precision", precise, expected, summed);
    }
  for (const Index size : lengths) {
    const auto x = Array<O>::random(size, 1), y = Array<O>::random(size, 2);
    Precise<O> result(1, 7);
    D::dot(size, x.data(), y.data(), result.data());
    double expected = 0;
    for (Index i = 0; i < size; ++i) expected += at(x.before(), i) * at(y.before(), i);
    check_close("dot", result, {expected}, summed, std::sqrt(static_cast<double>(size)));
  }
}

TEST_CASE_TEMPLATE("running statistics", O, DVD_DEVICES) {
  using D = typename O::D;
  using P = FullPrecision<typename O::T>;
  for (const Index size : lengths) {
    const auto mean = Precise<O>::random(size, 1), variance = Precise<O>::random(size, 2);
    auto running_mean = Precise<O>::random(size, 3), running_variance = Precise<O>::random(size, 4);
    Vector means = running_mean.before(), variances = running_variance.before();
    for (Index i = 0; i < size; ++i) {
      at(means, i) = 0.875 * at(means, i) + 0.125 * at(mean.before(), i);
      at(variances, i) = 0.875 * at(variances, i) + 0.125 * 1.5 * at(variance.before(), i);
    }
    D::follow_statistics(size, P(0.875), P(1.5), mean.data(), variance.data(), running_mean.data(),
                         running_variance.data());
    check_close("running mean", running_mean, means, 4);
    check_close("running variance", running_variance, variances, 4);
  }
}

TEST_CASE_TEMPLATE("power iteration", O, DVD_DEVICES) {
  using D = typename O::D;
  using P = FullPrecision<typename O::T>;
  for (const Index rows : channel_counts)
    for (const Index columns : {Index{1}, Index{5}, Index{27}, Index{64}, Index{300}, Index{900}}) {
      const auto weight = Precise<O>::random(rows * columns, 1);
      for (const bool update : {false, true}) {
        Precise<O> u(plain::normalized(Precise<O>::random(rows, 2).before())), v(columns, 7), sigma(1, 7);
        const auto expected = plain::power_iteration(rows, columns, weight.before(), u.before(), update);
        const std::vector<SpectralArrays<P>> matrix{{rows, columns, weight.data(), u.data(), v.data(), sigma.data()}};
        D::power_iterations(matrix, update);
        check_close("u", u, expected.u, update ? ratio : exact);
        check_close("v", v, expected.v, ratio);
        check_close("sigma", sigma, {expected.sigma}, ratio);
      }
    }
  // Nothing is divided by 0.
  const Precise<O> nothing(6, 0);
  Precise<O> u(Vector{1, 0}), v(3, 7), sigma(1, 7);
  D::power_iterations(std::vector<SpectralArrays<P>>{{2, 3, nothing.data(), u.data(), v.data(), sigma.data()}}, true);
  check_close("u of no weight", u, {0, 0}, exact);
  check_close("v of no weight", v, {0, 0, 0}, exact);
  check_close("sigma of no weight", sigma, {0}, exact);
}

// More weights than one launch takes, of many sizes: each comes out as it does alone, to the bit.
TEST_CASE_TEMPLATE("power iterations of many weights", O, DVD_DEVICES) {
  using D = typename O::D;
  using P = FullPrecision<typename O::T>;
  constexpr int count = 500;
  for (const bool update : {false, true}) {
    std::vector<Precise<O>> weights, us, vs, sigmas, lone_us, lone_vs, lone_sigmas;
    std::vector<SpectralArrays<P>> all;
    for (int i = 0; i < count; ++i) {
      const Index rows = i == 250 ? 3000 : 1 + 37 * i % 131, columns = i == 251 ? 6000 : 1 + 53 * i % 97;
      weights.push_back(Precise<O>::random(rows * columns, 1));
      for (auto* u : {&us, &lone_us}) u->push_back(Precise<O>::random(rows, 2));
      for (auto* v : {&vs, &lone_vs}) v->emplace_back(columns, 7);
      for (auto* sigma : {&sigmas, &lone_sigmas}) sigma->emplace_back(1, 7);
    }
    const auto at = [](std::vector<Precise<O>>& arrays, int i) { return arrays[static_cast<std::size_t>(i)].data(); };
    for (int i = 0; i < count; ++i) {
      const auto k = static_cast<std::size_t>(i);
      const Index rows = us[k].size(), columns = vs[k].size();
      all.push_back({rows, columns, at(weights, i), at(us, i), at(vs, i), at(sigmas, i)});
      D::power_iterations(std::vector<SpectralArrays<P>>{{rows, columns, at(weights, i), at(lone_us, i), at(lone_vs, i),
                                                          at(lone_sigmas, i)}},
                          update);
    }
    D::power_iterations(all, update);
    for (std::size_t i = 0; i < count; ++i) {
      CHECK(us[i].now() == lone_us[i].now());
      CHECK(vs[i].now() == lone_vs[i].now());
      CHECK(sigmas[i].now() == lone_sigmas[i].now());
    }
  }
}

// More weights than one launch takes, of many sizes, with and without sigma: each comes out as it does alone, to the
// bit.
TEST_CASE_TEMPLATE("many weights packed", O, DVD_DEVICES) {
  using D = typename O::D;
  using T = typename O::T;
  constexpr int count = 1100;
  const Precise<O> sigma(1, 1.75);
  std::vector<Precise<O>> weights;
  std::vector<Array<O>> packed, lone;
  std::vector<WeightToPack<T>> all;
  for (int i = 0; i < count; ++i) {
    const Index outputs = i == 250 ? 700 : 1 + 37 * i % 41, inputs = i == 250 ? 65 : 1 + 53 * i % 35,
                taps = i % 3 == 0 ? 9 : (i % 3 == 1 ? 1 : 27), size = outputs * inputs * taps;
    weights.push_back(Precise<O>::random(size, static_cast<std::uint64_t>(i)));
    for (auto* arrays : {&packed, &lone}) arrays->emplace_back(size, 7);
    all.push_back(
        {outputs, inputs, taps, weights.back().data(), i % 5 == 0 ? nullptr : sigma.data(), packed.back().data()});
    D::pack_weight(outputs, inputs, taps, weights.back().data(), all.back().sigma, lone.back().data());
  }
  D::pack_weights(all);
  for (std::size_t i = 0; i < count; ++i) CHECK(packed[i].now() == lone[i].now());
  D::pack_weights(std::vector<WeightToPack<T>>());
}

TEST_CASE_TEMPLATE("weights packed and their gradients unpacked", O, DVD_DEVICES) {
  using D = typename O::D;
  using P = FullPrecision<typename O::T>;
  for (const Index taps : {1, 9, 27})
    for (const Index outputs : {Index{1}, Index{3}, Index{17}, Index{64}})
      for (const Index inputs : {Index{1}, Index{4}, Index{33}}) {
        const Index size = outputs * inputs * taps;
        const auto weight = Precise<O>::random(size, 1), u = Precise<O>::random(outputs, 3),
                   v = Precise<O>::random(inputs * taps, 4);
        const auto dpacked = Array<O>::random(size, 2);
        for (const double sigma : {0.0, 1.75}) {  // 0 standing for none
          const Precise<O> divisor(1, sigma);
          const P* const sigma_data = sigma > 0 ? divisor.data() : nullptr;
          Vector expected = zeros(size), expected_gradient = zeros(size);
          double along = 0;
          const auto for_all = [&](auto f) {
            for (Index o = 0; o < outputs; ++o)
              for (Index i = 0; i < inputs; ++i)
                for (Index t = 0; t < taps; ++t)
                  f((o * inputs + i) * taps + t, (t * inputs + i) * outputs + o, o, i * taps + t);
          };
          for_all([&](Index stored, Index packed, Index, Index) {
            at(expected, packed) = at(weight.before(), stored) / (sigma > 0 ? sigma : 1);
          });
          Array<O> packed(size, 7);
          D::pack_weight(outputs, inputs, taps, weight.data(), sigma_data, packed.data());
          check_close("packed", packed, expected, rounded);

          // L = <dpacked, W / sigma(W)>, sigma = u^T W v: dL/dW = (dpacked - <dpacked, packed> u v^T) / sigma.
          const Vector p = packed.now();
          for (Index k = 0; k < size; ++k) along += at(dpacked.before(), k) * at(p, k);
          auto dweight = Precise<O>::random(size, 5);
          for_all([&](Index stored, Index index, Index o, Index rest) {
            double gradient = at(dpacked.before(), index);
            if (sigma > 0) gradient = (gradient - along * at(u.before(), o) * at(v.before(), rest)) / sigma;
            at(expected_gradient, stored) = at(dweight.before(), stored) + gradient;
          });
          D::unpack_weight_gradient(outputs, inputs, taps, dpacked.data(), packed.data(), sigma_data, u.data(),
                                    v.data(), dweight.data());
          check_close("unpacked", dweight, expected_gradient, summed, std::sqrt(static_cast<double>(size)));
        }
      }
}

}  // namespace
