// The kernels of the device contract, but for convolutions (convolution_test.cpp), against loops that read as its
// definition, for each device and scalar.
#include "support/devices.hpp"

#include <doctest/doctest.h>

#include <cstdint>

#include "dvd/core/rows.hpp"
#include "dvd/training/losses.hpp"
#include "support/device_arrays.hpp"

namespace {

using namespace dvd;
using dvd::testing::Array;
using dvd::testing::check_close;
using dvd::testing::Precise;
using dvd::testing::plain::at;
using dvd::testing::plain::Vector;
using dvd::testing::plain::zeros;
namespace plain = dvd::testing::plain;

// Bounds on errors, in units of roundoff relative to the largest result.
constexpr double exact = 0;
constexpr double rounded = 4;         // a few operations an element
constexpr double transcendental = 8;  // an exponential among them
constexpr double summed = 100;        // sums of up to ten thousand products, their signs mixed
constexpr double ratio = 100;         // quotients of such sums

constexpr Index channel_counts[] = {1, 3, 4, 5, 7, 8, 16, 17, 32, 33, 48, 64, 65, 100};
constexpr struct {
  Index height, width;
} images[] = {{1, 1}, {2, 2}, {4, 4}, {5, 7}, {8, 8}, {13, 11}, {16, 16}, {33, 17}};
constexpr Index frame_counts[] = {1, 2, 3, 5};

// Sizes of pointwise kernels: none, less than a vector, odd ones, more than a task.
constexpr Index lengths[] = {0, 1, 3, 17, 64, 1000, 40001};

template <class F>
Vector map(const Vector& x, const F& f) {
  Vector result;
  for (const double value : x) result.push_back(f(value));
  return result;
}

template <class F>
Vector map(const Vector& x, const Vector& y, const F& f) {
  Vector result;
  for (std::size_t i = 0; i < x.size(); ++i) result.push_back(f(x[i], y[i]));
  return result;
}

double logistic(double x) { return 1 / (1 + std::exp(-x)); }

TEST_CASE_TEMPLATE("memory", O, DVD_DEVICES) {
  using D = typename O::D;
  using T = typename O::T;
  for (const std::size_t bytes : {0, 1, 63, 4096, 100000}) {
    const auto memory = D::allocate(bytes);
    CHECK(reinterpret_cast<std::uintptr_t>(memory.get()) % 64 == 0);
  }
  CHECK(D::peak_memory() >= 100000);
  const std::vector<T> values{T(1), T(2), T(3)};
  std::vector<T> back(3);
  const auto memory = D::allocate(3 * sizeof(T));
  D::upload(values.data(), memory.get(), 3 * sizeof(T));
  D::download(memory.get(), back.data(), 3 * sizeof(T));
  CHECK(values == back);
}

TEST_CASE_TEMPLATE("copy_rows", O, DVD_DEVICES) {
  using D = typename O::D;
  struct Size {
    Index blocks, rows, width, x_block, x_row, y_block, y_row;
  };
  for (const Size& s : {Size{1, 1, 40001, 0, 0, 0, 0}, Size{2, 3, 5, 21, 7, 20, 5}, Size{4, 1, 8, 8, 0, 11, 3},
                        Size{9, 16, 16, 512, 16, 768, 48}, Size{1, 300, 77, 0, 80, 0, 77}}) {
    const auto x = Array<O>::random((s.blocks - 1) * s.x_block + (s.rows - 1) * s.x_row + s.width, 1);
    auto y = Array<O>::random((s.blocks - 1) * s.y_block + (s.rows - 1) * s.y_row + s.width, 2);
    Vector expected = y.before();
    for (Index b = 0; b < s.blocks; ++b)
      for (Index r = 0; r < s.rows; ++r)
        for (Index i = 0; i < s.width; ++i)
          at(expected, b * s.y_block + r * s.y_row + i) = at(x.before(), b * s.x_block + r * s.x_row + i);
    D::copy_rows(s.blocks, s.rows, s.width, x.data(), s.x_block, s.x_row, y.data(), s.y_block, s.y_row);
    check_close("copy_rows", y, expected, exact);
  }
}

TEST_CASE_TEMPLATE("pointwise", O, DVD_DEVICES) {
  using D = typename O::D;
  using T = typename O::T;
  for (const Index size : lengths) {
    CAPTURE(size);
    const auto x = Array<O>::random(size, 1, 3), dy = Array<O>::random(size, 2);
    Array<O> y(size, 7);
    D::fill(size, T(0.5), y.data());
    check_close("fill", y, Vector(static_cast<std::size_t>(size), 0.5), exact);

    auto sum = Array<O>::random(size, 3);
    D::add(size, x.data(), sum.data());
    check_close("add", sum, map(x.before(), sum.before(), [](double a, double b) { return a + b; }), rounded);
    D::scale(size, T(0.25), x.data(), y.data());
    check_close("scale", y, map(x.before(), [](double a) { return 0.25 * a; }), exact);

    struct Nonlinearity {
      const char* name;
      void (*forward)(Index, const T*, T*);
      void (*backward)(Index, const T*, const T*, T*);
      double (*value)(double);
      double (*slope)(double);  // from the value
    };
    const Nonlinearity all[] = {
        {"relu", &D::template relu<T>, &D::template relu_backward<T>, [](double a) { return std::max(a, 0.0); },
         [](double v) { return v > 0 ? 1.0 : 0.0; }},
        {"sigmoid", &D::template sigmoid<T>, &D::template sigmoid_backward<T>, logistic,
         [](double v) { return v * (1 - v); }},
        {"tanh", &D::template tanh<T>, &D::template tanh_backward<T>, [](double a) { return std::tanh(a); },
         [](double v) { return 1 - v * v; }},
    };
    for (const Nonlinearity& f : all) {
      INFO(std::string(f.name));
      f.forward(size, x.data(), y.data());
      check_close("value", y, map(x.before(), f.value), transcendental, 1);
      Array<O> in_place(x.before());
      f.forward(size, in_place.data(), in_place.data());
      check_close("in place", in_place, y.now(), exact);

      const Vector values = y.now();
      Array<O> dx(size, 7);
      f.backward(size, y.data(), dy.data(), dx.data());
      check_close("backward", dx, map(values, dy.before(), [&](double v, double d) { return f.slope(v) * d; }),
                  transcendental);
      Array<O> over(dy.before());
      f.backward(size, y.data(), over.data(), over.data());
      check_close("backward in place", over, dx.now(), exact);
    }
  }
}

TEST_CASE_TEMPLATE("blending", O, DVD_DEVICES) {
  using D = typename O::D;
  for (const Index size : lengths) {
    const auto gate = Array<O>::random(size, 1), x = Array<O>::random(size, 2), y = Array<O>::random(size, 3),
               dz = Array<O>::random(size, 4);
    Vector z = zeros(size), dgate = zeros(size), dx = zeros(size), dy = zeros(size);
    for (Index i = 0; i < size; ++i) {
      const double share = at(gate.before(), i), gradient = at(dz.before(), i);
      at(z, i) = share * at(x.before(), i) + (1 - share) * at(y.before(), i);
      at(dgate, i) = gradient * (at(x.before(), i) - at(y.before(), i));
      at(dx, i) = gradient * share;
      at(dy, i) = gradient * (1 - share);
    }
    Array<O> result(size, 7), gate_gradient(size, 7), x_gradient(size, 7), y_gradient(size, 7);
    D::blend(size, gate.data(), x.data(), y.data(), result.data());
    D::blend_backward(size, gate.data(), x.data(), y.data(), dz.data(), gate_gradient.data(), x_gradient.data(),
                      y_gradient.data());
    check_close("blend", result, z, rounded);
    check_close("blend backward, gate", gate_gradient, dgate, rounded);
    check_close("blend backward, x", x_gradient, dx, rounded);
    check_close("blend backward, y", y_gradient, dy, rounded);
  }
}

TEST_CASE_TEMPLATE("extreme arguments of the nonlinearities", O, DVD_DEVICES) {
  using D = typename O::D;
  const Array<O> x(Vector{-1e4, -100, -20, 0, 20, 100, 1e4});
  Array<O> y(x.size(), 7);
  D::sigmoid(x.size(), x.data(), y.data());
  check_close("sigmoid", y, map(x.before(), logistic), transcendental);
  D::tanh(x.size(), x.data(), y.data());
  check_close("tanh", y, map(x.before(), [](double a) { return std::tanh(a); }), transcendental);
}

TEST_CASE_TEMPLATE("running average", O, DVD_DEVICES) {
  using D = typename O::D;
  using T = typename O::T;
  for (const Index size : lengths) {
    const auto x = Array<O>::random(size, 1);
    auto a = Array<O>::random(size, 5);
    D::moving_average(size, T(0.75), x.data(), a.data());
    check_close("moving average", a,
                map(x.before(), a.before(), [](double y, double z) { return 0.75 * z + 0.25 * y; }), rounded);
  }
}

TEST_CASE_TEMPLATE("conversion", O, DVD_DEVICES) {
  using D = typename O::D;
  for (const Index size : lengths) {
    const auto x = Array<O>::random(size, 1);
    Precise<O> precise(size, 7);
    D::convert(size, x.data(), precise.data());
    check_close("to full precision", precise, x.before(), exact);
    const auto y = Precise<O>::random(size, 2);
    Array<O> coarse(size, 7);
    D::convert(size, y.data(), coarse.data());
    check_close("to the scalar", coarse, Array<O>(y.before()).before(), exact);  // rounded as the host rounds
  }
}

TEST_CASE_TEMPLATE("gates of the ConvGRU", O, DVD_DEVICES) {
  using D = typename O::D;
  using T = typename O::T;
  for (const Index width : channel_counts)
    for (const Index rows : {Index{1}, Index{35}, Index{900}}) {
      CAPTURE(width);
      const auto state = Array<O>::random(rows * width, 1), doutput = Array<O>::random(rows * width, 2),
                 dreset_state = Array<O>::random(rows * width, 3);
      for (const bool with_state : {true, false}) {
        auto gates = Array<O>::random(rows * 3 * width, 4);
        Array<O> reset_state(rows * width, 7), output(rows * width, 7);
        Vector activated = gates.before(), reset_states = zeros(rows * width), outputs = zeros(rows * width);
        for (Index i = 0; i < rows * width; ++i) {
          double* gate = &at(activated, i / width * 3 * width + i % width);
          const double before = with_state ? at(state.before(), i) : 0;
          if (with_state) gate[0] = logistic(gate[0]);  // without a state nothing asks for the reset gate
          gate[width] = logistic(gate[width]);
          gate[2 * width] = std::max(gate[2 * width], 0.0);
          at(reset_states, i) = gate[0] * before;
          at(outputs, i) = gate[width] * before + (1 - gate[width]) * gate[2 * width];
        }
        if (with_state) {
          D::gru_reset(rows, width, gates.data(), state.data(), reset_state.data());
          check_close("reset state", reset_state, reset_states, transcendental);
        }
        if (with_state) {
          Array<O> again(rows * width, 7);
          D::multiply_columns(rows, width, gates.data(), 3 * width, state.data(), again.data());
          check_close("reset state again", again, reset_state.now(), rounded);
        }
        const T* const no_state = nullptr;
        D::gru_output(rows, width, gates.data(), with_state ? state.data() : no_state, output.data());
        check_close("gates", gates, activated, transcendental);
        check_close("output", output, outputs, transcendental);

        // From the kernels' own gates.
        const Vector g = gates.now();
        Vector expected = zeros(rows * 3 * width), expected_state = zeros(rows * width);
        Array<O> dgates(rows * 3 * width, 7), dstate(rows * width, 7);
        for (Index i = 0; i < rows * width; ++i) {
          const Index k = i / width * 3 * width + i % width;
          const double before = with_state ? at(state.before(), i) : 0, upstream = at(doutput.before(), i);
          const double reset = at(g, k), update = at(g, k + width), candidate = at(g, k + 2 * width);
          at(expected, k + width) = upstream * (before - candidate) * update * (1 - update);
          at(expected, k + 2 * width) = candidate > 0 ? upstream * (1 - update) : 0;
          at(expected_state, i) = upstream * update;
          if (with_state) {
            at(expected, k) = at(dreset_state.before(), i) * before * reset * (1 - reset);
            at(expected_state, i) += at(dreset_state.before(), i) * reset;
          }
        }
        T* const no_dstate = nullptr;
        D::gru_output_backward(rows, width, gates.data(), with_state ? state.data() : no_state, doutput.data(),
                               dgates.data(), with_state ? dstate.data() : no_dstate);
        if (with_state)
          D::gru_reset_backward(rows, width, gates.data(), state.data(), dreset_state.data(), dgates.data(),
                                dstate.data());
        check_close("gradient of the gates", dgates, expected, transcendental);
        if (with_state) check_close("gradient of the state", dstate, expected_state, transcendental);
      }
    }
}

Vector added(const Vector& x, const Vector& y) {
  return map(x, y, [](double a, double b) { return a + b; });
}

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

TEST_CASE_TEMPLATE("rows", O, DVD_DEVICES) {
  using D = typename O::D;
  for (const Index width : {Index{1}, Index{3}, Index{17}, Index{64}, Index{100}, Index{3072}}) {
    const std::vector<Index> rows{4, 0, 4, 2, 4};  // one three times, others never
    const Rows<D> on_device(rows);
    const auto table = Array<O>::random(5 * width, 1), dy = Array<O>::random(5 * width, 2);
    auto dtable = Precise<O>::random(5 * width, 3);
    Array<O> picked(5 * width, 7);
    Vector expected = zeros(5 * width), expected_table = dtable.before();
    for (Index i = 0; i < 5; ++i)
      for (Index c = 0; c < width; ++c) {
        const Index row = rows[static_cast<std::size_t>(i)];
        at(expected, i * width + c) = at(table.before(), row * width + c);
        at(expected_table, row * width + c) += at(dy.before(), i * width + c);
      }
    D::gather_rows(5, width, table.data(), on_device.data(), picked.data());
    check_close("gather_rows", picked, expected, exact);
    D::scatter_add_rows(5, width, dy.data(), on_device.data(), dtable.data());
    check_close("scatter_add_rows", dtable, expected_table, rounded);

    Array<O> broadcast(5 * 3 * width, 7);
    Vector repeated = zeros(5 * 3 * width);
    for (Index i = 0; i < 5 * 3 * width; ++i) at(repeated, i) = at(table.before(), i / (3 * width) * width + i % width);
    D::broadcast_rows(5, 3, width, table.data(), broadcast.data());
    check_close("broadcast_rows", broadcast, repeated, exact);

    Precise<O> dots(5, 7);
    Array<O> scaled(5 * width, 7);
    const auto factors = Precise<O>::random(5, 4);
    Vector expected_dots = zeros(5), expected_scaled = zeros(5 * width);
    for (Index i = 0; i < 5 * width; ++i) {
      at(expected_dots, i / width) += at(table.before(), i) * at(dy.before(), i);
      at(expected_scaled, i) = at(factors.before(), i / width) * at(table.before(), i);
    }
    D::row_dots(5, width, table.data(), dy.data(), dots.data());
    check_close("row_dots", dots, expected_dots, summed);
    D::scale_rows(5, width, factors.data(), table.data(), scaled.data());
    check_close("scale_rows", scaled, expected_scaled, rounded);
  }
}

TEST_CASE_TEMPLATE("the mean of a loss", O, DVD_DEVICES) {
  using D = typename O::D;
  using P = FullPrecision<typename O::T>;
  for (const Index size : {1, 2, 7, 64, 512}) {
    const auto scores = Precise<O>::random(size, 1);
    Precise<O> loss(1, 2.5), dscores(size, 7);
    double expected = 0;
    for (const double score : scores.before()) expected += (score - 1) * (score - 1) / 2 / static_cast<double>(size);
    const RealTerm<LeastSquaresLoss> term;
    D::mean_loss(size, scores.data(), term, loss.data(), dscores.data());
    check_close("loss", loss, {2.5 + expected}, summed);
    check_close("dscores", dscores, map(scores.before(), [&](double x) { return (x - 1) / static_cast<double>(size); }),
                rounded);
    D::mean_loss(size, scores.data(), term, loss.data(), static_cast<P*>(nullptr));
    check_close("loss alone", loss, {2.5 + 2 * expected}, summed);
  }
}

TEST_CASE_TEMPLATE("power iteration", O, DVD_DEVICES) {
  using D = typename O::D;
  for (const Index rows : channel_counts)
    for (const Index columns : {Index{1}, Index{5}, Index{27}, Index{64}, Index{300}, Index{900}}) {
      const auto weight = Precise<O>::random(rows * columns, 1);
      for (const bool update : {false, true}) {
        Precise<O> u(plain::normalized(Precise<O>::random(rows, 2).before())), v(columns, 7), sigma(1, 7);
        const auto expected = plain::power_iteration(rows, columns, weight.before(), u.before(), update);
        D::power_iteration(rows, columns, weight.data(), u.data(), v.data(), sigma.data(), update);
        check_close("u", u, expected.u, update ? ratio : exact);
        check_close("v", v, expected.v, ratio);
        check_close("sigma", sigma, {expected.sigma}, ratio);
      }
    }
  // Nothing is divided by 0.
  const Precise<O> nothing(6, 0);
  Precise<O> u(Vector{1, 0}), v(3, 7), sigma(1, 7);
  D::power_iteration(2, 3, nothing.data(), u.data(), v.data(), sigma.data(), true);
  check_close("u of no weight", u, {0, 0}, exact);
  check_close("v of no weight", v, {0, 0, 0}, exact);
  check_close("sigma of no weight", sigma, {0}, exact);
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

TEST_CASE_TEMPLATE("transposition", O, DVD_DEVICES) {
  using D = typename O::D;
  for (const Index count : {1, 3})
    for (const Index rows : {1, 5, 33, 100})
      for (const Index columns : {1, 16, 31, 70}) {
        const auto x = Array<O>::random(count * rows * columns, 1);
        Array<O> y(x.size(), 7);
        Vector expected = zeros(x.size());
        for (Index i = 0; i < x.size(); ++i) {
          const Index batch = i / (rows * columns), row = i / columns % rows, column = i % columns;
          at(expected, (batch * columns + column) * rows + row) = at(x.before(), i);
        }
        D::transpose(count, rows, columns, x.data(), y.data());
        check_close("transposed", y, expected, exact);
      }
}

TEST_CASE_TEMPLATE("random numbers", O, DVD_DEVICES) {
  using D = typename O::D;
  using T = typename O::T;
  const Random random = Random(11).stream("conformance");
  for (const Index size : lengths) {
    Array<O> y(size, 7);
    Vector expected;
    for (Index i = 0; i < size; ++i) expected.push_back(0.5 * random.normal(static_cast<std::uint64_t>(i)));
    D::random_normal(size, random, T(0.5), y.data());
    check_close("random_normal", y, expected, rounded);
    for (Index i = 0; i < size; ++i) at(expected, i) = random.uniform(static_cast<std::uint64_t>(i), -2, 3);
    D::random_uniform(size, random, T(-2), T(3), y.data());
    check_close("random_uniform", y, expected, rounded);
  }
}

}  // namespace
