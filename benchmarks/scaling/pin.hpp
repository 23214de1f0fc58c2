// Ranks that stay on a core of their own.
#pragma once

#include <sched.h>

#include <dvd/core/error.hpp>
#include <dvd/core/shape.hpp>
#include <vector>

namespace benchmarks {

using dvd::Index;

/// Leaves the calling thread, and those that it starts from now on, one core, which no other rank of its machine has as
/// long as there are as many as ranks. Throws Error where the system does not allow it.
inline void pin_to_core(Index rank) {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  std::vector<int> cores;
  if (sched_getaffinity(0, sizeof allowed, &allowed) == 0)
    for (int core = 0; core < CPU_SETSIZE; ++core)
      if (CPU_ISSET(core, &allowed)) cores.push_back(core);
  dvd::require(!cores.empty(), "this system does not say which cores a process may use; leave out --pin");
  cpu_set_t own;
  CPU_ZERO(&own);
  CPU_SET(cores[static_cast<std::size_t>(rank) % cores.size()], &own);
  if (sched_setaffinity(0, sizeof own, &own) != 0)
    throw dvd::Error("this process cannot be pinned to a core; leave out --pin");
}

}  // namespace benchmarks
