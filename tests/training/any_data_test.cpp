// Training on data of the user's own: numbers, any channels, from memory and from functions, with and without labels.
#include <doctest/doctest.h>

#include <filesystem>
#include <limits>

#include "dvd/data/clip_loader.hpp"
#include "dvd/dvdgan.hpp"
#include "support/temporary_folder.hpp"

namespace {

using namespace dvd;

const DvdGanConfig two_channels{.frames = 3,
                                .height = 16,
                                .width = 24,
                                .image_channels = 2,
                                .channels = 1,
                                .classes = 0,
                                .latent_dim = 4,
                                .spatial_frames = 2};

FloatClip waves(const Random& random) {
  FloatClip clip(3, 16, 24, 2);
  const double phase = random.uniform(0, 0, 6);
  for (std::size_t i = 0; i < clip.values.size(); ++i)
    clip.values[i] = static_cast<float>(std::sin(phase + 0.1 * static_cast<double>(i)));
  return clip;
}

std::vector<float> weights_of(DvdGan<float>& gan) {
  return contents(gan.generator).parameters[0].parameter->value.to_vector();
}

TEST_CASE("numbers of two channels without labels, from a function, from memory and ahead of need") {
  FunctionSource endless(waves);
  std::vector<FloatClip> some;
  for (std::uint64_t i = 0; i < 4; ++i) some.push_back(waves(Random(i)));
  MemoryClips kept(some);
  std::vector<float> weights[3];
  for (const int way : {0, 1, 2}) {
    DvdGan<float> gan(two_channels, 1);
    Trainer trainer(gan, {.batch = 2, .seed = 5});
    ClipLoader loader(endless, trainer.batch_schedule(), {.batch = 2});
    for (int step = 0; step < 2; ++step) {
      const StepReport report = way == 0 ? trainer.step(endless) : way == 1 ? trainer.step(loader) : trainer.step(kept);
      CHECK_FALSE(report.skipped);
    }
    weights[way] = weights_of(gan);
    const TemporaryFolder folder;
    write_png_grid(folder.path() / "samples.png", gan.sample({.count = 2}));
    CHECK(std::filesystem::file_size(folder.path() / "samples.png") > 100);
  }
  CHECK(weights[0] == weights[1]);
  CHECK(weights[0] != weights[2]);
}

TEST_CASE("a clip with a value that is not finite is refused before anything changes, in words") {
  FunctionSource source([](const Random& random) {
    FloatClip clip = waves(random);
    clip.values[17] = std::numeric_limits<float>::quiet_NaN();
    return clip;
  });
  DvdGan<float> gan(two_channels, 1);
  Trainer trainer(gan, {.batch = 2});
  const auto before = weights_of(gan);
  CHECK_THROWS_WITH_AS(trainer.step(source), doctest::Contains("a value that is not finite, channel 1 of the pixel"),
                       ArgumentError);
  CHECK(weights_of(gan) == before);
  CHECK(trainer.steps() == 0);
}

TEST_CASE("clips of other channels are refused, in words") {
  DvdGan<float> gan(two_channels, 1);
  Trainer trainer(gan, {.batch = 2});
  MovingShapes shapes({.frames = 3, .height = 16, .width = 24, .image_channels = 1});
  CHECK_THROWS_WITH_AS(trainer.step(shapes),
                       "the model expects clips of 3 frames of 16x24 pixels of 2 channels, but the data set gives 3 "
                       "frames of 16x24 pixels of 1 channel",
                       ArgumentError);
}

TEST_CASE("of data with labels, a model without classes takes the clips alone") {
  DvdGanConfig config = two_channels;
  config.image_channels = 1;
  MovingShapes shapes({.frames = 3, .height = 16, .width = 24, .image_channels = 1});
  FunctionSource unlabelled([&](const Random& random) { return shapes.draw(random).clip; });
  std::vector<float> weights[2];
  for (const bool labelled : {false, true}) {
    DvdGan<float> gan(config, 1);
    Trainer trainer(gan, {.batch = 2});
    CHECK_FALSE((labelled ? trainer.step(shapes) : trainer.step(unlabelled)).skipped);
    weights[labelled] = weights_of(gan);
  }
  CHECK(weights[0] == weights[1]);
}

}  // namespace
