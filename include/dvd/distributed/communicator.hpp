// What several processes that train one model say to each other.
//
//     SingleProcess            there are no others: costs nothing; the default
//     ThreadCommunicator       threads of one process (distributed/thread_communicator.hpp)
//     MpiCommunicator          processes under MPI, for dvd::Cpu (distributed/mpi_communicator.hpp)
//     NcclCommunicator         processes with a GPU each, for dvd::Cuda (distributed/nccl_communicator.hpp)
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "dvd/core/error.hpp"
#include "dvd/core/shape.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// One of `size()` ranks, numbered from 0, that work on one run. Every rank calls the same functions in the same order
/// with the same sizes: a call ends when all ranks have called it, or later where it says so.
///
/// in memory of the device that computes, elements float or double
///   sum(n, x)                  x[i] becomes its sum over all ranks, to the same bits on each
///   start_sum(n, x)            the same, which may go on after the call: x is not to be touched before
///                              `finish_sums()`. Sums may be started, and ended, while others go on
///   finish_sums()              ends all that were started
///   all_gather(n, x, y)        y[r * n + i] = x[i] of rank r
///   all_to_all(n, x, y)        y[r * n + i] = x[rank() * n + i] of rank r
///
/// in memory of the processor
///   sum_counts(numbers)        each becomes its sum over all ranks
///   broadcast(bytes, root)     all ranks get what rank `root` has
///   barrier()                  returns when all ranks have come here
///
///   abort(message)             ends all ranks with a message for a person, whatever they do: for a rank that cannot go
///                              on while others wait for it. Does not return
///
/// What goes wrong in between, a rank that is gone or does not come, is an error that says which rank it was, or ends
/// all ranks saying so.
template <class C>
concept Communicator = requires(C& ranks, const C& same, Index n, float* x, const float* from, double* precise_x,
                                const double* precise_from, std::span<std::int64_t> numbers, std::span<std::byte> bytes,
                                const std::string& message) {
  { same.rank() } -> std::convertible_to<Index>;
  { same.size() } -> std::convertible_to<Index>;
  ranks.sum(n, x);
  ranks.sum(n, precise_x);
  ranks.start_sum(n, x);
  ranks.start_sum(n, precise_x);
  ranks.finish_sums();
  ranks.all_gather(n, from, x);
  ranks.all_gather(n, precise_from, precise_x);
  ranks.all_to_all(n, from, x);
  ranks.all_to_all(n, precise_from, precise_x);
  ranks.sum_counts(numbers);
  ranks.broadcast(bytes, n);
  ranks.barrier();
  ranks.abort(message);
};

/// The only rank there is. Nothing is sent, and nothing costs anything.
class SingleProcess {
 public:
  static constexpr Index rank() { return 0; }
  static constexpr Index size() { return 1; }
  template <class T>
  static void sum(Index, T*) {}
  template <class T>
  static void start_sum(Index, T*) {}
  static void finish_sums() {}
  template <class T>
  static void all_gather(Index n, const T* x, T* y) {
    std::copy_n(x, n, y);
  }
  template <class T>
  static void all_to_all(Index n, const T* x, T* y) {
    std::copy_n(x, n, y);
  }
  static void sum_counts(std::span<std::int64_t>) {}
  static void broadcast(std::span<std::byte>, Index) {}
  static void barrier() {}
  [[noreturn]] static void abort(const std::string& message) { throw Error(message); }
};

static_assert(Communicator<SingleProcess>);

/// A part of something that is split in parts as equal as can be, the larger ones first.
struct Share {
  Index first = 0, count = 0;

  /// Part `part` of `parts` of `total` things.
  static constexpr Share of(Index total, Index part, Index parts) {
    const Index each = total / parts, rest = total % parts;
    return {part * each + std::min(part, rest), each + (part < rest ? 1 : 0)};
  }
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
