// The kernels of resampling and attention against loops that read as their definition, for each device and scalar.
#include "support/devices.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "support/kernel_tests.hpp"

namespace {

using namespace dvd;
using namespace dvd::testing;
using dvd::testing::plain::at;
using dvd::testing::plain::zeros;
namespace plain = dvd::testing::plain;

TEST_CASE_TEMPLATE("upsampling", O, DVD_DEVICES) {
  using D = typename O::D;
  for (const Index channels : channel_counts)
    for (const auto& [height, width] : images) {
      const Index count = 1 + channels % 3, size = count * height * width * channels;
      const auto x = Array<O>::random(size, 1), dy = Array<O>::random(4 * size, 2);
      for (const bool bilinear : {false, true}) {
        Vector expected = zeros(4 * size), expected_back = zeros(size);
        plain::for_upsampled(count, height, width, channels, bilinear, [&](Index out, Index in, double weight) {
          at(expected, out) += weight * at(x.before(), in);
          at(expected_back, in) += weight * at(dy.before(), out);
        });
        Array<O> y(4 * size, 7), dx(size, 7);
        if (bilinear) {
          D::upsample_bilinear(count, height, width, channels, x.data(), y.data());
          D::upsample_bilinear_backward(count, height, width, channels, dy.data(), dx.data());
        } else {
          D::upsample_nearest(count, height, width, channels, x.data(), y.data());
          D::upsample_nearest_backward(count, height, width, channels, dy.data(), dx.data());
        }
        check_close("upsampled", y, expected, bilinear ? rounded : exact);
        check_close("upsampled backward", dx, expected_back, 2 * rounded);
      }
    }
}

TEST_CASE_TEMPLATE("average pooling", O, DVD_DEVICES) {
  using D = typename O::D;
  for (const Index channels : channel_counts)
    for (const auto& [height, width] : images)
      for (const Index frames : frame_counts) {
        if (height < 2) continue;
        for (const Index pool_frames : {1, 2}) {
          if (pool_frames > frames) continue;
          const Index batch = 1 + channels % 2, size = frames * batch * height * width * channels;
          const Index pooled = frames / pool_frames * batch * (height / 2) * (width / 2) * channels;
          const auto x = Array<O>::random(size, 1), dy = Array<O>::random(pooled, 2);
          Vector expected = zeros(pooled), expected_back = zeros(size);
          const double weight = 1.0 / static_cast<double>(4 * pool_frames);
          plain::for_pooled(frames, batch, height, width, channels, pool_frames, [&](Index out, Index in) {
            at(expected, out) += weight * at(x.before(), in);
            at(expected_back, in) += weight * at(dy.before(), out);
          });
          Array<O> y(pooled, 7), dx(size, 7);
          D::average_pool(frames, batch, height, width, channels, pool_frames, x.data(), y.data());
          D::average_pool_backward(frames, batch, height, width, channels, pool_frames, dy.data(), dx.data());
          check_close("pooled", y, expected, rounded);
          check_close("pooled backward", dx, expected_back, exact);
        }
      }
}

TEST_CASE_TEMPLATE("max pooling", O, DVD_DEVICES) {
  using D = typename O::D;
  for (const Index channels : {1, 3, 8})
    for (const auto& [height, width] : images) {
      if (height < 2) continue;
      const Index size = 2 * height * width * channels, pooled = 2 * (height / 2) * (width / 2) * channels;
      // Few different values, so that some windows have equal ones.
      const auto raw = Array<O>::random(size, 1);
      const Array<O> x(map(raw.before(), [](double value) { return std::round(2 * value); }));
      const auto dy = Array<O>::random(pooled, 2);
      Vector expected = zeros(pooled), expected_back = zeros(size);
      std::vector<Index> from(static_cast<std::size_t>(pooled), -1);
      plain::for_pooled(1, 2, height, width, channels, 1, [&](Index out, Index in) {
        Index& best = from[static_cast<std::size_t>(out)];
        if (best < 0 || at(x.before(), in) > at(x.before(), best)) best = in;
      });
      for (Index i = 0; i < pooled; ++i) {
        at(expected, i) = at(x.before(), from[static_cast<std::size_t>(i)]);
        at(expected_back, from[static_cast<std::size_t>(i)]) = at(dy.before(), i);
      }
      Array<O> y(pooled, 7), dx(size, 7);
      D::max_pool(2, height, width, channels, x.data(), y.data());
      D::max_pool_backward(2, height, width, channels, x.data(), dy.data(), dx.data());
      check_close("max pooled", y, expected, exact);
      check_close("max pooled backward", dx, expected_back, exact);
    }
}

TEST_CASE_TEMPLATE("warping", O, DVD_DEVICES) {
  using D = typename O::D;
  for (const Index channels : {1, 3, 4, 17})
    for (const auto& [height, width] : images) {
      const Index pixels = 2 * height * width, size = pixels * channels;
      const auto x = Array<O>::random(size, 1), dy = Array<O>::random(size, 3);
      // Not to a pixel exactly, as numbers of few digits often would be: there a gradient may be that of either side.
      Vector places = Array<O>::random(2 * pixels, 2, 2).before();
      for (double& place : places) place += place == std::floor(place) ? 0.25 : 0;
      const Array<O> offsets(places);
      Vector expected = zeros(size), expected_x = zeros(size), expected_offsets = zeros(2 * pixels);
      for (Index p = 0; p < pixels; ++p) {
        const Index image = p / (height * width), row = p / width % height, column = p % width;
        const double wanted[] = {static_cast<double>(row) + at(offsets.before(), 2 * p),
                                 static_cast<double>(column) + at(offsets.before(), 2 * p + 1)};
        const double down = std::clamp(wanted[0], 0.0, static_cast<double>(height - 1));
        const double across = std::clamp(wanted[1], 0.0, static_cast<double>(width - 1));
        for (Index h = 0; h < height; ++h)
          for (Index w = 0; w < width; ++w) {
            const double far_h = down - static_cast<double>(h), far_w = across - static_cast<double>(w);
            if (std::abs(far_h) >= 1 || std::abs(far_w) >= 1) continue;
            const double share = (1 - std::abs(far_h)) * (1 - std::abs(far_w));
            for (Index c = 0; c < channels; ++c) {
              const Index from = ((image * height + h) * width + w) * channels + c, to = p * channels + c;
              at(expected, to) += share * at(x.before(), from);
              at(expected_x, from) += share * at(dy.before(), to);
              const double product = at(x.before(), from) * at(dy.before(), to);
              if (down == wanted[0]) at(expected_offsets, 2 * p) -= std::copysign(1 - std::abs(far_w), far_h) * product;
              if (across == wanted[1])
                at(expected_offsets, 2 * p + 1) -= std::copysign(1 - std::abs(far_h), far_w) * product;
            }
          }
      }
      Array<O> y(size, 7), dx(size, 7), doffsets(2 * pixels, 7);
      D::warp(2, height, width, channels, x.data(), offsets.data(), y.data());
      D::warp_backward(2, height, width, channels, x.data(), offsets.data(), dy.data(), dx.data(), doffsets.data());
      check_close("warped", y, expected, 16 * rounded);
      check_close("warped backward", dx, expected_x, 16 * rounded);
      check_close("offsets' gradient", doffsets, expected_offsets, 16 * rounded);
    }
}

TEST_CASE_TEMPLATE("an offset that is no number", O, DVD_DEVICES) {
  using D = typename O::D;
  for (const double bad : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    const auto x = Array<O>::random(4, 1), dy = Array<O>::random(4, 2);
    const Array<O> offsets(Vector{0, 0, bad, 0, 0, 0, 0, bad});
    Array<O> y(4, 7), dx(4, 7), doffsets(8, 7);
    D::warp(1, 2, 2, 1, x.data(), offsets.data(), y.data());
    D::warp_backward(1, 2, 2, 1, x.data(), offsets.data(), dy.data(), dx.data(), doffsets.data());
    CHECK(at(y.now(), 0) == at(x.before(), 0));
    CHECK(std::isnan(at(y.now(), 1)));
    CHECK(std::isnan(at(y.now(), 3)));
  }
}

TEST_CASE_TEMPLATE("attention", O, DVD_DEVICES) {
  using D = typename O::D;
  for (const AttentionSize& size :
       {AttentionSize{1, 1, 1, 1, 1, 1}, AttentionSize{3, 4, 4, 1, 2, 5}, AttentionSize{2, 5, 3, 4, 3, 2},
        AttentionSize{1, 150, 40, 1, 8, 9}, AttentionSize{1, 7, 7, 30, 4, 16}}) {
    const Index sets = size.groups * size.inner;
    const auto query = Array<O>::random(sets * size.queries * size.width, 1),
               key = Array<O>::random(sets * size.keys * size.width, 2),
               value = Array<O>::random(sets * size.keys * size.value_width, 3),
               dy = Array<O>::random(sets * size.queries * size.value_width, 4);
    Vector y = zeros(dy.size()), dquery = zeros(query.size()), dkey = zeros(key.size()), dvalue = zeros(value.size());
    for (Index group = 0; group < size.groups; ++group)
      for (Index i = 0; i < size.inner; ++i) {
        const auto place = [&](Index tokens, Index token, Index width) {
          return ((group * tokens + token) * size.inner + i) * width;
        };
        for (Index q = 0; q < size.queries; ++q) {
          const Index query_at = place(size.queries, q, size.width), y_at = place(size.queries, q, size.value_width);
          Vector weight = zeros(size.keys), dweight = zeros(size.keys);
          double total = 0, dot = 0;
          for (Index k = 0; k < size.keys; ++k) {
            double logit = 0;
            for (Index c = 0; c < size.width; ++c)
              logit += at(query.before(), query_at + c) * at(key.before(), place(size.keys, k, size.width) + c);
            at(weight, k) = std::exp(logit);
            total += at(weight, k);
          }
          for (Index k = 0; k < size.keys; ++k) {
            at(weight, k) /= total;
            for (Index c = 0; c < size.value_width; ++c) {
              const Index value_at = place(size.keys, k, size.value_width) + c;
              at(y, y_at + c) += at(weight, k) * at(value.before(), value_at);
              at(dweight, k) += at(dy.before(), y_at + c) * at(value.before(), value_at);
              at(dvalue, value_at) += at(weight, k) * at(dy.before(), y_at + c);
            }
            dot += at(weight, k) * at(dweight, k);
          }
          for (Index k = 0; k < size.keys; ++k)
            for (Index c = 0; c < size.width; ++c) {
              const Index key_at = place(size.keys, k, size.width) + c;
              const double dlogit = at(weight, k) * (at(dweight, k) - dot);
              at(dquery, query_at + c) += dlogit * at(key.before(), key_at);
              at(dkey, key_at) += dlogit * at(query.before(), query_at + c);
            }
        }
      }
    Array<O> result(dy.size(), 7), dq(query.size(), 7), dk(key.size(), 7), dv(value.size(), 7);
    D::attend(size, query.data(), key.data(), value.data(), result.data());
    D::attend_backward(size, query.data(), key.data(), value.data(), dy.data(), dq.data(), dk.data(), dv.data());
    check_close("attended", result, y, summed);
    check_close("attended backward, queries", dq, dquery, summed);
    check_close("attended backward, keys", dk, dkey, summed);
    check_close("attended backward, values", dv, dvalue, summed);
  }
}

}  // namespace
