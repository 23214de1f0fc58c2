// Schedules of steps, measured without other ranks.
#pragma once

#include <filesystem>

#include "steps.hpp"

namespace benchmarks {

/// A step of a rank with `videos` videos of every batch: the first of two, of which the other is imagined.
inline Schedule measured_schedule(StepsOptions options, Index videos) {
  constexpr Index ranks_of_run = 2;
  options.batch = ranks_of_run * videos;
  dvd::DvdGan<float, dvd::Cpu> gan(options.config);
  ImaginedRanks<dvd::Cpu> ranks(ranks_of_run);
  MeasuredCommunicator measured(ranks);
  dvd::Trainer trainer(gan, trainer_options(options), measured);
  std::vector<Schedule> runs;
  run_steps(trainer, ranks, options, [&](Clock::time_point begin, Clock::time_point end, bool counts) {
    const std::vector<Call> calls = measured.take();
    if (counts) runs.push_back(schedule_of(calls, videos, begin, end));
  });
  return median_schedule(runs);
}

/// Writes the file that predictions are made from.
inline void record(const RecordOptions& options) {
  if (options.steps.pin) pin_to_core(0);
  const dvd::ThreadLimit limit(options.steps.threads);
  std::vector<Schedule> schedules;
  for (const Index videos : options.videos) {
    dvd::require(videos >= 1, "a rank has 1 video or more of a batch, not ", videos);
    schedules.push_back(measured_schedule(options.steps, videos));
    std::fprintf(stderr, "%s: %.1f ms of computing, %zu calls\n", counted(videos, "video").c_str(),
                 schedules.back().seconds() * 1e3, schedules.back().events.size());
  }
  nlohmann::ordered_json about = {{"dvd", dvd::version}, {"how", "measured"}, {"threads", options.steps.threads}};
  about.update(sizes_as_json(options.steps.config));
  about["load_average"] = load_average();
  std::ofstream file(options.out);
  file << costs_as_json(schedules, about).dump(1) << "\n";
  if (!file.flush()) throw dvd::FileError("cannot write " + options.out);
}

}  // namespace benchmarks
