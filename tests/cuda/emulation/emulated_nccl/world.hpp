// Ranks that have come together by one id.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "operations.hpp"

namespace emulated_nccl {

struct World;

}  // namespace emulated_nccl

/// A rank.
struct ncclComm {
  std::shared_ptr<emulated_nccl::World> world;
  int rank = 0;
  ncclResult_t state = ncclInProgress;
  std::string error{};  ///< why, if the state is one
  std::deque<emulated_nccl::Operation> queue{};
  bool finalized = false;
};

namespace emulated_nccl {

struct World {
  std::vector<ncclComm*> ranks;  ///< null before they come, and when they have gone
  std::size_t came = 0;
  bool broken = false;  ///< a rank was aborted

  bool complete() const { return came == ranks.size(); }
};

/// What connects all ranks. Tests change what it does.
struct Network {
  bool stuck = false;  ///< nothing comes to an end any more
  int next_id = 1;
  std::map<std::string, std::shared_ptr<World>> worlds;  ///< by their ids
  std::set<ncclComm*> comms;                             ///< that exist
  std::mutex mutex;

  static Network& instance() {
    static auto& network = *new Network;
    return network;
  }
};

inline ncclResult_t fail(ncclComm& comm, ncclResult_t state, const std::string& error) {
  comm.state = state;
  comm.error = error;
  return state;
}

/// Does what all ranks have asked for.
inline void perform(const std::vector<const Operation*>& all) {
  std::vector<std::vector<Result>> results;
  for (std::size_t rank = 0; rank < all.size(); ++rank) results.push_back(results_of(all, static_cast<int>(rank)));
  for (std::size_t rank = 0; rank < all.size(); ++rank)
    EmulatedGpu::instance().submit(
        all[rank]->stream,
        [&own = results[rank]] {
          for (const Result& result : own)
            if (!result.bytes.empty()) std::memcpy(result.to, result.bytes.data(), result.bytes.size());
        },
        touched_by(*all[rank], all.size()));
}

/// Does what can be done by now, and tells the ranks how it stands.
inline void progress(World& world) {
  if (Network::instance().stuck || !world.complete()) return;
  const auto each = [&](const auto& f) {
    for (ncclComm* comm : world.ranks)
      if (comm) f(*comm);
  };
  while (!world.broken) {
    std::vector<const Operation*> all;
    for (const ncclComm* comm : world.ranks)
      if (comm && comm->state == ncclInProgress && !comm->queue.empty()) all.push_back(&comm->queue.front());
    if (all.size() < world.ranks.size()) break;
    if (const std::string why = mismatch(all); !why.empty())
      return each([&](ncclComm& comm) { fail(comm, ncclInvalidUsage, why); });
    perform(all);
    each([](ncclComm& comm) { comm.queue.pop_front(); });
  }
  each([&](ncclComm& comm) {
    if (comm.state != ncclInProgress) return;
    if (comm.queue.empty())
      comm.state = ncclSuccess;
    else if (world.broken)
      fail(comm, ncclRemoteError, "another rank has gone");
  });
}

}  // namespace emulated_nccl
