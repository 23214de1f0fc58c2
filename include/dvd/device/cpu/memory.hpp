// Memory of the CPU device: an arena from which all arrays come and to which they return.
//
// A training step asks for the same sizes in the same order again and again. Giving large arrays back to the operating
// system costs more than filling them (every page is cleared when it returns), and keeping lists of free arrays by size
// keeps twice what is ever needed at a time. The arena cuts arrays from a few large regions, always at the lowest place
// that fits, and joins neighbours that are free again: after the first step, what a step needs lies packed at the
// bottom of the regions, no memory is asked for any more, and pages that were never needed are never touched.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <new>

#if defined(__unix__) || defined(__APPLE__)
#include <sys/mman.h>
#endif
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

#include "dvd/core/error.hpp"
#include "dvd/core/shape.hpp"
#include "dvd/device/cpu/simd.hpp"

namespace dvd::cpu {

/// First-fit allocation from large regions, in order of addresses; `buffer_slack` bytes behind every array are its own.
/// Thread-safe.
class Arena {
 public:
  static constexpr std::size_t alignment = 64;

  /// The arena of the process. Never destroyed: arrays may outlive every static object.
  static Arena& instance() {
    static auto& arena = *new Arena;
    return arena;
  }

  void* take(std::size_t bytes) {
    const std::size_t size = rounded(bytes);
    const std::lock_guard lock(mutex_);
    auto span = std::find_if(free_.begin(), free_.end(), [=](const auto& entry) { return entry.second >= size; });
    if (span == free_.end()) span = grow(size);
    std::byte* const begin = span->first;
    const std::size_t left = span->second - size;
    forbid(begin, size, false);
    const auto next = free_.erase(span);
    if (left > 0) free_.emplace_hint(next, begin + size, left);
    in_use_ += size;
    peak_ = std::max(peak_, in_use_);
    return begin;
  }

  void give(void* buffer, std::size_t bytes) noexcept {
    const std::size_t size = rounded(bytes);
    std::byte* const begin = static_cast<std::byte*>(buffer);
    const std::lock_guard lock(mutex_);
    in_use_ -= size;
    forbid(begin, size, true);
    const auto after = free_.lower_bound(begin);
    if (after != free_.begin()) {
      const auto before = std::prev(after);
      if (before->first + before->second == begin) {
        before->second += size;
        if (after != free_.end() && begin + size == after->first) {
          before->second += after->second;
          free_.erase(after);
        }
        return;
      }
    }
    try {
      if (after != free_.end() && begin + size == after->first) {
        const std::size_t joined = size + after->second;
        free_.emplace_hint(free_.erase(after), begin, joined);
      } else {
        free_.emplace_hint(after, begin, size);
      }
    } catch (...) {  // no memory for the note that there is memory: the array is lost to the arena
    }
  }

  /// Bytes in use now, the most that ever were, and those of all regions.
  std::size_t in_use() const { return locked(in_use_); }
  std::size_t peak() const { return locked(peak_); }
  std::size_t reserved() const { return locked(reserved_); }

 private:
  using Spans = std::map<std::byte*, std::size_t>;

  Arena() = default;

  std::size_t locked(const std::size_t& value) const {
    const std::lock_guard lock(mutex_);
    return value;
  }

  static std::size_t rounded(std::size_t bytes) {
    constexpr std::size_t step = 256;
    return (bytes + buffer_slack + step - 1) / step * step;
  }

  /// Tells the address sanitizer what is free, so that it finds reads and writes there.
  static void forbid([[maybe_unused]] std::byte* begin, [[maybe_unused]] std::size_t size,
                     [[maybe_unused]] bool forbidden) {
#if defined(__SANITIZE_ADDRESS__)
    if (forbidden)
      ASAN_POISON_MEMORY_REGION(begin, size);
    else
      ASAN_UNPOISON_MEMORY_REGION(begin, size);
#endif
  }

  /// Another region, as large as the system promises: pages that are never touched cost nothing.
  Spans::iterator grow(std::size_t size) {
    for (std::size_t region = std::max(size, largest_region); region >= size;
         region = region > size ? std::max(size, region / 2) : 0) {
      if (void* const memory = map(region)) {
        reserved_ += region;
        forbid(static_cast<std::byte*>(memory), region, true);
        return free_.emplace(static_cast<std::byte*>(memory), region).first;
      }
    }
    throw Error(concat("out of memory: ", size >> 20, " MiB more were needed; use a smaller batch, fewer channels or ",
                       "a lower resolution"));
  }

  /// Zeros from the operating system.
  static void* map(std::size_t bytes) {
#if defined(__unix__) || defined(__APPLE__)
    void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? nullptr : memory;
#else
    void* const memory = ::operator new (bytes, std::align_val_t{alignment}, std::nothrow);
    if (memory) std::memset(memory, 0, bytes);
    return memory;
#endif
  }

#if defined(__SANITIZE_ADDRESS__)
  static constexpr std::size_t largest_region = std::size_t{256} << 20;  // its notes on a region take an eighth of it
#else
  static constexpr std::size_t largest_region = std::size_t{8} << 30;
#endif

  mutable std::mutex mutex_;
  Spans free_;  ///< by address; no two of them touch
  std::size_t in_use_ = 0, peak_ = 0, reserved_ = 0;
};

/// Memory kernels of the contract; see core/device.hpp.
struct Memory {
  static std::shared_ptr<void> allocate(std::size_t bytes) {
    return {Arena::instance().take(bytes), [bytes](void* buffer) { Arena::instance().give(buffer, bytes); }};
  }

  static void upload(const void* host, void* device, std::size_t bytes) { std::memcpy(device, host, bytes); }
  static void download(const void* device, void* host, std::size_t bytes) { std::memcpy(host, device, bytes); }

  static std::size_t peak_memory() { return Arena::instance().peak(); }
};

/// A temporary array from the arena; its values are undefined at first.
template <class T>
class Scratch {
 public:
  explicit Scratch(Index size) : memory_(Memory::allocate(static_cast<std::size_t>(size) * sizeof(T))) {}
  T* data() const { return static_cast<T*>(memory_.get()); }

 private:
  std::shared_ptr<void> memory_;
};

/// Arrays for the task that runs on this thread, in memory that the thread keeps: nothing is allocated once the largest
/// task has run. A task takes all that it needs at once and must not start other tasks meanwhile.
class Workspace {
 public:
  /// Room for `sizes` elements of T each, every array beginning on a cache line; values are undefined. Arrays of some
  /// kilobytes are moved off each other's places in the cache.
  template <class T, std::size_t Count>
  static std::array<T*, Count> arrays(const std::array<Index, Count>& sizes) {
    constexpr Index line = Arena::alignment / static_cast<Index>(sizeof(T));
    Index total = 0;
    std::array<Index, Count> offsets;
    for (std::size_t i = 0; i < Count; ++i) {
      offsets[i] = total;
      total += (sizes[i] + 2 * line) / line * line + line;
    }
    thread_local Workspace own;
    const auto bytes = static_cast<std::size_t>(total) * sizeof(T);
    if (own.bytes_ < bytes) {
      own.memory_.reset();
      own.memory_ = Memory::allocate(bytes);
      std::memset(own.memory_.get(), 0, bytes);
      own.bytes_ = bytes;
    }
    std::array<T*, Count> result;
    for (std::size_t i = 0; i < Count; ++i) result[i] = static_cast<T*>(own.memory_.get()) + offsets[i];
    return result;
  }

 private:
  std::shared_ptr<void> memory_;
  std::size_t bytes_ = 0;
};

}  // namespace dvd::cpu
