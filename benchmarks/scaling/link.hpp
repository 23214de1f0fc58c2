// What the network between some ranks is like, by the sums that they do.
#pragma once

#include <dvd/distributed/communicator.hpp>
#include <vector>

#include "measured_communicator.hpp"
#include "network.hpp"

namespace benchmarks {

/// Median seconds of a sum of `count` numbers over all ranks.
template <dvd::Communicator C>
double measured_sum(C& ranks, Index count, int times) {
  std::vector<float> x(static_cast<std::size_t>(count), 1.0f);
  std::vector<double> measured;
  for (int time = 0; time < times; ++time) {
    std::fill(x.begin(), x.end(), 1.0f);
    ranks.barrier();
    const Clock::time_point begin = Clock::now();
    ranks.sum(count, x.data());
    measured.push_back(seconds(begin, Clock::now()));
  }
  std::nth_element(measured.begin(), measured.begin() + times / 2, measured.end());
  return measured[static_cast<std::size_t>(times / 2)];
}

/// The equal links between all pairs of ranks by which `sum_time` tells what sums of 16 bytes and of 4 MiB take. Throws
/// ArgumentError for a rank that is alone.
template <dvd::Communicator C>
Link measured_link(C& ranks) {
  dvd::require(ranks.size() > 1, "one rank has no link to others; start two, such as by mpirun -np 2");
  constexpr Index few = 4, many = Index{1} << 20;
  const double count = static_cast<double>(ranks.size()), steps = static_cast<double>(rounds(ranks.size())),
               bytes = static_cast<double>(many) * sizeof(float);
  Link link;
  link.latency = measured_sum(ranks, few, 501) / steps;
  const double whole = measured_sum(ranks, many, 31);
  const double sent = 2 * (count - 1) / count * bytes;
  link.bandwidth = sent / std::max(whole - 2 * steps * link.latency, 0.01 * whole);
  return link;
}

}  // namespace benchmarks
