// What is asked of NCCL: sums and exchanges among the GPUs of several processes.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <array>
#include <cstddef>
#include <functional>
#include <memory>

#include "dvd/core/shape.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

/// By which ranks find each other: one of them makes it and gives it to all.
using NcclId = std::array<std::byte, 128>;

/// Throws Error if NCCL cannot start.
NcclId make_nccl_id();

/// One rank of several, each with a GPU of its own: that of this process, or the first if none is chosen. It is used by
/// the thread that makes it, and all ranks make the same calls in the same order.
///
/// Calls return as soon as the GPU knows of them. They run on a stream of their own, one after the other, each when the
/// kernels asked for before it have run. Kernels asked for after a call wait for it, but after `start_sum` they run
/// beside it. The same numbers on the same GPUs give the same bits every time, and a sum gives them to all ranks. (NCCL
/// adds up each element once, in an order that its algorithm and the number of elements decide, and hands the result
/// round.)
///
/// As long as it lives, whatever this thread waits for on the GPU, `download` included, ends in an Error if NCCL tells
/// of one or if it takes longer than `timeout_seconds`. Then `find_missing` is called, once, to throw an error that
/// names who does not come, which NCCL cannot; an error without a name follows if it returns. From then on all calls
/// throw.
class NcclRanks {
 public:
  struct Place {
    Index rank, size;
    double timeout_seconds;
    std::function<void()> find_missing;
  };

  /// Returns when all ranks have come. Throws Error.
  NcclRanks(const NcclId& id, const Place& place);
  NcclRanks(const NcclRanks&) = delete;
  NcclRanks& operator=(const NcclRanks&) = delete;
  ~NcclRanks();

  // As in distributed/communicator.hpp, of elements float or double in the GPU's memory. They throw Error, and cannot
  // be recorded.
  template <class T>
  void sum(Index n, T* x);
  template <class T>
  void start_sum(Index n, T* x);
  void finish_sums();
  template <class T>
  void all_gather(Index n, const T* x, T* y);
  template <class T>
  void all_to_all(Index n, const T* x, T* y);

  /// Ends what goes on, here and on the other ranks, where it is an error.
  void abort();

 private:
  class Calls;
  std::unique_ptr<Calls> calls_;
};

}  // namespace dvd::cuda

#include "dvd/core/macros_end.hpp"
