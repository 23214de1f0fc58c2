// Work shared out over oneTBB's threads, the only threads that the library computes on.
//
// Whatever is split here is split by its size alone, never by the number of threads, and partial results are combined
// in a fixed order: a program prints the same bits on one thread and on many.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/device/cpu/intrinsics.hpp"

#include <tbb/blocked_range.h>
#include <tbb/global_control.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>
#include <tbb/task_group.h>

#include <algorithm>
#include <type_traits>

#include "dvd/core/shape.hpp"
#include "dvd/device/cpu/denormals.hpp"
#include "dvd/device/cpu/thread_sanitizer.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

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
// Shares out 0 .. count - 1 in pieces. One instantiation of the scheduler's templates for all callers: compile time.
//
// Isolated both ways from what the caller may be in the middle of: while this thread waits here it starts no other task
// of the caller's, which might want a lock that the caller holds; and a group of the caller's that is cancelled does
// not take these calls with it, of which some would be missing. All threads begin in the floating-point mode of the
// caller.
inline void run(Index count, void (*piece)(const void*, Index begin, Index end), const void* task) {
#ifdef DVD_THREAD_SANITIZER
  const OrderedPieces ordered(piece, task);
  piece = OrderedPieces::call;
  task = &ordered;
#endif
  tbb::task_group_context context(tbb::task_group_context::isolated,
                                  tbb::task_group_context::default_traits | tbb::task_group_context::fp_settings);
  tbb::this_task_arena::isolate([&] {
    tbb::parallel_for(
        tbb::blocked_range<Index>(0, count),
        [=](const tbb::blocked_range<Index>& range) { piece(task, range.begin(), range.end()); }, context);
  });
}

template <class Task>
void call_all(const void* erased, Index begin, Index end) {
  for (Index i = begin; i < end; ++i) (*static_cast<const Task*>(erased))(i);
}

template <class Task>
void call_all_flushing(const void* erased, Index begin, Index end) {
  const FlushDenormals flush;
  call_all<Task>(erased, begin, end);
}
}  // namespace detail

/// Calls `task(i)` for i in 0 .. count - 1, on any thread, in any order, in the caller's floating-point mode: for work
/// that is not the library's own. What a task throws comes out; some may not have been called then.
template <class Task>
void parallel_calls(Index count, const Task& task) {
  if (count == 1) return detail::call_all<Task>(&task, 0, 1);
  if (count > 1) detail::run(count, detail::call_all<Task>, &task);
}

/// As above, for kernels: meanwhile, numbers too small for a normal float are zero.
template <class Task>
void parallel_for(Index count, const Task& task) {
  if (count == 1) return detail::call_all_flushing<Task>(&task, 0, 1);
  if (count > 1) detail::run(count, detail::call_all_flushing<Task>, &task);
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

#include "dvd/core/macros_end.hpp"
