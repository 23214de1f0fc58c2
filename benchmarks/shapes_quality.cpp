// How good are samples of a model trained on moving shapes? Judges clips of every class from each checkpoint, by
// geometry alone (shapes_judge.hpp tells the columns) and by the classifier of moving shapes (shapes_distance.hpp), and
// prints a row of a table for each. More than one are followed by the worst and the median of each column.
//
// `--truth` judges clips of the data set itself: what can be had.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdio>
#include <dvd/device/cpu.hpp>
#include <dvd/models/generator.hpp>
#include <dvd/models/sampling.hpp>
#include <dvd/training/checkpoint.hpp>
#include <optional>
#include <string>
#include <vector>

#include "../examples/common/checkpoints.hpp"
#include "shapes_distance.hpp"
#include "shapes_judge.hpp"

namespace {

using benchmarks::ShapesDistance;
using benchmarks::ShapesJudge;

constexpr int columns = 8;
using Row = std::array<double, columns>;

void print(const std::string& name, const Row& row) {
  std::printf("| %s |", name.c_str());
  for (int i = 0; i < columns; ++i)
    std::printf(i == 5 || i == 7 ? " %.2f |" : " %.3f |", row[static_cast<std::size_t>(i)]);
  std::printf("\n");
  std::fflush(stdout);
}

/// Judges clips, as many of each class, class after class.
Row judge(const std::vector<dvd::Clip>& clips, ShapesDistance& distance) {
  ShapesJudge geometry;
  const auto a_class = static_cast<std::int64_t>(clips.size()) / 12;
  for (std::size_t i = 0; i < clips.size(); ++i) geometry.see(clips[i], static_cast<std::int64_t>(i) / a_class);
  const auto [classified, from_data] = distance.of(clips);
  const ShapesJudge::Scores seen = geometry.scores();
  return {seen.blob, seen.direction, seen.straight, seen.shape, seen.ringing, seen.hues, classified, from_data};
}

std::vector<dvd::Clip> samples_of(const std::string& name, const dvd::SafetensorsFile& file,
                                  const dvd::DvdGanConfig& config, std::int64_t clips) {
  dvd::Generator<float, dvd::Cpu> generator(config, dvd::Random(0));
  dvd::load_network(file, name, generator,
                    file.contains("ema.generator.input.weight") ? "ema.generator." : "generator.");
  std::vector<dvd::Clip> all;
  for (std::int64_t label = 0; label < 12; ++label) {
    const auto z =
        dvd::draw_latents<float>(config.latent_dim, {.count = clips, .seed = static_cast<std::uint64_t>(label)});
    const auto videos =
        generator.forward(z, dvd::Labels(static_cast<std::size_t>(clips), label), dvd::Pass::evaluate());
    for (dvd::Clip& clip : dvd::to_clips(videos)) all.push_back(std::move(clip));
  }
  return all;
}

/// What clips of these sizes are compared with, and which sizes these are.
struct Beside {
  dvd::MovingShapesOptions sizes;
  std::optional<ShapesDistance> distance;

  ShapesDistance& of(const dvd::MovingShapesOptions& wanted, std::int64_t clips) {
    if (!distance || sizes.frames != wanted.frames || sizes.height != wanted.height || sizes.width != wanted.width)
      distance.emplace(wanted, clips);
    sizes = wanted;
    return *distance;
  }
};

void judge_all(const std::vector<std::string>& checkpoints, std::int64_t clips, bool truth) {
  std::printf("| | %s classified | distance |\n|---|%s---|---|\n", ShapesJudge::titles, ShapesJudge::rule);
  dvd::MovingShapesOptions sizes{.height = 32, .width = 32};
  Beside beside;
  std::vector<Row> rows;
  for (const std::string& name : checkpoints) {
    const auto path = examples::find_checkpoint(name);
    const dvd::SafetensorsFile file(path);
    const dvd::DvdGanConfig config = dvd::read_config(file, path);
    dvd::require(config.classes == 12, name, ": has ", config.classes, " classes, moving shapes have 12");
    dvd::require(config.condition_frames == 0, name, ": continues videos; prediction_quality is for it");
    sizes = {.frames = config.frames, .height = config.image_height(), .width = config.image_width()};
    rows.push_back(judge(samples_of(path, file, config, clips), beside.of(sizes, clips)));
    print(name, rows.back());
  }
  if (rows.size() > 1) {
    Row worst{}, median{};
    for (std::size_t i = 0; i < columns; ++i) {
      std::vector<double> values;
      for (const Row& row : rows) values.push_back(row[i]);
      std::ranges::sort(values);
      worst[i] = i == 4 || i == 7 ? values.back() : values.front();  // of which less is better
      median[i] = (values[(values.size() - 1) / 2] + values[values.size() / 2]) / 2;
    }
    print("the worst of each", worst);
    print("median", median);
  }
  if (truth)
    print("the data set",
          judge(benchmarks::true_clips(dvd::MovingShapes(sizes), dvd::Random(1), clips), beside.of(sizes, clips)));
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> checkpoints;
  std::int64_t clips = 20;
  bool truth = false;
  CLI::App app("Judges samples of models trained on moving shapes.", "shapes_quality");
  app.add_option("checkpoints", checkpoints,
                 "checkpoints to judge, or folders of runs; their averaged weights are sampled");
  app.add_option("--clips", clips, "clips a class")->check(CLI::Range(2, 1000))->capture_default_str();
  app.add_flag("--truth", truth, "judge the data set itself, too");
  CLI11_PARSE(app, argc, argv);
  try {
    judge_all(checkpoints, clips, truth);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "shapes_quality: %s\n", error.what());
    return 1;
  }
}
