// A GAN for data that is not RGB clips with classes: radar images of one channel, 64 x 96 pixels, 18 frames, no labels,
// with a third discriminator, other losses, other optimizers and a schedule.
//
//     radar_gan --out runs/radar
//
// Read from here to the end; docs/own_gan.md explains what can be put in place of each part.

#include <dvd/data/function_source.hpp>
#include <dvd/dvdgan.hpp>
#include <dvd/layers/frame_differences.hpp>
#include <dvd/layers/general_convolution.hpp>
#include <dvd/layers/pointwise_layer.hpp>
#include <dvd/models/gan.hpp>
#include <dvd/models/layer_discriminator.hpp>
#include <dvd/training/checkpoint.hpp>
#include <dvd/training/relativistic_loss.hpp>
#include <dvd/training/sgd.hpp>

#include "../common/program.hpp"

// 1. The data: any function of random numbers alone that makes a clip, here showers that drift with the wind and grow
// or fade, as numbers in [-1, 1]. Clips from memory are dvd::MemoryClips, from video files dvd::VideoFolder.

dvd::TrainingClip showers(const dvd::Random& random) {
  dvd::FloatClip clip(18, 64, 96, 1);
  std::ranges::fill(clip.values, -1.0f);
  const double wind_x = random.uniform(0, -2, 2), wind_y = random.uniform(1, -1, 1);  // pixels a frame
  for (std::uint64_t shower = 0; shower < 5; ++shower) {
    const dvd::Random own = random.stream(shower);
    const double x = own.uniform(0, 0, 96), y = own.uniform(1, 0, 64), size = own.uniform(2, 4, 10);
    const double strength = own.uniform(3, 0.8, 2), growth = own.uniform(4, 0.93, 1.07);
    for (dvd::Index t = 0; t < clip.frames; ++t)
      for (dvd::Index row = 0; row < clip.height; ++row)
        for (dvd::Index column = 0; column < clip.width; ++column) {
          const double dx = static_cast<double>(column) - x - wind_x * static_cast<double>(t);
          const double dy = static_cast<double>(row) - y - wind_y * static_cast<double>(t);
          const double rain = strength * std::pow(growth, t) * std::exp(-(dx * dx + dy * dy) / (2 * size * size));
          float& pixel = clip.frame(t)[row * clip.width + column];
          pixel = std::min(1.0f, pixel + static_cast<float>(rain));
        }
  }
  return clip;
}

// 2. A third discriminator, beside DVD-GAN's two: it sees movement alone, as differences of frames, through layers one
// after the other, and is trained by a loss of its own.

auto movement_layers(const dvd::Random& random) {
  using Conv = dvd::SpectralNorm<dvd::Conv3D<float>>;
  return dvd::Sequential(
      dvd::FrameDifferences<float>(),
      Conv(random.stream(0), 1, 8, dvd::ConvolutionOptions{.kernel = {3, 4, 4}, .stride = {1, 4, 4}}, random.stream(1)),
      dvd::LeakyReLU<float>(0.2),
      Conv(random.stream(2), 8, 16, dvd::ConvolutionOptions{.kernel = {3, 4, 4}, .stride = {2, 4, 4}},
           random.stream(3)),
      dvd::LeakyReLU<float>(0.2),  //
      Conv(random.stream(4), 16, 1, 1, random.stream(5)));
}

class MovementDiscriminator : public dvd::LayerDiscriminator<decltype(movement_layers(dvd::Random(0)))> {
 public:
  using Loss = dvd::LeastSquaresLoss;
  explicit MovementDiscriminator(const dvd::Random& random)
      : LayerDiscriminator(movement_layers(random), 0.5) {}  // it counts half in the generator's loss
};

// 3. The GAN, and how it is trained: any generator, any list of discriminators, each under a name.

int train(const examples::CommonOptions& options, int steps) {
  options.require_cpu();
  const dvd::ThreadLimit threads(options.threads);
  const dvd::DvdGanConfig config{.frames = 18,
                                 .height = 64,
                                 .width = 96,
                                 .image_channels = 1,
                                 .channels = 2,
                                 .classes = 0,
                                 .latent_dim = 16,
                                 .spatial_frames = 4};
  const dvd::Random random(options.seed);
  dvd::Gan gan(
      dvd::DvdGenerator<float>(config, random),
      dvd::NamedDiscriminator{"spatial", dvd::SpatialDiscriminator<float>(config, random.stream("spatial"))},
      dvd::NamedDiscriminator{"temporal", dvd::TemporalDiscriminator<float>(config, random.stream("temporal"))},
      dvd::NamedDiscriminator{"movement", MovementDiscriminator(random.stream("movement"))});

  // The generator by AdamW, the discriminators by plain SGD; those that name no loss, by the relativistic hinge.
  using Trainer = dvd::Trainer<decltype(gan), dvd::RelativisticHingeLoss, dvd::AdamW<float>, dvd::Sgd<float>>;
  Trainer trainer(
      gan, {.batch = 4,
            .seed = options.seed,
            .d_steps = 1,
            .generator_optimizer = {.learning_rate = 1e-3, .beta1 = 0},
            .discriminator_optimizer = {.learning_rate = 1e-3, .momentum = 0},
            .schedule = dvd::WarmUp{.steps = 10, .then = dvd::CosineFall{.start = 10, .end = steps + 10, .floor = 0.1}},
            .average = {.decay = 0.9, .start = 10}});
  dvd::FunctionSource data(showers);

  std::filesystem::create_directories(options.out);
  examples::running = true;
  for (int step = 1; step <= steps; ++step) {
    const dvd::StepReport report = trainer.step(data);
    if (options.quiet || (step % 10 != 0 && step != steps)) continue;
    fmt::print("step {}/{} ", step, steps);
    for (const dvd::DiscriminatorReport& each : report.discriminators) fmt::print(" {} {:.3f} ", each.name, each.loss);
    fmt::print(" generator {:.3f}\n", report.generator_loss);
  }
  const std::filesystem::path out(options.out);
  dvd::save_checkpoint(out / "checkpoint.safetensors", trainer);  // dvd::load_checkpoint goes on from it
  dvd::write_png_grid(out / "samples.png", gan.sample({.count = 4, .seed = options.seed}), dvd::ColorMap::viridis);
  dvd::write_png_grid(out / "data.png", dvd::draw_batch<float>(data, random, 4).videos, dvd::ColorMap::viridis);
  if (!options.quiet) fmt::print("samples    {}\n", options.out);
  return 0;
}

int main(int argc, char** argv) {
  examples::CommonOptions options;
  options.out = "runs/radar";
  int steps = 400;
  CLI::App app("Trains a GAN of three discriminators on radar images of one channel.", "radar_gan");
  options.add_to(app);
  app.add_option("--steps", steps, "steps to train")->check(CLI::Range(1, 1'000'000))->capture_default_str();
  return examples::run(app, argc, argv, [&] { return train(options, steps); });
}
