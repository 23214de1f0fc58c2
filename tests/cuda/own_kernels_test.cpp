// Kernels of a user's own (examples/own_kernels) on the GPU: what they compute on the CPU, and recorded with the rest
// of a training step.
#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "../examples/own_kernels/functions.hpp"
#include "../examples/own_kernels/pixel_norm.hpp"
#include "dvd/data/moving_shapes.hpp"
#include "dvd/device/cuda.hpp"
#include "dvd/layers/general_convolution.hpp"
#include "dvd/layers/pointwise_layer.hpp"
#include "dvd/layers/sequential.hpp"
#include "dvd/layers/spectral_norm.hpp"
#include "dvd/models/dvd_gan.hpp"
#include "dvd/models/gan.hpp"
#include "dvd/models/layer_discriminator.hpp"
#include "dvd/training/trainer.hpp"
#include "support/devices.hpp"

namespace {

using namespace dvd;

// Result and gradient of a layer, from the same numbers on any device.
template <class T, class D, class L>
std::vector<std::vector<float>> pass(const L& layer) {
  Tensor<T, D> x(Shape{3, 5, 7}), dy(x.shape());
  D::random_normal(x.size(), Random(1), T(1.0f), x.data());
  D::random_normal(dy.size(), Random(2), T(1.0f), dy.data());
  typename L::Cache cache;
  const Tensor<T, D> y = layer.forward(x, Pass::evaluate(), &cache);
  const Tensor<T, D> dx = layer.backward(dy, cache, Gradients::all);
  const auto values = [](const Tensor<T, D>& tensor) {
    std::vector<float> result;
    for (const T value : tensor.to_vector()) result.push_back(static_cast<float>(value));
    return result;
  };
  return {values(y), values(dx)};
}

void check_close(const std::vector<std::vector<float>>& actual, const std::vector<std::vector<float>>& expected,
                 float tolerance) {
  for (std::size_t array = 0; array < expected.size(); ++array)
    for (std::size_t i = 0; i < expected[array].size(); ++i)
      CHECK(std::abs(actual[array][i] - expected[array][i]) <=
            tolerance * std::max(1.0f, std::abs(expected[array][i])));
}

TEST_CASE_TEMPLATE("a function and a layer of one's own", T, float, bfloat16) {
  const float tolerance = std::same_as<T, float> ? 1e-5f : 3e-2f;  // x and dy are rounded, too
  check_close(pass<T, Cuda>(PointwiseLayer<examples::Swish, T, Cuda>()),
              pass<float, Cpu>(PointwiseLayer<examples::Swish, float, Cpu>()), tolerance);
  check_close(pass<T, Cuda>(examples::PixelNorm<T, Cuda>()), pass<float, Cpu>(examples::PixelNorm<float, Cpu>()),
              tolerance);
}

template <class T, class D>
std::vector<float> losses(bool record) {
  const Random random(3);
  using Conv = SpectralNorm<Conv3D<T, D>>;
  Sequential layers(
      Conv(random.stream(0), 3, 8, ConvolutionOptions{.kernel = {2, 4, 4}, .stride = {1, 4, 4}}, random.stream(1)),
      PointwiseLayer<examples::Swish, T, D>(), examples::PixelNorm<T, D>(),
      Conv(random.stream(4), 8, 1, 1, random.stream(5)));
  const DvdGanConfig config{
      .frames = 3, .resolution = 16, .channels = 2, .classes = 0, .latent_dim = 4, .spatial_frames = 2};
  Gan gan(DvdGenerator<T, D>(config, random), NamedDiscriminator{"own", LayerDiscriminator(std::move(layers))});
  Trainer<decltype(gan), examples::SmoothedLeastSquares> trainer(gan, {.batch = 2, .seed = 4, .record = record});
  MovingShapes data({.frames = 3, .resolution = 16});
  std::vector<float> result;
  for (int step = 0; step < 5; ++step) {
    const StepReport report = trainer.step(data);
    result.push_back(static_cast<float>(report.discriminator("own").loss));
    result.push_back(static_cast<float>(report.generator_loss));
  }
  return result;
}

TEST_CASE("training with a loss and layers of one's own") {
  const std::vector<float> recorded = losses<float, Cuda>(true);
  check_close({recorded}, {losses<float, Cpu>(false)}, 1e-3f);
  CHECK(recorded == losses<float, Cuda>(false));
  CHECK(losses<bfloat16, Cuda>(true) == losses<bfloat16, Cuda>(false));
}

}  // namespace
