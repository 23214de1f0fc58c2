// Kernels of the device contract against expressions of Eigen's Tensor, for each device and scalar: a second opinion
// beside the loops of the other tests, by other people's patches, reductions and contractions.
#include "support/devices.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "support/eigen_kernels.hpp"
#include "support/kernel_tests.hpp"

namespace {

using namespace dvd;
using namespace dvd::testing;
namespace plain = dvd::testing::plain;

// The loops and the expressions say the same.
void check_same(const std::string& what, const Vector& loops, const Vector& expression) {
  REQUIRE_MESSAGE(loops.size() == expression.size(), what);
  double difference = 0;
  for (std::size_t i = 0; i < loops.size(); ++i) difference = std::max(difference, std::abs(loops[i] - expression[i]));
  CHECK_MESSAGE(difference < 1e-12, what);
}

TEST_CASE_TEMPLATE("convolutions, through patches", O, DVD_DEVICES) {
  using D = typename O::D;
  using T = typename O::T;
  for (const ConvolutionSize& size :
       {ConvolutionSize{1, 2, 8, 8, 5, 7, 1, 3}, ConvolutionSize{2, 3, 5, 9, 16, 33, 1, 3},
        ConvolutionSize{1, 1, 24, 20, 17, 32, 1, 3}, ConvolutionSize{2, 2, 6, 5, 8, 3, 1, 1},
        ConvolutionSize{4, 2, 7, 9, 3, 8, 3, 3}, ConvolutionSize{3, 1, 12, 10, 16, 17, 3, 3}}) {
    INFO("kernel " << size.kernel_frames << "x" << size.kernel << ", " << size.height << "x" << size.width);
    const double fan = std::sqrt(static_cast<double>(size.taps() * size.inputs));
    const auto x = Array<O>::random(size.input_size(), 1);
    const auto weight = Array<O>::random(size.taps() * size.inputs * size.outputs, 2, 1 / fan);
    Array<O> y(size.output_size(), 7);
    D::convolve(size, ConvolutionInput<T>{x.data()}, D::filter(size, weight.data()), nullptr, y.data(), size.outputs,
                false);
    const Vector expected = forms::convolve(size, x.before(), weight.before());
    check_close("y", y, expected, summed);
    check_same("y", plain::convolve(size, x.before(), weight.before(), {}), expected);
  }
}

TEST_CASE_TEMPLATE("pooling, by reductions of windows", O, DVD_DEVICES) {
  using D = typename O::D;
  for (const Index channels : {1, 5, 16, 33})
    for (const auto& [height, width] : {ImageSize{2, 2}, {5, 7}, {8, 8}, {33, 17}}) {
      const Index frames = 3, batch = 2, outputs = batch * (height / 2) * (width / 2) * channels;
      const auto x = Array<O>::random(frames * batch * height * width * channels, 1);
      for (const Index time : {1, 2}) {
        Array<O> y(frames / time * outputs, 7);
        D::average_pool(frames, batch, height, width, channels, time, x.data(), y.data());
        check_close("average", y, forms::average_pool(frames, batch, height, width, channels, time, x.before()),
                    rounded);
      }
      Array<O> y(frames * outputs, 7);
      D::max_pool(frames * batch, height, width, channels, x.data(), y.data());
      check_close("maximum", y, forms::max_pool(frames * batch, height, width, channels, x.before()), exact);
    }
}

TEST_CASE_TEMPLATE("bilinear upsampling, by a matrix for each axis", O, DVD_DEVICES) {
  using D = typename O::D;
  for (const Index channels : {1, 5, 16, 33})
    for (const auto& [height, width] : images) {
      const Index size = 2 * height * width * channels;
      const auto x = Array<O>::random(size, 1);
      Array<O> y(4 * size, 7);
      D::upsample_bilinear(2, height, width, channels, x.data(), y.data());
      check_close("upsampled", y, forms::upsample_bilinear(2, height, width, channels, x.before()), rounded);
    }
}

TEST_CASE_TEMPLATE("moments and sums, by reductions", O, DVD_DEVICES) {
  using D = typename O::D;
  for (const Index channels : {1, 5, 16, 33, 100})
    for (const Index rows : {1, 7, 64, 1500}) {
      const auto x = Array<O>::random(3 * rows * channels, 1);
      Precise<O> mean(3 * channels, 7), variance(3 * channels, 7);
      D::moments(3, rows, channels, x.data(), mean.data(), variance.data());
      const auto expected = forms::moments(3, rows, channels, x.before());
      check_close("mean", mean, expected.mean, summed, 1);
      check_close("variance", variance, expected.variance, summed, 1);
      if (channels < 3) continue;
      Array<O> sums(3 * (channels - 2), 7);
      D::sum_rows(3, rows, channels - 2, x.data(), channels, sums.data(), false);
      check_close("sum_rows", sums, forms::sum_rows(3, rows, channels - 2, x.before(), channels), summed);
    }
}

TEST_CASE_TEMPLATE("attention, by contractions", O, DVD_DEVICES) {
  using D = typename O::D;
  for (const AttentionSize& s : {AttentionSize{2, 16, 4, 1, 8, 16}, AttentionSize{3, 5, 5, 7, 4, 9},
                                 AttentionSize{1, 64, 16, 1, 3, 17}, AttentionSize{2, 9, 1, 2, 16, 1}}) {
    const auto query = Array<O>::random(s.groups * s.queries * s.inner * s.width, 1);
    const auto key = Array<O>::random(s.groups * s.keys * s.inner * s.width, 2);
    const auto value = Array<O>::random(s.groups * s.keys * s.inner * s.value_width, 3);
    Array<O> y(s.groups * s.queries * s.inner * s.value_width, 7);
    D::attend(s, query.data(), key.data(), value.data(), y.data());
    check_close("attended", y, forms::attend(s, query.before(), key.before(), value.before()), summed);
  }
}

}  // namespace
