// How long counted work takes on a card, by the simplest model there is: a launch takes as long as the slowest of
// three, being launched, moving its bytes, doing its arithmetic.
#pragma once

#include <cuda_runtime_api.h>

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <vector>

namespace benchmarks {

struct Card {
  double flops = 0;      ///< a second, of convolutions and products
  double bandwidth = 0;  ///< bytes a second
  double launch = 0;     ///< seconds
};

enum Bound { by_launches, by_bytes, by_arithmetic };
inline constexpr const char* bound_names[] = {"launches", "bytes", "arithmetic"};

/// Sums over some work.
struct Cost {
  int launches = 0;
  double read = 0, written = 0, flop = 0;
  std::array<double, 3> seconds{};  ///< of launches bound by each Bound

  double total() const { return seconds[0] + seconds[1] + seconds[2]; }
  Bound bound() const { return static_cast<Bound>(std::max_element(seconds.begin(), seconds.end()) - seconds.begin()); }
};

inline void add(Cost& cost, const EmulatedWork& work, const Card& card) {
  const std::array<double, 3> times{card.launch, (work.read + work.written) / card.bandwidth, work.flop / card.flops};
  const auto longest = std::max_element(times.begin(), times.end());
  ++cost.launches;
  cost.read += work.read;
  cost.written += work.written;
  cost.flop += work.flop;
  cost.seconds[static_cast<std::size_t>(longest - times.begin())] += *longest;
}

/// The cost of all work, or of that of one kind.
inline Cost cost_of(const std::vector<EmulatedWork>& all, const Card& card) {
  Cost cost;
  for (const EmulatedWork& work : all) add(cost, work, card);
  return cost;
}
inline Cost cost_of(const std::vector<EmulatedWork>& all, const Card& card, EmulatedWork::Kind kind) {
  Cost cost;
  for (const EmulatedWork& work : all)
    if (work.kind == kind) add(cost, work, card);
  return cost;
}

/// By name, the longest first.
inline std::vector<std::pair<std::string, Cost>> by_name(const std::vector<EmulatedWork>& all, const Card& card) {
  std::map<std::string, Cost> costs;
  for (const EmulatedWork& work : all) add(costs[work.name], work, card);
  std::vector<std::pair<std::string, Cost>> sorted(costs.begin(), costs.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return a.second.total() > b.second.total(); });
  return sorted;
}

}  // namespace benchmarks
