// A GAN with a discriminator of our own beside DVD-GAN's spatial one, trained on moving shapes, on any device.
#pragma once

#include <dvd/dvdgan.hpp>
#include <dvd/layers/general_convolution.hpp>
#include <dvd/layers/pointwise_layer.hpp>
#include <dvd/models/gan.hpp>
#include <dvd/models/layer_discriminator.hpp>
#include <filesystem>

#include "functions.hpp"
#include "options.hpp"
#include "pixel_norm.hpp"

namespace examples {

/// Patches of four frames and 8x8 pixels, then larger ones, scored.
template <class T, class D>
auto discriminator_layers(const dvd::Random& random) {
  using Conv = dvd::SpectralNorm<dvd::Conv3D<T, D>>;
  using SwishLayer = dvd::PointwiseLayer<Swish, T, D>;
  return dvd::Sequential(Conv(random.stream(0), 3, 16,
                              dvd::ConvolutionOptions{.kernel = {4, 4, 4}, .stride = {2, 4, 4}}, random.stream(1)),
                         SwishLayer(), PixelNorm<T, D>(),
                         Conv(random.stream(2), 16, 32,
                              dvd::ConvolutionOptions{.kernel = {2, 4, 4}, .stride = {1, 2, 2}}, random.stream(3)),
                         SwishLayer(), PixelNorm<T, D>(),  //
                         Conv(random.stream(4), 32, 1, 1, random.stream(5)));
}

template <class T, class D>
int train(const TrainOptions& options) {
  const dvd::ThreadLimit threads(options.common.threads);
  const dvd::DvdGanConfig config{
      .frames = 8, .resolution = 32, .channels = 4, .classes = 0, .latent_dim = 16, .spatial_frames = 2};
  const dvd::Random random(options.common.seed);
  dvd::Gan gan(dvd::DvdGenerator<T, D>(config, random),
               dvd::NamedDiscriminator{"spatial", dvd::SpatialDiscriminator<T, D>(config, random.stream("spatial"))},
               dvd::NamedDiscriminator{"patches",
                                       dvd::LayerDiscriminator(discriminator_layers<T, D>(random.stream("patches")))});
  dvd::Trainer<decltype(gan), SmoothedLeastSquares> trainer(gan, {.batch = 16,
                                                                  .seed = options.common.seed,
                                                                  .generator_optimizer = {.learning_rate = 1e-3},
                                                                  .discriminator_optimizer = {.learning_rate = 1e-3}});
  dvd::MovingShapes shapes({.frames = 8, .resolution = 32});
  const std::filesystem::path out(options.common.out);
  std::filesystem::create_directories(out);
  running = true;
  for (int step = 1; step <= options.steps; ++step) {
    const dvd::StepReport report = trainer.step(shapes);
    if (!options.common.quiet && (step % 50 == 0 || step == options.steps))
      fmt::print("step {}/{}  spatial {:.3f}  patches {:.3f}  generator {:.3f}\n", step, options.steps,
                 report.discriminator("spatial").loss, report.discriminator("patches").loss, report.generator_loss);
  }
  dvd::write_png_grid(out / "samples.png", gan.sample({.count = 4, .seed = options.common.seed}));
  if (!options.common.quiet) fmt::print("samples    {}\n", (out / "samples.png").string());
  return 0;
}

}  // namespace examples
