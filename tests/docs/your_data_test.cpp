// The programs that docs/your_data.md and docs/training.md show.
#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <limits>

#include "dvd/data/clip_loader.hpp"
#include "dvd/data/flipped_clips.hpp"
#include "dvd/data/function_source.hpp"
#include "dvd/data/memory_clips.hpp"
#include "dvd/data/video_set.hpp"
#include "dvd/dvdgan.hpp"
#include "dvd/training/checkpoint.hpp"
#include "support/made_set.hpp"
#include "support/temporary_folder.hpp"

namespace {

const dvd::DvdGanConfig small{
    .frames = 4, .resolution = 8, .channels = 1, .classes = 2, .latent_dim = 4, .embed_dim = 4};

// A source of one's own: sixteen frames of a wave, one channel, no classes.
struct Radar {
  dvd::FloatClip draw(const dvd::Random& random) const {
    dvd::FloatClip clip(16, 16, 24, 1);  // frames, height, width, channels; zeros
    const double phase = random.uniform(0, 0, 6.28);
    for (std::int64_t t = 0; t < clip.frames; ++t)
      for (std::int64_t pixel = 0; pixel < clip.height * clip.width; ++pixel)
        clip.frame(t)[pixel] = static_cast<float>(std::sin(phase + 0.3 * t + 0.1 * pixel));  // in [-1, 1]
    return clip;
  }
};

TEST_CASE("a source of one's own") {
  Radar radar;
  dvd::DvdGan<float> gan({.frames = 16, .height = 16, .width = 24, .image_channels = 1, .channels = 1, .classes = 0});
  dvd::Trainer trainer(gan, {.batch = 2});
  const dvd::StepReport report = trainer.step(radar);
  CHECK_FALSE(report.skipped);
  CHECK(report.step == 1);
}

// Two clips of each class, black and white.
std::vector<dvd::LabelledClip> my_clips() {
  std::vector<dvd::LabelledClip> clips;
  for (int i = 0; i < 4; ++i) {
    clips.push_back({dvd::Clip(4, 8, 8), i % 2});
    clips.back().clip.pixels.assign(clips.back().clip.pixels.size(), i % 2 == 0 ? 0 : 255);
  }
  return clips;
}

TEST_CASE("clips in memory, with names of their classes") {
  dvd::MemoryClips clips(my_clips(), {"walk", "run"});  // LabelledClips, whose labels count from 0
  dvd::DvdGan<float> gan(
      {.frames = 4, .resolution = 8, .channels = 1, .classes = clips.classes(), .latent_dim = 4, .embed_dim = 4});
  dvd::Trainer trainer(gan, {.batch = 2});
  trainer.step(clips);
  CHECK(clips.size() == 4);
  CHECK(trainer.steps() == 1);
}

TEST_CASE("clips that a function makes, with labels and without") {
  dvd::FunctionSource noise([](const dvd::Random& random) {
    dvd::FloatClip clip(4, 8, 8, 3);
    for (std::size_t i = 0; i < clip.values.size(); ++i) clip.values[i] = static_cast<float>(random.uniform(i, -1, 1));
    return clip;
  });
  dvd::FunctionSource either(
      [](const dvd::Random& random) {
        const std::int64_t label = random.below(0, 2);
        dvd::Clip clip(4, 8, 8);
        clip.pixels.assign(clip.pixels.size(), label == 0 ? 0 : 255);
        return dvd::TrainingClip(std::move(clip), label);
      },
      {"dark", "bright"});
  CHECK(noise.classes() == 0);
  CHECK(either.classes() == 2);
  dvd::DvdGan<float> gan(small);
  dvd::Trainer trainer(gan, {.batch = 2});
  CHECK_FALSE(trainer.step(either).skipped);
}

TEST_CASE("clips drawn ahead on threads of their own, half of them mirrored, are those of a plain step") {
  dvd::MemoryClips clips(my_clips(), {"walk", "run"});
  std::vector<float> weights[2];
  for (const bool ahead : {false, true}) {
    dvd::DvdGan<float> gan(small);
    dvd::Trainer trainer(gan, {.batch = 2, .seed = 3});
    dvd::FlippedClips mirrored(clips);
    if (ahead) {
      dvd::ClipLoader loader(mirrored, trainer.batch_schedule(), {.batch = 2, .threads = 2});
      for (int step = 0; step < 2; ++step) trainer.step(loader);
    } else {
      for (int step = 0; step < 2; ++step) trainer.step(mirrored);
    }
    weights[ahead] = dvd::contents(gan.generator).parameters[0].parameter->value.to_vector();
  }
  CHECK(weights[0] == weights[1]);
}

TEST_CASE("a prepared set") {
  const TemporaryFolder folder;
  const std::filesystem::path path = folder.path() / "ucf-64";
  dvd::testing::make_set(path, {{"run/a", 0, 9, 1}, {"walk/b", 1, 12, 1}, {"walk/c", 1, 12, 2}},
                         {.height = 8, .width = 8}, {"run", "walk"}, {"trainlist01.txt", "testlist01.txt"});
  const auto tell = [](const std::string& line) { MESSAGE(line); };
  dvd::VideoSet videos(path, {.frames = 4, .stride = 2, .split = "trainlist01.txt", .warn = tell});
  dvd::DvdGan<float> gan({.frames = 4,
                          .height = videos.height(),
                          .width = videos.width(),
                          .image_channels = videos.channels(),
                          .channels = 1,
                          .classes = videos.classes()});
  dvd::Trainer trainer(gan, {.batch = 2});
  trainer.step(videos);
  CHECK(videos.size() == 2);
  CHECK(trainer.steps() == 1);
}

TEST_CASE("what does not fit, or is no number, changes nothing") {
  dvd::DvdGan<float> gan({.frames = 16, .height = 16, .width = 24, .image_channels = 1, .channels = 1, .classes = 0});
  dvd::Trainer trainer(gan, {.batch = 2});
  Radar radar;
  dvd::FunctionSource broken([&](const dvd::Random& random) {
    dvd::FloatClip clip = radar.draw(random);
    clip.values[30] = std::numeric_limits<float>::quiet_NaN();
    return clip;
  });
  dvd::MovingShapes other({.frames = 8, .resolution = 32});
  CHECK_THROWS_WITH_AS(trainer.step(broken),
                       "a clip holds a value that is not finite, channel 0 of the pixel at row 1, column 6 of frame 0; "
                       "expected numbers, in [-1, 1] if the model is to make such",
                       dvd::ArgumentError);
  CHECK_THROWS_AS(trainer.step(other), dvd::ArgumentError);
  CHECK(trainer.steps() == 0);
}

// A run of one's own that may be ended at any moment and started again.
void train(const std::filesystem::path& checkpoint, dvd::Index steps) {
  dvd::MemoryClips clips(my_clips(), {"walk", "run"});
  dvd::DvdGan<float> gan(small, 1);
  dvd::Trainer trainer(gan, {.batch = 2, .seed = 1});
  if (std::filesystem::exists(checkpoint)) dvd::load_checkpoint(checkpoint, trainer);
  dvd::Index left_out = 0;
  while (trainer.steps() < steps) {
    const dvd::StepReport report = trainer.step(clips);
    left_out = report.skipped ? left_out + 1 : 0;
    if (left_out == 3) throw dvd::Error("not finite: " + report.fault);
    if (report.skipped || trainer.steps() % 2 != 0) continue;
    dvd::save_checkpoint(checkpoint, trainer);
  }
}

TEST_CASE("a run that is started again ends with the bits of one that never stopped") {
  const TemporaryFolder folder;
  train(folder.path() / "whole.safetensors", 4);
  train(folder.path() / "parts.safetensors", 2);
  train(folder.path() / "parts.safetensors", 4);
  std::vector<float> weights[2];
  for (const bool parts : {false, true}) {
    dvd::DvdGan<float> gan(small, 2);
    dvd::Trainer trainer(gan, {.batch = 2, .seed = 1});
    dvd::load_checkpoint(folder.path() / (parts ? "parts.safetensors" : "whole.safetensors"), trainer);
    CHECK(trainer.steps() == 4);
    weights[parts] = dvd::contents(gan.generator).parameters[0].parameter->value.to_vector();
  }
  CHECK(weights[0] == weights[1]);
}

}  // namespace
