// Ranks that are threads of one process: for tests, and where one process works on several parts of a batch.
//
//     run_ranks(4, [&](ThreadCommunicator& ranks) { ... });    // four threads, the caller among them
//
// What one rank throws ends the others, too, at their next call or in the one that they wait in: nobody waits for a
// rank that does not come any more.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/core/shape.hpp"
#include "dvd/distributed/communicator.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Where `size` ranks meet. It outlives its ThreadCommunicators, of which each thread makes its own.
class ThreadGroup {
 public:
  /// `size`: at least 1.
  explicit ThreadGroup(Index size) {
    require(size >= 1, "a group of ", size, " ranks: there must be at least one");
    calls_.resize(static_cast<std::size_t>(size));
  }
  ThreadGroup(const ThreadGroup&) = delete;
  ThreadGroup& operator=(const ThreadGroup&) = delete;

  Index size() const { return static_cast<Index>(calls_.size()); }

  /// Says that a rank cannot go on. The others get an Error with `message` out of the call that they wait in, or out of
  /// their next one. Whether it is the first to say so: only that one is told.
  bool fail(Index rank, std::string_view message) {
    const std::lock_guard lock(mutex_);
    return fail_locked(concat("rank ", rank, " has failed: ", message));
  }

 private:
  friend class ThreadCommunicator;

  /// What a rank calls, to be the same for all of them, and the memory that it brings along.
  struct Call {
    const char* what = nullptr;
    Index size = 0;
    void* memory = nullptr;
  };

  /// Shows the others a call, and returns when all have shown theirs, which must be the same.
  void begin(Index rank, const Call& call) {
    std::unique_lock lock(mutex_);
    if (left_ >= 0) fail_locked(concat("rank ", left_, " has ended, while rank ", rank, " calls ", call.what));
    if (!failure_.empty()) throw Error(failure_);
    calls_[static_cast<std::size_t>(rank)] = call;
    const std::int64_t meeting = meeting_;
    if (++arrived_ == size() && all_call_the_same()) return end_meeting();
    came_.wait(lock, [&] { return meeting_ != meeting || !failure_.empty(); });
    if (meeting_ == meeting) throw Error(failure_);
  }

  /// Returns when all ranks are done with what they do between `begin` and `end`: with each other's memory, so that no
  /// failure lets a rank go before.
  void end() {
    std::unique_lock lock(mutex_);
    const std::int64_t meeting = meeting_;
    if (++arrived_ == size()) return end_meeting();
    came_.wait(lock, [&] { return meeting_ != meeting; });
  }

  /// A rank that will not call anything any more.
  void leave(Index rank) {
    const std::lock_guard lock(mutex_);
    left_ = rank;
    if (arrived_ > 0) fail_locked(concat("rank ", rank, " has ended, while others wait for it"));
  }

  void* memory_of(Index rank) const { return calls_[static_cast<std::size_t>(rank)].memory; }

  void end_meeting() {
    arrived_ = 0;
    ++meeting_;
    came_.notify_all();
  }

  bool all_call_the_same() {
    for (Index rank = 1; rank < size(); ++rank) {
      const Call &first = calls_[0], &other = calls_[static_cast<std::size_t>(rank)];
      if (std::string_view(first.what) == other.what && first.size == other.size) continue;
      fail_locked(concat("all ranks have to call the same: rank 0 calls ", first.what, " with ", first.size, ", rank ",
                         rank, " calls ", other.what, " with ", other.size));
      return false;
    }
    return true;
  }

  bool fail_locked(const std::string& failure) {
    if (!failure_.empty()) return false;
    failure_ = failure;
    came_.notify_all();
    return true;
  }

  std::mutex mutex_;
  std::condition_variable came_;
  std::vector<Call> calls_;   // by rank
  Index arrived_ = 0;         // ranks that have come to the meeting
  std::int64_t meeting_ = 0;  // its number
  Index left_ = -1;           // a rank that has ended
  std::string failure_;       // what ends all ranks, empty as long as nothing does
};

/// One rank of a group, used by one thread, on memory of the processor. Sums are added up in the order of the ranks, so
/// that they are the same bits every time. Sums that are started wait for `finish_sums()`.
///
/// Its functions throw Error if another rank has failed or ended, or calls something else.
class ThreadCommunicator {
 public:
  /// `rank`: one of 0 .. size - 1, each for one thread.
  ThreadCommunicator(ThreadGroup& group, Index rank) : group_(group), rank_(rank) {
    require(rank >= 0 && rank < group.size(), "rank ", rank, " of ", group.size(), ": it must be one of 0 .. ",
            group.size() - 1);
  }
  ThreadCommunicator(const ThreadCommunicator&) = delete;
  ThreadCommunicator& operator=(const ThreadCommunicator&) = delete;
  ~ThreadCommunicator() { group_.leave(rank_); }

  Index rank() const { return rank_; }
  Index size() const { return group_.size(); }

  template <class T>
  void sum(Index n, T* x) {
    meet("sum", n, x, [&] {
      // Each rank adds up its share of the elements, for all ranks.
      const Share share = Share::of(n, rank_, size());
      T* const total = memory_of<T>(0) + share.first;
      for (Index rank = 1; rank < size(); ++rank) {
        const T* const addend = memory_of<T>(rank) + share.first;
        for (Index i = 0; i < share.count; ++i) total[i] += addend[i];
      }
      for (Index rank = 1; rank < size(); ++rank) std::copy_n(total, share.count, memory_of<T>(rank) + share.first);
    });
  }

  template <class T>
  void start_sum(Index n, T* x) {
    started_.push_back([this, n, x] { sum(n, x); });
  }

  void finish_sums() {
    for (const std::function<void()>& sum : started_) sum();
    started_.clear();
  }

  template <class T>
  void all_gather(Index n, const T* x, T* y) {
    meet("all_gather", n, x, [&] {
      for (Index rank = 0; rank < size(); ++rank) std::copy_n(memory_of<T>(rank), n, y + rank * n);
    });
  }

  template <class T>
  void all_to_all(Index n, const T* x, T* y) {
    meet("all_to_all", n, x, [&] {
      for (Index rank = 0; rank < size(); ++rank) std::copy_n(memory_of<T>(rank) + rank_ * n, n, y + rank * n);
    });
  }

  void sum_counts(std::span<std::int64_t> numbers) { sum(static_cast<Index>(numbers.size()), numbers.data()); }

  void broadcast(std::span<std::byte> bytes, Index root) {
    require(root >= 0 && root < size(), "a broadcast from rank ", root, " of ", size());
    meet("broadcast", static_cast<Index>(bytes.size()), bytes.data(), [&] {
      if (rank_ != root) std::copy_n(memory_of<std::byte>(root), bytes.size(), bytes.data());
    });
  }

  void barrier() { group_.begin(rank_, {.what = "barrier"}); }

  [[noreturn]] void abort(const std::string& message) {
    group_.fail(rank_, message);
    throw Error(concat("rank ", rank_, " has failed: ", message));
  }

 private:
  template <class T>
  T* memory_of(Index rank) const {
    return static_cast<T*>(group_.memory_of(rank));
  }

  // Calls `work` while the memory of all ranks is there. It must not throw: others are at work in this rank's memory.
  template <class Work>
  void meet(const char* what, Index n, const void* memory, const Work& work) {
    group_.begin(rank_, {what, n, const_cast<void*>(memory)});
    work();
    group_.end();
  }

  ThreadGroup& group_;
  Index rank_;
  std::vector<std::function<void()>> started_;
};

static_assert(Communicator<ThreadCommunicator>);

/// Calls `f(ThreadCommunicator&)` for `size` ranks at once, for rank 0 in the calling thread, and returns when all are
/// done. If some throw, what the first one threw comes out.
template <class F>
void run_ranks(Index size, const F& f) {
  ThreadGroup group(size);
  std::mutex mutex;
  std::exception_ptr first;
  const auto keep_if_first = [&](bool is_first) {
    const std::lock_guard lock(mutex);
    if (is_first || !first) first = std::current_exception();
  };
  const auto run = [&](Index rank) {
    ThreadCommunicator ranks(group, rank);
    try {
      f(ranks);
    } catch (const std::exception& error) {
      keep_if_first(group.fail(rank, error.what()));
    } catch (...) {
      keep_if_first(group.fail(rank, "it threw something that is no std::exception"));
    }
  };
  {
    std::vector<std::jthread> threads;
    try {
      threads.reserve(static_cast<std::size_t>(size - 1));
      for (Index rank = 1; rank < size; ++rank) threads.emplace_back(run, rank);
    } catch (...) {
      group.fail(static_cast<Index>(threads.size()) + 1, "it could not be started");
      throw;
    }
    run(0);
  }
  if (first) std::rethrow_exception(first);
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
