// Ranks with a GPU each: which of them takes which, and what they tell each other of its memory.
#pragma once

#include <dvd/distributed/communicator.hpp>
#include <memory>
#include <string>

#include "ranks.hpp"

namespace examples {

/// Has every rank compute on the device that is named: on the CPU, on that GPU where it is alone, or else on a GPU of
/// its own, the ranks of a machine taking its GPUs one after the other. All ranks call it, before they use any GPU.
/// Throws what check_device and use_device do and, on all ranks, RanksFailed where they have been told different
/// devices, where one of several would have to share a GPU, and where this build lacks what GPUs need for that.
void take_device(const std::string& device, const std::string& precision, Ranks& ranks);

/// A communicator for dvd::Cuda, of one type whether there are others or not, and whether this build has dvd::nccl or
/// not: sums and exchanges are of memory of GPUs, and everything else is the business of `ranks`. Compiled with
/// dvd::cuda.
class GpuRanks {
 public:
  /// All ranks call it, once they have their GPUs; it returns when all have. `ranks` must outlive this. Whoever does
  /// not come to a sum for `timeout_seconds` ends the run; 0: they wait for ever. Throws Error.
  GpuRanks(Ranks& ranks, double timeout_seconds);
  ~GpuRanks();
  GpuRanks(const GpuRanks&) = delete;
  GpuRanks& operator=(const GpuRanks&) = delete;

  // What a dvd::Communicator does; elements are float or double.
  dvd::Index rank() const { return ranks_.rank(); }
  dvd::Index size() const { return ranks_.size(); }
  template <class T>
  void sum(dvd::Index n, T* x);
  template <class T>
  void start_sum(dvd::Index n, T* x);
  void finish_sums();
  template <class T>
  void all_gather(dvd::Index n, const T* x, T* y);
  template <class T>
  void all_to_all(dvd::Index n, const T* x, T* y);
  void sum_counts(std::span<std::int64_t> numbers) { ranks_.sum_counts(numbers); }
  void broadcast(std::span<std::byte> bytes, dvd::Index root) { ranks_.broadcast(bytes, root); }
  void barrier() { ranks_.barrier(); }
  [[noreturn]] void abort(const std::string& message) { ranks_.abort(message); }

 private:
  Ranks& ranks_;
  struct Connection;                        // in gpu_ranks.cpp, which alone knows NCCL
  std::unique_ptr<Connection> connection_;  // null where this process is alone
};

static_assert(dvd::Communicator<GpuRanks>);

}  // namespace examples
