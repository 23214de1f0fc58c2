// The convolutions of a device, with everything that may be fused into them, against loops that read as their
// definitions.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "support/device_arrays.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::testing {

// Bound on errors, in units of roundoff relative to the largest result: 6e-6 in float. Sums of up to thousands of
// products; Winograd's transforms cost a few units more than plain sums do (see "accuracy" in
// device/convolution_test.cpp).
constexpr double summed = 100;

// A dense array [pixels, width] laid into one with gaps, whose other elements are those of `around`.
inline plain::Vector spread(const plain::Vector& dense, Index width, Index pixel, plain::Vector around) {
  for (Index i = 0; i < static_cast<Index>(dense.size()); ++i)
    plain::at(around, i / width * pixel + i % width) = plain::at(dense, i);
  return around;
}

inline plain::Vector added(plain::Vector x, const plain::Vector& y) {
  for (std::size_t i = 0; i < x.size(); ++i) x[i] += y[i];
  return x;
}

inline plain::Vector rectified(plain::Vector x) {
  for (double& value : x) value = std::max(value, 0.0);
  return x;
}

// Every kernel of a convolution of this size, results lying dense and with gaps, overwritten and added to.
template <class O>
void check_convolution(const ConvolutionSize& size, bool affine, bool rectify) {
  using plain::Vector;
  using D = typename O::D;
  using T = typename O::T;
  INFO("kernel " << size.kernel_frames << "x" << size.kernel << ", " << size.frames << " frames of " << size.batch
                 << " images " << size.height << "x" << size.width << ", " << size.inputs << " to " << size.outputs
                 << (size.upsample ? *size.upsample == Upsampling::nearest ? ", nearest" : ", bilinear" : "")
                 << (size.pool ? ", pooled" : "") << (size.pool_frames == 2 ? " in time" : "")
                 << (affine ? ", affine" : "") << (rectify ? ", rectified" : ""));
  const Index inputs = size.inputs, outputs = size.outputs, images = size.frames * size.batch;
  const double fan = std::sqrt(static_cast<double>(size.taps() * inputs));
  const auto x = Array<O>::random(size.input_size(), 1);
  const auto scale = Precise<O>::random(images * inputs, 8), shift = Precise<O>::random(images * inputs, 9);
  const auto weight = Array<O>::random(size.taps() * inputs * outputs, 2, 1 / fan);
  const auto bias = Precise<O>::random(outputs, 3);
  const auto dy = Array<O>::random(size.output_size(), 4);

  const Vector prepared =
      plain::prepared(size, x.before(), affine ? scale.before() : Vector{}, shift.before(), rectify);
  const Vector y = plain::pooled(size, plain::convolve(size, prepared, weight.before(), {}));
  const Vector y_with_bias = plain::pooled(size, plain::convolve(size, prepared, weight.before(), bias.before()));
  const Vector upstream = plain::pooled_backward(size, dy.before());
  const Vector dx = plain::prepared_backward(size, plain::convolve_backward_input(size, upstream, weight.before()),
                                             x.before(), rectify && !affine);
  const Vector dweight = plain::convolve_backward_weight(size, prepared, upstream);

  const ConvolutionInput<T> input{x.data(), affine ? scale.data() : nullptr, affine ? shift.data() : nullptr, rectify};
  const auto filter = D::filter(size, weight.data());
  const auto backward_filter = D::backward_filter(size, weight.data());
  const Index pixels = size.output_size() / outputs;
  for (const Index gap : {0, 3}) {
    const Index pixel = outputs + gap;
    auto result = Array<O>::random(pixels * pixel, 5);
    D::convolve(size, input, filter, bias.data(), result.data(), pixel, false);
    check_close("y", result, spread(y_with_bias, outputs, pixel, result.before()), summed);
    Array<O> accumulated(result.now());
    D::convolve(size, input, filter, nullptr, accumulated.data(), pixel, true);
    check_close("y, accumulated", accumulated, spread(added(y_with_bias, y), outputs, pixel, accumulated.before()),
                summed);

    Array<O> onto(accumulated.now());
    D::convolve(size, input, filter, bias.data(), onto.data(), pixel, true);
    check_close("y with its bias, accumulated", onto,
                spread(added(added(y_with_bias, y), y_with_bias), outputs, pixel, onto.before()), summed);

    ConvolutionSize rectifying = size;
    rectifying.rectify = true;
    for (const bool with_bias : {false, true}) {
      const Vector& sums = with_bias ? y_with_bias : y;
      const double scale_of_sums = std::abs(
          *std::max_element(sums.begin(), sums.end(), [](double a, double b) { return std::abs(a) < std::abs(b); }));
      D::convolve(rectifying, input, filter, with_bias ? bias.data() : nullptr, result.data(), pixel, false);
      check_close("y, rectified", result, spread(rectified(sums), outputs, pixel, result.before()), summed,
                  scale_of_sums);
    }

    const Array<O> spread_dy(spread(dy.before(), outputs, pixel, Array<O>::random(pixels * pixel, 6).before()));
    auto back = Array<O>::random(size.input_size(), 7);
    D::convolve_backward_input(size, input, spread_dy.data(), pixel, backward_filter, back.data(), false);
    check_close("dx", back, dx, summed);
    D::convolve_backward_input(size, input, spread_dy.data(), pixel, backward_filter, back.data(), true);
    check_close("dx, accumulated", back, added(dx, dx), summed);

    Array<O> of_weight(size.taps() * inputs * outputs, 7);
    D::convolve_backward_weight(size, input, spread_dy.data(), pixel, of_weight.data());
    check_close("dweight", of_weight, dweight, summed);

    if constexpr (D::prepares_inputs) {  // what was prepared before gives the same
      ConvolutionInput<T> prepared_input = input;
      const auto kept = D::prepare(size, input);
      prepared_input.prepared = static_cast<const T*>(kept.get());
      auto again = Array<O>::random(pixels * pixel, 5);
      D::convolve(size, prepared_input, filter, bias.data(), again.data(), pixel, false);
      auto alone = Array<O>::random(pixels * pixel, 5);
      D::convolve(size, input, filter, bias.data(), alone.data(), pixel, false);
      check_close("y of a prepared input", again, alone.now(), 0);
      Array<O> weight_again(of_weight.size(), 7);
      D::convolve_backward_weight(size, prepared_input, spread_dy.data(), pixel, weight_again.data());
      check_close("dweight of a prepared input", weight_again, of_weight.now(), 0);
    }

    if (!rectify || affine) continue;
    const Array<O> positive(rectified(x.before()));
    const ConvolutionInput<T> ready{positive.data(), nullptr, nullptr, true, true};
    D::convolve(size, ready, filter, bias.data(), result.data(), pixel, false);
    check_close("y of what is rectified", result, spread(y_with_bias, outputs, pixel, result.before()), summed);
    D::convolve_backward_input(size, ready, spread_dy.data(), pixel, backward_filter, back.data(), false);
    check_close("dx of what is rectified", back, dx, summed);
    D::convolve_backward_weight(size, ready, spread_dy.data(), pixel, of_weight.data());
    check_close("dweight of what is rectified", of_weight, dweight, summed);
  }
}

}  // namespace dvd::testing
