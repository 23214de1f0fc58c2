// The window kernels of the device contract against loops that read as their definitions, and against Eigen's patches,
// for each device and scalar.
#include "support/devices.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "support/eigen_kernels.hpp"
#include "support/kernel_tests.hpp"
#include "support/plain_windows.hpp"

namespace {

using namespace dvd;
using namespace dvd::testing;
using dvd::testing::plain::at;
using dvd::testing::plain::zeros;
namespace plain = dvd::testing::plain;

// Windows along an axis: as many as there is room for with `padding` at both ends.
WindowAxis axis(Index inputs, Index kernel, Index stride = 1, Index padding = 0, Index dilation = 1) {
  return {inputs, (inputs + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1, kernel, stride, dilation, padding};
}

const WindowAxis one_frame;

// Kernels of even and odd sizes, with and without strides, paddings and dilations, and a tap that is always padding.
const WindowSize sizes[] = {
    {1, 1, one_frame, axis(1, 1), axis(1, 1)},
    {2, 3, one_frame, axis(7, 4, 2, 1), axis(6, 4, 2, 1)},
    {3, 8, one_frame, axis(9, 2, 3), axis(8, 5, 1, 2)},
    {1, 17, one_frame, axis(6, 3, 1, 2, 2), axis(11, 2, 2, 3, 4)},
    {2, 5, axis(4, 3, 1, 1), axis(5, 3, 2, 1), axis(6, 3, 2, 1)},
    {3, 4, axis(5, 2, 2, 0, 3), axis(4, 1), axis(7, 7, 7)},
    {2, 16, axis(3, 3, 1, 3), axis(2, 2, 1, 4), axis(3, 1, 2, 2)},
    {1, 33, axis(6, 1, 4), axis(12, 5, 1, 0, 2), axis(10, 4, 3, 2)},
    {2, 64, one_frame, axis(16, 4, 2, 1), axis(16, 4, 2, 1)},
};

TEST_CASE_TEMPLATE("windows unfolded and folded", O, DVD_DEVICES) {
  using D = typename O::D;
  for (const WindowSize& size : sizes)
    for (const Index gap : {0, 3}) {
      const Index pixel = size.channels + gap, windows = size.windows(), depth = size.taps() * size.channels;
      const auto x = Array<O>::random(size.pixels() * pixel, 1), dcolumns = Array<O>::random(windows * depth, 2);
      const Vector expected = plain::unfold(size, x.before(), pixel);
      // All at once, and in pieces that end anywhere.
      for (const Index piece : {windows, Index{7}, Index{1}}) {
        INFO(size.windows() << " windows of " << size.taps() << " taps, " << piece << " at a time");
        Vector columns;
        Array<O> dx(x.before());
        for (Index first = 0; first < windows; first += piece) {
          const Index count = std::min(piece, windows - first);
          Array<O> part(count * depth, 7);
          D::unfold(size, first, count, x.data(), pixel, part.data());
          const Vector values = part.now();
          columns.insert(columns.end(), values.begin(), values.end());
          D::fold(size, first, count, dcolumns.data() + first * depth, dx.data(), pixel);
        }
        CHECK(columns == expected);
        // In pieces, bfloat16 rounds after each.
        check_close("folded", dx, plain::fold(size, dcolumns.before(), x.before(), pixel),
                    piece == windows ? 20 : summed);
      }
    }
}

TEST_CASE_TEMPLATE("windows are Eigen's patches", O, DVD_DEVICES) {
  using D = typename O::D;
  for (const WindowSize& size : sizes) {
    if (size.time.inputs > 1) continue;
    const auto &h = size.height, &w = size.width;
    const auto x = Array<O>::random(size.pixels() * size.channels, 1);
    Array<O> columns(size.windows() * size.taps() * size.channels, 7);
    D::unfold(size, 0, size.windows(), x.data(), size.channels, columns.data());
    // Eigen counts the axes of a row-major patch from behind.
    check_close("patches", columns,
                forms::values(forms::map(x.before(), size.batch, h.inputs, w.inputs, size.channels)
                                  .extract_image_patches(w.kernel, h.kernel, w.stride, h.stride, w.dilation, h.dilation,
                                                         1, 1, w.padding, w.padding, h.padding, h.padding, 0)),
                exact);
  }
}

TEST_CASE_TEMPLATE("convolutions by windows that are not unfolded", O, DVD_DEVICES) {
  using D = typename O::D;
  if constexpr (D::convolves_windows) {
    const WindowSize served[] = {
        // I3D's first layer, of an even and an odd image
        {1, 3, axis(16, 7, 2, 2), {18, 9, 7, 2, 1, 2}, {22, 11, 7, 2, 1, 2}},
        {2, 3, axis(9, 7, 2, 3), axis(19, 7, 2, 3), axis(23, 7, 2, 3)},
        {3, 1, one_frame, axis(6, 5, 2, 2), axis(7, 6, 2, 1)},
        {1, 4, axis(10, 3, 1, 1), axis(2, 8, 2, 4), axis(110, 8, 2, 0)},
        {2, 2, axis(10, 2, 3), axis(5, 7, 2, 3), axis(3, 5, 2, 4)},
    };
    for (const WindowSize& size : served) {
      REQUIRE(D::convolves(size));
      for (const Index outputs : {1, 5, 40, 64}) {
        INFO(size.time.inputs << "x" << size.height.inputs << "x" << size.width.inputs << ", " << outputs
                              << " outputs");
        const Index depth = size.taps() * size.channels, windows = size.windows();
        const auto x = Array<O>::random(size.pixels() * size.channels, 1);
        const auto weight = Array<O>::random(depth * outputs, 2, 1 / std::sqrt(static_cast<double>(depth)));
        const auto bias = Precise<O>::random(outputs, 3);
        const Vector columns = plain::unfold(size, x.before(), size.channels);
        const auto filter = D::window_filter(size, outputs, weight.data());
        Vector sums;
        for (Index window = 0; window < windows; ++window)
          for (Index o = 0; o < outputs; ++o) {
            double sum = 0;
            for (Index i = 0; i < depth; ++i)
              sum += at(columns, window * depth + i) * at(weight.before(), i * outputs + o);
            sums.push_back(sum);
          }
        for (const bool with_bias : {true, false})
          for (const bool rectify : {true, false}) {
            Vector expected;
            double largest = 0;
            for (Index i = 0; i < windows * outputs; ++i) {
              const double sum = at(sums, i) + (with_bias ? at(bias.before(), i % outputs) : 0);
              largest = std::max(largest, std::abs(sum));
              expected.push_back(rectify ? std::max(sum, 0.0) : sum);
            }
            Array<O> y(windows * outputs, 7);
            D::convolve_windows(size, x.data(), filter, with_bias ? bias.data() : nullptr, rectify, y.data());
            check_close("y", y, expected, summed, largest);
          }
      }
    }
    const WindowSize others[] = {
        {1, 5, one_frame, axis(16, 7, 2, 3), axis(16, 7, 2, 3)},
        {1, 3, one_frame, axis(16, 7, 1, 3), axis(16, 7, 2, 3)},
        {1, 3, one_frame, axis(16, 9, 2, 4), axis(16, 7, 2, 3)},
        {1, 3, one_frame, axis(16, 8, 2, 3), axis(16, 8, 2, 3)},
        {1, 3, one_frame, axis(16, 4, 2, 1), axis(16, 4, 2, 1)},
        {1, 3, one_frame, axis(16, 5, 2, 2, 2), axis(16, 5, 2, 2)},
    };
    for (const WindowSize& size : others) CHECK_FALSE(D::convolves(size));
  }
}

// Those without dilation and without windows that lie in the padding alone.
template <class F>
void for_pools(const F& f) {
  for (const Index channels : {1, 3, 8, 17})
    for (const WindowSize& size :
         {WindowSize{2, 0, one_frame, axis(4, 2, 2), axis(5, 2, 2)},
          WindowSize{1, 0, one_frame, axis(1, 1), axis(1, 1)},
          WindowSize{2, 0, one_frame, axis(7, 3, 2, 1), axis(6, 3, 1, 1)},
          WindowSize{1, 0, one_frame, axis(6, 4, 1, 2), axis(9, 1, 3)},
          WindowSize{2, 0, axis(4, 2, 1, 1), axis(5, 3, 2, 1), axis(6, 4, 3, 2)},
          WindowSize{3, 0, axis(5, 5), axis(4, 4), axis(3, 3)}, WindowSize{2, 0, axis(6, 2, 3), axis(3, 1), axis(4, 2)},
          // Last windows that lie partly behind the padding.
          WindowSize{2, 0, WindowAxis{3, 2, 2, 2, 1, 0, 1}, WindowAxis{7, 4, 2, 2, 1, 0, 1},
                     WindowAxis{6, 3, 5, 3, 1, 2, 1}}}) {
      WindowSize with_channels = size;
      with_channels.channels = channels;
      f(with_channels);
    }
}

TEST_CASE_TEMPLATE("maxima of windows", O, DVD_DEVICES) {
  using D = typename O::D;
  for_pools([](const WindowSize& size) {
    const Index results = size.windows() * size.channels, elements = size.pixels() * size.channels;
    // Few different values, so that some windows have equal ones; all below 0, which padding must not hide.
    const auto raw = Array<O>::random(elements, 1);
    const Array<O> x(map(raw.before(), [](double value) { return std::round(2 * value) - 20; }));
    const auto dy = Array<O>::random(results, 2);
    Array<O> y(results, 7), dx(elements, 7);
    D::max_windows(size, x.data(), y.data());
    D::max_windows_backward(size, x.data(), dy.data(), dx.data());
    const auto pixels = plain::largest_pixels(size, x.before());
    Vector expected, expected_back = zeros(elements);
    for (Index i = 0; i < results; ++i) {
      const Index from = pixels[static_cast<std::size_t>(i)] * size.channels + i % size.channels;
      expected.push_back(at(x.before(), from));
      at(expected_back, from) += at(dy.before(), i);
    }
    check_close("largest", y, expected, exact);
    check_close("largest, backward", dx, expected_back, 20);
  });
}

TEST_CASE_TEMPLATE("averages of windows", O, DVD_DEVICES) {
  using D = typename O::D;
  for_pools([](const WindowSize& size) {
    for (const bool count_padding : {true, false}) {
      const Index results = size.windows() * size.channels, elements = size.pixels() * size.channels;
      const auto x = Array<O>::random(elements, 1), dy = Array<O>::random(results, 2);
      Array<O> y(results, 7), dx(elements, 7);
      D::average_windows(size, count_padding, x.data(), y.data());
      D::average_windows_backward(size, count_padding, dy.data(), dx.data());
      const Vector divisors = plain::window_divisors(size, count_padding);
      Vector expected = zeros(results), expected_back = zeros(elements);
      plain::for_window_taps(size, [&](Index window, Index, Index pixel) {
        for (Index c = 0; c < size.channels && pixel >= 0; ++c) {
          at(expected, window * size.channels + c) += at(x.before(), pixel * size.channels + c) / at(divisors, window);
          at(expected_back, pixel * size.channels + c) +=
              at(dy.before(), window * size.channels + c) / at(divisors, window);
        }
      });
      check_close("average", y, expected, summed);
      check_close("average, backward", dx, expected_back, summed);
    }
  });
}

TEST_CASE_TEMPLATE("what is no number, and what is less than all", O, DVD_DEVICES) {
  using D = typename O::D;
  constexpr double none = std::numeric_limits<double>::quiet_NaN(), least = -std::numeric_limits<double>::infinity();
  const WindowSize size{1, 1, one_frame, axis(1, 1), axis(6, 3, 3)};
  const Array<O> x(Vector{5, none, none, least, least, least}), dy(Vector{1, 2});
  Array<O> y(2, 7), dx(6, 7), mean(2, 7);
  D::max_windows(size, x.data(), y.data());
  D::max_windows_backward(size, x.data(), dy.data(), dx.data());
  D::average_windows(size, true, x.data(), mean.data());
  CHECK(std::isnan(at(y.now(), 0)));
  CHECK(at(y.now(), 1) == least);
  CHECK(dx.now() == Vector{0, 1, 0, 2, 0, 0});
  CHECK(std::isnan(at(mean.now(), 0)));
}

}  // namespace
