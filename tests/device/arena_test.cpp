// What an arena gives and keeps, recordings included, against a list of what is taken.
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
  CHECK(arena.end_recording().left == 0);

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
    CHECK(arena.end_recording().left == 0);
  }
  CHECK(arena.reserved() == reserved);
}

TEST_CASE("a recording that leaves arrays behind, or fails, holds nothing, and those arrays are nobody else's") {
  mapped = 0;
  limit = 4096;
  Arena arena = small_arena();
  arena.begin_recording();
  arena.give(arena.take(1024), 1024);
  const Arena::Recorded whole = arena.end_recording();
  CHECK(whole.claim != 0);
  CHECK(arena.held() == 1024);
  arena.begin_recording();
  void* const left = arena.take(64);
  const Arena::Recorded refused = arena.end_recording();
  CHECK(refused.left == 1);
  CHECK(refused.claim == 0);
  CHECK(arena.held() == 1024);
  CHECK(!arena.replayable(whole.claim));  // it lies where that recording works
  arena.give(left, 64);
  CHECK(arena.replayable(whole.claim));
  arena.begin_recording();
  arena.give(arena.take(2048), 2048);
  CHECK(arena.end_recording(false).claim == 0);
  CHECK(arena.held() == 1024);
}

TEST_CASE("where there is no other memory, that of recordings is lent, and asked for before a replay") {
  mapped = 0;
  limit = 4096;
  Arena arena = small_arena();
  const auto record = [&](std::size_t size) {
    arena.begin_recording();
    void* const array = arena.take(size);
    arena.give(array, size);
    return arena.end_recording().claim;
  };
  const Arena::Claim small = record(1024), large = record(3072);
  CHECK(arena.held() == 3072);
  void* const own = arena.take(1024);  // there is that much left
  CHECK(arena.replayable(small));
  CHECK(arena.replayable(large));

  auto* const lent = static_cast<std::byte*>(arena.take(1024));
  auto* const more = static_cast<std::byte*>(arena.take(2048));
  CHECK_THROWS_AS(arena.take(64), std::bad_alloc);
  CHECK(!arena.replayable(small));
  CHECK(!arena.replayable(large));
  CHECK_NOTHROW(arena.give(lent, 1024));
  CHECK(arena.replayable(small));
  CHECK(!arena.replayable(large));  // `more` lies in it
  arena.give(more, 2048);
  CHECK(arena.replayable(large));
  // Whatever was lent is held again, not free.
  arena.release();
  CHECK(arena.reserved() == 4096);
  arena.give(own, 1024);

  // What is recorded while an array lives in the memory of another recording keeps out of it.
  Arrays taken;
  for (int i = 0; i < 5; ++i) taken.emplace_back(static_cast<std::byte*>(arena.take(640)), 640);
  arena.begin_recording();
  auto* const recorded = static_cast<std::byte*>(arena.take(512));
  CHECK(disjoint(taken, recorded, 512));
  arena.give(recorded, 512);
  const Arena::Claim third = arena.end_recording().claim;
  CHECK(arena.replayable(third));
  CHECK(!arena.replayable(large));
  for (const auto& [array, size] : taken) arena.give(array, size);
  CHECK(arena.replayable(large));
}

TEST_CASE("with the last recording goes what it held") {
  mapped = 0;
  limit = 1 << 20;
  Arena arena = small_arena();
  const auto record = [&](std::size_t size) {
    arena.begin_recording();
    void* const array = arena.take(size);
    arena.give(array, size);
    return arena.end_recording().claim;
  };
  const Arena::Claim first = record(1024), second = record(8192);
  const std::size_t held = arena.held();
  arena.forget(first);
  CHECK(arena.held() < held);
  CHECK(arena.replayable(second));
  arena.release();
  CHECK(arena.reserved() == 8192);
  arena.forget(second);
  CHECK(arena.held() == 0);
  arena.release();
  CHECK(arena.reserved() == 0);
  CHECK(mapped == 0);
}

TEST_CASE("arrays and recordings at random: nothing overlaps that must not") {
  mapped = 0;
  limit = 16384;
  Arena arena = small_arena();
  const Random random(7);
  Arrays taken;
  std::vector<std::pair<Arena::Claim, Arrays>> recordings;
  int lent = 0, refused = 0, out = 0;
  for (std::uint64_t i = 0; i < 20000; ++i) {
    const double choice = random.uniform(3 * i);
    const auto size = static_cast<std::size_t>(random.below(3 * i + 1, 40) + 1) * 64;
    const auto any = [&](std::size_t count) {
      return static_cast<std::size_t>(random.below(3 * i + 2, static_cast<std::int64_t>(count)));
    };
    if (choice < 0.45) {
      try {
        auto* const array = static_cast<std::byte*>(arena.take(size));
        REQUIRE(disjoint(taken, array, size));
        taken.emplace_back(array, size);
      } catch (const std::bad_alloc&) {
        ++out;
      }
    } else if (choice < 0.88) {
      if (taken.empty()) continue;
      const std::size_t which = any(taken.size());
      arena.give(taken[which].first, taken[which].second);
      taken.erase(taken.begin() + static_cast<std::ptrdiff_t>(which));
    } else if (choice < 0.91) {
      arena.begin_recording();
      Arrays own;
      try {
        for (std::uint64_t k = 0; k < 3; ++k) {
          auto* const array = static_cast<std::byte*>(arena.take(size));
          REQUIRE(disjoint(taken, array, size));
          REQUIRE(disjoint(own, array, size));
          own.emplace_back(array, size);
        }
        for (const auto& [array, bytes] : own) arena.give(array, bytes);
        recordings.emplace_back(arena.end_recording().claim, own);
        REQUIRE(recordings.back().first != 0);
      } catch (const std::bad_alloc&) {
        for (const auto& [array, bytes] : own) arena.give(array, bytes);
        CHECK(arena.end_recording(false).claim == 0);
      }
    } else if (choice < 0.98) {
      if (recordings.empty()) continue;
      const auto& [claim, own] = recordings[any(recordings.size())];
      bool clear = true;
      for (const auto& [array, bytes] : own) clear = clear && disjoint(taken, array, bytes);
      REQUIRE(arena.replayable(claim) == clear);
      ++(clear ? lent : refused);
    } else if (!recordings.empty()) {
      const std::size_t which = any(recordings.size());
      arena.forget(recordings[which].first);
      recordings.erase(recordings.begin() + static_cast<std::ptrdiff_t>(which));
    }
  }
  CHECK(lent > 50);
  CHECK(refused > 50);
  CHECK(out > 50);
  for (const auto& [claim, own] : recordings) arena.forget(claim);
  for (const auto& [array, size] : taken) arena.give(array, size);
  arena.release();
  CHECK(arena.reserved() == 0);
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
  CHECK(arena.end_recording().left == 0);
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
