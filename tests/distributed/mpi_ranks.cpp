// A program of several ranks, which mpi_communicator_test.cpp starts under a launcher:
//   mpi_ranks ACTION [RANK]
// RANK is the one that does what the action says, while the others wait for it.
#include <dvd/distributed/guard_ranks.hpp>
#include <dvd/distributed/mpi_communicator.hpp>
#include <dvd/distributed/node_place.hpp>

#include <signal.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

#include "support/communicator_conformance.hpp"

using namespace dvd;

namespace {

void conformance(MpiCommunicator& ranks) {
  testing::check_communicator(ranks);
  const NodePlace place = place_on_node(ranks);
  std::printf("rank %d of %d, on its machine %d of %d: right, on %d threads\n", static_cast<int>(ranks.rank()),
              static_cast<int>(ranks.size()), static_cast<int>(place.rank), static_cast<int>(place.size),
              static_cast<int>(ranks.threads()));
}

// A program that has begun MPI, and two groups of its ranks, each with a communicator.
void groups_of_the_program() {
  int provided = 0, rank = 0;
  MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &provided);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm half = MPI_COMM_NULL;
  MPI_Comm_split(MPI_COMM_WORLD, rank % 2, 0, &half);
  {
    MpiCommunicator ranks(half);
    testing::check_communicator(ranks);
    std::printf("rank %d is rank %d of %d: right\n", rank, static_cast<int>(ranks.rank()),
                static_cast<int>(ranks.size()));
  }
  MPI_Comm_free(&half);
  MPI_Finalize();
}

// A program that has begun MPI for its main thread alone.
void one_thread_alone() {
  int provided = 0;
  MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided);
  try {
    MpiCommunicator ranks;
    std::printf("begun, although MPI serves one thread alone\n");
  } catch (const Error& error) {
    std::printf("%s\n", error.what());
  }
  MPI_Finalize();
}

void fail(MpiCommunicator& ranks, const std::string& action, Index who) {
  double x = 1;
  for (int i = 0; i < 10; ++i) ranks.sum(1, &x);
  if (action == "all-throw") throw Error("no such folder");
  if (ranks.rank() == who) {
    if (action == "abort") ranks.abort("the disk is full");
    if (action == "throw") throw Error("a clip is broken");
    if (action == "die") raise(SIGKILL);
    if (action == "stop") raise(SIGSTOP);
    if (action == "leave") std::_Exit(0);
  }
  if (action == "endless") {
    std::printf("rank %d has begun\n", static_cast<int>(ranks.rank()));
    std::fflush(stdout);
    for (;;) ranks.sum(1, &x);
  }
  // Within the time-out, but for longer than it takes the others to ask.
  if (action == "slow") std::this_thread::sleep_for(std::chrono::milliseconds(ranks.rank() == who ? 3500 : 0));
  ranks.start_sum(1, &x);
  ranks.finish_sums();
  std::printf("rank %d has waited to the end\n", static_cast<int>(ranks.rank()));
}

int run(const std::string& action, Index who) {
  if (!launched_by_mpi()) {
    SingleProcess single;
    testing::check_communicator(single);
    int initialised = 0;
    MPI_Initialized(&initialised);
    std::printf("no launcher, MPI %s\n", initialised ? "begun" : "not begun");
    if (action != "alone") return 0;
  }
  if (action == "groups") {
    groups_of_the_program();
    return 0;
  }
  if (action == "one-thread") {
    one_thread_alone();
    return 0;
  }
  MpiOptions options{.timeout_seconds = action == "stop" || action == "endless" ? 2.0 : action == "slow" ? 6.0 : 60.0};
  if (action == "pieces") options.largest_message = 9999;
  MpiCommunicator ranks(options);
  guard_ranks(ranks, [&] {
    if (action == "conformance" || action == "pieces" || action == "alone")
      conformance(ranks);
    else
      fail(ranks, action, who);
  });
  // Past guard_ranks, where nobody ends the others but the communicator itself.
  if (action == "throw-outside" && ranks.rank() == who) throw Error("the end is broken");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc > 1 ? argv[1] : "", argc > 2 ? std::atoi(argv[2]) : 0);
  } catch (const std::exception& error) {
    std::printf("%s\n", error.what());
    return 1;
  }
}
