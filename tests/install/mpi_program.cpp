// One process that was started by itself, under MPI all the same.
#include <dvd/distributed/guard_ranks.hpp>
#include <dvd/distributed/mpi_communicator.hpp>

int main() {
  dvd::MpiCommunicator ranks;
  double sum = 1;
  dvd::guard_ranks(ranks, [&] { ranks.sum(1, &sum); });
  return sum == static_cast<double>(ranks.size()) ? 0 : 1;
}
