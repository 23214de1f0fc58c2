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

/// Finds races by vector clocks (Mattern 1989): the host and every stream are agents that count what they do, and know
/// up to which count of every other one all has happened before. A stream learns what the host knows with every piece
/// of work, and agents learn from each other where one waits for another; what one does to a place must be known to
/// whoever touches it next, unless both only read. The emulation does all work at once, in the order of calls, so that
/// a missing wait would show nowhere else.
class EmulatedOrder {
 public:
  using Agent = std::size_t;
  using Clock = std::vector<std::uint64_t>;  ///< by agents; those missing are at 0
  static constexpr Agent host = 0;

  /// Whom to tell of a race: by default, one line, and the process is at its end.
  std::function<void(const std::string&)> report = [](const std::string& race) {
    std::fprintf(stderr, "%s\n", race.c_str());
    std::abort();
  };

  Agent new_stream() {
    clocks_.emplace_back();
    return clocks_.size() - 1;
  }

  /// An agent's next piece of work.
  void begin(Agent agent) {
    if (agent != host) wait(agent, clocks_[host]);
    Clock& clock = clocks_[agent];
    if (clock.size() <= agent) clock.resize(agent + 1);
    ++clock[agent];
  }

  /// All that an agent knows to have happened, its own work included.
  const Clock& known(Agent agent) const { return clocks_[agent]; }

  /// From now on, the agent's work comes after what is known there.
  void wait(Agent agent, const Clock& known) {
    Clock& clock = clocks_[agent];
    if (clock.size() < known.size()) clock.resize(known.size());
    for (std::size_t i = 0; i < known.size(); ++i) clock[i] = std::max(clock[i], known[i]);
  }

  /// Whether an agent's work up to some count comes before what another does next.
  bool comes_before(Agent first, std::uint64_t count, Agent second) const {
    const Clock& clock = clocks_[second];
    return first < clock.size() && clock[first] >= count;
  }

  /// The work that the agent has begun last reads or writes these bytes.
  void touch(Agent agent, const void* memory, std::size_t bytes, bool writes, const char* what) {
    const auto first = reinterpret_cast<std::uintptr_t>(memory), last = first + bytes;
    if (bytes == 0) return;
    split(first);
    split(last);
    const Access own{agent, clocks_[agent][agent], what};
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
          std::find_if(reads.begin(), reads.end(), [&](const Access& read) { return read.agent == agent; });
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
    Agent agent = 0;
    std::uint64_t count = 0;  ///< 0: there was none
    const char* what = "";
  };
  struct Place {
    std::uintptr_t end = 0;
    Access written{};
    std::vector<Access> read{};
  };

  static std::string name(Agent agent) { return agent == host ? "the host" : "stream " + std::to_string(agent); }

  void check(const Access& before, const Access& now, bool writes, std::uintptr_t address) const {
    if (before.count == 0 || comes_before(before.agent, before.count, now.agent)) return;
    std::ostringstream message;
    message << "a race at 0x" << std::hex << address << ": " << now.what << " on " << name(now.agent)
            << (writes ? " may write" : " reads") << " there, and nothing makes it wait for " << before.what << " on "
            << name(before.agent);
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
