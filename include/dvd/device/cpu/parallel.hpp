// Work shared out over oneTBB's threads, the only threads that the library computes on.
//
// Whatever is split here is split by its size alone, never by the number of threads, and partial results are combined
// in a fixed order: a program prints the same bits on one thread and on many.
#pragma once

#include <tbb/blocked_range.h>
#include <tbb/global_control.h>
#include <tbb/parallel_for.h>

#include <algorithm>
#include <type_traits>

#include "dvd/core/shape.hpp"
#include "dvd/device/cpu/denormals.hpp"

namespace dvd {

/// While it lives, at most `threads` threads compute, the calling one included. 0 means all cores.
class ThreadLimit {
 public:
  explicit ThreadLimit(Index threads)
      : control_(tbb::global_control::max_allowed_parallelism,
                 threads > 0 ? static_cast<std::size_t>(threads)
                             : tbb::global_control::active_value(tbb::global_control::max_allowed_parallelism)) {}

 private:
  tbb::global_control control_;
};

namespace cpu {

namespace detail {
// One instantiation of the scheduler's templates for all callers: compile time.
inline void run(Index count, void (*call)(const void*, Index), const void* task) {
  tbb::parallel_for(tbb::blocked_range<Index>(0, count), [=](const tbb::blocked_range<Index>& range) {
    const FlushDenormals flush;
    for (Index i = range.begin(); i < range.end(); ++i) call(task, i);
  });
}
}  // namespace detail

/// Calls `task(i)` for i in 0 .. count - 1, on any thread, in any order.
template <class Task>
void parallel_for(Index count, const Task& task) {
  if (count <= 1) {
    const FlushDenormals flush;
    if (count == 1) task(Index{0});
    return;
  }
  detail::run(
      count, [](const void* erased, Index i) { (*static_cast<const Task*>(erased))(i); }, &task);
}

/// Calls `task(begin, end)` for consecutive pieces of 0 .. size - 1, each `grain` long but the last.
template <class Task>
void parallel_chunks(Index size, Index grain, const Task& task) {
  parallel_for((size + grain - 1) / grain,
               [&](Index chunk) { task(chunk * grain, std::min(size, (chunk + 1) * grain)); });
}

/// Elements of a pointwise kernel that one task takes: some 10 microseconds of work.
inline constexpr Index pointwise_grain = 16384;

}  // namespace cpu
}  // namespace dvd
