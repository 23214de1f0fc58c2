// Whether a launcher, such as mpiexec or srun, has started this program, and how many processes it has started. Asked
// of the environment, so that a program that was started by itself need not initialise MPI, nor be compiled with it.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <charconv>
#include <cstdlib>
#include <cstring>

#include "dvd/core/shape.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

namespace detail {

/// The number that a variable of the environment holds; 0 where there is none.
inline Index number_in_environment(const char* name) {
  const char* const text = std::getenv(name);
  Index number = 0;
  if (text) std::from_chars(text, text + std::strlen(text), number);
  return number;
}

}  // namespace detail

/// How many processes the launcher says that it has started together with this one: 0 where no launcher has started it,
/// 1 where one has that does not say how many they are.
inline Index launched_processes() {
  // Open MPI's mpirun; MPICH's and its relatives' mpiexec.
  for (const char* const name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"})
    if (const Index count = detail::number_in_environment(name); count > 0) return count;
  // srun. In what sbatch starts by itself there is no step, or one of a single process.
  if (std::getenv("SLURM_PROCID") && std::getenv("SLURM_STEP_ID"))
    if (const Index count = detail::number_in_environment("SLURM_STEP_NUM_TASKS"); count > 1) return count;
  for (const char* const name : {"PMI_RANK", "PMIX_RANK", "MPI_LOCALNRANKS"})
    if (std::getenv(name)) return 1;
  return 0;
}

/// Whether this process is one of several, or could be, that a launcher has started to work together.
inline bool launched_by_mpi() { return launched_processes() > 0; }

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
