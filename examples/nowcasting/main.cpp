// A GAN that forecasts rain, in the manner of DGMR (Ravuri et al., "Skilful precipitation nowcasting using deep
// generative models of radar", Nature 2021), from parts of dvd: 4 radar fields in, 18 out, 64 x 96 pixels.
//
//     nowcasting --out runs/nowcasting
//
// The files beside this one, in the order to read them: rain.hpp makes the data, generator.hpp and discriminators.hpp
// are the model, verification.hpp says how good it is. README.md shows what comes out.

#include <chrono>
#include <dvd/dvdgan.hpp>
#include <dvd/layers/grid_cell_regularizer.hpp>
#include <dvd/models/gan.hpp>
#include <dvd/training/checkpoint.hpp>

#include "../common/program_on_ranks.hpp"
#include "discriminators.hpp"
#include "generator.hpp"
#include "verification.hpp"

namespace nowcasting {

struct Options {
  examples::CommonOptions common;
  int steps = 1500;
  dvd::Index clips = 64, members = 8;  // that it is verified by
};

/// What the generator minimises beside the discriminators' losses: the mean of samples is to be what followed, and
/// heavy rain, which is rare, counts more: min(rate + 1, 16), where DGMR goes up to 24.
inline const dvd::GridCellRegularizer<> regularizer{
    .weight = 20,
    .samples_per_video = 2,
    .cell_weight = {.offset = most_rain / 2 + 1, .slope = most_rain / 2, .most = 16}};

/// Rows: what came, two forecasts, persistence. Columns: the last field seen, and every third that follows.
template <class Gan>
void write_picture(const std::filesystem::path& path, Gan& gan, const dvd::Random& random) {
  dvd::FunctionSource source(draw_rain);
  const dvd::Tensor<float> video = dvd::draw_batch<float>(source, random, 1).videos;
  const dvd::ConstTensorView<float> past = video.slice(0, past_frames), last = past[past_frames - 1][0];
  const auto forecast = [&](std::uint64_t seed) { return gan.sample({.count = 1, .seed = seed}, {.frames = past}); };
  const dvd::Tensor<float> one = forecast(0), another = forecast(1);
  dvd::Tensor<float> shown(dvd::Shape{1 + future_frames / 3, 4, height, width, 1});
  for (dvd::Index column = 0; column < shown.extent(0); ++column) {
    const dvd::Index lead = 3 * column;
    shown[column][0].copy_from(video[past_frames - 1 + lead][0]);
    shown[column][1].copy_from(lead == 0 ? last : dvd::ConstTensorView<float>(one[lead - 1][0]));
    shown[column][2].copy_from(lead == 0 ? last : dvd::ConstTensorView<float>(another[lead - 1][0]));
    shown[column][3].copy_from(last);
  }
  dvd::write_png_grid(path, shown, dvd::ColorMap::viridis);
}

int train(const Options& options, examples::Ranks& ranks) {
  options.common.require_cpu();
  const dvd::ThreadLimit threads(options.common.threads);
  const dvd::Random random(options.common.seed);
  const GeneratorOptions sizes{{.frames = future_frames,
                                .height = height,
                                .width = width,
                                .channels = 1,
                                .latent_dim = 32,
                                .condition_frames = past_frames}};
  dvd::Gan gan(dvd::Regularized(Generator<float>(sizes, random.stream("generator")), regularizer),
               dvd::NamedDiscriminator("spatial", SpatialDiscriminator<float>(random.stream("spatial"))),
               dvd::NamedDiscriminator("temporal", temporal_discriminator<float>(random.stream("temporal"))));
  const dvd::Schedule fall = dvd::CosineFall{.start = options.steps / 2, .end = options.steps + 1, .floor = 0.05};
  const dvd::TrainerOptions training{.batch = 4,
                                     .seed = options.common.seed,
                                     .d_steps = 1,
                                     .generator_optimizer = {.learning_rate = 1e-3, .beta1 = 0.5},
                                     .discriminator_optimizer = {.learning_rate = 2e-4},
                                     .schedule = dvd::WarmUp{.steps = 50, .then = fall},
                                     .average = {.decay = 0.99, .start = 100}};
  dvd::Trainer trainer(gan, training, ranks);  // alone, or one of several that mpirun has started
  dvd::FunctionSource data(draw_rain);
  const std::filesystem::path out(options.common.out);
  ranks.agree([&] { std::filesystem::create_directories(out); });
  examples::running = true;
  const auto start = std::chrono::steady_clock::now();
  for (int step = 1; step <= options.steps; ++step) {
    const dvd::StepReport report = trainer.step(data);
    if (report.skipped) throw dvd::Error("step " + std::to_string(step) + " came to no number: " + report.fault);
    if (options.common.quiet || (step % 50 != 0 && step != options.steps)) continue;
    const std::chrono::duration<double, std::ratio<60>> minutes = std::chrono::steady_clock::now() - start;
    fmt::print("step {}/{}  spatial {:.3f}  temporal {:.3f}  generator {:.3f}  regularizer {:.3f}  {:.1f} min\n", step,
               options.steps, report.discriminator("spatial").loss, report.discriminator("temporal").loss,
               report.generator_loss, report.generator_regularization, minutes.count());
    std::fflush(stdout);
  }
  if (!ranks.first()) return 0;
  dvd::save_checkpoint(out / "checkpoint.safetensors", trainer);
  write_picture(out / "forecast.png", gan, random.stream("picture"));
  const Verification result = verify(gan, random.stream("verification"), options.clips, options.members);
  if (!options.common.quiet) {
    result.print();
    fmt::print("forecasts  {}\n", options.common.out);
  }
  return 0;
}

}  // namespace nowcasting

int main(int argc, char** argv) {
  nowcasting::Options options;
  options.common.out = "runs/nowcasting";
  CLI::App app("Trains a GAN that forecasts rain, and compares it with persistence.", "nowcasting");
  options.common.add_to(app);
  app.add_option("--steps", options.steps, "steps to train")->check(CLI::Range(1, 1'000'000))->capture_default_str();
  app.add_option("--clips", options.clips, "clips to forecast for the comparison")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  app.add_option("--members", options.members, "forecasts of each")->check(CLI::Range(1, 1000))->capture_default_str();
  return examples::run_on_ranks(app, argc, argv, options.common,
                                [&](examples::Ranks& ranks) { return nowcasting::train(options, ranks); });
}
