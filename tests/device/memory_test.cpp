// The CPU's memory: what happens when there is none, and giving it back.
#include "dvd/device/cpu/memory.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <fstream>

namespace {

using namespace dvd;

constexpr std::size_t mebibyte = std::size_t{1} << 20;

// Memory of this process that is there, in bytes.
std::size_t resident() {
  std::ifstream statm("/proc/self/statm");
  std::size_t all = 0, there = 0;
  statm >> all >> there;
  return there * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

TEST_CASE("a thread's workspace serves again after there was no memory for a larger one") {
  CHECK(cpu::Workspace::arrays<float, 1>({100})[0] != nullptr);
  CHECK_THROWS_AS((cpu::Workspace::arrays<float, 1>({Index{1} << 50})), Error);
  float* const again = cpu::Workspace::arrays<float, 1>({10})[0];
  REQUIRE(again != nullptr);
  again[9] = 1;
}

TEST_CASE("nothing is copied from nowhere") {
  const std::shared_ptr<void> memory = cpu::Memory::allocate(64);
  cpu::Memory::upload(nullptr, memory.get(), 0);
  cpu::Memory::download(memory.get(), nullptr, 0);
  cpu::Memory::upload(nullptr, nullptr, 0);  // the undefined-behaviour sanitizer would have something to say
}

TEST_CASE("unused memory goes back to the system when asked to, and only that") {
  if (resident() == 0) return;  // no such file here
  const std::shared_ptr<void> kept = cpu::Memory::allocate(mebibyte);
  std::memset(kept.get(), 1, mebibyte);
  for (int round = 0; round < 2; ++round) {
    const std::size_t before = resident();
    {
      const std::shared_ptr<void> large = cpu::Memory::allocate(256 * mebibyte);
      std::memset(large.get(), 1, 256 * mebibyte);
    }
    CHECK(resident() > before + 200 * mebibyte);
    cpu::Memory::release_memory();
    CHECK(resident() < before + 50 * mebibyte);
  }
  const auto* const bytes = static_cast<const unsigned char*>(kept.get());
  CHECK(std::all_of(bytes, bytes + mebibyte, [](unsigned char byte) { return byte == 1; }));
}

}  // namespace
