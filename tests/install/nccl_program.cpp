// One rank with a GPU, where there is one; it compiles and links everywhere. docs/gpu.md shows it.
#include <dvd/distributed/guard_ranks.hpp>
#include <dvd/distributed/mpi_communicator.hpp>
#include <dvd/distributed/nccl_communicator.hpp>

#include <dvd/dvdgan.hpp>

int main() {
  if (dvd::Cuda::count() == 0) return 0;

  dvd::MpiCommunicator processes;
  dvd::guard_ranks(processes, [&] {   // what one rank throws ends all, with its message
    dvd::use_gpu_of_rank(processes);  // the ranks of a node take its GPUs one after the other
    dvd::NcclCommunicator ranks(processes);
    dvd::DvdGan<dvd::bfloat16, dvd::Cuda> gan({.frames = 8, .resolution = 32, .classes = 12});
    dvd::Trainer trainer(gan, {.batch = 64}, ranks);
  });
}
