// How long ranks take to tell each other something, by the usual model of a network: every message costs a latency and
// its bytes divided by a bandwidth.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <dvd/core/shape.hpp>

namespace benchmarks {

using dvd::Index;

struct Link {
  double latency = 0;    ///< seconds from one rank's memory to another's
  double bandwidth = 1;  ///< bytes a second, each way
};

/// Nodes of equally many ranks. A node has one link to the others, which its ranks share.
struct Network {
  Link within, between;
  Index ranks_per_node = 1;
  /// Whether sums that were started go on beside computing: where the network, or a GPU's, has hardware of its own.
  /// Where the cores that compute carry them, too, computing stands still meanwhile.
  bool beside = true;
};

/// Seconds of a message, or of many.
struct MessageTime {
  double latency = 0, transfer = 0;

  double total() const { return latency + transfer; }
  MessageTime& operator+=(const MessageTime& other) {
    latency += other.latency;
    transfer += other.transfer;
    return *this;
  }
  friend MessageTime operator+(MessageTime one, const MessageTime& other) { return one += other; }
};

/// Rounds in which each of so many ranks can have heard of all others.
inline Index rounds(Index ranks) { return static_cast<Index>(std::bit_width(static_cast<std::uint64_t>(ranks - 1))); }

/// A sum of arrays of `bytes` bytes over the ends of equal links, by the better of two algorithms: every round
/// exchanges whole arrays (recursive doubling: few rounds), or as many rounds again exchange halves, quarters, ...
/// (Rabenseifner's: few bytes. Rings and double trees send as many.)
inline MessageTime sum_time(const Link& link, Index ranks, double bytes) {
  if (ranks <= 1) return {};
  const double count = static_cast<double>(ranks), steps = static_cast<double>(rounds(ranks));
  const MessageTime doubling{steps * link.latency, steps * bytes / link.bandwidth};
  const MessageTime halving{2 * steps * link.latency, 2 * (count - 1) / count * bytes / link.bandwidth};
  return doubling.total() <= halving.total() ? doubling : halving;
}

/// A sum over `ranks` ranks of a network: within the nodes, between them, and back.
inline MessageTime sum_time(const Network& network, Index ranks, double bytes) {
  const Index local = std::min(ranks, network.ranks_per_node), nodes = (ranks + local - 1) / local;
  return sum_time(network.within, local, bytes) + sum_time(network.between, nodes, bytes);
}

/// All ranks get `bytes` bytes of each: between the nodes what a node's ranks lack, then within them.
inline MessageTime gather_time(const Network& network, Index ranks, double bytes) {
  const Index local = std::min(ranks, network.ranks_per_node), nodes = (ranks + local - 1) / local;
  const double of_others = static_cast<double>(ranks - 1) * bytes,
               of_strangers = static_cast<double>(ranks - local) * bytes;
  const MessageTime between{static_cast<double>(rounds(nodes)) * network.between.latency,
                            of_strangers / network.between.bandwidth};
  if (local == 1) return between;
  return between +
         MessageTime{static_cast<double>(rounds(local)) * network.within.latency, of_others / network.within.bandwidth};
}

/// Every rank gives `bytes` bytes to each other one. A node's link carries what its ranks have for other nodes.
inline MessageTime exchange_time(const Network& network, Index ranks, double bytes) {
  const Index local = std::min(ranks, network.ranks_per_node), nodes = (ranks + local - 1) / local;
  const double neighbours = static_cast<double>(local - 1), strangers = static_cast<double>(ranks - local);
  return MessageTime{neighbours * network.within.latency, neighbours * bytes / network.within.bandwidth} +
         MessageTime{static_cast<double>(nodes - 1) * network.between.latency,
                     static_cast<double>(local) * strangers * bytes / network.between.bandwidth};
}

}  // namespace benchmarks
