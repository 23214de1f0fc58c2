// Trains for two steps, and draws what was learnt by then.
#include <dvd/dvdgan.hpp>

int main() {
  dvd::DvdGan<float, dvd::Cpu> gan({.frames = 2, .resolution = 16, .channels = 1, .classes = 12});
  dvd::Trainer trainer(gan, {.batch = 2, .seed = 1});
  dvd::MovingShapes data({.frames = 2, .resolution = 16});
  for (int step = 0; step < 2; ++step) trainer.step(data);
  dvd::write_png_grid("samples.png", gan.sample({.label = 3, .count = 2}));
}
