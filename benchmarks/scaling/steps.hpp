// Training steps of the ranks that there are, and of one among many that are imagined.
#pragma once

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <dvd/device/cpu.hpp>
#include <dvd/distributed/communicator.hpp>
#include <dvd/models/dvd_gan.hpp>
#include <dvd/training/trainer.hpp>
#include <dvd/version.hpp>
#include <map>

#include "cost_file.hpp"
#include "imagined_ranks.hpp"
#include "measured_communicator.hpp"
#include "options.hpp"
#include "pin.hpp"
#include "random_clips.hpp"

namespace benchmarks {

inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 ? values[half] : (values[half - 1] + values[half]) / 2;
}

inline double load_average() {
  double load[1] = {0};
  return getloadavg(load, 1) == 1 ? load[0] : 0;
}

inline nlohmann::ordered_json sizes_as_json(const dvd::DvdGanConfig& config) {
  return {{"resolution", config.resolution},
          {"frames", config.frames},
          {"channels", config.channels},
          {"classes", config.classes}};
}

inline dvd::TrainerOptions trainer_options(const StepsOptions& options) {
  dvd::TrainerOptions training{.batch = options.batch};
  training.reduce = options.reduce == "ordered" ? dvd::Reduce::ordered : dvd::Reduce::fast;
  return training;
}

/// Calls `seen(begin, end, counts)` for each step, of which the first ones do not count. All ranks begin it together.
template <class TrainerType, class Ranks, class Seen>
void run_steps(TrainerType& trainer, Ranks& ranks, const StepsOptions& options, const Seen& seen) {
  dvd::MemoryClips clips = random_clips(options.config);
  for (Index step = 0; step < options.warmup + options.steps; ++step) {
    ranks.barrier();
    const Clock::time_point begin = Clock::now();
    const dvd::StepReport report = trainer.step(clips);
    const Clock::time_point end = Clock::now();
    if (report.skipped) throw dvd::Error("a step was left out: " + report.fault);
    seen(begin, end, step >= options.warmup);
  }
}

/// Times steps of all ranks that share a batch. Rank 0 prints a JSON line.
template <dvd::Communicator C>
void time_steps(C& ranks, const StepsOptions& options) {
  if (options.pin) pin_to_core(ranks.rank());
  const dvd::ThreadLimit limit(options.threads);
  dvd::DvdGan<float, dvd::Cpu> gan(options.config);
  MeasuredCommunicator<C> measured(ranks);
  std::vector<double> times;
  std::map<Talk, std::array<double, 3>> talks;  // calls, bytes and seconds, all steps together
  double all = 0, talking = 0;
  const auto seen = [&](Clock::time_point begin, Clock::time_point end, bool counts) {
    const std::vector<Call> calls = measured.take();
    if (!counts) return;
    times.push_back(1e3 * seconds(begin, end));
    all += seconds(begin, end);
    for (const Call& call : calls) {
      auto& [count, bytes, spent] = talks[call.talk];
      count += 1;
      bytes += call.bytes;
      spent += seconds(call.begin, call.end);
      talking += seconds(call.begin, call.end);
    }
  };
  const dvd::TrainerOptions training = trainer_options(options);
  if (ranks.size() == 1) {  // as everybody trains who has one process
    dvd::Trainer trainer(gan, training);
    run_steps(trainer, ranks, options, seen);
  } else {
    dvd::Trainer trainer(gan, training, measured);
    run_steps(trainer, ranks, options, seen);
  }
  if (ranks.rank() != 0) return;
  nlohmann::ordered_json said = nlohmann::ordered_json::object();
  for (const auto& [talk, totals] : talks) {
    const double steps = static_cast<double>(times.size());
    said[name_of(talk)] = {{"calls", totals[0] / steps}, {"bytes", totals[1] / steps}, {"ms", 1e3 * totals[2] / steps}};
  }
  nlohmann::ordered_json result = {{"dvd", dvd::version}, {"ranks", ranks.size()}, {"threads", options.threads}};
  result.update(sizes_as_json(options.config));
  result.update(nlohmann::ordered_json{{"batch", options.batch},
                                       {"reduce", options.reduce},
                                       {"steps", options.steps},
                                       {"step_ms", median(times)},
                                       {"step_ms_min", *std::min_element(times.begin(), times.end())},
                                       {"steps_per_s", 1e3 / median(times)},
                                       {"communication", all > 0 ? talking / all : 0},
                                       {"said", said},
                                       {"load_average", load_average()}});
  std::printf("%s\n", result.dump().c_str());
}

}  // namespace benchmarks
