// Trains for two steps and draws what was learnt by then; of the components that it was given, calls one function each.
#include <dvd/dvdgan.hpp>
#ifdef DVD_WITH_CHECKPOINT
#include <dvd/metrics/shapes_weights.hpp>
#include <dvd/training/checkpoint.hpp>
#endif
#ifdef DVD_WITH_VIDEO
#include <dvd/io/video_writer.hpp>
#endif
#ifdef DVD_WITH_CONVERT
#include <dvd/convert/convert_weights.hpp>
#endif
#ifdef DVD_WITH_MPI
#include <dvd/distributed/mpi_communicator.hpp>
#endif

int main() {
  dvd::DvdGan<float, dvd::Cpu> gan({.frames = 2, .resolution = 16, .channels = 1, .classes = 12});
  dvd::Trainer trainer(gan, {.batch = 2, .seed = 1});
  dvd::MovingShapes data({.frames = 2, .resolution = 16});
  for (int step = 0; step < 2; ++step) trainer.step(data);
  dvd::write_png_grid("samples.png", gan.sample({.label = 3, .count = 2}));
#ifdef DVD_WITH_CHECKPOINT
  dvd::save_checkpoint("run.safetensors", trainer);
  dvd::shapes_classifier();
#endif
#ifdef DVD_WITH_VIDEO
  dvd::write_gif("shape.gif", data.draw(dvd::Random(1)).clip, 8);
#endif
#ifdef DVD_WITH_CONVERT
  if (dvd::open_foreign_file("run.safetensors")->tensors().empty()) return 1;
#endif
#ifdef DVD_WITH_MPI
  if (dvd::MpiCommunicator().size() != 1) return 1;
#endif
}
