// Sets of places in memory, for the arena.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <map>
#include <vector>

#include "dvd/core/instruction_set.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Some bytes in memory.
struct Span {
  std::byte* begin;
  std::size_t size;

  std::byte* end() const { return begin + size; }
};

/// Spans by address, no two of which overlap.
class Spans {
 public:
  using Map = std::map<std::byte*, std::size_t>;

  auto begin() const { return map_.begin(); }
  auto end() const { return map_.end(); }
  bool empty() const { return map_.empty(); }
  void clear() { map_.clear(); }

  /// Whether a span begins there.
  bool begins_at(std::byte* place) const { return map_.contains(place); }
  /// The size of the span that begins there; 0 if none does.
  std::size_t size_at(std::byte* place) const {
    const auto span = map_.find(place);
    return span == map_.end() ? 0 : span->second;
  }

  bool overlaps(const Span& span) const {
    const auto after = map_.upper_bound(span.begin);
    if (after != map_.end() && after->first < span.end()) return true;
    return after != map_.begin() && std::prev(after)->first + std::prev(after)->second > span.begin;
  }
  bool overlaps(const Spans& others) const {
    return std::any_of(others.begin(), others.end(), [this](const auto& other) {
      return overlaps({other.first, other.second});
    });
  }

  /// What of a span is in this set.
  std::vector<Span> within(const Span& span) const {
    std::vector<Span> result;
    auto each = map_.upper_bound(span.begin);
    if (each != map_.begin()) --each;
    for (; each != map_.end() && each->first < span.end(); ++each) {
      std::byte* const first = std::max(each->first, span.begin);
      std::byte* const last = std::min(each->first + each->second, span.end());
      if (first < last) result.push_back({first, static_cast<std::size_t>(last - first)});
    }
    return result;
  }

  /// Adds a span as it is; it must not overlap any.
  void insert(const Span& span) { map_.emplace(span.begin, span.size); }
  /// Removes the span that begins there, if one does.
  void erase(std::byte* place) { map_.erase(place); }

  /// Adds a span and joins it with those that it overlaps or touches, but not across the place where one of `regions`
  /// begins.
  void add(const Span& span, const Spans& regions) {
    std::byte *first = span.begin, *last = span.end();
    auto each = map_.upper_bound(first);
    if (each != map_.begin()) {
      const auto before = std::prev(each);
      std::byte* const end = before->first + before->second;
      if (end > first || (end == first && !regions.begins_at(first))) each = before;
    }
    while (each != map_.end() && (each->first < last || (each->first == last && !regions.begins_at(last)))) {
      first = std::min(first, each->first);
      last = std::max(last, each->first + each->second);
      each = map_.erase(each);
    }
    map_.emplace_hint(each, first, static_cast<std::size_t>(last - first));
  }

  /// Removes all of a span that is in this set.
  void remove(const Span& span) {
    auto each = map_.upper_bound(span.begin);
    if (each != map_.begin()) --each;
    while (each != map_.end() && each->first < span.end()) {
      std::byte *const first = each->first, *const last = first + each->second;
      if (last <= span.begin) {
        ++each;
        continue;
      }
      each = map_.erase(each);
      if (first < span.begin) map_.emplace(first, static_cast<std::size_t>(span.begin - first));
      if (span.end() < last) map_.emplace(span.end(), static_cast<std::size_t>(last - span.end()));
    }
  }

  /// Cuts `size` bytes off the beginning of the lowest span that has as many. Null if none has.
  std::byte* cut(std::size_t size) {
    const auto span = std::find_if(map_.begin(), map_.end(), [=](const auto& entry) { return entry.second >= size; });
    if (span == map_.end()) return nullptr;
    std::byte* const begin = span->first;
    const std::size_t left = span->second - size;
    const auto next = map_.erase(span);
    if (left > 0) map_.emplace_hint(next, begin + size, left);
    return begin;
  }

 private:
  Map map_;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
