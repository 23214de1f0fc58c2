// Compiled for any processor: convolutions of few channels, where a vector holds but two numbers, against plain sums.
#include <cmath>
#include <cstdio>
#include <vector>

#include "dvd/device/cpu/convolution.hpp"

namespace {

using dvd::Index;
using dvd::cpu::Convolution;

int wrong = 0;

template <class T>
std::vector<T> numbers(Index count, Index seed) {
  std::vector<T> result(static_cast<std::size_t>(count) + 16);  // whole vectors may be read
  for (Index i = 0; i < count; ++i)
    result[static_cast<std::size_t>(i)] = static_cast<T>(std::sin(static_cast<double>(i * 7 + seed)));
  return result;
}

template <class T>
void check(const std::vector<T>& values, const std::vector<double>& expected, const char* what,
           const dvd::ConvolutionSize& size) {
  double off = 0;
  for (std::size_t i = 0; i < expected.size(); ++i)
    off = std::max(off, std::abs(static_cast<double>(values[i]) - expected[i]));
  if (off < (sizeof(T) == 8 ? 1e-11 : 1e-3)) return;
  std::printf("WRONG: %s of %ld > %ld channels, %zu bytes each: off by %g\n", what, size.inputs, size.outputs,
              sizeof(T), off);
  ++wrong;
}

template <class T>
void check_size(Index inputs, Index outputs) {
  const dvd::ConvolutionSize size{1, 3, 6, 9, inputs, outputs, 1, 3};
  const std::vector<T> x = numbers<T>(size.input_size(), 1), weight = numbers<T>(9 * inputs * outputs, 2),
                       dy = numbers<T>(size.output_size(), 3);
  std::vector<T> y(dy.size()), dx(x.size()), dweight(weight.size());
  const dvd::ConvolutionInput<T> input{x.data()};
  Convolution::convolve<T>(size, input, Convolution::filter(size, weight.data()), nullptr, y.data(), outputs, false);
  Convolution::convolve_backward_input<T>(size, input, dy.data(), outputs,
                                          Convolution::backward_filter(size, weight.data()), dx.data(), false);
  Convolution::convolve_backward_weight<T>(size, input, dy.data(), outputs, dweight.data());

  std::vector<double> plain_y(static_cast<std::size_t>(size.output_size())),
      plain_dx(static_cast<std::size_t>(size.input_size())), plain_dweight(weight.size() - 16);
  for (Index pixel = 0; pixel < size.positions(); ++pixel)
    for (Index tap = 0; tap < 9; ++tap) {
      const Index row = pixel / 9 % 6 + tap / 3 - 1, column = pixel % 9 + tap % 3 - 1;
      if (row < 0 || row >= 6 || column < 0 || column >= 9) continue;
      const Index from = pixel + (tap / 3 - 1) * 9 + tap % 3 - 1;
      for (Index i = 0; i < inputs; ++i)
        for (Index o = 0; o < outputs; ++o) {
          const auto at_x = static_cast<std::size_t>(from * inputs + i),
                     at_y = static_cast<std::size_t>(pixel * outputs + o),
                     at_w = static_cast<std::size_t>((tap * inputs + i) * outputs + o);
          plain_y[at_y] += static_cast<double>(x[at_x]) * static_cast<double>(weight[at_w]);
          plain_dx[at_x] += static_cast<double>(dy[at_y]) * static_cast<double>(weight[at_w]);
          plain_dweight[at_w] += static_cast<double>(x[at_x]) * static_cast<double>(dy[at_y]);
        }
    }
  check(y, plain_y, "outputs", size);
  check(dx, plain_dx, "the input's gradient", size);
  check(dweight, plain_dweight, "the weight's gradient", size);
}

}  // namespace

int main() {
  for (const Index few : {1, 2, 3, 5, 66, 67}) {
    check_size<float>(8, few), check_size<double>(8, few);
    check_size<float>(few, 8), check_size<double>(few, 8);
  }
  return wrong;
}
