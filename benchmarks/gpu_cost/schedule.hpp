// What a rank with a GPU, one of many, does in a training step, as it is counted on the emulated GPU: what `scaling
// predict` predicts from.
#pragma once

#include <dvd/distributed/communicator.hpp>
#include <utility>

#include "../scaling/cost_file.hpp"
#include "roofline.hpp"
#include "step_count.hpp"

namespace benchmarks {

/// The first of `size` ranks. A dry run computes nothing, so there is nothing to be summed: it notes what is said and
/// how long the card would have computed before.
class CountedRanks {
 public:
  CountedRanks(Index size, const Card& card) : size_(size), card_(card) {}

  static constexpr Index rank() { return 0; }
  Index size() const { return size_; }
  template <class T>
  void sum(Index n, T*) {
    note(Talk::sum, bytes_of<T>(n));
  }
  template <class T>
  void start_sum(Index n, T*) {
    note(Talk::start_sum, bytes_of<T>(n));
  }
  void finish_sums() { note(Talk::finish_sums, 0); }
  template <class T>
  void all_gather(Index n, const T*, T*) {
    note(Talk::all_gather, bytes_of<T>(n));
  }
  template <class T>
  void all_to_all(Index n, const T*, T*) {
    note(Talk::all_to_all, bytes_of<T>(n));
  }
  void sum_counts(std::span<std::int64_t> numbers) {
    for (std::int64_t& number : numbers) number *= size_;  // these are the host's, which computes
    note(Talk::sum_counts, static_cast<double>(numbers.size_bytes()));
  }
  void broadcast(std::span<std::byte> bytes, Index) { note(Talk::broadcast, static_cast<double>(bytes.size())); }
  void barrier() { note(Talk::barrier, 0); }
  [[noreturn]] static void abort(const std::string& message) { throw dvd::Error(message); }

  /// What was noted since it was asked last, as a step's schedule.
  Schedule take(Index videos) { return {videos, std::exchange(events_, {}), computed()}; }

 private:
  template <class T>
  static double bytes_of(Index n) {
    return static_cast<double>(n) * static_cast<double>(sizeof(T));
  }
  double computed() const { return cost_of(EmulatedCounting::instance().take(), card_).total(); }
  void note(Talk talk, double bytes) { events_.push_back({computed(), talk, bytes}); }

  Index size_;
  Card card_;
  std::vector<Event> events_;
};

/// A step of a rank with `videos` videos of every batch, the first of two. Nothing of it is recorded for replay: see
/// TrainerOptions::record.
template <class T>
Schedule count_schedule(TrainStepOptions options, Index videos, const Card& card) {
  constexpr Index ranks_of_run = 2;
  options.batch = ranks_of_run * videos;
  dvd::DvdGan<T, dvd::Cuda> gan(options.config);
  gan.generator.recompute = options.recompute;
  CountedRanks ranks(ranks_of_run, card);
  dvd::Trainer trainer(gan, dvd::TrainerOptions{.batch = options.batch}, ranks);
  ReadyBatches batches(options.config, options.batch);
  EmulatedCounting& counting = EmulatedCounting::instance();
  Schedule schedule;
  for (int time = 0; time < 2; ++time) {  // the first one makes arrays
    batches.fill();
    counting.on = true;
    counting.take();
    ranks.take(videos);
    const dvd::StepReport report = trainer.step(batches);
    schedule = ranks.take(videos);
    counting.on = false;
    if (report.skipped) throw std::logic_error("a dry run found numbers that are not finite");
  }
  return schedule;
}

/// Writes the schedules of ranks with so many videos each.
template <class T>
void write_schedules(const std::string& path, const TrainStepOptions& options, const std::vector<Index>& all_videos,
                     const Card& card) {
  std::vector<Schedule> schedules;
  for (const Index videos : all_videos) {
    dvd::require(videos >= 1, "a rank has 1 video or more of a batch, not ", videos);
    schedules.push_back(count_schedule<T>(options, videos, card));
  }
  const nlohmann::ordered_json about = {
      {"dvd", dvd::version},
      {"how", dvd::concat("counted in ", options.precision, " for a GPU of ", card.flops * 1e-12, " TFLOP/s, ",
                          card.bandwidth * 1e-12, " TB/s and ", card.launch * 1e6, " us a launch")},
      {"resolution", options.config.resolution},
      {"frames", options.config.frames},
      {"channels", options.config.channels},
      {"classes", options.config.classes}};
  std::ofstream file(path);
  file << costs_as_json(schedules, about).dump(1) << "\n";
  if (!file.flush()) throw dvd::FileError("cannot write " + path);
}

}  // namespace benchmarks
