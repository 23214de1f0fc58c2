// What an arena gives and keeps, recordings included, against a list of what is taken.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include "dvd/device/arena.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <stdexcept>
#include <utility>
#include <vector>

#include "dvd/core/random.hpp"

namespace {

using namespace dvd;

std::size_t mapped = 0, limit = 0, discarded = 0;

Arena small_arena() {
  return Arena({.step = 64,
                .slack = 0,
                .largest_region = 4096,
                .map = [](std::size_t bytes) -> void* {
                  if (mapped + bytes > limit) return nullptr;
                  mapped += bytes;
                  return std::aligned_alloc(64, bytes);
                },
                .unmap =
                    [](void* region, std::size_t bytes) {
                      mapped -= bytes;
                      std::free(region);
                    },
                .forbid = [](void*, std::size_t, bool) {},
                .out_of_memory = [](std::size_t, std::size_t, std::size_t) { throw std::bad_alloc(); },
                .discard = [](void*, std::size_t bytes) { discarded += bytes; }});
}

using Arrays = std::vector<std::pair<std::byte*, std::size_t>>;

bool disjoint(const Arrays& arrays, std::byte* begin, std::size_t size) {
  for (const auto& [other, other_size] : arrays)
    if (begin < other + other_size && other < begin + size) return false;
  return true;
}

TEST_CASE("arrays never overlap, and all is one piece again at the end") {
  mapped = 0;
  limit = 1 << 20;
  Arena arena = small_arena();
  Arrays taken;
  const Random random(1);
  std::size_t in_use = 0;
  for (std::uint64_t i = 0; i < 5000; ++i) {
    if (taken.empty() || random.uniform(2 * i) < 0.55) {
      const auto size = static_cast<std::size_t>(random.below(2 * i + 1, 20) + 1) * 64;
      auto* const array = static_cast<std::byte*>(arena.take(size));
      REQUIRE(disjoint(taken, array, size));
      taken.emplace_back(array, size);
      in_use += size;
      if (taken.size() < 60) continue;
    }
    const auto which = static_cast<std::size_t>(random.below(2 * i + 1, static_cast<std::int64_t>(taken.size())));
    arena.give(taken[which].first, taken[which].second);
    in_use -= taken[which].second;
    taken.erase(taken.begin() + static_cast<std::ptrdiff_t>(which));
    REQUIRE(arena.in_use() == in_use);
  }
  for (const auto& [array, size] : taken) arena.give(array, size);
  CHECK(arena.in_use() == 0);
  // Whole regions go back where a larger one is wanted.
  limit = mapped;
  const std::size_t all = mapped;
  CHECK(arena.take(all) != nullptr);
  CHECK_THROWS_AS(arena.take(64), std::bad_alloc);
}

TEST_CASE("what a recording has taken is nobody else's until the next recording") {
  mapped = 0;
  limit = 1 << 20;
  Arena arena = small_arena();
  std::byte* const before = static_cast<std::byte*>(arena.take(640));
  arena.begin_recording();
  Arrays recorded;
  for (const std::size_t size : {64u, 1280u, 192u, 5000u})
    recorded.emplace_back(static_cast<std::byte*>(arena.take(size)), (size + 63) / 64 * 64);
  for (const auto& [array, size] : recorded) arena.give(array, size);
  arena.give(before, 640);
  CHECK(arena.end_recording() == 0);

  Arrays taken;
  for (int i = 0; i < 200; ++i) {
    auto* const array = static_cast<std::byte*>(arena.take(320));
    REQUIRE(disjoint(recorded, array, 320));
    REQUIRE(disjoint(taken, array, 320));
    taken.emplace_back(array, 320);
  }
  const std::size_t reserved = arena.reserved();
  for (int round = 0; round < 3; ++round) {
    arena.begin_recording();
    void* const again = arena.take(5000);
    CHECK(again == recorded[3].first);  // recordings share their memory
    arena.give(again, 5000);
    CHECK(arena.end_recording() == 0);
  }
  CHECK(arena.reserved() == reserved);

  arena.begin_recording();
  void* const left = arena.take(64);
  CHECK(arena.end_recording() == 1);
  arena.give(left, 64);  // held all the same
  for (int i = 0; i < 50; ++i) {
    auto* const array = static_cast<std::byte*>(arena.take(64));
    REQUIRE(array != left);
  }
}

TEST_CASE("what is free is released: regions whole, and the free memory of others") {
  mapped = discarded = 0;
  limit = 1 << 20;
  Arena arena = small_arena();
  void* const first = arena.take(1024);
  void* const second = arena.take(4096);  // a region of its own
  arena.give(second, 4096);
  CHECK(arena.reserved() == 8192);
  arena.begin_recording();
  arena.release();
  CHECK(arena.reserved() == 8192);
  CHECK(arena.end_recording() == 0);
  arena.release();
  CHECK(arena.reserved() == 4096);
  CHECK(mapped == 4096);
  CHECK(discarded == 3072);
  arena.give(first, 1024);
  arena.release();
  CHECK(arena.reserved() == 0);
  CHECK(arena.take(64) != nullptr);
}

}  // namespace
