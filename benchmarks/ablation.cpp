// The paper's ablation (section 4.3) on moving shapes, small: how many frames k the spatial discriminator sees, and
// what phi makes of the video for the temporal one. ablation.py runs it and makes a table and a plot of it.
//
// Prints lines of JSON. Of every variant what a training step costs, drawing clips left out: the median over rounds in
// which the variants take turns, so that all see the same machine.
//
//     {"k": 8, "phi": "2x2", "step_ms": 210.1}
//
// Then, with --steps, each is trained from each seed as train_ucf101 --preset demo is, but at constant rates, and
// judged on the way (shapes_distance.hpp, shapes_judge.hpp):
//
//     {"k": 8, "phi": "2x2", "seed": 0, "step": 500, "distance": 3.2, "classified": 0.41, "shape": 0.35}

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "dvd/data/moving_shapes.hpp"
#include "dvd/device/cpu.hpp"
#include "dvd/training/trainer.hpp"
#include "shapes_distance.hpp"
#include "shapes_judge.hpp"

namespace {

template <template <class, class> class Phi>
struct Parts : dvd::DvdGanParts<float> {
  using Downsampler = Phi<float, dvd::Cpu>;
};

struct Options {
  dvd::DvdGanConfig model = {
      .frames = 8, .resolution = 32, .channels = 4, .classes = 12, .latent_dim = 16, .embed_dim = 32};
  dvd::TrainerOptions trainer = {.batch = 16,
                                 .generator_optimizer = {.learning_rate = 2e-3, .beta2 = 0.99},
                                 .discriminator_optimizer = {.learning_rate = 2e-3, .beta2 = 0.99},
                                 .average = {.decay = 0.998, .start = 200},
                                 .mismatched = 0.5};
  std::vector<dvd::Index> k = {1, 2, 8};
  std::vector<std::string> phi = {"identity", "2x2", "4x4", "crop"};
  std::vector<std::uint64_t> seeds = {0};
  dvd::Index rounds = 20, steps = 0, evaluate_every = 500, clips = 50;

  dvd::MovingShapesOptions shapes() const { return {.frames = model.frames, .resolution = model.resolution}; }
};

/// A model with its trainer, of whatever type.
struct Run {
  std::function<dvd::StepReport()> step;
  std::function<std::vector<dvd::Clip>(dvd::Index label, dvd::Index count)> sample;
};

template <template <class, class> class Phi>
Run start(Options options, dvd::Index k, std::uint64_t seed) {
  using Gan = dvd::DvdGan<float, dvd::Cpu, Parts<Phi>>;
  struct All {
    Gan gan;
    dvd::Trainer<Gan> trainer;
    dvd::MovingShapes data;

    explicit All(const Options& of) : gan(of.model, of.trainer.seed), trainer(gan, of.trainer), data(of.shapes()) {}
  };
  options.model.spatial_frames = k;
  options.trainer.seed = seed;
  const auto all = std::make_shared<All>(options);
  return {[all] { return all->trainer.step(all->data); },
          [all](dvd::Index label, dvd::Index count) {
            return dvd::to_clips(
                all->gan.sample({.label = label, .count = count, .seed = static_cast<std::uint64_t>(label)}));
          }};
}

/// What is varied.
struct Variant {
  dvd::Index k;
  std::string phi;
  std::vector<double> milliseconds = {};

  Run run(const Options& options, std::uint64_t seed) const {
    if (phi == "identity") return start<dvd::NoDownsampler>(options, k, seed);
    if (phi == "2x2") return start<dvd::TemporalDownsampler>(options, k, seed);
    if (phi == "4x4") return start<dvd::QuarterDownsampler>(options, k, seed);
    return start<dvd::RandomHalfCrop>(options, k, seed);
  }

  std::string name() const { return dvd::concat("{\"k\": ", k, ", \"phi\": \"", phi, "\", "); }
};

void time_steps(std::vector<Variant>& variants, const Options& options) {
  std::vector<Run> runs;
  for (const Variant& each : variants) runs.push_back(each.run(options, 0));
  for (const Run& run : runs) run.step();  // memory is asked for once
  for (dvd::Index round = 0; round < options.rounds; ++round)
    for (std::size_t i = 0; i < runs.size(); ++i) {
      const auto begin = std::chrono::steady_clock::now();
      const double data = runs[i].step().data_seconds;
      const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - begin;
      variants[i].milliseconds.push_back(1e3 * (passed.count() - data));
    }
  for (Variant& each : variants) {
    std::ranges::sort(each.milliseconds);
    std::printf("%s\"step_ms\": %.2f}\n", each.name().c_str(), each.milliseconds[each.milliseconds.size() / 2]);
  }
}

void train(const Variant& variant, const Options& options, std::uint64_t seed, benchmarks::ShapesDistance& distance) {
  const Run run = variant.run(options, seed);
  for (dvd::Index step = 1; step <= options.steps; ++step) {
    run.step();
    if (step % options.evaluate_every != 0 && step != options.steps) continue;
    std::vector<dvd::Clip> clips;
    benchmarks::ShapesJudge judge;
    for (dvd::Index label = 0; label < 12; ++label)
      for (dvd::Clip& clip : run.sample(label, options.clips)) {
        judge.see(clip, label);
        clips.push_back(std::move(clip));
      }
    const auto [classified, from_data] = distance.of(clips);
    std::printf("%s\"seed\": %llu, \"step\": %lld, \"distance\": %.3f, \"classified\": %.3f, \"shape\": %.3f}\n",
                variant.name().c_str(), static_cast<unsigned long long>(seed), static_cast<long long>(step), from_data,
                classified, judge.scores().shape);
    std::fflush(stdout);
  }
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  dvd::Index threads = 0;
  bool floor = false;
  CLI::App app("What a DVD-GAN costs, and makes, by what its discriminators see.", "ablation");
  app.add_option("--k", options.k, "frames that the spatial discriminator sees, such as 1,2,8")
      ->delimiter(',')
      ->check(CLI::Range(1, 4096));
  app.add_option("--phi", options.phi, "what the temporal one sees: identity, 2x2, 4x4, crop")
      ->delimiter(',')
      ->check(CLI::IsMember({"identity", "2x2", "4x4", "crop"}));
  app.add_option("--seeds", options.seeds, "such as 0,1,2")->delimiter(',');
  app.add_option("--frames", options.model.frames, "frames of a clip")->capture_default_str();
  app.add_option("--resolution", options.model.resolution, "pixels, even and at least 8")->capture_default_str();
  app.add_option("--channels", options.model.channels, "width multiplier ch")->capture_default_str();
  app.add_option("--batch", options.trainer.batch, "videos in a batch")->capture_default_str();
  app.add_option("--rounds", options.rounds, "steps to time of each variant; 0: none")
      ->check(CLI::Range(0, 100'000))
      ->capture_default_str();
  app.add_option("--steps", options.steps, "steps to train each variant; 0: none")
      ->check(CLI::Range(0, 1'000'000))
      ->capture_default_str();
  app.add_option("--evaluate-every", options.evaluate_every, "steps between judgements")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  app.add_option("--clips", options.clips, "clips a class to judge")->check(CLI::Range(2, 1000))->capture_default_str();
  app.add_flag("--floor", floor, "print the distance of clips of the data set from others of it");
  app.add_option("--threads", threads, "threads to compute on; 0 means all cores")->check(CLI::Range(0, 4096));
  CLI11_PARSE(app, argc, argv);
  try {
    const dvd::ThreadLimit limit(threads);
    std::vector<Variant> variants;
    for (const dvd::Index k : options.k)
      for (const std::string& phi : options.phi) variants.push_back({k, phi});
    if (options.rounds > 0) time_steps(variants, options);
    if (options.steps == 0 && !floor) return 0;
    benchmarks::ShapesDistance distance(options.shapes(), options.clips);
    if (floor)
      std::printf(
          "{\"floor\": %.3f}\n",
          distance.of(benchmarks::true_clips(dvd::MovingShapes(options.shapes()), dvd::Random(1), options.clips))
              .distance);
    for (const std::uint64_t seed : options.seeds)
      for (const Variant& variant : variants)
        if (options.steps > 0) train(variant, options, seed, distance);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "ablation: %s\n", error.what());
    return 1;
  }
}
