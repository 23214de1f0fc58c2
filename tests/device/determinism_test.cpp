// The number of threads changes no bit of any result.
#include <doctest/doctest.h>

#include <cstring>
#include <functional>

#include "dvd/data/moving_shapes.hpp"
#include "dvd/device/cpu.hpp"
#include "dvd/training/trainer.hpp"

namespace {

using namespace dvd;

using Values = std::vector<float>;

Tensor<float> random_tensor(Shape shape, std::uint64_t seed) {
  Tensor<float> result(shape);
  Cpu::random_normal(result.size(), Random(seed), 1.0f, result.data());
  return result;
}

bool same_bits(const Values& a, const Values& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// Fails unless `compute` gives the same bits on 1, 2 and 4 threads, twice on each.
void check_threads(const char* what, const std::function<Values()>& compute) {
  Values first;
  for (const Index threads : {1, 2, 4})
    for (const int time : {0, 1}) {
      const ThreadLimit limit(threads);
      const Values now = compute();
      REQUIRE(!now.empty());
      if (first.empty()) first = now;
      CHECK_MESSAGE(same_bits(first, now), what, " on ", threads, " threads, time ", time);
    }
}

TEST_CASE("convolutions") {
  for (const Index kernel_frames : {1, 3})
    for (const Index kernel : {1, 3}) {
      if (kernel < kernel_frames) continue;
      const ConvolutionSize size{4, 3, 24, 20, 17, 33, kernel_frames, kernel};
      const auto x = random_tensor({size.positions(), 17}, 1), dy = random_tensor({size.positions(), 33}, 2);
      const auto weight = random_tensor({size.taps(), 17, 33}, 3), bias = random_tensor({33}, 4);
      const ConvolutionInput<float> input{x.data()};
      check_threads("forward", [&] {
        Tensor<float> y(dy.shape());
        Cpu::convolve(size, input, Cpu::filter(size, weight.data()), bias.data(), y.data(), 33, false);
        return y.to_vector();
      });
      check_threads("input gradient", [&] {
        Tensor<float> dx(x.shape());
        Cpu::convolve_backward_input(size, input, dy.data(), 33, Cpu::backward_filter(size, weight.data()), dx.data(),
                                     false);
        return dx.to_vector();
      });
      check_threads("weight gradient", [&] {
        Tensor<float> dweight(weight.shape());
        Cpu::convolve_backward_weight(size, input, dy.data(), 33, dweight.data());
        return dweight.to_vector();
      });
    }
}

TEST_CASE("statistics and sums") {
  constexpr Index frames = 3, batch = 2, rows = 1500, channels = 33;
  const auto x = random_tensor({frames, batch, rows, channels}, 1), dy = random_tensor(x.shape(), 2);
  const auto gain = random_tensor({batch, channels}, 3), bias = random_tensor({batch, channels}, 4);
  const auto joined = [](std::initializer_list<Tensor<float>> parts) {
    Values result;
    for (const Tensor<float>& part : parts) {
      const Values values = part.to_vector();
      result.insert(result.end(), values.begin(), values.end());
    }
    return result;
  };
  check_threads("batch norm", [&] {
    Tensor<float> mean(Shape{frames, channels}), variance(mean.shape());
    Cpu::moments(frames, batch * rows, channels, x.data(), mean.data(), variance.data());
    Tensor<float> scale(Shape{frames * batch, channels}), shift(scale.shape()), y(x.shape());
    Cpu::batch_norm_coefficients(frames, batch, channels, mean.data(), variance.data(), gain.data(), bias.data(), 1e-5f,
                                 scale.data(), shift.data());
    Cpu::scale_shift(frames * batch, rows, channels, x.data(), scale.data(), shift.data(), true, y.data());
    Tensor<float> dgain(gain.shape()), dbias(bias.shape()), dx(x.shape());
    Cpu::batch_norm_backward(frames, batch, rows, channels, x.data(), dy.data(), mean.data(), variance.data(),
                             gain.data(), scale.data(), shift.data(), 1e-5f, true, true, dgain.data(), dbias.data(),
                             dx.data());
    return joined({mean, variance, scale, shift, y, dgain, dbias, dx});
  });
  check_threads("sum_rows", [&] {
    Tensor<float> sum(Shape{channels});
    Cpu::sum_rows(1, frames * batch * rows, channels, x.data(), channels, sum.data(), false);
    return sum.to_vector();
  });
  check_threads("dot", [&] {
    Tensor<float> result(Shape{1});
    Cpu::dot(x.size(), x.data(), dy.data(), result.data());
    return result.to_vector();
  });
  check_threads("scatter_add_rows", [&] {
    const Index picked[] = {1, 1, 0, 1};
    auto table = random_tensor({2, 60000}, 5);
    Cpu::scatter_add_rows(4, 60000, x.data(), picked, table.data());
    return table.to_vector();
  });
  check_threads("power iteration and gradient of a weight", [&] {
    constexpr Index outputs = 96, inputs = 70, taps = 9;
    const auto weight = random_tensor({outputs, inputs, taps}, 6), dpacked = random_tensor(weight.shape(), 7);
    Tensor<float> u = random_tensor({outputs}, 8), v(Shape{inputs * taps}), sigma(Shape{1}), packed(weight.shape());
    Cpu::power_iterations<float>({{outputs, inputs * taps, weight.data(), u.data(), v.data(), sigma.data()}}, true);
    Cpu::pack_weight(outputs, inputs, taps, weight.data(), sigma.data(), packed.data());
    auto dweight = Tensor<float>::zeros(weight.shape());
    Cpu::unpack_weight_gradient(outputs, inputs, taps, dpacked.data(), packed.data(), sigma.data(), u.data(), v.data(),
                                dweight.data());
    return joined({u, v, sigma, packed, dweight});
  });
}

TEST_CASE("two training steps") {
  check_threads("training", [] {
    DvdGan<float> gan({.frames = 4, .resolution = 16, .channels = 4, .classes = 12, .spatial_frames = 2}, 5);
    Trainer trainer(gan, {.batch = 3, .seed = 7, .average = {.decay = 0.9, .start = 1}});
    MovingShapes data({.frames = 4, .resolution = 16});
    for (int step = 0; step < 2; ++step) trainer.step(data);
    Values all;
    const auto everything = contents(gan);
    for (const auto& [name, parameter] : everything.parameters) {
      const Values values = parameter->value.to_vector();
      all.insert(all.end(), values.begin(), values.end());
    }
    for (const auto& [name, buffer] : everything.buffers) {
      const Values values = buffer->value.to_vector();
      all.insert(all.end(), values.begin(), values.end());
    }
    const Values sample = gan.sample({.label = 3, .count = 2}).to_vector();
    all.insert(all.end(), sample.begin(), sample.end());
    return all;
  });
}

}  // namespace
