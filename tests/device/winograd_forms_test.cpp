// The forms of Winograd's method against the sums that they rewrite, in one dimension.
#include <doctest/doctest.h>

#include <array>
#include <dvd/core/random.hpp>
#include <dvd/device/cpu/winograd_forms.hpp>

using namespace dvd::cpu;

namespace {

/// Numbers from -1 to 1.
template <std::size_t Count>
void fill(double (&numbers)[Count], std::uint64_t seed) {
  const dvd::Random random(seed);
  for (std::size_t i = 0; i < Count; ++i) numbers[i] = random.uniform(i, -1.0, 1.0);
}

/// Pixels that a tile's kernel slides over, from those that are stored.
template <class Form>
std::array<double, 6> seen(const double (&stored)[std::size_t{Form::inputs}]) {
  if constexpr (Form::inputs == 6)
    return std::to_array(stored);
  else
    return {stored[0], stored[1], stored[1], stored[2], stored[2], stored[3]};
}

template <class Form>
void check_form(std::uint64_t seed) {
  constexpr std::size_t points = Form::points, outputs = Form::outputs;
  double d[std::size_t{Form::inputs}], w[3], dy[outputs];
  fill(d, 3 * seed), fill(w, 3 * seed + 1), fill(dy, 3 * seed + 2);
  const std::array<double, 6> pixels = seen<Form>(d);

  double input_values[std::size_t{Form::input_values}], u[points], m[points], y[outputs];
  Form::template inputs_to_values<double>(d, input_values);
  Form::template weight_to_points<double>(w, u);
  for (std::size_t i = 0; i < points; ++i) m[i] = u[i] * input_values[Form::input_value[i]];
  Form::template points_to_outputs<double>(m, y);
  double sums[4];
  for (std::size_t i = 0; i < 4; ++i) sums[i] = pixels[i] * w[0] + pixels[i + 1] * w[1] + pixels[i + 2] * w[2];
  for (std::size_t i = 0; i < outputs; ++i)
    CHECK(y[i] == doctest::Approx(outputs == 4 ? sums[i] : sums[2 * i] + sums[2 * i + 1]).epsilon(1e-13));

  double output_values[std::size_t{Form::output_values}], du[points], dw[3];
  Form::template outputs_to_values<double>(dy, output_values);
  for (std::size_t i = 0; i < points; ++i)
    du[i] = input_values[Form::input_value[i]] * output_values[Form::output_value[i]];
  Form::template points_to_weight<double>(du, dw);
  for (std::size_t tap = 0; tap < 3; ++tap) {
    double sum = 0;
    for (std::size_t i = 0; i < 4; ++i) sum += pixels[i + tap] * dy[outputs == 4 ? i : i / 2];
    CHECK(dw[tap] == doctest::Approx(sum).epsilon(1e-13));
  }
}

}  // namespace

TEST_CASE("a form of Winograd's method is the convolution, and its weight's gradient") {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    check_form<winograd::Plain>(seed);
    check_form<winograd::Pooled>(seed);
    check_form<winograd::Repeated>(seed);
  }
}

TEST_CASE("F(3, 4) is a convolution of four taps") {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    double d[6], w[4], v[6], u[6], m[6], y[3];
    fill(d, 2 * seed), fill(w, 2 * seed + 1);
    winograd::Plain::inputs_to_values<double>(d, v);
    winograd::Wide::weight_to_points<double>(w, u);
    for (int i = 0; i < 6; ++i) m[i] = u[i] * v[i];
    winograd::Wide::points_to_outputs<double>(m, y);
    for (int i = 0; i < 3; ++i)
      CHECK(y[i] == doctest::Approx(d[i] * w[0] + d[i + 1] * w[1] + d[i + 2] * w[2] + d[i + 3] * w[3]).epsilon(1e-13));
  }
}
