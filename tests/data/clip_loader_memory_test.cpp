// A loader in a program that runs out of memory: an exception, never the end of the program.
#include <doctest/doctest.h>

#include <cstdlib>
#include <new>
#include <utility>

#include "dvd/data/clip_loader.hpp"

namespace {
thread_local long granted = -1;  // allocations that this thread may still make; any number if negative
}

[[gnu::noinline]] void* operator new(std::size_t size) {
  if (granted == 0) throw std::bad_alloc();
  if (granted > 0) --granted;
  if (void* const memory = std::malloc(size > 0 ? size : 1)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace {

using namespace dvd;

struct Numbers {
  LabelledClip draw(const Random& random) const { return {Clip(1, 1, 1), random.below(0, 1000)}; }
  Index classes() const { return 1000; }
  std::vector<std::string> class_names() const { return std::vector<std::string>(1000, "?"); }
};

const BatchSchedule schedule = [](Index number) { return Random(7).stream(static_cast<std::uint64_t>(number)); };

void check_batch(const std::vector<TrainingClip>& clips, Index number) {
  REQUIRE(clips.size() == 4);
  for (std::size_t n = 0; n < clips.size(); ++n)
    CHECK(clips[n].label == Numbers().draw(schedule(number).stream(n)).label);
}

TEST_CASE("a loader begins with the threads that there is memory for, or throws") {
  Numbers numbers;
  int thrown = 0;
  for (long allocations = 0, left = 0; left == 0; ++allocations) {
    REQUIRE(allocations < 1000);
    granted = allocations;
    try {
      ClipLoader loader(numbers, schedule, {.batch = 4, .ahead = 2, .threads = 5});
      left = std::exchange(granted, -1);
      for (Index number = 0; number < 5; ++number) check_batch(loader.batch(number), number);
    } catch (const std::bad_alloc&) {
      granted = -1;
      ++thrown;
    }
  }
  CHECK(thrown > 0);
}

TEST_CASE("a batch that there was no memory for can be asked for again") {
  Numbers numbers;
  ClipLoader loader(numbers, schedule, {.batch = 4, .ahead = 2, .threads = 2});
  for (Index number : {0, 1, 2, 10, 11, 5})
    for (long allocations = 0;; ++allocations) {
      REQUIRE(allocations < 1000);
      granted = allocations;
      try {
        const std::vector<TrainingClip> clips = loader.batch(number);
        granted = -1;
        check_batch(clips, number);
        break;
      } catch (const std::bad_alloc&) {
        granted = -1;
      }
    }
}

}  // namespace
