// A parallel loop under the thread sanitizer, which is to see what it orders; with an argument, one with a race in it.
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <thread>
#include <vector>

#include "dvd/device/cpu/parallel.hpp"

int main(int argc, char**) {
  const tbb::global_control allowed(tbb::global_control::max_allowed_parallelism, 4);
  long total = 0;
  for (long round = 0; round < 100; ++round) {
    std::vector<long> before(64, round), after(64);
    long shared = 0;
    dvd::cpu::parallel_for(64, [&](dvd::Index i) {
      if (round < 40) std::this_thread::sleep_for(std::chrono::microseconds(50));  // so that other threads take part
      after[static_cast<std::size_t>(i)] = 2 * before[static_cast<std::size_t>(i)];
      if (argc > 1) ++shared;
    });
    for (const long value : after) total += value;
  }
  std::printf("%ld\n", total);
}
