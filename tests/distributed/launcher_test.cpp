// What launchers leave in the environment, and what is no launcher's.
#include "dvd/distributed/launcher.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

using Variables = std::vector<std::pair<std::string, std::string>>;

namespace {

// With these variables and no others of those that are asked.
dvd::Index processes_with(const Variables& variables) {
  for (const char* const name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMI_RANK", "PMIX_RANK", "MPI_LOCALNRANKS",
                                 "SLURM_PROCID", "SLURM_STEP_ID", "SLURM_STEP_NUM_TASKS", "SLURM_NTASKS"})
    unsetenv(name);
  for (const auto& [name, value] : variables) setenv(name.c_str(), value.c_str(), 1);
  CHECK(dvd::launched_by_mpi() == (dvd::launched_processes() > 0));
  return dvd::launched_processes();
}

}  // namespace

TEST_CASE("launchers") {
  CHECK(processes_with({{"OMPI_COMM_WORLD_SIZE", "4"}, {"PMIX_RANK", "0"}}) == 4);
  CHECK(processes_with({{"PMI_SIZE", "3"}, {"PMI_RANK", "2"}, {"MPI_LOCALNRANKS", "3"}}) == 3);
  CHECK(processes_with({{"PMI_SIZE", "1"}, {"PMI_RANK", "0"}}) == 1);
  CHECK(processes_with({{"PMIX_RANK", "0"}}) == 1);
  CHECK(processes_with(
            {{"SLURM_PROCID", "1"}, {"SLURM_STEP_ID", "0"}, {"SLURM_STEP_NUM_TASKS", "8"}, {"SLURM_NTASKS", "8"}}) ==
        8);
}

TEST_CASE("no launcher") {
  CHECK(processes_with({}) == 0);
  CHECK(processes_with({{"OMPI_COMM_WORLD_SIZE", "no number"}}) == 0);
  // The script of sbatch, and the shell of salloc.
  CHECK(processes_with({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "8"}}) == 0);
  CHECK(processes_with({{"SLURM_PROCID", "0"}, {"SLURM_STEP_ID", "4294967290"}, {"SLURM_STEP_NUM_TASKS", "1"}}) == 0);
}
