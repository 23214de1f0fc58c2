// How the ranks of a machine share its cores.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <sched.h>

#include <algorithm>
#include <array>
#include <cstddef>

#include "dvd/core/shape.hpp"
#include "dvd/distributed/mpi_api.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

namespace detail {

// 1 for each core that this process may run on.
template <std::size_t count>
std::array<int, count> allowed_cores() {
  std::array<int, count> allowed{};
  std::array<cpu_set_t, count / CPU_SETSIZE> cores{};
  if (sched_getaffinity(0, sizeof cores, cores.data()) == 0)
    for (std::size_t core = 0; core < count; ++core) allowed[core] = CPU_ISSET_S(core, sizeof cores, cores.data()) != 0;
  return allowed;
}

}  // namespace detail

/// How many threads this rank should compute on: its part of the cores that it may use, and at least one. All ranks of
/// `processes` ask at the same time.
///
/// A launcher may have bound a rank to some cores, as Open MPI does without being asked; of a core that several ranks
/// may use, each has a part.
inline Index mpi_threads(MPI_Comm processes) {
  constexpr std::size_t most_cores = 8192;
  const std::array<int, most_cores> mine = detail::allowed_cores<most_cores>();
  std::array<int, most_cores> users = mine;
  MPI_Comm node = MPI_COMM_NULL;
  check_mpi(MPI_Comm_split_type(processes, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node),
            "a list of the node's ranks");
  const int code = MPI_Allreduce(MPI_IN_PLACE, users.data(), static_cast<int>(users.size()), MPI_INT, MPI_SUM, node);
  MPI_Comm_free(&node);
  check_mpi(code, "a list of the node's cores");
  double cores = 0;
  for (std::size_t core = 0; core < most_cores; ++core)
    if (mine[core]) cores += 1.0 / users[core];
  // A third of three cores is one.
  return std::max<Index>(1, static_cast<Index>(cores + 1e-6));
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
