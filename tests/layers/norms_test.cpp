// Norms without a condition: gradients against central differences, statistics, and what their comments promise.
#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "dvd/device/cpu.hpp"
#include "dvd/layers/activation.hpp"
#include "dvd/layers/convolution.hpp"
#include "dvd/layers/norms.hpp"
#include "dvd/layers/sequential.hpp"
#include "dvd/layers/spectral_norm.hpp"
#include "support/gradient_check.hpp"

namespace {

using namespace dvd;
using dvd::testing::check_gradients;
using dvd::testing::check_pass;
using dvd::testing::differentiable;
using dvd::testing::Doubles;
using dvd::testing::random_tensor;

const Random random_weights(1);

Doubles input(const Shape& shape) { return random_tensor(shape, Random(2)); }

TEST_CASE("gradients") {
  check_gradients("batch norm of images", BatchNorm<double>(5), input({3, 4, 2, 5}));
  check_gradients("batch norm of videos", BatchNorm<double>(5), input({2, 3, 4, 2, 5}));
  check_gradients("batch norm of vectors", BatchNorm<double>(5), input({7, 5}));
  check_gradients("batch norm without weights", BatchNorm<double>(5, 1e-3, false), input({3, 4, 2, 5}));
  check_gradients("group norm", GroupNorm<double>(2, 6), input({3, 4, 2, 6}));
  check_gradients("group norm of videos", GroupNorm<double>(3, 6), input({2, 3, 2, 2, 6}));
  check_gradients("group norm of vectors", GroupNorm<double>(2, 6), input({3, 6}));
  check_gradients("instance norm", GroupNorm<double>(4, 4, 1e-3, false), input({2, 3, 3, 4}));
  check_gradients("layer norm of an image", GroupNorm<double>(1, 4), input({2, 3, 3, 4}));
  check_gradients("layer norm", LayerNorm<double>(6), input({2, 3, 6}));
  check_gradients("layer norm of a vector", LayerNorm<double>(6), input({6}));
  check_gradients("layer norm without weights", LayerNorm<double>(6, 1e-3, false), input({2, 3, 6}));
  BatchNorm<double> standing(5);
  check_pass("batch norm, standing", differentiable(standing, input({3, 4, 2, 5})), Pass::standing(1));
}

TEST_CASE("in a sequence") {
  Sequential net(SpectralNorm<Conv2D<double>>(random_weights, 2, 4, 3, random_weights), BatchNorm<double>(4),
                 ReLU<double>(), Conv2D<double>(4, 6, 3, random_weights), GroupNorm<double>(3, 6),
                 LayerNorm<double>(6));
  check_gradients("sequence", net, input({2, 3, 4, 2}));
  auto copy = clone(net);
  std::vector<std::string> names;
  for (const auto& [name, parameter] : contents(copy).parameters) names.push_back(name);
  for (const auto& [name, buffer] : contents(copy).buffers) names.push_back(name);
  CHECK(names == std::vector<std::string>{"0.weight", "0.bias", "1.weight", "1.bias", "3.weight", "3.bias", "4.weight",
                                          "4.bias", "5.weight", "5.bias", "0.u", "1.running_mean", "1.running_var"});
  copy.get<1>().running_mean.value.fill(3);
  CHECK(net.get<1>().running_mean.value.to_vector()[0] != 3);
}

double mean_of(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

TEST_CASE("running statistics") {
  const Doubles x = input({4, 3, 2, 1});
  const double mean = mean_of(x.to_vector());
  double squares = 0;
  for (const double value : x.to_vector()) squares += (value - mean) * (value - mean);
  const double unbiased = squares / 23;

  BatchNorm<double> norm(1);
  norm.forward(x, Pass::train());
  CHECK(norm.running_mean.value.item() == doctest::Approx(0.1 * mean));
  CHECK(norm.running_var.value.item() == doctest::Approx(0.9 + 0.1 * unbiased));
  const auto before = norm.running_mean.value.item();
  norm.forward(x, Pass::evaluate());
  CHECK(norm.running_mean.value.item() == before);

  // Standing statistics are plain averages over passes.
  const Doubles other = random_tensor({4, 3, 2, 1}, Random(5));
  norm.forward(x, Pass::standing(0));
  CHECK(norm.running_mean.value.item() == doctest::Approx(mean));
  CHECK(norm.running_var.value.item() == doctest::Approx(unbiased));
  norm.forward(other, Pass::standing(1));
  CHECK(norm.running_mean.value.item() == doctest::Approx((mean + mean_of(other.to_vector())) / 2));

  // A cache keeps the statistics of its pass.
  BatchNorm<double>::Cache cache;
  norm.forward(x, Pass::evaluate(), &cache);
  const auto gradient = norm.backward(x, cache, Gradients::inputs).to_vector();
  norm.forward(other, Pass::train());
  CHECK(norm.backward(x, cache, Gradients::inputs).to_vector() == gradient);
}

TEST_CASE("one value of a channel is no number's division by 0") {
  BatchNorm<float> norm(3);
  const auto x = Tensor<float>::full(Shape{1, 3}, 2);
  for (const float value : norm.forward(x, Pass::train()).to_vector()) CHECK(value == 0);
  for (const float value : norm.running_var.value.to_vector()) CHECK(value == doctest::Approx(0.9F));
}

TEST_CASE("frames and samples do not see each other in group and layer norms") {
  Doubles x = input({2, 2, 3, 3, 4});
  GroupNorm<double> groups(2, 4);
  LayerNorm<double> layer(4);
  const auto first = [](const Doubles& y) { return y[0].to_vector(); };
  const auto of_groups = first(groups.forward(x, Pass::train())), of_layer = first(layer.forward(x, Pass::train()));
  x[1].fill(1000);
  CHECK(first(groups.forward(x, Pass::train())) == of_groups);
  CHECK(first(layer.forward(x, Pass::train())) == of_layer);
}

TEST_CASE("large means cost no digits in double") {
  Doubles x = input({2, 3, 3, 4}), far = x;
  for (Index i = 0; i < far.size(); ++i) far.data()[i] += 1e6;
  const auto check = [&](auto layer) {
    const auto near = layer.forward(x, Pass::train()).to_vector(),
               shifted = layer.forward(far, Pass::train()).to_vector();
    for (std::size_t i = 0; i < near.size(); ++i) CHECK(std::abs(near[i] - shifted[i]) < 1e-7);
  };
  check(BatchNorm<double>(4));
  check(GroupNorm<double>(2, 4));
  check(LayerNorm<double>(4));
}

TEST_CASE("the same on any number of threads") {
  Tensor<float> x(Shape{3, 64, 65, 24});
  Cpu::random_normal(x.size(), Random(4), 1.0F, x.data());
  const auto run = [&](auto layer) {
    typename decltype(layer)::Cache cache;
    auto bits = layer.forward(x, Pass::train(), &cache).to_vector();
    const auto dx = layer.backward(x, cache, Gradients::all).to_vector();
    bits.insert(bits.end(), dx.begin(), dx.end());
    const auto dweight = layer.weight.gradient.to_vector();
    bits.insert(bits.end(), dweight.begin(), dweight.end());
    return bits;
  };
  const auto check = [&](const auto& layer) {
    const auto many = run(layer);
    const ThreadLimit limit(1);
    CHECK(run(layer) == many);
  };
  check(BatchNorm<float>(24));
  check(GroupNorm<float>(4, 24));
  check(LayerNorm<float>(24));
}

TEST_CASE("what they refuse") {
  CHECK_THROWS_AS(BatchNorm<float>(0), ArgumentError);
  CHECK_THROWS_AS(BatchNorm<float>(3, 0), ArgumentError);
  CHECK_THROWS_AS(BatchNorm<float>(3, -1), ArgumentError);
  CHECK_THROWS_AS(GroupNorm<float>(0, 4), ArgumentError);
  CHECK_THROWS_AS(GroupNorm<float>(3, 4), ArgumentError);
  CHECK_THROWS_AS(GroupNorm<float>(-2, 4), ArgumentError);
  CHECK_THROWS_AS(LayerNorm<float>(-1), ArgumentError);
  BatchNorm<double> norm(3);
  CHECK_THROWS_AS(norm.forward(input({2, 4}), Pass::train()), ArgumentError);
  CHECK(norm.running_mean.value.to_vector() == std::vector<double>(3, 0));
}

}  // namespace
