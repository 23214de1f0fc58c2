// What the emulated GPU is given to do, counted: every launch, call of a library and copy, with the bytes that it reads
// and writes and its floating-point operations.
//
// In a dry run that is all that happens. Memory is addresses over one small pattern, which stands for numbers
// everywhere, nothing is stored, and work is not done: of each launch a few runs of neighbouring threads are looked at,
// which tell what all of them touch. So the training of a model that fills a large GPU can be counted on a small
// machine.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

/// A piece of work that was submitted.
struct EmulatedWork {
  enum Kind { kernel, convolution, product, copy };

  Kind kind;
  std::string name;
  double read = 0, written = 0;  ///< bytes; measured in dry runs only
  double flop = 0;               ///< of convolutions and products
  std::array<long, 11>
      asked{};  ///< what a convolution was, for who asks the library about it (emulated_cudnn/count.hpp)
};

/// Memory that a run of threads has touched, in the sectors of 32 bytes that a GPU moves.
class EmulatedFootprint {
 public:
  std::size_t read = 0, written = 0;  ///< sectors
  std::size_t accesses = 0;

  EmulatedFootprint() : slots_(std::size_t{1} << bits, 0) {}

  void clear() {
    for (const std::size_t slot : used_) slots_[slot] = 0;
    used_.clear();
    read = written = accesses = 0;
  }

  void touch(const void* array, std::size_t bytes, bool writes) {
    ++accesses;
    const auto address = reinterpret_cast<std::uintptr_t>(array);
    for (std::uintptr_t sector = address / sector_bytes; sector <= (address + bytes - 1) / sector_bytes; ++sector)
      if (is_new(sector * 2 + writes)) ++(writes ? written : read);
  }

  static constexpr std::size_t sector_bytes = 32;
  /// As many accesses of 16 bytes are counted before it is full, at least.
  static constexpr std::size_t most_accesses = 40000;

 private:
  static constexpr int bits = 18;

  bool is_new(std::uint64_t key) {
    std::size_t slot = key * 0x9E3779B97F4A7C15u >> (64 - bits);
    for (;; slot = (slot + 1) % slots_.size()) {
      if (slots_[slot] == key) return false;
      if (slots_[slot] == 0) break;
    }
    if (used_.size() < slots_.size() / 2) {  // a thread that touches more than that is not looked at to its end
      slots_[slot] = key;
      used_.push_back(slot);
    }
    return true;
  }

  std::vector<std::uint64_t> slots_;
  std::vector<std::size_t> used_;
};

/// Set while a dry run looks at threads: loads and stores tell it, and nothing is stored.
inline constinit thread_local EmulatedFootprint* emulated_footprint = nullptr;

/// The work that was done since counting began.
class EmulatedCounting {
 public:
  static EmulatedCounting& instance() {
    static auto& counting = *new EmulatedCounting;
    return counting;
  }

  bool on = false;   ///< work is counted
  bool dry = false;  ///< and not done

  void add(const EmulatedWork& work) {
    const std::lock_guard lock(mutex_);
    log_.push_back(work);
  }
  /// What was counted since the last call.
  std::vector<EmulatedWork> take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(log_, {});
  }

  /// Addresses for a dry run: at every one lies a part of a number near 1, of whichever type it is read as, until an
  /// upload of indices or the like writes there.
  void* reserve(std::size_t bytes) {
    const std::size_t size = (bytes + pattern_bytes - 1) / pattern_bytes * pattern_bytes;
    void* const memory = mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return nullptr;
    for (std::size_t place = 0; place < size; place += pattern_bytes)
      if (mmap(static_cast<std::byte*>(memory) + place, pattern_bytes, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, pattern(), 0) == MAP_FAILED) {
        munmap(memory, size);
        return nullptr;
      }
    reserved_.insert(memory);
    return memory;
  }
  /// Returns false if `memory` is none that was reserved.
  bool release(void* memory, std::size_t bytes) {
    if (reserved_.erase(memory) == 0) return false;
    munmap(memory, (bytes + pattern_bytes - 1) / pattern_bytes * pattern_bytes);
    return true;
  }

  /// Copies of less than this are done in dry runs too: they hold indices.
  static constexpr std::size_t large_copy = std::size_t{1} << 20;

 private:
  static constexpr std::size_t pattern_bytes = std::size_t{64} << 20;

  int pattern() {
    if (pattern_ >= 0) return pattern_;
    pattern_ = memfd_create("pattern", 0);
    const std::vector<std::uint32_t> numbers((std::size_t{1} << 20) / 4,
                                             0x3F803F80);  // 1.002 or, as bfloat16s, 1 and 1
    for (std::size_t written = 0; written < pattern_bytes; written += std::size_t{1} << 20)
      if (write(pattern_, numbers.data(), std::size_t{1} << 20) < 0) break;
    return pattern_;
  }

  std::mutex mutex_;
  std::vector<EmulatedWork> log_;
  std::set<void*> reserved_;
  int pattern_ = -1;
};
