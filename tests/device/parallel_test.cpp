// Kernels in the midst of the tasks, locks and floating-point modes of the program around them.
#include "dvd/device/cpu/parallel.hpp"

#include <doctest/doctest.h>
#include <tbb/global_control.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>
#include <tbb/task_group.h>

#include <atomic>
#include <chrono>
#include <limits>
#include <stdexcept>
#include <thread>
#include <vector>

#include "dvd/core/tensor.hpp"
#include "dvd/device/cpu.hpp"

namespace {

using namespace dvd;

void spin() {
  [[maybe_unused]] thread_local volatile double sink = 0;
  double sum = 0;
  for (int i = 0; i < 20000; ++i) sum += 1.0 / (1 + i);
  sink = sum;
}

TEST_CASE("a thread that waits for kernels does not start another task of the caller's") {
  // It would wait for a lock that it holds itself: a model behind a mutex, used from tasks.
  thread_local int inside = 0;
  std::atomic<int> nested = 0;
  const auto use = [&](int) {
    nested += inside > 0;
    ++inside;
    const std::thread::id caller = std::this_thread::get_id();
    cpu::parallel_for(8, [&](Index) {  // the caller is done before the others
      spin();
      if (std::this_thread::get_id() != caller) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    });
    --inside;
  };
  // More threads than there may be cores, so that there is always one that waits.
  const tbb::global_control allowed(tbb::global_control::max_allowed_parallelism, 4);
  tbb::task_arena four(4);
  four.execute([&] {
    for (int round = 0; round < 50; ++round) tbb::parallel_for(0, 6, 1, use, tbb::simple_partitioner());
  });
  CHECK(nested == 0);
}

TEST_CASE("kernels are whole within a group of tasks that is cancelled") {
  constexpr Index size = 1 << 20;
  std::vector<float> values;
  tbb::task_group group;
  group.run_and_wait([&] {
    group.cancel();
    values = Tensor<float, Cpu>::full({size}, 1).to_vector();
  });
  CHECK(values == std::vector<float>(size, 1));
}

TEST_CASE("what a task throws comes out") {
  CHECK_THROWS_WITH_AS(cpu::parallel_for(100,
                                         [](Index i) {
                                           if (i == 50) throw std::runtime_error("fifty");
                                         }),
                       "fifty", std::runtime_error);
  int calls = 0;
  cpu::parallel_for(0, [&](Index) { ++calls; });
  cpu::parallel_for(1, [&](Index) { ++calls; });
  CHECK(calls == 1);
}

#if defined(__SSE2__) || defined(__aarch64__)
// Whether the smallest numbers are zero on this thread.
bool flushes() {
  volatile float least = std::numeric_limits<float>::denorm_min();
  return least * 2 == 0;
}

TEST_CASE("in kernels the smallest numbers are zero, in other calls and the caller's tasks what they are") {
  for (const Index count : {1, 1000}) {
    std::atomic<Index> in_kernels = 0, in_calls = 0;
    cpu::parallel_for(count, [&](Index) { in_kernels += flushes(); });
    cpu::parallel_calls(count, [&](Index) { in_calls += flushes(); });
    CHECK(in_kernels == count);
    CHECK(in_calls == 0);
    CHECK_FALSE(flushes());
  }
  std::atomic<int> in_tasks = 0;
  tbb::parallel_for(0, 1000, [&](int) {
    spin();
    in_tasks += flushes();
  });
  CHECK(in_tasks == 0);
}
#endif

}  // namespace
