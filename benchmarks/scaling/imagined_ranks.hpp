// Ranks that are not there.
#pragma once

#include <dvd/distributed/communicator.hpp>

namespace benchmarks {

using dvd::Index;

/// The first of `size` ranks, of which all others are imagined to have just what this one has: a sum is so many times
/// as much. What is computed is what a rank among as many computes, with numbers that stay finite; nothing is waited
/// for. So one process shows how long the computing of a rank takes. Arrays are in memory of the device D.
template <class D>
class ImaginedRanks {
 public:
  explicit ImaginedRanks(Index size) : size_(size) {}

  static constexpr Index rank() { return 0; }
  Index size() const { return size_; }
  template <class T>
  void sum(Index n, T* x) const {
    D::scale(n, static_cast<T>(size_), x, x);
  }
  template <class T>
  void start_sum(Index n, T* x) const {
    sum(n, x);
  }
  static void finish_sums() {}
  template <class T>
  void all_gather(Index n, const T* x, T* y) const {
    D::broadcast_rows(1, size_, n, x, y);
  }
  template <class T>
  void all_to_all(Index n, const T* x, T* y) const {
    D::broadcast_rows(1, size_, n, x, y);
  }
  void sum_counts(std::span<std::int64_t> numbers) const {
    for (std::int64_t& number : numbers) number *= size_;
  }
  static void broadcast(std::span<std::byte>, Index) {}
  static void barrier() {}
  [[noreturn]] static void abort(const std::string& message) { throw dvd::Error(message); }

 private:
  Index size_;
};

}  // namespace benchmarks
