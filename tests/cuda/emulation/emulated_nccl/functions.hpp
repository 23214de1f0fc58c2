// NCCL's functions.
#pragma once

#include <cstdio>

#include "../emulated_failures.hpp"
#include "world.hpp"

// What a test wants to fail does so here, at the beginning of every function that returns a status.
#define DVD_EMULATED_CALL                                                     \
  if (const int planned = EmulatedFailures::instance().of(__func__); planned) \
    return static_cast<ncclResult_t>(planned);                                \
  const std::lock_guard lock(emulated_nccl::Network::instance().mutex)

namespace emulated_nccl {

/// The calls of this thread since ncclGroupStart.
struct Group {
  int depth = 0;
  std::vector<std::pair<ncclComm*, Operation>> calls{};

  static Group& here() {
    static thread_local Group group;
    return group;
  }
};

inline bool exists(ncclComm* comm) { return Network::instance().comms.contains(comm); }

/// Brings what a group has collected to its ranks, the transfers of each as one operation.
inline ncclResult_t submit(std::vector<std::pair<ncclComm*, Operation>> calls) {
  std::map<ncclComm*, Operation> transfers;
  for (auto& [comm, operation] : calls) {
    if (operation.kind != Operation::transfers) {
      comm->queue.push_back(std::move(operation));
    } else if (const auto [found, is_first] = transfers.try_emplace(comm, operation); !is_first) {
      found->second.parts.push_back(operation.parts.front());
    }
  }
  for (auto& [comm, operation] : transfers) comm->queue.push_back(std::move(operation));
  ncclResult_t result = ncclSuccess;
  for (const auto& call : calls) {
    call.first->state = ncclInProgress;
    progress(*call.first->world);
    if (call.first->state != ncclSuccess) result = ncclInProgress;  // what came of it, ncclCommGetAsyncError tells
  }
  return result;
}

/// A call, checked as NCCL checks calls if NCCL_CHECK_POINTERS is set, and what is careless.
inline ncclResult_t call(ncclComm* comm, Operation operation) {
  if (!exists(comm)) return ncclInvalidArgument;
  if (comm->finalized) return fail(*comm, ncclInvalidUsage, "a call after ncclCommFinalize");
  if (comm->state == ncclInProgress)
    return fail(*comm, ncclInvalidArgument, "a call before the one before it has returned ncclSuccess");
  if (comm->state != ncclSuccess) return comm->state;
  if (!operation.stream) return fail(*comm, ncclInvalidArgument, "the default stream, which waits for all others");
  for (const EmulatedTouch& touch : touched_by(operation, comm->world->ranks.size()))
    if (touch.bytes > 0 && !EmulatedGpu::instance().has(touch.begin, touch.bytes))
      return fail(*comm, ncclInvalidArgument, "memory that is not the GPU's");
  const std::size_t ranks = comm->world->ranks.size();
  for (const Transfer& part : operation.parts)
    if (part.peer < 0 || static_cast<std::size_t>(part.peer) >= ranks)
      return fail(*comm, ncclInvalidArgument, "a rank that there is not");
  Group& group = Group::here();
  if (group.depth > 0) {
    group.calls.emplace_back(comm, std::move(operation));
    return ncclSuccess;
  }
  if (operation.kind == Operation::transfers && ranks > 1)
    return fail(*comm, ncclInvalidUsage, "a send or receive without a group, for which its peer may wait");
  std::vector<std::pair<ncclComm*, Operation>> calls;
  calls.emplace_back(comm, std::move(operation));
  return submit(std::move(calls));
}

}  // namespace emulated_nccl

inline ncclResult_t ncclGetVersion(int* version) {
  DVD_EMULATED_CALL;
  *version = NCCL_VERSION_CODE;
  return ncclSuccess;
}
inline const char* ncclGetErrorString(ncclResult_t result) {
  switch (result) {
    case ncclSuccess:
      return "no error";
    case ncclUnhandledCudaError:
      return "unhandled cuda error";
    case ncclSystemError:
      return "unhandled system error";
    case ncclInternalError:
      return "internal error";
    case ncclInvalidArgument:
      return "invalid argument";
    case ncclInvalidUsage:
      return "invalid usage";
    case ncclRemoteError:
      return "remote process exited or there was a network error";
    default:
      return "NCCL operation in progress";
  }
}
inline const char* ncclGetLastError(ncclComm_t comm) {
  const std::lock_guard lock(emulated_nccl::Network::instance().mutex);
  return emulated_nccl::exists(comm) ? comm->error.c_str() : "";
}
inline ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  DVD_EMULATED_CALL;
  *id = {};
  std::snprintf(id->internal, sizeof(id->internal), "id %d", emulated_nccl::Network::instance().next_id++);
  return ncclSuccess;
}
inline ncclResult_t ncclCommInitRankConfig(ncclComm_t* comm, int ranks, ncclUniqueId id, int rank,
                                           ncclConfig_t* config) {
  DVD_EMULATED_CALL;
  using namespace emulated_nccl;
  if (!comm || !config || config->size != sizeof(ncclConfig_t) || config->magic != 0xcafebeef || ranks < 1 ||
      rank < 0 || rank >= ranks || std::string(id.internal).rfind("id ", 0) != 0)
    return ncclInvalidArgument;
  if (config->blocking != 0) return ncclInvalidUsage;  // which is not emulated
  std::shared_ptr<World>& world = Network::instance().worlds[id.internal];
  const auto place = static_cast<std::size_t>(rank);
  if (!world) {
    world = std::make_shared<World>();
    world->ranks.resize(static_cast<std::size_t>(ranks));
  }
  if (world->ranks.size() != static_cast<std::size_t>(ranks) || world->ranks[place]) return ncclInvalidUsage;
  *comm = new ncclComm{world, rank};
  Network::instance().comms.insert(*comm);
  world->ranks[place] = *comm;
  ++world->came;
  progress(*world);
  return ncclInProgress;
}
inline ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t* state) {
  DVD_EMULATED_CALL;
  if (!emulated_nccl::exists(comm)) return ncclInvalidArgument;
  *state = comm->state;
  return ncclSuccess;
}
inline ncclResult_t ncclCommFinalize(ncclComm_t comm) {
  DVD_EMULATED_CALL;
  using namespace emulated_nccl;
  if (!exists(comm)) return ncclInvalidArgument;
  if (comm->finalized || Group::here().depth > 0 || comm->state == ncclInProgress)
    return fail(*comm, ncclInvalidUsage, "ncclCommFinalize twice, in a group, or before a call has ended");
  comm->finalized = true;
  return comm->state;
}
namespace emulated_nccl {

inline void remove(ncclComm* comm, bool broken) {
  World& world = *comm->world;
  world.ranks[static_cast<std::size_t>(comm->rank)] = nullptr;
  world.broken = world.broken || broken;
  if (broken)
    for (ncclComm* other : world.ranks)
      if (other && other->state == ncclInProgress) fail(*other, ncclRemoteError, "another rank has gone");
  Network::instance().comms.erase(comm);
  delete comm;
}

}  // namespace emulated_nccl
inline ncclResult_t ncclCommDestroy(ncclComm_t comm) {
  DVD_EMULATED_CALL;
  if (!emulated_nccl::exists(comm)) return ncclInvalidArgument;
  if (!comm->finalized) return emulated_nccl::fail(*comm, ncclInvalidUsage, "ncclCommDestroy before ncclCommFinalize");
  emulated_nccl::remove(comm, false);
  return ncclSuccess;
}
inline ncclResult_t ncclCommAbort(ncclComm_t comm) {
  DVD_EMULATED_CALL;
  if (!emulated_nccl::exists(comm)) return ncclInvalidArgument;
  emulated_nccl::remove(comm, true);
  return ncclSuccess;
}

inline ncclResult_t ncclAllReduce(const void* from, void* to, std::size_t count, ncclDataType_t type, ncclRedOp_t,
                                  ncclComm_t comm, cudaStream_t stream) {
  DVD_EMULATED_CALL;
  return emulated_nccl::call(comm, {emulated_nccl::Operation::all_reduce, stream, from, to, count, type});
}
inline ncclResult_t ncclAllGather(const void* from, void* to, std::size_t count, ncclDataType_t type, ncclComm_t comm,
                                  cudaStream_t stream) {
  DVD_EMULATED_CALL;
  return emulated_nccl::call(comm, {emulated_nccl::Operation::all_gather, stream, from, to, count, type});
}
inline ncclResult_t ncclSend(const void* from, std::size_t count, ncclDataType_t type, int peer, ncclComm_t comm,
                             cudaStream_t stream) {
  DVD_EMULATED_CALL;
  return emulated_nccl::call(
      comm,
      {.kind = emulated_nccl::Operation::transfers, .stream = stream, .parts = {{true, peer, from, count, type}}});
}
inline ncclResult_t ncclRecv(void* to, std::size_t count, ncclDataType_t type, int peer, ncclComm_t comm,
                             cudaStream_t stream) {
  DVD_EMULATED_CALL;
  return emulated_nccl::call(
      comm, {.kind = emulated_nccl::Operation::transfers, .stream = stream, .parts = {{false, peer, to, count, type}}});
}
inline ncclResult_t ncclGroupStart() {
  DVD_EMULATED_CALL;
  ++emulated_nccl::Group::here().depth;
  return ncclSuccess;
}
inline ncclResult_t ncclGroupEnd() {
  // Whatever becomes of its calls, the group is closed.
  emulated_nccl::Group& group = emulated_nccl::Group::here();
  if (group.depth == 0) return ncclInvalidUsage;
  const bool outermost = --group.depth == 0;
  auto calls = outermost ? std::exchange(group.calls, {}) : decltype(group.calls){};
  DVD_EMULATED_CALL;
  return emulated_nccl::submit(std::move(calls));
}

#undef DVD_EMULATED_CALL
