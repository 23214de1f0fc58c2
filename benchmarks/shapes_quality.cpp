// How good are samples of a model trained on moving shapes? Judges 20 clips a class from each checkpoint by geometry
// alone, and prints a row of a table for each, its columns as shapes_judge.hpp tells.
//
// `--truth` judges clips of the data set itself: what can be had.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <dvd/data/moving_shapes.hpp>
#include <dvd/device/cpu.hpp>
#include <dvd/io/clip_tensor.hpp>
#include <dvd/models/generator.hpp>
#include <dvd/models/sampling.hpp>
#include <dvd/training/checkpoint.hpp>

#include "shapes_judge.hpp"

namespace {

using benchmarks::ShapesJudge;

void judge_checkpoint(const std::string& name, std::int64_t clips) {
  const dvd::SafetensorsFile file(name);
  const dvd::DvdGanConfig config = dvd::read_config(file, name);
  dvd::require(config.classes == 12, name, ": has ", config.classes, " classes, moving shapes have 12");
  dvd::require(config.condition_frames == 0, name, ": continues videos; prediction_quality is for it");
  dvd::Generator<float, dvd::Cpu> generator(config, dvd::Random(0));
  dvd::load_network(file, name, generator,
                    file.contains("ema.generator.input.weight") ? "ema.generator." : "generator.");
  ShapesJudge judge;
  for (std::int64_t label = 0; label < 12; ++label) {
    const auto z =
        dvd::draw_latents<float>(config.latent_dim, {.count = clips, .seed = static_cast<std::uint64_t>(label)});
    const auto videos =
        generator.forward(z, dvd::Labels(static_cast<std::size_t>(clips), label), dvd::Pass::evaluate());
    for (const dvd::Clip& clip : dvd::to_clips(videos)) judge.see(clip, label);
  }
  std::printf("| %s | %s\n", name.c_str(), judge.row().c_str());
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> checkpoints;
  std::int64_t clips = 20;
  bool truth = false;
  CLI::App app("Judges samples of models trained on moving shapes.", "shapes_quality");
  app.add_option("checkpoints", checkpoints, "checkpoints to judge; their averaged weights are sampled");
  app.add_option("--clips", clips, "clips a class")->check(CLI::Range(1, 1000))->capture_default_str();
  app.add_flag("--truth", truth, "judge the data set itself, too");
  CLI11_PARSE(app, argc, argv);
  try {
    std::printf("| | %s\n|---|%s\n", ShapesJudge::titles, ShapesJudge::rule);
    for (const std::string& name : checkpoints) judge_checkpoint(name, clips);
    if (truth) {
      ShapesJudge judge;
      const dvd::MovingShapes shapes;
      for (std::int64_t i = 0; i < 12 * clips; ++i)
        judge.see(shapes.draw(dvd::Random(1).stream(static_cast<std::uint64_t>(i)), i % 12).clip, i % 12);
      std::printf("| the data set | %s\n", judge.row().c_str());
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "shapes_quality: %s\n", error.what());
    return 1;
  }
}
