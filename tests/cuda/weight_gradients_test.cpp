// Gradients that layers leave to be added together are those that each would have added at once.
#include "support/devices.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <concepts>
#include <vector>

#include "dvd/layers/convolution.hpp"
#include "dvd/layers/sequential.hpp"
#include "dvd/layers/spectral_norm.hpp"
#include "dvd/layers/weight_gradients.hpp"
#include "dvd/models/dvd_gan.hpp"

namespace {

using namespace dvd;

template <class Network>
std::vector<float> gradients_of(Network& network) {
  std::vector<float> all;
  for (const auto& [name, parameter] : contents(network).parameters)
    for (const float value : parameter->accumulator().to_vector()) all.push_back(value);
  return all;
}

void check_equal(const std::vector<float>& together, const std::vector<float>& alone, float tolerance) {
  REQUIRE(together.size() == alone.size());
  float largest = 0, difference = 0;
  for (std::size_t i = 0; i < alone.size(); ++i) {
    largest = std::max(largest, std::abs(alone[i]));
    difference = std::max(difference, std::abs(alone[i] - together[i]));
  }
  CHECK(largest > 0);
  CHECK(difference <= tolerance * largest);
}

TEST_CASE_TEMPLATE("a discriminator's gradients", T, float, bfloat16) {
  DvdGan<T, Cuda> gan({.frames = 4, .resolution = 16, .channels = 2, .classes = 3});
  auto& network = gan.temporal;
  Tensor<T, Cuda> videos(Shape{4, 2, 16, 16, 3});
  Cuda::random_normal(videos.size(), Random(1), T(1.0f), videos.data());
  typename std::remove_cvref_t<decltype(network)>::Cache cache;
  const auto scores = network.forward({videos, {0, 2}, {}, {}}, Pass::train(), &cache);
  const auto dscores = PreciseTensor<T, Cuda>::full(scores.shape(), 1);
  const auto run = [&](bool wait) {
    contents(network).clear_gradients();
    WeightGradients together;
    const Tensor<T, Cuda> dx =
        network.backward(dscores, cache, wait ? together.in(Gradients::all) : Gradients(Gradients::all));
    together.finish();
    CHECK(dx.shape() == videos.shape());
    return gradients_of(network);
  };
  const std::vector<float> alone = run(false);
  // Alone, the gradient of a packed weight is rounded to T before the rest is done; together, only what the library
  // gives. Sums in double are in another order.
  check_equal(run(true), alone, std::same_as<T, float> ? 1e-5f : 0x1p-8f);
}

TEST_CASE("a layer that runs twice, and one that is not normalised") {
  SpectralNorm<Conv2D<float, Cuda>> normalised(Random(1), Index{3}, Index{5}, 3, Random(2));
  Conv2D<float, Cuda> plain(3, 5, 1, Random(3));
  Tensor<float, Cuda> x(Shape{2, 4, 4, 3});
  Cuda::random_normal(x.size(), Random(4), 1.0f, x.data());
  const auto run = [&](bool wait) {
    const auto twice = [&](auto& layer) {
      using L = std::remove_cvref_t<decltype(layer)>;
      contents(layer).clear_gradients();
      WeightGradients together;
      for (int time = 0; time < 2; ++time) {
        typename L::Cache cache;
        const auto y = layer.forward(x, Pass::evaluate(), &cache);
        layer.backward(y, cache, wait ? together.in(Gradients::parameters) : Gradients(Gradients::parameters));
      }
      together.finish();
      return gradients_of(layer);
    };
    std::vector<float> all = twice(normalised);
    for (const float each : twice(plain)) all.push_back(each);
    return all;
  };
  const std::vector<float> alone = run(false);
  CHECK(run(true) == alone);
}

TEST_CASE("what is left and not finished changes nothing") {
  Conv2D<float, Cuda> layer(3, 5, 3, Random(1));
  Tensor<float, Cuda> x(Shape{2, 4, 4, 3});
  Cuda::random_normal(x.size(), Random(4), 1.0f, x.data());
  typename Conv2D<float, Cuda>::Cache cache;
  const auto y = layer.forward(x, Pass::evaluate(), &cache);
  WeightGradients together;
  layer.backward(y, cache, together.in(Gradients::parameters));
  const auto gradient = layer.weight.accumulator().to_vector();
  CHECK(gradient == std::vector<float>(gradient.size(), 0));
}

}  // namespace
