// A device's memory: an arena from which all arrays come and to which they return.
//
// A training step asks for the same sizes in the same order again and again. Asking the system each time costs more
// than filling the arrays, and keeping lists of free arrays by size keeps twice what is ever needed at a time. The
// arena cuts arrays from a few large regions, always at the lowest place that fits, and joins neighbours that are free
// again: after the first step, what a step needs lies packed at the bottom of the regions and no memory is asked for
// any more.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <map>
#include <mutex>

#include "dvd/core/instruction_set.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Where an arena's memory comes from, and its measures in bytes.
struct ArenaSource {
  std::size_t step;                 ///< arrays take a multiple of this
  std::size_t slack;                ///< what follows an array and is its own
  std::size_t largest_region;       ///< what is asked for at a time, if an array does not need more
  void* (*map)(std::size_t bytes);  ///< null if there is no more
  void (*unmap)(void* region, std::size_t bytes);
  /// Tells of memory that is free (or no longer so), for tools that look for reads and writes there.
  void (*forbid)(void* begin, std::size_t bytes, bool forbidden);
  /// Throws: `bytes` more were needed than there are, with `in_use` bytes of arrays and `reserved` in all regions.
  void (*out_of_memory)(std::size_t bytes, std::size_t in_use, std::size_t reserved);
  /// Lets the system have what lies behind free memory, which stays mapped; null where there is no such thing.
  void (*discard)(void* begin, std::size_t bytes) = nullptr;
};

/// First-fit allocation from large regions, in order of addresses. Thread-safe.
class Arena {
 public:
  explicit Arena(const ArenaSource& source) : source_(source) {}

  void* take(std::size_t bytes) {
    const std::size_t size = rounded(bytes);
    const std::lock_guard lock(mutex_);
    auto span = std::find_if(free_.begin(), free_.end(), [=](const auto& entry) { return entry.second >= size; });
    if (span == free_.end()) span = grow(size);
    std::byte* const begin = span->first;
    const std::size_t left = span->second - size;
    source_.forbid(begin, size, false);
    const auto next = free_.erase(span);
    if (left > 0) free_.emplace_hint(next, begin + size, left);
    in_use_ += size;
    peak_ = std::max(peak_, in_use_);
    if (recording_) {
      ++live_;
      add_span(taken_, begin, size);
    }
    return begin;
  }

  void give(void* buffer, std::size_t bytes) noexcept {
    const std::size_t size = rounded(bytes);
    std::byte* const begin = static_cast<std::byte*>(buffer);
    const std::lock_guard lock(mutex_);
    in_use_ -= size;
    if (recording_ && overlaps(taken_, begin, size)) --live_;
    if (!recording_ && overlaps(held_, begin, size)) return;
    source_.forbid(begin, size, true);
    try {
      add_free(begin, size);
    } catch (...) {  // no memory for the note that there is memory: the array is lost to the arena
    }
  }

  /// Gives the system back what no array takes: regions that are free as a whole, and what lies behind the free memory
  /// of the others. The next arrays cost as much as the first ones did. Does nothing while there is a recording.
  void release() {
    const std::lock_guard lock(mutex_);
    if (recording_) return;
    trim();
    if (!source_.discard) return;
    for (const auto& [begin, size] : free_) source_.discard(begin, size);
  }

  /// From here to `end_recording`, notes what is taken. Memory held for earlier recordings is free meanwhile:
  /// recordings are never replayed at the same time.
  void begin_recording() {
    const std::lock_guard lock(mutex_);
    for (const auto& [begin, size] : held_) {
      source_.forbid(begin, size, true);
      add_free(begin, size);
    }
    taken_ = held_;
    held_.clear();
    recording_ = true;
    live_ = 0;
  }

  /// Holds back all that was taken since, for as long as the arena lives. Returns how many arrays that were taken since
  /// have not been given back.
  std::ptrdiff_t end_recording() {
    const std::lock_guard lock(mutex_);
    recording_ = false;
    held_ = std::move(taken_);
    taken_.clear();
    for (const auto& [begin, size] : held_) {
      remove_free(begin, size);
      source_.forbid(begin, size, false);
    }
    return live_;
  }

  /// Bytes in use now, the most that ever were, and those of all regions.
  std::size_t in_use() const { return locked(in_use_); }
  std::size_t peak() const { return locked(peak_); }
  std::size_t reserved() const { return locked(reserved_); }

 private:
  using Spans = std::map<std::byte*, std::size_t>;  ///< by address; no two overlap

  std::size_t locked(const std::size_t& value) const {
    const std::lock_guard lock(mutex_);
    return value;
  }

  std::size_t rounded(std::size_t bytes) const {
    return (bytes + source_.slack + source_.step - 1) / source_.step * source_.step;
  }

  /// Adds a free span and joins it with its neighbours within its region.
  void add_free(std::byte* begin, std::size_t size) {
    auto after = free_.lower_bound(begin);
    if (after != free_.end() && begin + size == after->first && !regions_.contains(after->first)) {
      size += after->second;
      after = free_.erase(after);
    }
    if (after != free_.begin() && !regions_.contains(begin)) {
      const auto before = std::prev(after);
      if (before->first + before->second == begin) {
        before->second += size;
        return;
      }
    }
    free_.emplace_hint(after, begin, size);
  }

  /// Takes what is free of a span out of the free ones.
  void remove_free(std::byte* begin, std::size_t size) {
    std::byte* const end = begin + size;
    auto span = free_.upper_bound(begin);
    if (span != free_.begin()) --span;
    while (span != free_.end() && span->first < end) {
      std::byte* const first = span->first;
      std::byte* const last = first + span->second;
      if (last <= begin) {
        ++span;
        continue;
      }
      span = free_.erase(span);
      if (first < begin) free_.emplace(first, static_cast<std::size_t>(begin - first));
      if (end < last) free_.emplace(end, static_cast<std::size_t>(last - end));
    }
  }

  /// The union of spans and one more.
  static void add_span(Spans& spans, std::byte* begin, std::size_t size) {
    std::byte* end = begin + size;
    auto span = spans.upper_bound(begin);
    if (span != spans.begin() && std::prev(span)->first + std::prev(span)->second >= begin) --span;
    while (span != spans.end() && span->first <= end) {
      begin = std::min(begin, span->first);
      end = std::max(end, span->first + span->second);
      span = spans.erase(span);
    }
    spans.emplace(begin, static_cast<std::size_t>(end - begin));
  }

  static bool overlaps(const Spans& spans, std::byte* begin, std::size_t size) {
    auto span = spans.upper_bound(begin);
    if (span != spans.end() && span->first < begin + size) return true;
    return span != spans.begin() && std::prev(span)->first + std::prev(span)->second > begin;
  }

  /// Another region. Where there is none, regions that are free as a whole go back first.
  Spans::iterator grow(std::size_t size) {
    for (int attempt = 0; attempt < 2; ++attempt) {
      for (std::size_t region = std::max(size, source_.largest_region); region >= size;
           region = region > size ? std::max(size, region / 2) : 0) {
        if (void* const memory = source_.map(region)) {
          reserved_ += region;
          source_.forbid(memory, region, true);
          regions_.emplace(static_cast<std::byte*>(memory), region);
          return free_.emplace(static_cast<std::byte*>(memory), region).first;
        }
      }
      if (recording_) break;  // giving memory back waits for the device, which a recording must not
      trim();
    }
    source_.out_of_memory(size, in_use_, reserved_);
    return free_.end();
  }

  void trim() {
    for (auto region = regions_.begin(); region != regions_.end();) {
      const auto span = free_.find(region->first);
      if (span == free_.end() || span->second != region->second) {
        ++region;
        continue;
      }
      free_.erase(span);
      source_.unmap(region->first, region->second);
      reserved_ -= region->second;
      region = regions_.erase(region);
    }
  }

  ArenaSource source_;
  mutable std::mutex mutex_;
  Spans free_;  ///< no two of one region touch
  Spans regions_;
  Spans taken_;  ///< since `begin_recording`, and for recordings before
  Spans held_;   ///< for recordings; neither free nor an array
  bool recording_ = false;
  std::ptrdiff_t live_ = 0;
  std::size_t in_use_ = 0, peak_ = 0, reserved_ = 0;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
