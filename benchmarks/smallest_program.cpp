// The smallest program: a whole DVD-GAN, a hundred steps of training, a picture.
#include <dvd/dvdgan.hpp>

int main() {
  dvd::DvdGan<float, dvd::Cpu> gan({.frames = 8, .resolution = 32, .channels = 8, .classes = 12});
  dvd::Trainer trainer(gan, {.batch = 8, .seed = 1});
  dvd::MovingShapes data({.frames = 8, .resolution = 32});
  for (int step = 0; step < 100; ++step) trainer.step(data);
  dvd::write_png_grid("samples.png", gan.sample({.label = 3, .count = 4}));
}
