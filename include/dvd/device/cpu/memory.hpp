// Memory of the CPU device.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>

#if defined(__unix__) || defined(__APPLE__)
#include <sys/mman.h>
#include <unistd.h>
#endif
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

#include "dvd/core/error.hpp"
#include "dvd/core/shape.hpp"
#include "dvd/device/arena.hpp"
#include "dvd/device/cpu/simd.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cpu {

constexpr std::size_t memory_alignment = 64;

/// Regions of memory as large as the system promises: those that are never touched cost nothing.
struct HostRegions {
#if defined(__SANITIZE_ADDRESS__)
  static constexpr std::size_t largest = std::size_t{256} << 20;  // its notes on a region take an eighth of it
#else
  static constexpr std::size_t largest = std::size_t{8} << 30;
#endif

  /// Zeros from the operating system.
  static void* map(std::size_t bytes) {
#if defined(__unix__) || defined(__APPLE__)
    void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return nullptr;
#if defined(MADV_HUGEPAGE)
    // Arrays are walked by many rows at once: with pages of 4 KB each row is another entry of the address cache.
    madvise(memory, bytes, MADV_HUGEPAGE);
#endif
    return memory;
#else
    void* const memory = ::operator new (bytes, std::align_val_t{memory_alignment}, std::nothrow);
    if (memory) std::memset(memory, 0, bytes);
    return memory;
#endif
  }

  static void unmap(void* region, [[maybe_unused]] std::size_t bytes) {
    forbid(region, bytes, false);
#if defined(__unix__) || defined(__APPLE__)
    munmap(region, bytes);
#else
    ::operator delete (region, std::align_val_t{memory_alignment});
#endif
  }

  /// The pages that lie in this memory as a whole are the system's until they are touched again.
  static void discard([[maybe_unused]] void* begin, [[maybe_unused]] std::size_t bytes) {
#if defined(__unix__) || defined(__APPLE__)
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    const auto first = reinterpret_cast<std::uintptr_t>(begin), last = first + bytes;
    const std::size_t before = (page - first % page) % page, behind = last % page;
    if (before + behind < bytes)
      madvise(static_cast<std::byte*>(begin) + before, bytes - before - behind, MADV_DONTNEED);
#endif
  }

  /// Tells the address sanitizer what is free, so that it finds reads and writes there.
  static void forbid([[maybe_unused]] void* begin, [[maybe_unused]] std::size_t bytes,
                     [[maybe_unused]] bool forbidden) {
#if defined(__SANITIZE_ADDRESS__)
    if (forbidden)
      ASAN_POISON_MEMORY_REGION(begin, bytes);
    else
      ASAN_UNPOISON_MEMORY_REGION(begin, bytes);
#endif
  }

  [[noreturn]] static void out_of_memory(std::size_t bytes, std::size_t, std::size_t) {
    throw Error(concat("out of memory: ", bytes >> 20, " MiB more were needed; use a smaller batch, fewer channels or ",
                       "a lower resolution"));
  }
};

/// The arena of the process. Never destroyed: arrays may outlive every static object.
inline Arena& arena() {
  static auto& arena = *new Arena({.step = 256,
                                   .slack = buffer_slack,
                                   .largest_region = HostRegions::largest,
                                   .map = HostRegions::map,
                                   .unmap = HostRegions::unmap,
                                   .forbid = HostRegions::forbid,
                                   .out_of_memory = HostRegions::out_of_memory,
                                   .discard = HostRegions::discard});
  return arena;
}

/// Memory kernels of the contract; see core/device.hpp.
struct Memory {
  static constexpr bool queues_work = false;

  static std::shared_ptr<void> allocate(std::size_t bytes) {
    return {arena().take(bytes), [bytes](void* buffer) { arena().give(buffer, bytes); }};
  }

  // Of no bytes there may be no address either, which memcpy must not be given.
  static void upload(const void* host, void* device, std::size_t bytes) {
    if (bytes > 0) std::memcpy(device, host, bytes);
  }
  static void download(const void* device, void* host, std::size_t bytes) {
    if (bytes > 0) std::memcpy(host, device, bytes);
  }

  static std::size_t peak_memory() { return arena().peak(); }

  /// Gives the operating system back the memory that no array takes, which is otherwise kept for the next ones: for a
  /// program that has finished training and goes on with other things. What threads keep for their own kernels, some
  /// megabytes each, stays. May be called at any time, from any thread.
  static void release_memory() { arena().release(); }
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
    constexpr Index line = memory_alignment / static_cast<Index>(sizeof(T));
    Index total = 0;
    std::array<Index, Count> offsets;
    for (std::size_t i = 0; i < Count; ++i) {
      offsets[i] = total;
      total += (sizes[i] + 2 * line) / line * line + line;
    }
    thread_local Workspace own;
    const auto bytes = static_cast<std::size_t>(total) * sizeof(T);
    if (own.bytes_ < bytes) {
      own.bytes_ = 0;  // stays so if there is no memory
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

#include "dvd/core/macros_end.hpp"
