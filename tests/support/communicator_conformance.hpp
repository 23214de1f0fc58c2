// What every communicator has to do, asked of all its ranks: each calls `check_communicator` at the same time.
//
// Ranks may be threads or processes, so what is wrong is thrown, not told to the test's framework.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/core/random.hpp"
#include "dvd/distributed/communicator.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::testing {

// Numbers in memory of the processor. One for another device has the same members.
template <class T>
class HostArray {
 public:
  explicit HostArray(std::vector<T> values) : values_(std::move(values)) {}
  T* data() { return values_.data(); }
  std::vector<T> now() const { return values_; }

 private:
  std::vector<T> values_;
};

template <class C, template <class> class Array>
class CommunicatorChecks {
 public:
  explicit CommunicatorChecks(C& ranks) : ranks_(ranks) {}

  void all() {
    for (const Index n : {Index(0), Index(1), Index(7), Index(1000000)}) {
      sums<float>(n);
      sums<double>(n);
    }
    same_bits<float>();
    same_bits<double>();
    started_sums<float>();
    started_sums<double>();
    for (const Index n : {Index(0), Index(1), Index(7), Index(5000)}) {
      gathers<float>(n);
      gathers<double>(n);
      exchanges<float>(n);
      exchanges<double>(n);
    }
    counts();
    broadcasts();
    for (int i = 0; i < 100; ++i) ranks_.barrier();
  }

 private:
  void expect(bool right, const std::string& what) const {
    if (!right) throw std::runtime_error("rank " + std::to_string(ranks_.rank()) + ": " + what);
  }

  // Small whole numbers, whose sums are exact in any order.
  template <class T>
  static T number(Index rank, Index i) {
    return static_cast<T>((7 * i + 3 * rank) % 101 - 50);
  }
  template <class T>
  static std::vector<T> numbers(Index rank, Index n) {
    std::vector<T> values;
    for (Index i = 0; i < n; ++i) values.push_back(number<T>(rank, i));
    return values;
  }
  template <class T>
  std::vector<T> sums_of_numbers(Index n) const {
    std::vector<T> sums;
    for (Index i = 0; i < n; ++i) {
      T sum = 0;
      for (Index rank = 0; rank < ranks_.size(); ++rank) sum += number<T>(rank, i);
      sums.push_back(sum);
    }
    return sums;
  }

  template <class T>
  void sums(Index n) {
    Array<T> x(numbers<T>(ranks_.rank(), n));
    ranks_.sum(n, x.data());
    expect(x.now() == sums_of_numbers<T>(n), "a sum of " + std::to_string(n) + " numbers is wrong");
  }

  // Of numbers whose sum depends on the order: the same on all ranks, and when it is done again.
  template <class T>
  void same_bits() {
    for (const Index n : {Index(1), Index(3), Index(1000), Index(100003)}) {
      std::vector<T> values;
      const Random random(static_cast<std::uint64_t>(ranks_.rank()));
      for (Index i = 0; i < n; ++i) {
        const auto draw = static_cast<std::uint64_t>(2 * i);
        values.push_back(static_cast<T>(random.normal(draw) * std::exp(5 * random.normal(draw + 1))));
      }
      Array<T> x(values), again(values);
      ranks_.sum(n, x.data());
      ranks_.start_sum(n, again.data());
      ranks_.finish_sums();
      const std::vector<T> sum = x.now(), other = again.now();
      std::vector<T> of_rank_0 = sum;
      ranks_.broadcast(std::as_writable_bytes(std::span(of_rank_0)), 0);
      const std::size_t bytes = sum.size() * sizeof(T);
      expect(std::memcmp(sum.data(), of_rank_0.data(), bytes) == 0, "a sum has other bits than that of rank 0");
      expect(std::memcmp(sum.data(), other.data(), bytes) == 0, "a sum has other bits when it is done again");
    }
  }

  // Several at once, other calls in between, and twice, with one that nobody waits for in between.
  template <class T>
  void started_sums() {
    ranks_.finish_sums();
    for (int turn = 0; turn < 2; ++turn) {
      std::vector<Array<T>> started;
      const std::vector<Index> sizes{1000, 1, 0, 50000, 7};
      for (const Index n : sizes) started.emplace_back(numbers<T>(ranks_.rank(), n));
      for (std::size_t i = 0; i < sizes.size(); ++i) {
        ranks_.start_sum(sizes[i], started[i].data());
        sums<T>(i % 2 == 0 ? 5 : 3000);
      }
      ranks_.barrier();
      ranks_.finish_sums();
      for (std::size_t i = 0; i < sizes.size(); ++i)
        expect(started[i].now() == sums_of_numbers<T>(sizes[i]), "a sum that was started is wrong");
    }
  }

  template <class T>
  void gathers(Index n) {
    Array<T> x(numbers<T>(ranks_.rank(), n)), y(std::vector<T>(static_cast<std::size_t>(n * ranks_.size())));
    ranks_.all_gather(n, x.data(), y.data());
    std::vector<T> expected;
    for (Index rank = 0; rank < ranks_.size(); ++rank)
      for (const T value : numbers<T>(rank, n)) expected.push_back(value);
    expect(y.now() == expected, "what all_gather brings is wrong");
  }

  // What rank a has for rank b begins at number b * n of its own.
  template <class T>
  void exchanges(Index n) {
    const Index all = n * ranks_.size();
    Array<T> x(numbers<T>(ranks_.rank(), all)), y(std::vector<T>(static_cast<std::size_t>(all)));
    ranks_.all_to_all(n, x.data(), y.data());
    std::vector<T> expected;
    for (Index rank = 0; rank < ranks_.size(); ++rank)
      for (Index i = 0; i < n; ++i) expected.push_back(number<T>(rank, ranks_.rank() * n + i));
    expect(y.now() == expected, "what all_to_all brings is wrong");
  }

  void counts() {
    const std::int64_t large = std::int64_t(1) << 55, size = ranks_.size();
    std::vector<std::int64_t> numbers{1, -ranks_.rank(), large + ranks_.rank()};
    ranks_.sum_counts(numbers);
    const std::int64_t of_ranks = size * (size - 1) / 2;
    expect(numbers == std::vector<std::int64_t>{size, -of_ranks, size * large + of_ranks}, "a sum of counts is wrong");
    ranks_.sum_counts({});
  }

  void broadcasts() {
    for (Index root = 0; root < ranks_.size(); ++root)
      for (const std::size_t size : {0, 1, 300000}) {
        const auto byte = [&](Index rank, std::size_t i) {
          return static_cast<std::byte>((i * 5 + 11 * static_cast<std::size_t>(rank)) & 255);
        };
        std::vector<std::byte> bytes(size), expected(size);
        for (std::size_t i = 0; i < size; ++i) bytes[i] = byte(ranks_.rank(), i), expected[i] = byte(root, i);
        ranks_.broadcast(bytes, root);
        expect(bytes == expected, "what rank " + std::to_string(root) + " broadcasts does not arrive");
      }
  }

  C& ranks_;
};

// `Array`: numbers in memory of the device that the communicator is for.
template <template <class> class Array = HostArray, Communicator C>
void check_communicator(C& ranks) {
  CommunicatorChecks<C, Array>(ranks).all();
}

}  // namespace dvd::testing
