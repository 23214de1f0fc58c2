// The cores that Open MPI's mpirun gives a rank without being asked.
#pragma once

#include <sched.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdlib>
#include <cstring>

namespace examples {

namespace detail {

using Cores = std::array<cpu_set_t, 8>;  // 8192 of them

/// That a process may run on; none where the system does not tell.
inline Cores cores_of(pid_t process) {
  Cores cores{};
  if (sched_getaffinity(process, sizeof cores, cores.data()) != 0) cores = {};
  return cores;
}

}  // namespace detail

/// One or two ranks on a machine Open MPI binds to a core each, which is for programs that compute on one. Unless
/// somebody has told it where ranks are to be: where those of this machine have fewer cores together than their
/// launcher may use, this rank may use all of these, too. To be called before any thread begins.
inline void undo_narrow_binding() {
  if (!std::getenv("OMPI_MCA_orte_bound_at_launch")) return;
  for (const char* told : {"OMPI_MCA_hwloc_base_binding_policy", "OMPI_MCA_rmaps_base_mapping_policy",
                           "OMPI_MCA_hwloc_base_cpu_list", "OMPI_MCA_orte_rankfile"})
    if (std::getenv(told)) return;
  const char* const text = std::getenv("OMPI_COMM_WORLD_LOCAL_SIZE");
  int ranks = 0;
  if (text) std::from_chars(text, text + std::strlen(text), ranks);
  const detail::Cores own = detail::cores_of(0), of_launcher = detail::cores_of(getppid());
  if (ranks * CPU_COUNT_S(sizeof own, own.data()) < CPU_COUNT_S(sizeof of_launcher, of_launcher.data()))
    sched_setaffinity(0, sizeof of_launcher, of_launcher.data());
}

}  // namespace examples
