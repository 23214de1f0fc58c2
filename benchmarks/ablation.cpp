// The paper's ablation (section 4.3) on moving shapes, small: how many frames k the spatial discriminator sees, and
// what phi makes of the video for the temporal one. Prints what a training step costs and, with --steps, how good
// samples are after that many.
//
//     step     median time of a step, drawing clips left out; the variants take turns, so that all see the same machine
//     against  that of k = 8 and 2x2, the paper's choice

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <functional>
#include <memory>

#include "dvd/data/moving_shapes.hpp"
#include "dvd/device/cpu.hpp"
#include "dvd/training/trainer.hpp"
#include "shapes_judge.hpp"

namespace {

template <template <class, class> class Phi>
struct Parts : dvd::DvdGanParts<float> {
  using Downsampler = Phi<float, dvd::Cpu>;
};

struct Options {
  dvd::DvdGanConfig model = {
      .frames = 8, .resolution = 32, .channels = 4, .classes = 12, .latent_dim = 16, .embed_dim = 32};
  dvd::Index batch = 16, rounds = 20, steps = 0, clips = 20;
  double learning_rate = 2e-3;
};

/// A model with its trainer, whatever its type.
struct Variant {
  std::string name;
  std::function<double()> step;                                ///< trains a step; seconds
  std::function<std::string(const Options&)> train_and_judge;  ///< from the start
  std::vector<double> seconds;
};

template <class Gan>
double timed_step(dvd::Trainer<Gan>& trainer, dvd::MovingShapes& data) {
  const auto start = std::chrono::steady_clock::now();
  const dvd::StepReport report = trainer.step(data);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() - report.data_seconds;
}

template <template <class, class> class Phi>
Variant variant(const std::string& phi, const Options& options, dvd::Index k) {
  using Gan = dvd::DvdGan<float, dvd::Cpu, Parts<Phi>>;
  struct Run {
    Gan gan;
    dvd::Trainer<Gan> trainer;
    dvd::MovingShapes data;

    Run(const dvd::DvdGanConfig& config, const Options& of)
        : gan(config, 1),
          trainer(gan, {.batch = of.batch,
                        .seed = 1,
                        .generator_optimizer = {.learning_rate = of.learning_rate},
                        .discriminator_optimizer = {.learning_rate = of.learning_rate},
                        .average = {.decay = 0.998, .start = 200}}),
          data({.frames = config.frames, .resolution = config.resolution}) {}
  };
  dvd::DvdGanConfig config = options.model;
  config.spatial_frames = k;
  const auto run = std::make_shared<Run>(config, options);
  const std::string name = std::to_string(config.frames_judged()) + " | " + phi;
  return {name,
          [run] { return timed_step(run->trainer, run->data); },
          [config](const Options& of) {
            Run fresh(config, of);
            for (dvd::Index step = 0; step < of.steps; ++step) fresh.trainer.step(fresh.data);
            benchmarks::ShapesJudge judge;
            for (dvd::Index label = 0; label < 12; ++label)
              for (const dvd::Clip& clip : dvd::to_clips(fresh.gan.sample(
                       {.label = label, .count = of.clips, .seed = static_cast<std::uint64_t>(label)})))
                judge.see(clip, label);
            return judge.row();
          },
          {}};
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

void compare(const Options& options) {
  std::vector<Variant> variants;
  for (const dvd::Index k : {1, 2, 8}) {
    variants.push_back(variant<dvd::NoDownsampler>("identity", options, k));
    variants.push_back(variant<dvd::TemporalDownsampler>("2x2", options, k));
    variants.push_back(variant<dvd::QuarterDownsampler>("4x4", options, k));
    variants.push_back(variant<dvd::RandomHalfCrop>("random crop", options, k));
  }
  const std::size_t paper = 9;                 // k = 8 and 2x2
  for (Variant& each : variants) each.step();  // memory is asked for once
  for (dvd::Index round = 0; round < options.rounds; ++round)
    for (Variant& each : variants) each.seconds.push_back(each.step());
  std::printf("| k | phi | step | against | %s\n|---|---|---|---|%s\n",
              options.steps > 0 ? benchmarks::ShapesJudge::titles : "",
              options.steps > 0 ? benchmarks::ShapesJudge::rule : "");
  const double reference = median(variants[paper].seconds);
  for (const Variant& each : variants) {
    const double seconds = median(each.seconds);
    std::printf("| %s | %.1f ms | %.2f | ", each.name.c_str(), 1e3 * seconds, seconds / reference);
    std::fflush(stdout);
    std::printf("%s\n", options.steps > 0 ? each.train_and_judge(options).c_str() : "");
    std::fflush(stdout);
  }
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  dvd::Index threads = 0;
  CLI::App app("What a DVD-GAN costs, and makes, by what its discriminators see.", "ablation");
  app.add_option("--frames", options.model.frames, "frames of a clip")->capture_default_str();
  app.add_option("--resolution", options.model.resolution, "pixels, even and at least 8")->capture_default_str();
  app.add_option("--channels", options.model.channels, "width multiplier ch")->capture_default_str();
  app.add_option("--batch", options.batch, "videos in a batch")->capture_default_str();
  app.add_option("--rounds", options.rounds, "steps to time of each variant")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  app.add_option("--steps", options.steps, "steps to train each variant before its samples are judged; 0: not at all")
      ->check(CLI::Range(0, 1'000'000))
      ->capture_default_str();
  app.add_option("--clips", options.clips, "clips a class to judge")->check(CLI::Range(1, 1000))->capture_default_str();
  app.add_option("--lr", options.learning_rate, "learning rate of all networks")->capture_default_str();
  app.add_option("--threads", threads, "threads to compute on; 0 means all cores")->check(CLI::Range(0, 4096));
  CLI11_PARSE(app, argc, argv);
  try {
    const dvd::ThreadLimit limit(threads);
    compare(options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "ablation: %s\n", error.what());
    return 1;
  }
}
