// The smallest program, on sizes that take no time; returns samples.
#include <dvd/dvdgan.hpp>
#include <vector>

static std::vector<float> train() {
  dvd::DvdGan<float, dvd::Cpu> gan({.frames = 2, .resolution = 16, .channels = 1, .classes = 12});
  dvd::Trainer trainer(gan, {.batch = 2, .seed = 1});
  dvd::MovingShapes data({.frames = 2, .resolution = 16});
  for (int step = 0; step < 2; ++step) trainer.step(data);
  const auto samples = gan.sample({.label = 3, .count = 2});
  dvd::write_png_grid("samples.png", samples);
  return samples.to_vector();
}
