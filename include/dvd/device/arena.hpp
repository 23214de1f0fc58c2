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
#include <map>
#include <mutex>
#include <vector>

#include "dvd/core/instruction_set.hpp"
#include "dvd/device/spans.hpp"

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
///
/// A recording of work holds the memory of the arrays that were taken and given back in it: whenever the work is
/// replayed, it writes there. Recordings share that memory, as they are replayed one after the other, and where there
/// is no other left it is lent, to arrays that are gone before the next replay; if one is not, `replayable` says so.
class Arena {
 public:
  /// What a recording holds, by number; 0 is of none.
  using Claim = std::size_t;

  explicit Arena(const ArenaSource& source) : source_(source) {}

  void* take(std::size_t bytes) {
    const std::size_t size = rounded(bytes);
    const std::lock_guard lock(mutex_);
    std::byte* begin = free_.cut(size);
    if (!begin) begin = take_more(size);
    const Span span{begin, size};
    source_.forbid(begin, size, false);
    in_use_ += size;
    peak_ = std::max(peak_, in_use_);
    if (recording_) {
      unreturned_.insert(span);
      taken_.add(span, regions_);
    } else if (held_.overlaps(span)) {
      lent_.insert(span);
    }
    return begin;
  }

  void give(void* buffer, std::size_t bytes) noexcept {
    const Span span{static_cast<std::byte*>(buffer), rounded(bytes)};
    const std::lock_guard lock(mutex_);
    in_use_ -= span.size;
    unreturned_.erase(span.begin);
    lent_.erase(span.begin);
    source_.forbid(span.begin, span.size, true);
    try {
      free_.add(span, regions_);
      if (!open_) hold_back(span);
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

  /// From here to `end_recording`, notes what is taken. Memory held for earlier recordings is free meanwhile.
  void begin_recording() {
    const std::lock_guard lock(mutex_);
    open();
    recording_ = true;
    taken_.clear();
    unreturned_.clear();
  }

  struct Recorded {
    Claim claim;          ///< on all that was taken
    std::ptrdiff_t left;  ///< arrays that were taken and not given back: if there are any, nothing is claimed
  };

  /// Ends a recording; its memory is held until `forget` where it is to be kept.
  Recorded end_recording(bool keep = true) {
    const std::lock_guard lock(mutex_);
    recording_ = false;
    const std::ptrdiff_t left = std::distance(unreturned_.begin(), unreturned_.end());
    Claim claim = 0;
    if (keep && left == 0) {
      claim = ++last_claim_;
      for (const auto& [begin, size] : taken_) held_.add({begin, size}, regions_);
      claims_.emplace(claim, std::move(taken_));
    }
    for (const auto& [begin, size] : unreturned_)
      if (held_.overlaps({begin, size})) lent_.insert({begin, size});
    taken_.clear();
    unreturned_.clear();
    close();
    return {claim, left};
  }

  /// To be asked before every replay, after which nothing of the recording's memory is lent. Returns whether it may be
  /// replayed: not so if an array lives there, and the work must be recorded anew.
  bool replayable(Claim claim) {
    const std::lock_guard lock(mutex_);
    close();
    return !lent_.overlaps(claims_.at(claim));
  }

  /// Frees what a recording held and no other one holds.
  void forget(Claim claim) noexcept {
    const std::lock_guard lock(mutex_);
    try {
      const bool was_open = open_;
      open();
      claims_.erase(claim);
      held_.clear();
      for (const auto& [other, spans] : claims_)
        for (const auto& [begin, size] : spans) held_.add({begin, size}, regions_);
      if (!was_open) close();
    } catch (...) {  // as in give
    }
  }

  /// Bytes in use now, the most that ever were, those of all regions and those that recordings hold.
  std::size_t in_use() const { return locked(in_use_); }
  std::size_t peak() const { return locked(peak_); }
  std::size_t reserved() const { return locked(reserved_); }
  std::size_t held() const {
    const std::lock_guard lock(mutex_);
    std::size_t bytes = 0;
    for (const auto& [begin, size] : held_) bytes += size;
    return bytes;
  }

 private:
  std::size_t locked(const std::size_t& value) const {
    const std::lock_guard lock(mutex_);
    return value;
  }

  std::size_t rounded(std::size_t bytes) const {
    return (bytes + source_.slack + source_.step - 1) / source_.step * source_.step;
  }

  /// What recordings hold becomes free, but for arrays there.
  void open() {
    if (open_) return;
    open_ = true;
    for (const auto& [begin, size] : held_) {
      Spans unused;
      unused.insert({begin, size});
      for (const Span& lent : lent_.within({begin, size})) unused.remove(lent);
      for (const auto& [first, bytes] : unused) {
        source_.forbid(first, bytes, true);
        free_.add({first, bytes}, regions_);
      }
    }
  }

  /// What recordings hold is no longer free.
  void close() {
    if (!open_) return;
    open_ = false;
    for (const auto& [begin, size] : held_) hold_back({begin, size});
  }

  /// Takes out of the free memory what recordings hold of a span.
  void hold_back(const Span& span) {
    for (const Span& held : held_.within(span)) {
      free_.remove(held);
      source_.forbid(held.begin, held.size, false);
    }
  }

  /// An array where nothing free is large enough: in another region; where there is none, regions that are free as a
  /// whole go back first; then in the memory of recordings.
  std::byte* take_more(std::size_t size) {
    if (grow(size)) return free_.cut(size);
    if (!recording_) {  // giving memory back waits for the device, which a recording must not
      trim();
      if (grow(size)) return free_.cut(size);
      open();
      if (std::byte* const lent = free_.cut(size)) return lent;
    }
    source_.out_of_memory(size, in_use_, reserved_);
    return nullptr;
  }

  /// Adds a region of at least `size` bytes to the free memory, if there is one.
  bool grow(std::size_t size) {
    for (std::size_t region = std::max(size, source_.largest_region); region >= size;
         region = region > size ? std::max(size, region / 2) : 0) {
      auto* const memory = static_cast<std::byte*>(source_.map(region));
      if (!memory) continue;
      reserved_ += region;
      source_.forbid(memory, region, true);
      regions_.insert({memory, region});
      free_.insert({memory, region});
      return true;
    }
    return false;
  }

  /// Gives regions back that are free as a whole.
  void trim() {
    std::vector<Span> unused;
    for (const auto& [begin, size] : regions_)
      if (free_.size_at(begin) == size && !held_.overlaps(Span{begin, size})) unused.push_back({begin, size});
    for (const Span& region : unused) {
      free_.erase(region.begin);
      regions_.erase(region.begin);
      source_.unmap(region.begin, region.size);
      reserved_ -= region.size;
    }
  }

  ArenaSource source_;
  mutable std::mutex mutex_;
  Spans free_;  ///< no two of one region touch
  Spans regions_;
  Spans held_;                     ///< by recordings
  std::map<Claim, Spans> claims_;  ///< the same, by each
  Spans lent_;                     ///< arrays that lie in what is held
  Spans taken_, unreturned_;       ///< since `begin_recording`: all of it, and the arrays that live
  Claim last_claim_ = 0;
  bool recording_ = false, open_ = false;
  std::size_t in_use_ = 0, peak_ = 0, reserved_ = 0;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
