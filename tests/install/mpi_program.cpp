// One process that was started by itself, under MPI all the same; docs/many_ranks.md shows it.
// clang-format off
#include <dvd/distributed/guard_ranks.hpp>
#include <dvd/distributed/mpi_communicator.hpp>    // dvd::mpi
#include <dvd/training/shared_state.hpp>           // dvd::checkpoint
#include <dvd/dvdgan.hpp>

int main() {
  dvd::MpiCommunicator ranks;
  dvd::guard_ranks(ranks, [&] {                    // what one rank throws ends all, with its message
    dvd::DvdGan<float, dvd::Cpu> gan({.frames = 8, .resolution = 32, .channels = 4, .classes = 12});
    dvd::Trainer trainer(gan, {.batch = 8, .seed = 1, .reduce = dvd::Reduce::ordered}, ranks);
    dvd::MovingShapes data({.frames = 8, .resolution = 32});
    for (int step = 0; step < 20; ++step) trainer.step(data);
    dvd::check_ranks_agree(trainer);
    if (ranks.rank() == 0) dvd::save_checkpoint("model.safetensors", trainer);
  });
}
