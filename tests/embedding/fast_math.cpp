// A program compiled with -ffast-math, with a NaN in its weights: no update that the NaN has reached is made.
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "dvd/core/finite.hpp"
#include "dvd/data/moving_shapes.hpp"
#include "dvd/training/trainer.hpp"

int main() {
  dvd::DvdGan<float, dvd::Cpu> gan({.frames = 4, .resolution = 16, .channels = 1, .classes = 12});
  dvd::Trainer trainer(gan, {.batch = 2, .seed = 1});
  dvd::MovingShapes data({.frames = 4, .resolution = 16});
  int wrong = 0;
  const auto check = [&](bool right, const char* what) {
    if (!right) std::printf("WRONG: %s\n", what);
    wrong += !right;
  };
  check(!trainer.step(data).skipped, "a healthy step was skipped");

  const auto poison = [&](const auto& contents) {
    int poisoned = 0;
    for (const auto& [name, parameter] : contents.parameters) {
      if (!name.ends_with("conv2.weight")) continue;
      const float before = parameter->value.to_vector()[0];
      const std::uint32_t nan = 0x7FC00000;
      std::memcpy(parameter->value.data(), &nan, sizeof nan);
      check(dvd::first_non_finite(contents) == name, "the NaN was not found");
      check(trainer.step(data).skipped, name.c_str());
      std::memcpy(parameter->value.data(), &before, sizeof before);
      check(dvd::first_non_finite(contents).empty(), "the NaN has spread");
      ++poisoned;
    }
    check(poisoned > 0, "there was nothing to poison");
  };
  poison(contents(gan.generator));
  poison(contents(gan.spatial));
  poison(contents(gan.temporal));
  check(!trainer.step(data).skipped, "a step of a healthy model was skipped");
  return wrong;
}
