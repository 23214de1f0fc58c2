// Real videos under another class than theirs, which discriminators are to tell from real ones.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "dvd/data/function_source.hpp"
#include "dvd/data/moving_shapes.hpp"
#include "dvd/distributed/thread_communicator.hpp"
#include "dvd/models/dvd_gan.hpp"
#include "dvd/training/sgd.hpp"
#include "dvd/training/trainer.hpp"

namespace {

using namespace dvd;

const DvdGanConfig config = {
    .frames = 3, .resolution = 16, .channels = 1, .classes = 12, .latent_dim = 6, .embed_dim = 5, .spatial_frames = 2};

DvdGanConfig predicting() {
  DvdGanConfig result = config;
  result.condition_frames = 2;
  return result;
}

Tensor<double> random_videos(Index frames, Index videos, std::uint64_t seed) {
  Tensor<double> all(Shape{frames, videos, 16, 16, 3});
  Cpu::random_normal(all.size(), Random(seed), 0.3, all.data());
  return all;
}

DiscriminatorInputs<double> inputs_for(const DvdGanConfig& sizes, const ConstTensorView<double>& real) {
  DiscriminatorInputs<double> inputs;
  inputs.real = real;
  inputs.real_labels = {1, 2, 3};
  inputs.z = Tensor<double>::full(Shape{3, sizes.latent_dim}, 0.5);
  inputs.labels = sizes.condition_frames > 0 ? inputs.real_labels : Labels{4, 5, 6};
  inputs.real_frames = FrameIndices{3, 2, {0, 1, 0, 2, 1, 2}};
  inputs.frames = FrameIndices{3, 2, {1, 2, 0, 1, 0, 2}};
  return inputs;
}

TEST_CASE("the first generated videos are replaced by the first real ones, seen under another class") {
  for (const DvdGanConfig& sizes : {config, predicting()}) {
    CAPTURE(sizes.condition_frames);
    const Tensor<double> real = random_videos(sizes.video_frames(), 3, 1), fake = random_videos(sizes.frames, 3, 2);
    DiscriminatorInputs<double> inputs = inputs_for(sizes, real);
    inputs.other_classes = {7, 8};
    UpdateBatch<double> batch;
    batch.assign(inputs, sizes.condition_frames);
    const VideoBatch<double> seen = batch.videos(fake.clone());
    CHECK((seen.labels.values() == Labels{1, 2, 3, 7, 8, inputs.labels[2]}));
    CHECK(batch.conditions.labels.values() == inputs.labels);  // what the generator makes is not asked for another
    for (Index t = 0; t < sizes.video_frames(); ++t)
      for (Index n = 0; n < 6; ++n) {
        const bool made = n == 5 && t >= sizes.condition_frames;
        const ConstTensorView<double> expected = made ? fake[t - sizes.condition_frames][2] : real[t][n % 3];
        CHECK(seen.videos[t][n].to_vector() == expected.to_vector());
      }
    CHECK(batch.fits(inputs));
    inputs.other_classes = {7};
    CHECK_FALSE(batch.fits(inputs));
  }
}

TEST_CASE("what other classes cannot be") {
  DvdGan<double> gan(config, 1);
  Trainer trainer(gan, {.batch = 3});
  const Tensor<double> real = random_videos(config.frames, 3, 1);
  StepReport report;
  const auto update_with = [&](const Labels& others) {
    DiscriminatorInputs<double> inputs = inputs_for(config, real);
    inputs.other_classes = others;
    trainer.discriminator_update(inputs, report);
  };
  CHECK_NOTHROW(update_with({3, 4, 5}));
  CHECK_THROWS_WITH_AS(update_with({3, 2}),
                       "class 2 is not another than that of real video 1 among the 12 of the model", ArgumentError);
  CHECK_THROWS_WITH_AS(update_with({12}), "class 12 is not another than that of real video 0 among the 12 of the model",
                       ArgumentError);
  CHECK_THROWS_AS(update_with({-1}), ArgumentError);
  CHECK_THROWS_WITH_AS(update_with({3, 4, 5, 6}),
                       "an update got other classes of 4 real videos, of which there are 3, to stand in the place of 3 "
                       "generated ones",
                       ArgumentError);
}

TEST_CASE("a share of a batch, of a model that has classes") {
  DvdGan<float> gan(config, 1);
  CHECK(TrainerOptions{.batch = 16, .mismatched = 0.25}.mismatched_videos() == 4);
  CHECK(TrainerOptions{.batch = 7, .mismatched = 0.25}.mismatched_videos() == 1);
  CHECK(TrainerOptions{.batch = 2, .mismatched = 0.25}.mismatched_videos() == 0);
  for (const double share : {-0.1, 1.0, std::nan("")})
    CHECK_THROWS_AS(Trainer(gan, TrainerOptions{.batch = 4, .mismatched = share}), ArgumentError);
  const auto message = [](Index classes) {
    DvdGanConfig sizes = config;
    sizes.classes = classes;
    DvdGan<float> without(sizes, 1);
    try {
      Trainer trainer(without, {.batch = 4, .mismatched = 0.5});
    } catch (const ArgumentError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  CHECK(message(0) ==
        "mismatched = 0.5 shows discriminators real videos under another class, but the model has no classes");
  CHECK(message(1) ==
        "mismatched = 0.5 shows discriminators real videos under another class, but the model has only one class");
}

template <class Ranks>
std::vector<double> state_of(const DvdGanConfig& sizes, const TrainerOptionsFor<SgdOptions, SgdOptions>& options,
                             Ranks& ranks) {
  DvdGan<double> gan(sizes, 1);
  Trainer<DvdGan<double>, HingeLoss, Sgd<double>, Sgd<double>, Ranks> trainer(gan, options, ranks);
  MovingShapes data({.frames = sizes.video_frames(), .resolution = 16});
  for (int step = 0; step < 2; ++step) CHECK_FALSE(trainer.step(data).skipped);
  std::vector<double> state;
  for (const auto& [name, parameter] : contents(gan).parameters)
    for (const double value : parameter->value.to_vector()) state.push_back(value);
  return state;
}

TrainerOptionsFor<SgdOptions, SgdOptions> options_with(double share) {
  return {.batch = 4,
          .seed = 3,
          .generator_optimizer = {.learning_rate = 1e-2},
          .discriminator_optimizer = {.learning_rate = 1e-2},
          .mismatched = share};
}

TEST_CASE("training with them differs, and is the same on any number of ranks") {
  const auto train = [&](Index size, Reduce reduce, double share) {
    std::vector<double> state;
    run_ranks(size, [&](ThreadCommunicator& ranks) {
      auto options = options_with(share);
      options.reduce = reduce;
      const std::vector<double> own = state_of(predicting(), options, ranks);
      if (ranks.rank() == 0) state = own;
    });
    return state;
  };
  const std::vector<double> ordered = train(1, Reduce::ordered, 0.75);
  CHECK(ordered == train(2, Reduce::ordered, 0.75));
  CHECK(ordered != train(1, Reduce::ordered, 0));
  const std::vector<double> one = train(1, Reduce::fast, 0.75), two = train(2, Reduce::fast, 0.75);
  double distance = 0;
  for (std::size_t i = 0; i < one.size(); ++i) distance = std::max(distance, std::abs(one[i] - two[i]));
  CHECK(distance < 1e-9);
}

// How much higher the discriminators score real videos under their class than under the other one, both added, after a
// few steps. A class is a brightness, and the generator still makes neither.
double margin_after(Index steps, double share) {
  DvdGanConfig sizes = config;
  sizes.classes = 2;
  DvdGan<float> gan(sizes, 1);
  Trainer trainer(gan, {.batch = 4,
                        .seed = 2,
                        .generator_optimizer = {.learning_rate = 1e-6},
                        .discriminator_optimizer = {.learning_rate = 2e-3},
                        .mismatched = share});
  FunctionSource data(
      [](const Random& random) {
        const Index label = random.below(0, 2);
        Clip clip(config.frames, 16, 16);
        std::fill(clip.pixels.begin(), clip.pixels.end(), static_cast<std::uint8_t>(label == 0 ? 40 : 210));
        return TrainingClip(clip, label);
      },
      {"dark", "bright"});
  for (Index step = 0; step < steps; ++step) CHECK_FALSE(trainer.step(data).skipped);
  Tensor<float> real(Shape{config.frames, 2, 16, 16, 3});
  for (Index t = 0; t < config.frames; ++t) real[t][0].fill(40 / 127.5f - 1), real[t][1].fill(210 / 127.5f - 1);
  const auto score = [&](const Labels& labels) {
    const VideoBatch<float> videos{real, labels, FrameIndices{2, 2, {0, 1, 0, 1}}, {}};
    float sum = 0;
    for (const float each : gan.spatial.forward(videos, Pass::evaluate()).to_vector()) sum += each;
    for (const float each : gan.temporal.forward(videos, Pass::evaluate()).to_vector()) sum += each;
    return sum;
  };
  return static_cast<double>(score({0, 1}) - score({1, 0}));
}

TEST_CASE("with them discriminators learn classes, however far from real generated videos are") {
  const double with = margin_after(40, 0.5), without = margin_after(40, 0);
  CAPTURE(without);
  CHECK(with > 1);
  CHECK(with > without + 1);
}

}  // namespace
