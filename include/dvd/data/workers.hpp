// Threads that share out long pieces of work, one piece at a time and in order.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "dvd/core/shape.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::detail {

/// Calls `task(i)` for i in 0 .. count - 1 on so many threads, at least one, each of which takes the next i when it is
/// done with one. After the first exception no further one is begun; that exception comes out once all have ended.
/// `failed`, which tasks may look at, says that one has.
template <class Task>
void share_out(Index count, Index threads, std::atomic<bool>& failed, const Task& task) {
  std::atomic<Index> next = 0;
  std::mutex mutex;
  std::exception_ptr first;
  const auto work = [&] {
    for (Index i = next++; i < count && !failed; i = next++) {
      try {
        task(i);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!failed.exchange(true)) first = std::current_exception();
      }
    }
  };
  std::vector<std::jthread> others;
  for (Index i = 1; i < std::min(threads, count); ++i) others.emplace_back(work);
  work();
  others.clear();
  if (first) std::rethrow_exception(first);
}

}  // namespace dvd::detail

#include "dvd/core/macros_end.hpp"
