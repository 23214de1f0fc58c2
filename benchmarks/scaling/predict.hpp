// Tables of simulated steps.
#pragma once

#include <cstdio>
#include <nlohmann/json.hpp>

#include "cost_file.hpp"
#include "options.hpp"
#include "simulate.hpp"

namespace benchmarks {

/// A step of some ranks, simulated.
struct Prediction {
  Index ranks, batch;
  StepTime time;
  Losses lost;

  /// How many times as many videos a second as one rank makes.
  double times_one() const { return lost.efficiency() * static_cast<double>(ranks); }
};

/// A given batch is compared with one rank that has all of it, and a number of videos a rank with one that has as many.
inline Prediction predict(const StepCosts& costs, const PredictOptions& options, Index ranks) {
  const Index batch = options.batch > 0 ? options.batch : options.videos * ranks;
  const StepTime time = simulate(costs, options.network, ranks, batch);
  const double alone = static_cast<double>(options.batch > 0 ? batch : options.videos);
  return {ranks, batch, time, losses(costs, time, ranks, batch, alone)};
}

/// Where it pays no more to double the number of ranks: the first that wastes half of them.
inline std::string where_scaling_ends(const StepCosts& costs, const PredictOptions& options) {
  constexpr Index most = 65536;
  const bool same_batch = options.batch > 0;
  const Index last = same_batch ? std::min(options.batch, most) : most;
  Index ranks = 1;
  for (; ranks <= last; ranks *= 2) {
    const Prediction here = predict(costs, options, ranks);
    if (here.lost.efficiency() >= 0.5) continue;
    return dvd::concat("Scaling ends before ", ranks, " ranks, of which half are wasted; most is lost to: ",
                       largest_loss(here.lost, here.time, ranks, here.batch));
  }
  if (same_batch && last < most)
    return dvd::concat("Scaling ends at ", last, " ranks, with one video each: there are no more videos in a batch");
  return dvd::concat("No end up to ", ranks / 2, " ranks: more than half of their time goes into videos");
}

inline void print_network(const Network& network) {
  if (network.ranks_per_node > 1)
    std::printf("%ld ranks a node, %.3g us and %.3g GB/s within it; ", network.ranks_per_node,
                network.within.latency * 1e6, network.within.bandwidth * 1e-9);
  std::printf("%.3g us and %.3g GB/s between %s; gradients are summed %s computing\n", network.between.latency * 1e6,
              network.between.bandwidth * 1e-9, network.ranks_per_node > 1 ? "nodes" : "ranks",
              network.beside ? "beside" : "in turns with");
}

inline nlohmann::ordered_json as_json(const Prediction& prediction) {
  const auto& [ranks, batch, time, lost] = prediction;
  return {{"ranks", ranks},
          {"batch", batch},
          {"step_ms", time.total * 1e3},
          {"times_one", prediction.times_one()},
          {"efficiency", lost.efficiency()},
          {"divided_ms", lost.divided * 1e3},
          {"repeated_ms", lost.repeated * 1e3},
          {"uneven_ms", lost.uneven * 1e3},
          {"latency_ms", lost.latency * 1e3},
          {"statistics_ms", lost.statistics * 1e3},
          {"gradients_ms", lost.gradients * 1e3},
          {"messages", time.statistics_messages},
          {"gradient_messages", time.gradient_messages},
          {"most_is_lost_to", largest_loss(lost, time, ranks, batch)}};
}

inline void print_heading(const CostFile& file, const PredictOptions& options, const StepTime& time) {
  std::printf("predicted, from computing that was %s; ", file.about.value("how", "measured").c_str());
  if (options.batch > 0)
    std::printf("a batch of %ld videos\n", options.batch);
  else
    std::printf("%ld videos a rank\n", options.videos);
  print_network(options.network);
  std::printf("a step: %s that all wait for, of %.1f MB; %s of gradients, of %.1f MB\n",
              counted(time.statistics_messages, "message").c_str(), time.statistics_bytes * 1e-6,
              counted(time.gradient_messages, "sum").c_str(), time.gradient_bytes * 1e-6);
  std::printf(
      "\n| ranks | batch | step ms | times one | efficiency | repeated | uneven | latency | statistics | gradients | "
      "most is lost to |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n");
}

inline void print_row(const Prediction& prediction) {
  const auto& [ranks, batch, time, lost] = prediction;
  std::printf("| %ld | %ld | %.4g | %.4g | %.2f |", ranks, batch, time.total * 1e3, prediction.times_one(),
              lost.efficiency());
  for (const double part : {lost.repeated, lost.uneven, lost.latency, lost.statistics, lost.gradients})
    std::printf(" %.1f %% |", 100 * part / time.total);
  std::printf(" %s |\n", largest_loss(lost, time, ranks, batch).c_str());
}

/// Throws ArgumentError for numbers of ranks that the batch cannot be shared by, FileError for the file of costs.
inline void print_predictions(const PredictOptions& options) {
  const CostFile file = read_costs(options.costs);
  const StepCosts costs(file.schedules, static_cast<double>(options.ranks_per_core));
  std::vector<Prediction> all;
  for (const Index ranks : options.ranks) all.push_back(predict(costs, options, ranks));
  if (options.json) {
    for (const Prediction& each : all) std::printf("%s\n", as_json(each).dump().c_str());
    return;
  }
  print_heading(file, options, all.front().time);
  for (const Prediction& each : all) print_row(each);
  std::printf("\n%s.\n", where_scaling_ends(costs, options).c_str());
}

}  // namespace benchmarks
