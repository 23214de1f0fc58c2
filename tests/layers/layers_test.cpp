// What layers promise beyond their formulas: where weights start, what passes remember, what is refused.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>

#include "dvd/device/cpu.hpp"
#include "dvd/layers/conv_gru.hpp"
#include "dvd/layers/embedding.hpp"
#include "dvd/layers/generator_block.hpp"
#include "dvd/layers/residual_block.hpp"
#include "dvd/layers/sequential.hpp"

namespace {

using namespace dvd;
using Doubles = Tensor<double>;

const Random random_weights(1);

Doubles random_tensor(Shape shape, std::uint64_t seed) {
  Doubles result(shape);
  Cpu::random_normal(result.size(), Random(seed), 1.0, result.data());
  return result;
}

bool same_bits(const ConstTensorView<double>& a, const ConstTensorView<double>& b) {
  return a.shape() == b.shape() &&
         std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.size()) * sizeof(double)) == 0;
}

// The largest distance of the shorter side's products from those of an orthonormal one.
double distance_from_orthogonal(const Doubles& weight) {
  const Index rows = weight.extent(0), columns = weight.size() / rows;
  const bool wide = rows <= columns;
  const Index count = wide ? rows : columns, length = wide ? columns : rows;
  const auto at = [&](Index vector, Index i) {
    return wide ? weight.data()[vector * columns + i] : weight.data()[i * columns + vector];
  };
  double distance = 0;
  for (Index a = 0; a < count; ++a)
    for (Index b = 0; b < count; ++b) {
      double product = 0;
      for (Index i = 0; i < length; ++i) product += at(a, i) * at(b, i);
      distance = std::max(distance, std::abs(product - (a == b)));
    }
  return distance;
}

TEST_CASE("weights start orthogonal, biases at 0, u as a direction") {
  constexpr double rounding = 1e-5;  // the matrix is made in float
  CHECK(distance_from_orthogonal(Linear<double>(5, 9, random_weights).weight.value) < rounding);
  CHECK(distance_from_orthogonal(Linear<double>(9, 5, random_weights).weight.value) < rounding);
  CHECK(distance_from_orthogonal(Conv2D<double>(3, 40, 3, random_weights).weight.value) < rounding);
  CHECK(distance_from_orthogonal(Conv3D<double>(3, 40, 3, random_weights).weight.value) < rounding);
  CHECK(distance_from_orthogonal(Embedding<double>(12, 7, random_weights).weight.value) < rounding);
  const Conv2D<double> layer(3, 4, 3, random_weights);
  for (Index i = 0; i < 4; ++i) CHECK(layer.bias.value.data()[i] == 0);
  const SpectralNorm<Conv2D<double>> spectral(random_weights, 3, 4, 3, random_weights);
  double squares = 0;
  for (Index i = 0; i < 4; ++i) squares += std::pow(spectral.u.value.data()[i], 2);
  CHECK(squares == doctest::Approx(1).epsilon(1e-12));
}

TEST_CASE("weights are a function of the random stream alone") {
  const Conv2D<double> a(3, 4, 3, Random(1)), same(3, 4, 3, Random(1)), other(3, 4, 3, Random(2));
  CHECK(same_bits(a.weight.value, same.weight.value));
  CHECK(!same_bits(a.weight.value, other.weight.value));
  // The parts of a block differ from each other.
  ResBlock2D<double> block(4, 4, false, false, random_weights);
  CHECK(!same_bits(block.conv1.layer.weight.value, block.conv2.layer.weight.value));
}

TEST_CASE("spectral norm divides by the largest singular value") {
  SpectralNorm<Linear<double>> layer(random_weights, 3, 3, random_weights, false);
  const double diagonal[] = {0.5, -4, 2, 0.25};
  layer.layer.weight.value = Doubles::zeros(Shape{3, 3});
  for (Index i = 0; i < 3; ++i) layer.layer.weight.value.data()[i * 4] = diagonal[i];
  const Doubles x(Shape{1, 3}, std::vector<double>{1, 1, 1});
  for (int pass = 0; pass < 100; ++pass) layer.forward(x, Pass::train());
  const Doubles y = layer.forward(x, Pass::evaluate());
  for (Index i = 0; i < 3; ++i) CHECK(y.data()[i] == doctest::Approx(diagonal[i] / 4));
}

// All that a layer holds, as one array.
template <class L>
std::vector<double> state_of(L& layer) {
  std::vector<double> result;
  const auto all = contents(layer);
  for (const auto& [name, parameter] : all.parameters) {
    const auto values = parameter->value.to_vector();
    result.insert(result.end(), values.begin(), values.end());
  }
  for (const auto& [name, buffer] : all.buffers) {
    const auto values = buffer->value.to_vector();
    result.insert(result.end(), values.begin(), values.end());
  }
  return result;
}

TEST_CASE("a tensor that the result cannot be added to is refused before u advances") {
  SpectralNorm<Conv2D<double>> convolution(random_weights, 3, 4, 3, random_weights);
  SpectralNorm<Linear<double>> linear(random_weights, 3, 4, random_weights);
  const Doubles images = random_tensor({2, 5, 5, 3}, 2), vectors = random_tensor({2, 3}, 3);
  const auto before = state_of(convolution), before_linear = state_of(linear);
  CHECK_THROWS_AS(convolution.forward(images, Pass::train(), nullptr, Doubles::zeros({2, 5, 5, 3})), ArgumentError);
  CHECK_THROWS_AS(linear.forward(vectors, Pass::train(), nullptr, Doubles::zeros({4, 2})), ArgumentError);
  CHECK(state_of(convolution) == before);
  CHECK(state_of(linear) == before_linear);
  linear.forward(vectors, Pass::train(), nullptr, Doubles::zeros({2, 4}));
  CHECK(state_of(linear) != before_linear);
}

TEST_CASE("what passes change") {
  GeneratorBlock<double> block(4, 3, 2, 5, Upsampling::bilinear, random_weights);
  const Doubles x = random_tensor({2, 3, 4, 4, 4}, 2), c = random_tensor({3, 5}, 3);
  const std::vector<double> before = state_of(block);
  const Doubles first = block.forward(x, c, Pass::evaluate());
  CHECK(same_bits(first, block.forward(x, c, Pass::evaluate())));
  CHECK(state_of(block) == before);

  const Doubles u = block.conv1.u.value;
  block.forward(x, c, Pass::standing(0));
  CHECK(same_bits(u, block.conv1.u.value));
  CHECK(state_of(block) != before);
  block.forward(x, c, Pass::train());
  CHECK(!same_bits(u, block.conv1.u.value));
}

TEST_CASE("a batch norm's statistics are each frame's own") {
  constexpr Index frames = 3, channels = 2;
  ClassConditionalBatchNorm<double> norm(frames, channels, 4, random_weights);
  const Doubles x = random_tensor({frames, 2, 3, 3, channels}, 2);
  const Doubles c = random_tensor({2, 4}, 3);
  const Doubles y = norm.forward(x, c, Pass::train());
  // Another last frame changes nothing in the first two.
  Doubles changed = x;
  changed[2].copy_from(random_tensor(changed[2].shape(), 4));
  const Doubles other = norm.forward(changed, c, Pass::standing(0));
  const Doubles again = norm.forward(x, c, Pass::standing(0));
  CHECK(same_bits(other[0], again[0]));
  CHECK(same_bits(other[1], again[1]));
  CHECK(!same_bits(other[2], again[2]));
}

TEST_CASE("by running statistics a video may be of another length: the last frame's statistics go on") {
  constexpr Index frames = 3, channels = 2;
  ClassConditionalBatchNorm<double> norm(frames, channels, 4, random_weights), last(1, channels, 4, random_weights);
  const Doubles c = random_tensor({2, 4}, 3), x = random_tensor({5, 2, 3, 3, channels}, 5);
  norm.running_mean.value.copy_from(random_tensor({frames, channels}, 6));
  norm.running_var.value.copy_from(random_tensor({frames, channels}, 7));
  for (double& variance : std::span(norm.running_var.value.data(), frames * channels))
    variance = 1 + variance * variance;
  last.running_mean.value.copy_from(norm.running_mean.value[frames - 1]);
  last.running_var.value.copy_from(norm.running_var.value[frames - 1]);

  const Doubles usual = norm.forward(x.slice(0, 3), c, Pass::evaluate());
  const Doubles shorter = norm.forward(x.slice(0, 2), c, Pass::evaluate());
  CHECK(same_bits(shorter, usual.slice(0, 2)));
  const std::vector<double> before = state_of(norm);
  const Doubles longer = norm.forward(x, c, Pass::evaluate());
  CHECK(same_bits(longer.slice(0, 3), usual));
  CHECK(same_bits(longer.slice(3, 1), last.forward(x.slice(3, 1), c, Pass::evaluate())));
  CHECK(same_bits(longer.slice(4, 1), last.forward(x.slice(4, 1), c, Pass::evaluate())));
  CHECK(!same_bits(longer.slice(0, 1), last.forward(x.slice(0, 1), c, Pass::evaluate())));
  for (const Pass& pass : {Pass::train(), Pass::standing(0)}) {
    CHECK_THROWS_WITH_AS(norm.forward(x, c, pass),
                         "batch norm expects [3, N, H, W, 2] with no extent of 0, not [5, 2, 3, 3, 2]", ArgumentError);
    CHECK_THROWS_AS(norm.forward(x.slice(0, 2), c, pass), ArgumentError);
  }
  CHECK(state_of(norm) == before);
}

TEST_CASE("running and standing statistics") {
  constexpr Index channels = 2, count = 2 * 3 * 3;
  ClassConditionalBatchNorm<double> norm(1, channels, 4, random_weights);
  const Doubles c = random_tensor({2, 4}, 3);
  const Doubles batches[] = {random_tensor({1, 2, 3, 3, channels}, 2), random_tensor({1, 2, 3, 3, channels}, 5)};
  double mean[2][channels] = {}, variance[2][channels] = {};  // unbiased
  for (int k = 0; k < 2; ++k)
    for (Index i = 0; i < channels; ++i) {
      for (Index p = 0; p < count; ++p) mean[k][i] += batches[k].data()[p * channels + i] / count;
      for (Index p = 0; p < count; ++p)
        variance[k][i] += std::pow(batches[k].data()[p * channels + i] - mean[k][i], 2) / (count - 1);
    }
  norm.forward(batches[0], c, Pass::train());
  for (Index i = 0; i < channels; ++i) {
    CHECK(norm.running_mean.value.data()[i] == doctest::Approx(0.1 * mean[0][i]));
    CHECK(norm.running_var.value.data()[i] == doctest::Approx(0.9 + 0.1 * variance[0][i]));
  }
  for (int k = 0; k < 2; ++k) norm.forward(batches[k], c, Pass::standing(k));
  for (Index i = 0; i < channels; ++i) {
    CHECK(norm.running_mean.value.data()[i] == doctest::Approx((mean[0][i] + mean[1][i]) / 2));
    CHECK(norm.running_var.value.data()[i] == doctest::Approx((variance[0][i] + variance[1][i]) / 2));
  }
}

TEST_CASE("a cache keeps what its own pass used") {
  // The backward pass may come after another forward pass has moved u and the statistics.
  GeneratorBlock<double> block(3, 3, 1, 4, std::nullopt, random_weights),
      same(3, 3, 1, 4, std::nullopt, random_weights);
  const Doubles x = random_tensor({1, 2, 3, 3, 3}, 2), c = random_tensor({2, 4}, 3), dy = random_tensor(x.shape(), 4);
  GeneratorBlock<double>::Cache cache, other_cache;
  for (const Pass& pass : {Pass::evaluate(), Pass::train()}) {
    block.forward(x, c, pass, &cache);
    same.forward(x, c, pass, &other_cache);
    block.forward(random_tensor(x.shape(), 5), c, Pass::train());
    CHECK(same_bits(block.backward(dy, cache, Gradients::all).x, same.backward(dy, other_cache, Gradients::all).x));
    same.forward(random_tensor(x.shape(), 5), c, Pass::train());
    CHECK(same_bits(block.conv1.layer.weight.gradient, same.conv1.layer.weight.gradient));
    CHECK(same_bits(block.norm1.gain.layer.weight.gradient, same.norm1.gain.layer.weight.gradient));
  }
}

// Whether training one of two equal layers leaves the other, and its gradients, as they were. The first must move.
template <class L>
void check_apart(L& trained, L& other, const Doubles& x) {
  REQUIRE(state_of(trained) == state_of(other));
  const std::vector<double> before = state_of(other);
  typename L::Cache cache;
  const Doubles y = trained.forward(x, Pass::train(), &cache);
  trained.backward(y, cache, Gradients::all);
  for (auto& [name, parameter] : contents(trained).parameters) {
    REQUIRE(parameter->gradient);
    Cpu::add(parameter->value.size(), parameter->gradient.data(), parameter->value.data());
  }
  CHECK(state_of(trained) != before);
  CHECK(state_of(other) == before);
  for (const auto& [name, parameter] : contents(other).parameters) CHECK(!parameter->gradient);
}

template <class L>
void check_copies(L layer, const Shape& shape) {
  const Doubles x = random_tensor(shape, 2);
  L copy = layer;
  check_apart(layer, copy, x);
  L cloned = clone(layer);  // which now has gradients
  for (const auto& [name, parameter] : contents(cloned).parameters) CHECK(!parameter->gradient);
  check_apart(layer, cloned, x);
  L assigned = clone(copy);
  assigned = cloned;
  check_apart(cloned, assigned, x);
}

TEST_CASE("copies and clones of layers have weights and buffers of their own") {
  check_copies(Linear<double>(5, 3, random_weights), {4, 5});
  check_copies(Conv2D<double>(3, 4, 3, random_weights), {2, 4, 4, 3});
  check_copies(SpectralNorm<Conv3D<double>>(Random(4), 3, 4, 3, random_weights), {2, 1, 3, 3, 3});
  check_copies(ResBlock2D<double>(3, 4, false, true, random_weights), {2, 4, 4, 3});
  check_copies(Sequential(SpectralNorm<Conv2D<double>>(Random(4), 3, 4, 3, random_weights), AvgPool<double>(),
                          Conv2D<double>(4, 2, 1, random_weights)),
               {2, 4, 4, 3});
}

TEST_CASE("names of parameters and buffers") {
  Sequential net(Conv2D<double>(1, 2, 3, random_weights),
                 SpectralNorm<Conv2D<double>>(random_weights, 2, 1, 1, random_weights, false));
  const auto all = contents(net, "net.");
  REQUIRE(all.parameters.size() == 3);
  CHECK(all.parameters[0].name == "net.0.weight");
  CHECK(all.parameters[1].name == "net.0.bias");
  CHECK(all.parameters[2].name == "net.1.weight");
  REQUIRE(all.buffers.size() == 1);
  CHECK(all.buffers[0].name == "net.1.u");
  CHECK(all.size() == 18 + 2 + 2);
}

TEST_CASE("sizes that do not fit are refused") {
  const auto tensor = [](Shape shape) { return Doubles::zeros(shape); };
  const Pass pass = Pass::evaluate();
  CHECK_THROWS_AS(Conv2D<double>(0, 2, 3, random_weights), ArgumentError);
  CHECK_THROWS_AS(Conv2D<double>(2, 2, 5, random_weights), ArgumentError);
  CHECK_THROWS_AS(Linear<double>(2, 0, random_weights), ArgumentError);
  CHECK_THROWS_AS(Embedding<double>(0, 2, random_weights), ArgumentError);
  CHECK_THROWS_AS(ConvGRU<double>(0, random_weights), ArgumentError);
  CHECK_THROWS_AS(ClassConditionalBatchNorm<double>(0, 2, 2, random_weights), ArgumentError);
  CHECK_THROWS_AS(Conv2D<double>(3, 2, 3, random_weights).forward(tensor({2, 4, 4, 2}), pass), ArgumentError);
  CHECK_THROWS_AS(Conv2D<double>(3, 2, 3, random_weights).forward(tensor({4, 3}), pass), ArgumentError);
  CHECK_THROWS_AS(Conv3D<double>(3, 2, 3, random_weights).forward(tensor({2, 4, 4, 3}), pass), ArgumentError);
  CHECK_THROWS_AS(Linear<double>(3, 2, random_weights).forward(tensor({2, 4}), pass), ArgumentError);
  CHECK_THROWS_AS(Embedding<double>(3, 2, random_weights).forward({0, 3}), ArgumentError);
  CHECK_THROWS_AS(Embedding<double>(3, 2, random_weights).forward({-1}), ArgumentError);
  CHECK_THROWS_AS(AvgPool<double>().forward(tensor({2, 1, 4, 3}), pass), ArgumentError);
  CHECK_THROWS_AS(AvgPool<double>(true).forward(tensor({2, 4, 4, 3}), pass), ArgumentError);
  CHECK_THROWS_AS(Upsample<double>().forward(tensor({4, 4}), pass), ArgumentError);
  ConvGRU<double> unit(2, random_weights);
  CHECK_THROWS_AS(unit.forward(tensor({3, 1, 4, 4, 2}), 4, {}, pass), ArgumentError);
  CHECK_THROWS_AS(unit.forward(tensor({3, 1, 4, 4, 1}), 3, {}, pass), ArgumentError);
  CHECK_THROWS_AS(unit.forward(tensor({3, 1, 4, 4, 2}), 3, tensor({1, 4, 2, 2}), pass), ArgumentError);
  ClassConditionalBatchNorm<double> norm(2, 3, 4, random_weights);
  CHECK_THROWS_AS(norm.forward(tensor({1, 2, 4, 4, 3}), tensor({2, 4}), Pass::train()), ArgumentError);
  CHECK_THROWS_AS(norm.forward(tensor({2, 2, 4, 4, 3}), tensor({1, 4}), pass), ArgumentError);
  CHECK_THROWS_AS(norm.forward(tensor({2, 2, 4, 4, 3}), tensor({2, 5}), pass), ArgumentError);
}

}  // namespace
