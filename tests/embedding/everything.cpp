// A program that uses every part of the library, for compiling with other people's flags and macros.
#include <dvd/data/clip_loader.hpp>
#include <dvd/data/video_folder.hpp>
#include <dvd/dvdgan.hpp>
#include <dvd/io/run_folder.hpp>
#include <dvd/io/video_writer.hpp>
#include <dvd/training/checkpoint.hpp>

int main() {
  dvd::DvdGan<float, dvd::Cpu> gan({.frames = 4, .resolution = 16, .channels = 1, .classes = 12});
  dvd::Trainer trainer(gan, {.batch = 2, .seed = 1});
  dvd::MovingShapes shapes({.frames = 4, .resolution = 16});
  trainer.step(shapes);
  dvd::ClipLoader loader(shapes, trainer.batch_schedule(), {.batch = 2});
  trainer.step(loader);
  dvd::save_checkpoint("run.safetensors", trainer);
  dvd::load_checkpoint("run.safetensors", trainer);
  const dvd::SafetensorsFile file("run.safetensors");
  file.read<double>("x");
  file.read<std::int64_t>("y");
  const dvd::VideoFolder folder("videos");
  folder.draw(dvd::Random(1));
  const dvd::RunFolder run("run");
  run.append_log("{}");
  dvd::Cpu::release_memory();
}
