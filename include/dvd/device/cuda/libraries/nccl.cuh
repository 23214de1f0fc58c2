// Sums and exchanges among GPUs by NCCL, 2.18 or newer. For .cu files, as dvd/device/cuda.cuh is; CMake's target
// dvd::nccl is this header, compiled. Without CMake, the program's .cu file includes it, too, and is linked with nccl.
//
// Nothing here waits for other ranks inside NCCL: its communicators are made not to block, so that every wait is one of
// ours, which looks for errors and for how long it takes.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <cuda_runtime_api.h>
#include <nccl.h>

#include <cstring>
#include <exception>
#include <memory>
#include <string>
#include <utility>

#include "dvd/device/cuda/context.cuh"
#include "dvd/device/cuda/definition.hpp"
#include "dvd/device/cuda/libraries/nccl.hpp"
#include "dvd/device/cuda/memory.cuh"
#include "dvd/device/cuda/waiting.cuh"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

namespace detail {

/// What can be done about a result, behind a semicolon; empty where no more is known than its name says.
inline const char* remedy(ncclResult_t result) {
  switch (result) {
    case ncclUnhandledCudaError:
    case ncclSystemError:
    case ncclRemoteError:
      return "; NCCL_DEBUG=INFO in the environment has NCCL tell more";
    case ncclInvalidUsage:
      return "; all ranks have to make the same calls, each with a GPU of its own (NCCL_DEBUG=INFO in the environment "
             "has NCCL tell more)";
    default:
      return "";
  }
}

template <class T>
constexpr ncclDataType_t nccl_type = sizeof(T) == sizeof(float) ? ncclFloat32 : ncclFloat64;

/// A stream, and marks of how far it and that of the kernels have come.
class SideStream {
 public:
  SideStream() {
    stream();  // chooses the GPU
    try {
      check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
      check(cudaEventCreateWithFlags(&asked_, cudaEventDisableTiming), "cudaEventCreateWithFlags");
      check(cudaEventCreateWithFlags(&done_, cudaEventDisableTiming), "cudaEventCreateWithFlags");
    } catch (...) {
      destroy();
      throw;
    }
  }
  SideStream(const SideStream&) = delete;
  SideStream& operator=(const SideStream&) = delete;
  ~SideStream() { destroy(); }

  cudaStream_t get() const { return stream_; }

  /// What is asked of it from now on comes after all kernels so far.
  void follow_kernels() const {
    const Turn turn;
    check(cudaEventRecord(asked_, stream()), "cudaEventRecord");
    check(cudaStreamWaitEvent(stream_, asked_, 0), "cudaStreamWaitEvent");
  }
  /// All kernels from now on come after what has been asked of it.
  void lead_kernels() const {
    const Turn turn;
    check(cudaEventRecord(done_, stream_), "cudaEventRecord");
    check(cudaStreamWaitEvent(stream(), done_, 0), "cudaStreamWaitEvent");
  }

 private:
  void destroy() const {
    for (const cudaEvent_t event : {asked_, done_})
      if (event && cudaEventDestroy(event) != cudaSuccess) cudaGetLastError();
    if (stream_ && cudaStreamDestroy(stream_) != cudaSuccess) cudaGetLastError();
  }

  cudaStream_t stream_ = nullptr;
  cudaEvent_t asked_ = nullptr, done_ = nullptr;
};

}  // namespace detail

DVD_CUDA_DEFINITION NcclId make_nccl_id() {
  ncclUniqueId made;
  static_assert(sizeof(made.internal) == sizeof(NcclId));
  if (const ncclResult_t result = ncclGetUniqueId(&made); result != ncclSuccess)
    throw Error(concat("ncclGetUniqueId failed: ", ncclGetErrorString(result), detail::remedy(result)));
  NcclId id;
  std::memcpy(id.data(), made.internal, sizeof(id));
  return id;
}

/// The communicator of NCCL, and who looks after it.
class NcclRanks::Calls final : public Watch {
 public:
  Calls(const NcclId& id, const Place& place) : place_(place) {
    ncclUniqueId copy;
    std::memcpy(copy.internal, id.data(), sizeof(copy.internal));
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    const ncclResult_t result =
        ncclCommInitRankConfig(&comm_, static_cast<int>(place.size), copy, static_cast<int>(place.rank), &config);
    try {
      settle(result, "ncclCommInitRankConfig");
    } catch (...) {
      abort("it could not be made");
      throw;
    }
    before_ = std::exchange(detail::watch_here, this);
  }
  Calls(const Calls&) = delete;
  Calls& operator=(const Calls&) = delete;

  ~Calls() {
    if (std::uncaught_exceptions() > exceptions_) {
      abort("the program is at its end");  // the others, if they wait for this rank, wait in vain
    } else if (comm_) {
      try {
        check(wait_for(side_.get()), "cudaStreamSynchronize");
        settle(ncclCommFinalize(comm_), "ncclCommFinalize");
        ncclCommDestroy(std::exchange(comm_, nullptr));
      } catch (...) {  // nobody is there to be told
        abort("the program is at its end");
      }
    }
    detail::watch_here = before_;
  }

  Index size() const { return place_.size; }

  /// A call of NCCL's on memory that kernels before it have written.
  template <class Call>
  void run(const char* name, const Call& call) {
    detail::refuse_while_recording("what ranks tell each other");
    refuse_after_failure();
    side_.follow_kernels();
    settle(call(comm_, side_.get()), name);
  }

  void lead_kernels() {
    refuse_after_failure();
    side_.lead_kernels();
  }

  void look(double seconds) override {
    if (!comm_) return;
    ncclResult_t state = ncclSuccess;
    const ncclResult_t asked = ncclCommGetAsyncError(comm_, &state);
    if (asked != ncclSuccess) fail(asked, "ncclCommGetAsyncError");
    if (state != ncclSuccess && state != ncclInProgress) fail(state, "a call of NCCL");
    if (seconds > place_.timeout_seconds) give_up(concat("has waited for ", place_.timeout_seconds, " s"));
  }

  void abort(const std::string& why) {
    if (failure_.empty()) failure_ = why;
    if (comm_) ncclCommAbort(std::exchange(comm_, nullptr));
  }

 private:
  std::string self() const { return concat("rank ", place_.rank, " of ", place_.size, " (", device_words(), ")"); }

  void refuse_after_failure() const {
    if (!comm_) throw Error(concat(self(), " cannot reach the other ranks any more: ", failure_));
  }

  /// Returns when a call that may go on in the background has been handed to the GPU.
  void settle(ncclResult_t result, const char* call) {
    for (Patience patience; result == ncclInProgress && comm_; patience.pause()) {
      const ncclResult_t asked = ncclCommGetAsyncError(comm_, &result);
      if (asked != ncclSuccess) fail(asked, "ncclCommGetAsyncError");
      if (result == ncclInProgress && patience.seconds() > place_.timeout_seconds)
        give_up(concat("has waited in ", call, " for ", place_.timeout_seconds, " s"));
    }
    if (result != ncclSuccess) fail(result, call);
  }

  [[noreturn]] void fail(ncclResult_t result, const char* call) {
    const char* const reason = comm_ ? ncclGetLastError(comm_) : nullptr;
    const std::string words =
        concat(call, " failed: ", ncclGetErrorString(result), reason && *reason ? concat(" (", reason, ")") : "");
    if (result == ncclRemoteError) give_up(concat("has lost another: ", words));
    const std::string message = concat(self(), ": ", words, detail::remedy(result));
    abort(message);
    throw Error(message);
  }

  /// Somebody else does not come: it is to be found out who.
  [[noreturn]] void give_up(const std::string& what) {
    abort(concat(self(), " ", what));
    if (place_.find_missing) place_.find_missing();
    failure_ +=
        "; all ranks are there, so something is wrong with their GPUs or with the network between them: see "
        "nvidia-smi, and NCCL_DEBUG=INFO in the environment has NCCL tell more";
    throw Error(failure_);
  }

  Place place_;
  detail::SideStream side_;
  ncclComm_t comm_ = nullptr;
  std::string failure_;  ///< why there is no comm_ any more
  Watch* before_ = nullptr;
  int exceptions_ = std::uncaught_exceptions();
};

DVD_CUDA_DEFINITION NcclRanks::NcclRanks(const NcclId& id, const Place& place)
    : calls_(std::make_unique<Calls>(id, place)) {}

DVD_CUDA_DEFINITION NcclRanks::~NcclRanks() = default;

DVD_CUDA_DEFINITION void NcclRanks::finish_sums() { calls_->lead_kernels(); }

DVD_CUDA_DEFINITION void NcclRanks::abort() { calls_->abort("it has been given up"); }

template <class T>
void NcclRanks::start_sum(Index n, T* x) {
  if (n <= 0) return;
  calls_->run("ncclAllReduce", [=](ncclComm_t comm, cudaStream_t stream) {
    return ncclAllReduce(x, x, static_cast<std::size_t>(n), detail::nccl_type<T>, ncclSum, comm, stream);
  });
}

template <class T>
void NcclRanks::sum(Index n, T* x) {
  start_sum(n, x);
  finish_sums();
}

template <class T>
void NcclRanks::all_gather(Index n, const T* x, T* y) {
  if (n <= 0) return;
  calls_->run("ncclAllGather", [=](ncclComm_t comm, cudaStream_t stream) {
    return ncclAllGather(x, y, static_cast<std::size_t>(n), detail::nccl_type<T>, comm, stream);
  });
  finish_sums();
}

template <class T>
void NcclRanks::all_to_all(Index n, const T* x, T* y) {
  if (n <= 0) return;
  calls_->run("a group of ncclSend and ncclRecv", [=, this](ncclComm_t comm, cudaStream_t stream) {
    const auto count = static_cast<std::size_t>(n);
    ncclResult_t result = ncclGroupStart();
    if (result != ncclSuccess) return result;
    const auto keep_first = [&](ncclResult_t next) {
      if (result == ncclSuccess || result == ncclInProgress) result = next;
    };
    for (Index rank = 0; rank < calls_->size(); ++rank) {
      keep_first(ncclSend(x + rank * n, count, detail::nccl_type<T>, static_cast<int>(rank), comm, stream));
      keep_first(ncclRecv(y + rank * n, count, detail::nccl_type<T>, static_cast<int>(rank), comm, stream));
    }
    keep_first(ncclGroupEnd());  // even then: a group that stays open would take in all that comes after it
    return result;
  });
  finish_sums();
}

#define DVD_INSTANTIATE(T)                                  \
  template void NcclRanks::sum(Index, T*);                  \
  template void NcclRanks::start_sum(Index, T*);            \
  template void NcclRanks::all_gather(Index, const T*, T*); \
  template void NcclRanks::all_to_all(Index, const T*, T*);
DVD_INSTANTIATE(float)
DVD_INSTANTIATE(double)
#undef DVD_INSTANTIATE

}  // namespace dvd::cuda

#include "dvd/core/macros_end.hpp"
