// Whether all that streams and the host do to a place in memory happens in an order.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <sstream>
#include <string>
#include <vector>

/// Finds races by vector clocks (Mattern 1989): the host and every stream are actors that count what they do, and know
/// up to which count of every other one all has happened before. A stream learns what the host knows with every piece
/// of work, and actors learn from each other where one waits for another; what one does to a place must be known to
/// whoever touches it next, unless both only read. The emulation does all work at once, in the order of calls, so that
/// a missing wait would show nowhere else.
class EmulatedOrder {
 public:
  using Actor = std::size_t;
  using Clock = std::vector<std::uint64_t>;  ///< by actors; those missing are at 0
  static constexpr Actor host = 0;

  /// Whom to tell of a race: by default, one line, and the process is at its end.
  std::function<void(const std::string&)> report = [](const std::string& race) {
    std::fprintf(stderr, "%s\n", race.c_str());
    std::abort();
  };

  Actor new_stream() {
    clocks_.emplace_back();
    return clocks_.size() - 1;
  }

  /// An actor's next piece of work.
  void begin(Actor actor) {
    if (actor != host) wait(actor, clocks_[host]);
    Clock& clock = clocks_[actor];
    if (clock.size() <= actor) clock.resize(actor + 1);
    ++clock[actor];
  }

  /// All that an actor knows to have happened, its own work included.
  const Clock& known(Actor actor) const { return clocks_[actor]; }

  /// From now on, the actor's work comes after what is known there.
  void wait(Actor actor, const Clock& known) {
    Clock& clock = clocks_[actor];
    if (clock.size() < known.size()) clock.resize(known.size());
    for (std::size_t i = 0; i < known.size(); ++i) clock[i] = std::max(clock[i], known[i]);
  }

  /// Whether an actor's work up to some count comes before what another does next.
  bool comes_before(Actor first, std::uint64_t count, Actor second) const {
    const Clock& clock = clocks_[second];
    return first < clock.size() && clock[first] >= count;
  }

  /// The work that the actor has begun last reads or writes these bytes.
  void touch(Actor actor, const void* memory, std::size_t bytes, bool writes, const char* what) {
    const auto first = reinterpret_cast<std::uintptr_t>(memory), last = first + bytes;
    if (bytes == 0) return;
    split(first);
    split(last);
    const Access own{actor, clocks_[actor][actor], what};
    std::uintptr_t next = first;
    const auto begin = places_.lower_bound(first);
    auto place = begin;
    for (; place != places_.end() && place->first < last; ++place) {
      check(place->second.written, own, writes, first);
      if (writes) {
        for (const Access& read : place->second.read) check(read, own, writes, first);
        continue;
      }
      if (next < place->first) places_.emplace(next, Place{place->first, {}, {own}});
      next = place->second.end;
      std::vector<Access>& reads = place->second.read;
      const auto same =
          std::find_if(reads.begin(), reads.end(), [&](const Access& read) { return read.actor == actor; });
      if (same == reads.end())
        reads.push_back(own);
      else
        *same = own;
    }
    if (writes) {
      places_.erase(begin, place);
      places_.emplace(first, Place{last, own, {}});
    } else if (next < last) {
      places_.emplace(next, Place{last, {}, {own}});
    }
  }

  /// These bytes are nobody's any more.
  void forget(const void* memory, std::size_t bytes) {
    const auto first = reinterpret_cast<std::uintptr_t>(memory);
    split(first);
    split(first + bytes);
    places_.erase(places_.lower_bound(first), places_.lower_bound(first + bytes));
  }

 private:
  struct Access {
    Actor actor = 0;
    std::uint64_t count = 0;  ///< 0: there was none
    const char* what = "";
  };
  struct Place {
    std::uintptr_t end = 0;
    Access written{};
    std::vector<Access> read{};
  };

  static std::string name(Actor actor) { return actor == host ? "the host" : "stream " + std::to_string(actor); }

  void check(const Access& before, const Access& now, bool writes, std::uintptr_t address) const {
    if (before.count == 0 || comes_before(before.actor, before.count, now.actor)) return;
    std::ostringstream message;
    message << "a race at 0x" << std::hex << address << ": " << now.what << " on " << name(now.actor)
            << (writes ? " may write" : " reads") << " there, and nothing makes it wait for " << before.what << " on "
            << name(before.actor);
    report(message.str());
  }

  /// No place reaches across this address any more.
  void split(std::uintptr_t address) {
    auto place = places_.upper_bound(address);
    if (place == places_.begin()) return;
    --place;
    if (place->first == address || place->second.end <= address) return;
    Place behind = place->second;
    place->second.end = address;
    places_.emplace(address, std::move(behind));
  }

  std::vector<Clock> clocks_{Clock(1)};
  std::map<std::uintptr_t, Place> places_;  ///< by where they begin; no two overlap
};
