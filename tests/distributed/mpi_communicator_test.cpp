// Ranks under MPI, as its launcher starts them: what they do, and how all end when one cannot go on.
#include <doctest/doctest.h>

#ifdef DVD_TEST_MPIEXEC
#include <sched.h>

#include <algorithm>
#include <string>

#include "support/error_of.hpp"
#include "support/run_program.hpp"

using dvd::testing::holds;

namespace {

// Runs mpi_ranks on so many ranks. Whatever happens, all have ended within the minutes that `timeout` gives them.
ProgramResult launch(int size, const std::string& arguments) {
  const TemporaryFolder folder;
  return run_command(folder.path(), "timeout 240 '" DVD_TEST_MPIEXEC "' -n " + std::to_string(size) +
                                        " '" DVD_TEST_MPI_RANKS "' " + arguments);
}

int count(const std::string& text, const std::string& part) {
  int found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

// All ranks have ended, and with an error; not because the time was up.
void check_failed(const ProgramResult& result) {
  CHECK(result.status != 0);
  CHECK(result.status != 124);
  CHECK(!holds(result.output, "has waited to the end"));
}

int cores() {
  cpu_set_t allowed;
  return sched_getaffinity(0, sizeof allowed, &allowed) == 0 ? CPU_COUNT(&allowed) : 1;
}

}  // namespace

TEST_CASE("conformance") {
  for (const int size : {2, 3, 5}) {
    const ProgramResult result = launch(size, "conformance");
    CAPTURE(result.errors);
    CHECK(result.status == 0);
    // Nothing is bound to cores here, so each has its part of all.
    const std::string threads = std::to_string(std::max(1, cores() / size));
    for (int rank = 0; rank < size; ++rank) {
      const std::string place = std::to_string(rank) + " of " + std::to_string(size);
      CHECK(holds(result.output,
                  "rank " + place + ", on its machine " + place + ": right, on " + threads + " threads\n"));
    }
  }
}

TEST_CASE("more elements than MPI is given at once") {
  const ProgramResult result = launch(3, "pieces");
  CAPTURE(result.errors);
  CHECK(count(result.output, "right") == 3);
}

TEST_CASE("groups of the ranks of a program that begins MPI itself") {
  const ProgramResult result = launch(5, "groups");
  CAPTURE(result.errors);
  CHECK(result.status == 0);
  CHECK(count(result.output, "of 3: right") == 3);
  CHECK(count(result.output, "of 2: right") == 2);
}

TEST_CASE("MPI that a program has begun for one thread alone") {
  const ProgramResult result = launch(2, "one-thread");
  CAPTURE(result.errors);
  CHECK(result.status == 0);
  CHECK(count(result.output, "begin it with MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &provided)") == 2);
}

TEST_CASE("without a launcher MPI is not begun, unless it is asked for") {
  const TemporaryFolder folder;
  const ProgramResult plain = run_command(folder.path(), "'" DVD_TEST_MPI_RANKS "'");
  CHECK(plain.output == "no launcher, MPI not begun\n");
  const ProgramResult alone = run_command(folder.path(), "'" DVD_TEST_MPI_RANKS "' alone");
  CAPTURE(alone.errors);
  CHECK(holds(alone.output, "rank 0 of 1, on its machine 0 of 1: right, on " + std::to_string(cores()) + " threads"));
}

TEST_CASE("a launcher that is not this MPI's") {
  const TemporaryFolder folder;
  const ProgramResult result =
      run_command(folder.path(), "OMPI_COMM_WORLD_SIZE=4 '" DVD_TEST_MPI_RANKS "' conformance");
  CHECK(result.status == 1);
  CHECK(holds(result.output, "the launcher has started 4 processes, but MPI sees one"));
}

TEST_CASE("a rank that cannot go on ends all with its message") {
  for (const std::string who : {"0", "2"}) {
    const ProgramResult aborted = launch(3, "abort " + who);
    check_failed(aborted);
    CHECK(holds(aborted.errors, "rank " + who + ": the disk is full\n"));
  }
  const ProgramResult threw = launch(3, "throw 1");
  check_failed(threw);
  CHECK(holds(threw.errors, "rank 1: a clip is broken\n"));
  const ProgramResult outside = launch(2, "throw-outside 1");
  CHECK(outside.status != 0);
  CHECK(outside.status != 124);
  CHECK(holds(outside.errors, "rank 1: an error ends it"));
}

TEST_CASE("where all fail, rank 0 tells") {
  const ProgramResult result = launch(3, "all-throw");
  check_failed(result);
  CHECK(holds(result.errors, "rank 0: no such folder\n"));
}

TEST_CASE("a rank that is killed ends all") {
  for (const std::string who : {"1", "0"}) {
    const ProgramResult result = launch(3, "die " + who);
    CAPTURE(result.errors);
    check_failed(result);
    // Open MPI's launcher says which rank, MPICH's which process.
    const std::string all = result.output + result.errors;
    CHECK((holds(all, "process rank " + who) || holds(all, "BAD TERMINATION")));
  }
}

TEST_CASE("nobody waits for a rank that has left") {
  const ProgramResult result = launch(3, "leave 1");
  CHECK(result.status != 124);  // MPICH's launcher finds nothing wrong with it, but ends all
  CHECK(!holds(result.output, "has waited to the end"));
}

TEST_CASE("a rank that hangs is named") {
  for (const std::string who : {"1", "0"}) {
    const ProgramResult result = launch(3, "stop " + who);
    CAPTURE(result.errors);
    CHECK(result.status != 0);
    CHECK(result.status != 124);
    CHECK(holds(result.errors, "rank " + who +
                                   " has not come to the end of a sum over all ranks for 2 s: it hangs, or " +
                                   "its node is gone; the run ends\n"));
    CHECK(count(result.errors, "has not come") == 1);
  }
}

TEST_CASE("a rank that is slow is waited for") {
  const ProgramResult result = launch(3, "slow 2");
  CAPTURE(result.errors);
  CHECK(result.status == 0);
  CHECK(count(result.output, "has waited to the end") == 3);
  CHECK(!holds(result.errors, "has not come"));
}

#else
#include <cstdio>

TEST_CASE("MPI") { std::puts("not run: MPI, or its launcher, was not found when this was built"); }
#endif
