// Schedules of learning rates: their values, what they refuse, and that training follows them.
#include "dvd/training/schedule.hpp"

#include <doctest/doctest.h>

#include <cmath>

#include "dvd/training/trainer.hpp"

using namespace dvd;

TEST_CASE("a rate stays, falls in a line or along a cosine, and warms up") {
  CHECK(ConstantRate()(7) == 1);
  const LinearFall line{10, 20};
  CHECK(line(0) == 1);
  CHECK(line(10) == 1);
  CHECK(line(15) == 0.5);
  CHECK(line(20) == 0);
  CHECK(line(2000) == 0);
  CHECK(LinearFall{0, 4, 0.2}(2) == doctest::Approx(0.6));
  CHECK(LinearFall{0, 4, 0.2}(4) == doctest::Approx(0.2));
  const CosineFall cosine{10, 30, 0.1};
  CHECK(cosine(10) == doctest::Approx(1));
  CHECK(cosine(20) == doctest::Approx(0.55));
  CHECK(cosine(15) == doctest::Approx(0.1 + 0.9 * (1 + std::sqrt(0.5)) / 2));
  CHECK(cosine(30) == doctest::Approx(0.1));
  const WarmUp warm{4, line};
  CHECK(warm(0) == 0.25);
  CHECK(warm(2) == 0.75);
  CHECK(warm(3) == 1);
  CHECK(warm(15) == 0.5);
}

TEST_CASE("schedules that make no sense are refused before anything changes") {
  DvdGan<float> gan({.frames = 2, .resolution = 16, .channels = 1, .latent_dim = 2, .embed_dim = 2});
  for (const Schedule& schedule : {Schedule(LinearFall{5, 5}), Schedule(CosineFall{-1, 5}), Schedule(WarmUp{0})})
    CHECK_THROWS_AS(Trainer(gan, {.schedule = schedule}), ArgumentError);
  Trainer trainer(gan, {.schedule = [](Index steps) { return steps < 3 ? 1 : std::nan(""); }});
  CHECK(trainer.learning_rate_factor() == 1);
  trainer.set_steps(3);
  CHECK_THROWS_WITH_AS(trainer.learning_rate_factor(), doctest::Contains("the learning rate of step 4"), ArgumentError);
}
