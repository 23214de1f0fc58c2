// A Communicator that keeps a list of what is said through it, and when.
#pragma once

#include <chrono>
#include <dvd/distributed/communicator.hpp>
#include <string>
#include <utility>
#include <vector>

#include "schedule.hpp"

namespace benchmarks {

using Clock = std::chrono::steady_clock;

inline double seconds(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

/// A call of a Communicator's function.
struct Call {
  Talk talk = Talk::barrier;
  double bytes = 0;
  Clock::time_point begin{}, end{};
};

/// Says everything through other ranks' communicator, which must outlive it.
template <dvd::Communicator C>
class MeasuredCommunicator {
 public:
  explicit MeasuredCommunicator(C& ranks) : ranks_(ranks) {}

  Index rank() const { return ranks_.rank(); }
  Index size() const { return ranks_.size(); }

  template <class T>
  void sum(Index n, T* x) {
    timed(Talk::sum, bytes_of<T>(n), [&] { ranks_.sum(n, x); });
  }
  template <class T>
  void start_sum(Index n, T* x) {
    timed(Talk::start_sum, bytes_of<T>(n), [&] { ranks_.start_sum(n, x); });
  }
  void finish_sums() {
    timed(Talk::finish_sums, 0, [&] { ranks_.finish_sums(); });
  }
  template <class T>
  void all_gather(Index n, const T* x, T* y) {
    timed(Talk::all_gather, bytes_of<T>(n), [&] { ranks_.all_gather(n, x, y); });
  }
  template <class T>
  void all_to_all(Index n, const T* x, T* y) {
    timed(Talk::all_to_all, bytes_of<T>(n), [&] { ranks_.all_to_all(n, x, y); });
  }
  void sum_counts(std::span<std::int64_t> numbers) {
    timed(Talk::sum_counts, static_cast<double>(numbers.size_bytes()), [&] { ranks_.sum_counts(numbers); });
  }
  void broadcast(std::span<std::byte> bytes, Index root) {
    timed(Talk::broadcast, static_cast<double>(bytes.size()), [&] { ranks_.broadcast(bytes, root); });
  }
  void barrier() {
    timed(Talk::barrier, 0, [&] { ranks_.barrier(); });
  }
  void abort(const std::string& message) { ranks_.abort(message); }

  /// The calls since it was asked last.
  std::vector<Call> take() { return std::exchange(calls_, {}); }

 private:
  template <class T>
  static double bytes_of(Index n) {
    return static_cast<double>(n) * static_cast<double>(sizeof(T));
  }

  template <class Work>
  void timed(Talk talk, double bytes, const Work& work) {
    const Clock::time_point begin = Clock::now();
    work();
    calls_.push_back({talk, bytes, begin, Clock::now()});
  }

  C& ranks_;
  std::vector<Call> calls_;
};

/// The schedule of a step that lasted from `begin` to `end`.
inline Schedule schedule_of(const std::vector<Call>& calls, Index videos, Clock::time_point begin,
                            Clock::time_point end) {
  Schedule schedule{videos, {}, 0};
  for (const Call& call : calls) {
    schedule.events.push_back({seconds(begin, call.begin), call.talk, call.bytes});
    begin = call.end;
  }
  schedule.rest = seconds(begin, end);
  return schedule;
}

}  // namespace benchmarks
