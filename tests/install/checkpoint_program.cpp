// Saves a checkpoint and goes on from it.
#include <dvd/device/cpu.hpp>
#include <dvd/models/dvd_gan.hpp>
#include <dvd/training/checkpoint.hpp>

int main() {
  const dvd::DvdGanConfig config = {.frames = 2, .resolution = 16, .channels = 1, .classes = 2};
  dvd::DvdGan<float, dvd::Cpu> gan(config, 1), other(config, 2);
  dvd::Trainer trainer(gan, {.batch = 2}), goes_on(other, {.batch = 2});
  dvd::save_checkpoint("run.safetensors", trainer);
  dvd::load_checkpoint("run.safetensors", goes_on);
  return gan.sample({.count = 1}).to_vector() == other.sample({.count = 1}).to_vector() ? 0 : 1;
}
