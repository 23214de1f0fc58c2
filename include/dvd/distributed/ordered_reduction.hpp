// Training whose bits do not depend on the number of ranks.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "dvd/distributed/ordered_sum.hpp"
#include "dvd/distributed/reduction.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

namespace detail {

/// Threads that meet again and again. Where one does not come because it has thrown, the others throw as well.
class Meeting {
 public:
  explicit Meeting(Index count) : count_(count) {}

  /// Waits for all; the last one to come does `work` while the others wait.
  template <class Work>
  void meet(const Work& work) {
    std::unique_lock lock(mutex_);
    check();
    if (++come_ == count_) {
      try {
        work();
      } catch (...) {
        broken_ = true;
        all_here_.notify_all();
        throw;
      }
      come_ = 0;
      ++round_;
      all_here_.notify_all();
      return;
    }
    all_here_.wait(lock, [&, round = round_] { return round != round_ || broken_; });
    check();
  }

  /// Nobody is to wait any more.
  void call_off() {
    const std::lock_guard lock(mutex_);
    broken_ = true;
    all_here_.notify_all();
  }

  struct CalledOff : Error {
    CalledOff() : Error("another part of the batch has failed") {}
  };

 private:
  void check() const {
    if (broken_) throw CalledOff();
  }

  Index count_, come_ = 0;
  std::uint64_t round_ = 0;
  bool broken_ = false;
  std::mutex mutex_;
  std::condition_variable all_here_;
};

}  // namespace detail

/// Whether a device can add up as it is told, gradients and statistics, which are double.
template <class P, class D>
concept AddsInOrder = requires(P* x, const P* from, double* precise_x, const double* precise_from, Index n) {
  D::add(n, from, x);
  D::add(n, precise_from, precise_x);
  D::copy_rows(n, n, n, from, n, n, x, n, n);
  D::copy_rows(n, n, n, precise_from, n, n, precise_x, n, n);
};

/// As many shards as wanted, all that is summed being summed over shards in a fixed order: what is computed depends on
/// the number of shards, not on how many ranks share them. The shards of a rank are worked on at the same time, each by
/// a thread and networks of its own.
template <Scalar P, Device D, Communicator C>
class OrderedReduction final : public Reduction<P, D> {
 public:
  OrderedReduction(C& ranks, Index shards) : ranks_(ranks), sum_(ranks, shards), total_(shards) {
    for (Index shard = 0; shard < own_shards().count; ++shard) exchanges_.push_back({*this, shard});
    values_.resize(exchanges_.size());
  }

  Index total_shards() const override { return total_; }
  Share own_shards() const override { return sum_.own_shards(); }

  void run(const std::function<void(Index)>& work) override {
    const Index count = own_shards().count;
    detail::Meeting meeting(count);
    meeting_ = &meeting;
    std::vector<std::exception_ptr> errors(static_cast<std::size_t>(count));
    const auto guarded = [&](Index shard) {
      try {
        work(shard);
      } catch (...) {
        errors[static_cast<std::size_t>(shard)] = std::current_exception();
        meeting.call_off();
      }
    };
    std::vector<std::thread> threads;
    try {
      for (Index shard = 1; shard < count; ++shard) threads.emplace_back(guarded, shard);
    } catch (...) {
      errors.front() = std::current_exception();
      meeting.call_off();
    }
    if (!errors.front()) guarded(0);
    for (std::thread& thread : threads) thread.join();
    meeting_ = nullptr;
    // Those that were called off have less to say than the one that made them so.
    std::exception_ptr any;
    for (const std::exception_ptr& error : errors) {
      if (!error) continue;
      any = error;
      try {
        std::rethrow_exception(error);
      } catch (const detail::Meeting::CalledOff&) {
      }
    }
    if (any) std::rethrow_exception(any);
  }

  const BatchExchange& exchange(Index shard) override { return exchanges_[static_cast<std::size_t>(shard)]; }
  bool overlaps() const override { return false; }
  void start_sum(Tensor<P, D>& values) override { sum_(values.extent(1), values.data()); }
  void finish_sums() override {}
  std::string first_message(const std::string& message) override { return dvd::first_message(ranks_, message); }

 private:
  class Exchange final : public BatchExchange {
   public:
    Exchange(OrderedReduction& all, Index shard) : all_(&all), shard_(shard) {}

    void sum(Index size, double* values) const override {
      all_->values_[static_cast<std::size_t>(shard_)] = values;
      all_->meeting_->meet([&] { all_->sum_shards(size); });
    }

   private:
    OrderedReduction* all_;
    Index shard_;
  };

  /// Adds up what the shards have brought to the meeting.
  void sum_shards(Index size) {
    Tensor<double, D> rows(Shape{static_cast<Index>(values_.size()), size});
    for (std::size_t i = 0; i < values_.size(); ++i)
      D::copy_rows(1, 1, size, values_[i], 0, 0, rows[static_cast<Index>(i)].data(), 0, 0);
    sum_(size, rows.data());
    for (double* const values : values_) D::copy_rows(1, 1, size, rows.data(), 0, 0, values, 0, 0);
  }

  C& ranks_;
  OrderedSum<D, C> sum_;
  Index total_;
  std::vector<Exchange> exchanges_;
  std::vector<double*> values_;  ///< of each shard, in a meeting
  detail::Meeting* meeting_ = nullptr;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
