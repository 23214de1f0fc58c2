// A GPU is sent the next step's batches while it works on this one, which changes no bit and no error.
#include "support/devices.hpp"

#include <doctest/doctest.h>

#include <vector>

#include "dvd/data/moving_shapes.hpp"
#include "dvd/models/dvd_gan.hpp"
#include "dvd/training/trainer.hpp"

namespace {

using namespace dvd;

using ShapesGan = DvdGan<float, Cuda>;
const DvdGanConfig config{.frames = 2, .resolution = 16, .channels = 1, .classes = 12};
const TrainerOptions options{.batch = 2, .seed = 3};

// Notes what it is asked for, and throws once for one of the batches.
struct Batches {
  MovingShapes shapes{{.frames = 2, .resolution = 16}};
  BatchSchedule schedule;
  std::vector<Index> asked = {};
  Index failing = -1;

  std::vector<TrainingClip> batch(Index number) {
    asked.push_back(number);
    if (number == failing) {
      failing = -1;
      throw Error("no such batch");
    }
    return draw_clips(shapes, schedule(number), {0, 1});
  }
};

std::vector<float> weights_of(ShapesGan& gan) {
  std::vector<float> all;
  for (const auto& [name, parameter] : contents(gan).parameters)
    for (const float value : parameter->value.to_vector()) all.push_back(value);
  return all;
}

// After so many steps on clips that are asked for in their steps.
std::vector<float> expected(int steps, Index redraws_from = 1000) {
  ShapesGan gan(config);
  Trainer trainer(gan, options);
  MovingShapes shapes({.frames = 2, .resolution = 16});
  for (int step = 0; step < steps; ++step) {
    if (step == redraws_from) trainer.set_redraws(1);
    trainer.step(shapes);
  }
  return weights_of(gan);
}

TEST_CASE("the next step's batches are asked for in this one") {
  ShapesGan gan(config);
  Trainer trainer(gan, options);
  Batches batches{.schedule = trainer.batch_schedule()};
  for (int step = 0; step < 4; ++step) {
    trainer.step(batches);
    CHECK(batches.asked.size() == static_cast<std::size_t>(2 * (step + 2)));
  }
  CHECK(batches.asked == std::vector<Index>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  CHECK(weights_of(gan) == expected(4));
}

TEST_CASE("what goes wrong ahead is tried again, and thrown in its own step") {
  ShapesGan gan(config);
  Trainer trainer(gan, options);
  Batches batches{.schedule = trainer.batch_schedule(), .failing = 3};
  trainer.step(batches);
  trainer.step(batches);  // the second time it is there
  CHECK(batches.asked == std::vector<Index>{0, 1, 2, 3, 2, 3, 4, 5});
  batches.failing = 6;
  trainer.step(batches);
  batches.failing = 6;
  CHECK_THROWS_WITH_AS(trainer.step(batches), "no such batch", Error);
  CHECK(trainer.steps() == 3);
  CHECK(weights_of(gan) == expected(3));
  trainer.step(batches);
  CHECK(weights_of(gan) == expected(4));
}

TEST_CASE("what was asked for ahead counts for its source, its step and its draws alone") {
  ShapesGan gan(config);
  Trainer trainer(gan, options);
  Batches one{.schedule = trainer.batch_schedule()}, other = one;
  trainer.step(one);
  trainer.step(other);
  trainer.step(one);
  CHECK(other.asked == std::vector<Index>{2, 3, 4, 5});
  CHECK(weights_of(gan) == expected(3));
  trainer.set_redraws(1);
  one.schedule = trainer.batch_schedule();
  trainer.step(one);
  CHECK(weights_of(gan) == expected(4, 3));
}

}  // namespace
