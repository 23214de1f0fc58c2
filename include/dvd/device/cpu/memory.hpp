// Memory of the CPU device: aligned buffers that are kept for reuse.
//
// A training step asks for the same sizes again and again. Giving large buffers back to the operating system costs more
// than filling them (every page is cleared when it returns), so freed buffers wait in lists by size.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/core/shape.hpp"
#include "dvd/device/cpu/simd.hpp"

namespace dvd::cpu {

/// Free lists of buffers, a list a size. Thread-safe.
class BufferPool {
 public:
  static constexpr std::size_t alignment = 64;

  /// The pool of the process. Never destroyed: buffers may outlive every static object.
  static BufferPool& instance() {
    static auto& pool = *new BufferPool;
    return pool;
  }

  void* take(std::size_t bytes) {
    const std::size_t size = rounded(bytes);
    {
      const std::lock_guard lock(mutex_);
      in_use_ += size;
      peak_ = std::max(peak_, in_use_);
      auto& list = free_[size];
      if (!list.empty()) {
        void* buffer = list.back();
        list.pop_back();
        return buffer;
      }
    }
    void* buffer = ::operator new (size + buffer_slack, std::align_val_t{alignment}, std::nothrow);
    if (!buffer) {
      const std::lock_guard lock(mutex_);
      in_use_ -= size;
      throw Error(concat("out of memory: ", size >> 20,
                         " MiB more were needed; use a smaller batch, fewer channels or ", "a lower resolution"));
    }
    // The slack is read (and ignored) by kernels that load whole vectors.
    std::memset(static_cast<std::byte*>(buffer) + size, 0, buffer_slack);
    return buffer;
  }

  void give(void* buffer, std::size_t bytes) noexcept {
    const std::size_t size = rounded(bytes);
    const std::lock_guard lock(mutex_);
    in_use_ -= size;
    try {
      free_[size].push_back(buffer);
    } catch (...) {
      ::operator delete (buffer, std::align_val_t{alignment});
    }
  }

  /// Bytes in use now, and the most that ever were.
  std::size_t in_use() const { return locked(in_use_); }
  std::size_t peak() const { return locked(peak_); }

 private:
  BufferPool() = default;

  std::size_t locked(const std::size_t& value) const {
    const std::lock_guard lock(mutex_);
    return value;
  }

  // Eight sizes between powers of two: at most an eighth is wasted, and similar requests share a list.
  static std::size_t rounded(std::size_t bytes) {
    const std::size_t step = std::max<std::size_t>(256, std::bit_floor(std::max<std::size_t>(bytes, 1)) / 8);
    return (std::max<std::size_t>(bytes, 1) + step - 1) / step * step;
  }

  mutable std::mutex mutex_;
  std::map<std::size_t, std::vector<void*>> free_;
  std::size_t in_use_ = 0;
  std::size_t peak_ = 0;
};

/// Memory kernels of the contract; see core/device.hpp.
struct Memory {
  static std::shared_ptr<void> allocate(std::size_t bytes) {
    return {BufferPool::instance().take(bytes), [bytes](void* buffer) { BufferPool::instance().give(buffer, bytes); }};
  }

  static void upload(const void* host, void* device, std::size_t bytes) { std::memcpy(device, host, bytes); }
  static void download(const void* device, void* host, std::size_t bytes) { std::memcpy(host, device, bytes); }

  static std::size_t peak_memory() { return BufferPool::instance().peak(); }
};

/// A temporary array from the pool; its values are undefined at first.
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
    constexpr Index line = BufferPool::alignment / static_cast<Index>(sizeof(T));
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
