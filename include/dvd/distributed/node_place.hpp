// Which ranks run on one machine.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dvd/core/shape.hpp"
#include "dvd/distributed/communicator.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Where a rank stands among those of its node.
struct NodePlace {
  Index rank = 0;  ///< how many lower ranks run there, too
  Index size = 1;  ///< how many ranks run there
};

namespace detail {

/// A number for a name: the same for the same name everywhere, and another one for another (64-bit FNV-1a).
constexpr std::int64_t name_number(std::string_view name) {
  std::uint64_t hash = 14695981039346656037u;
  for (const char character : name) hash = (hash ^ static_cast<unsigned char>(character)) * 1099511628211u;
  return static_cast<std::int64_t>(hash);
}

/// The node's name and the id of its last start: nodes may have one name, and containers on one node have several.
inline std::string node_identity() {
  std::array<char, 256> host{};
  gethostname(host.data(), host.size() - 1);
  std::string boot;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> boot;
  return std::string(host.data()) + ' ' + boot;
}

}  // namespace detail

/// A number of every rank's, by rank, for all of them. All ranks call it.
template <Communicator Ranks>
std::vector<std::int64_t> gather_counts(Ranks& ranks, std::int64_t own) {
  std::vector<std::int64_t> numbers(static_cast<std::size_t>(ranks.size()));
  numbers[static_cast<std::size_t>(ranks.rank())] = own;
  ranks.sum_counts(std::span(numbers));
  return numbers;
}

/// Where this rank stands on its node. All ranks call it.
template <Communicator Ranks>
NodePlace place_on_node(Ranks& ranks) {
  const std::vector<std::int64_t> nodes = gather_counts(ranks, detail::name_number(detail::node_identity()));
  const auto own = static_cast<std::size_t>(ranks.rank());
  NodePlace place{0, 0};
  for (std::size_t rank = 0; rank < nodes.size(); ++rank) {
    if (nodes[rank] != nodes[own]) continue;
    ++place.size;
    if (rank < own) ++place.rank;
  }
  return place;
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
