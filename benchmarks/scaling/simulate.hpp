// How long a step takes on many ranks, without them: the schedule of each is followed from call to call on a network.
#pragma once

#include <dvd/distributed/communicator.hpp>

#include "network.hpp"
#include "schedule.hpp"

namespace benchmarks {

/// Where the seconds of a step go, for the rank that others wait for. They add up to `total`.
struct StepTime {
  double total = 0;
  double computing = 0;
  MessageTime statistics;  ///< calls that end when all ranks have come: sums of statistics, scores and losses
  double gradients = 0;    ///< waiting for sums that were started; what goes on beside computing is not counted
  Index statistics_messages = 0, gradient_messages = 0;
  double statistics_bytes = 0, gradient_bytes = 0;  ///< of the arrays given to them
};

/// One step of `ranks` ranks that share batches of `batch` videos as the trainer does: as equally as can be. All ranks
/// with as many videos do the same at the same time, so that at most two are to be followed.
///
/// Sums that were started go through the network one after the other, each once all ranks have started it. A call that
/// all wait for does not wait for those: it takes the bandwidth it needs, and they end as much later.
///
/// Throws ArgumentError unless every rank has at least one video.
inline StepTime simulate(const StepCosts& costs, const Network& network, Index ranks, Index batch) {
  dvd::require(ranks >= 1 && ranks <= batch, "a batch of ", batch, " videos cannot be shared by ", ranks,
               " ranks: each needs one at least");
  const Index most = dvd::Share::of(batch, 0, ranks).count, least = dvd::Share::of(batch, ranks - 1, ranks).count;
  const Schedule larger = costs.schedule(static_cast<double>(most)),
                 smaller = costs.schedule(static_cast<double>(least));
  StepTime time;
  double now_of_larger = 0, now_of_smaller = 0;  // the clocks of both kinds of ranks
  double network_free = 0;                       // when all sums that were started will have ended
  for (std::size_t i = 0; i < larger.events.size(); ++i) {
    const Event& event = larger.events[i];
    time.computing += event.seconds;
    now_of_larger += event.seconds;
    now_of_smaller += smaller.events[i].seconds;
    const double all_here = std::max(now_of_larger, now_of_smaller);
    if (event.talk == Talk::start_sum) {
      const double needed = sum_time(network, ranks, event.bytes).total();
      ++time.gradient_messages;
      time.gradient_bytes += event.bytes;
      network_free = std::max(network_free, all_here) + needed;
      if (network.beside) continue;
      time.gradients += needed;
      now_of_larger = now_of_smaller = all_here + needed;
    } else if (event.talk == Talk::finish_sums) {
      const double end = std::max(all_here, network_free);
      time.gradients += end - all_here;
      now_of_larger = now_of_smaller = end;
    } else {
      MessageTime needed;
      if (event.talk == Talk::all_gather)
        needed = gather_time(network, ranks, event.bytes);
      else if (event.talk == Talk::all_to_all)
        needed = exchange_time(network, ranks, event.bytes);
      else
        needed = sum_time(network, ranks, event.bytes);
      ++time.statistics_messages;
      time.statistics_bytes += event.bytes;
      time.statistics += needed;
      if (network_free > all_here) network_free += needed.total();
      now_of_larger = now_of_smaller = all_here + needed.total();
    }
  }
  time.computing += larger.rest;
  time.total = std::max(now_of_larger + larger.rest, now_of_smaller + smaller.rest);
  return time;
}

/// What keeps ranks from being as many times as fast as one: seconds of a step that it would not have if its batch's
/// computing were all there is, divided equally. They and `divided` add up to the step.
struct Losses {
  double divided = 0;     ///< what one rank alone would compute for the batch, divided by the number of ranks
  double repeated = 0;    ///< what every rank computes whole, however few its videos: optimizers, spectral norms
  double uneven = 0;      ///< some ranks have a video more than others
  double latency = 0;     ///< of the messages that all wait for
  double statistics = 0;  ///< their bytes
  double gradients = 0;   ///< waiting for gradients

  double step() const { return divided + repeated + uneven + latency + statistics + gradients; }
  double efficiency() const { return divided / step(); }
};

/// Beside one rank that trains on batches of `alone` videos: the whole batch, or a rank's share of it.
inline Losses losses(const StepCosts& costs, const StepTime& time, Index ranks, Index batch, double alone) {
  const double share = static_cast<double>(batch) / static_cast<double>(ranks);
  Losses result;
  result.divided = costs.seconds(alone) * share / alone;
  result.repeated = costs.seconds(share) - result.divided;
  result.latency = time.statistics.latency;
  result.statistics = time.statistics.transfer;
  result.gradients = time.gradients;
  const double equal = costs.seconds(share) + time.statistics.total() + time.gradients;
  result.uneven = batch % ranks == 0 ? 0 : time.total - equal;
  return result;
}

/// The largest loss in words, with the numbers that make it up.
inline std::string largest_loss(const Losses& losses, const StepTime& time, Index ranks, Index batch) {
  const double worst = std::max({losses.repeated, losses.uneven, losses.latency, losses.statistics, losses.gradients});
  if (worst <= 0.01 * losses.step()) return "nothing";
  if (worst == losses.repeated) return "work that every rank does whole";
  if (worst == losses.uneven)
    return dvd::concat(batch, " videos are not ", batch / ranks, " for each of ", ranks, " ranks");
  if (worst == losses.latency) return "latency of " + counted(time.statistics_messages, "message");
  if (worst == losses.statistics) return "bytes of " + counted(time.statistics_messages, "message");
  return "bytes of gradients, in " + counted(time.gradient_messages, "sum");
}

}  // namespace benchmarks
