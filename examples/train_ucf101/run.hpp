// The loop of a run: a step, and what is due after it. All ranks go through it alike.
#pragma once

#include <algorithm>
#include <array>
#include <dvd/core/finite.hpp>
#include <dvd/data/clip_loader.hpp>
#include <dvd/device/cpu.hpp>
#include <dvd/distributed/reduction.hpp>
#include <dvd/training/shared_state.hpp>
#include <dvd/training/trainer.hpp>
#include <optional>
#include <thread>

#include "../common/signals.hpp"
#include "data.hpp"
#include "options.hpp"
#include "poison.hpp"
#include "record.hpp"
#include "recovery.hpp"
#include "scores.hpp"
#include "sharing.hpp"
#include "warnings.hpp"
#include "watch.hpp"

namespace examples {

/// The rest of a run, from where the trainer stands.
template <class Gan>
class Run {
 public:
  /// Rank 0 takes hold of the run's folder. Throws FileError if it cannot, and ArgumentError for a poison without
  /// sense.
  Run(const TrainOptions& options, Gan& gan, TrainerOf<Gan>& trainer, Ranks& ranks, DataSet& data, Warnings& warnings,
      const dvd::Json& config)
      : options_(options),
        gan_(gan),
        trainer_(trainer),
        ranks_(ranks),
        data_(data),
        clips_(clips_to_train_on(options, data)),
        warnings_(warnings),
        poison_(gan),
        recovery_(options.common.out, trainer, ranks, options.common.seed),
        skipped_before_(data.skipped_files()) {
    if (options.evaluate_every > 0) scores_.emplace(options, data, ranks_);
    if (ranks_.first())
      record_.emplace(options, gan, trainer, data, warnings, config, scores_ ? &scores_->fingerprint() : nullptr);
  }

  /// Trains to the last step, or until a signal asks any of the ranks for a stop.
  void go() {
    if (record_) record_->begin();
    last_saved_ = trainer_.steps();
    open_loader();
    const StopSignals signals;
    ranks_.limit_waiting(options_.rank_timeout);
    while (trainer_.steps() < options_.steps && !stop_) step(signals);
    loader_.reset();
    if (trainer_.steps() > last_saved_ && first_non_finite().empty()) {
      check_ranks_agree();
      save_checkpoint();
    }
    if (record_) record_->summarise();
    ranks_.wait_for_first();
  }

 private:
  void step(const StopSignals& signals) {
    poison_.strike(gan_, trainer_.steps() + 1);
    const dvd::StepReport report = trainer_.step(*loader_);
    const bool last = report.step == options_.steps;
    const auto due = [&](dvd::Index every) { return every > 0 && (last || report.step % every == 0); };
    exchange_news(signals);
    if (record_) record_->count(report);

    if (record_ && report.skipped) warnings_.add("left out, because it is not finite: " + report.fault);
    save_pending_ = save_pending_ || due(options_.checkpoint_every);
    if (recovery_.hopeless(report) || (last && recovery_.in_trouble())) return go_back(report.fault);
    if (!recovery_.in_trouble()) {
      if (save_pending_ || due(options_.sample_every))
        // What no loss has shown yet, in a weight that few clips use, must not get into a checkpoint either.
        if (const std::string name = first_non_finite(); !name.empty()) return go_back(name + ": its values");
      const bool evaluates = due(options_.evaluate_every);
      if (save_pending_ || (evaluates && !options_.keep_best.empty())) check_ranks_agree();
      const std::vector<dvd::Score> scores = evaluates ? scores_->of(gan_) : std::vector<dvd::Score>();
      if (record_) tell(report, due(options_.log_every), scores);
      if (evaluates) ranks_.wait_for_first();
      if (save_pending_) save_checkpoint();
      if (record_ && due(options_.sample_every)) record_->draw_pictures();
    }
    if (record_) record_->pass_on_warnings(report.step);
    if (record_ && due(options_.sample_every) && !last) record_->report_page("running");
    if (due(options_.sample_every)) ranks_.wait_for_first();
  }

  /// What ranks must know of each other after each step: whether any is to stop, and files that they have skipped.
  void exchange_news(const StopSignals& signals) {
    const bool others_have = !ranks_.first() && warnings_.any();
    std::array<std::int64_t, 3> counts{signals.stop_requested(), others_have, data_.skipped_files()};
    // Files that could not be used from the beginning are the same for all.
    if (!ranks_.first()) counts[2] -= skipped_before_;
    ranks_.sum_counts(counts);
    stop_ = counts[0] > 0;
    if (counts[1] > 0) warnings_.gather(ranks_);
    skipped_files_ = counts[2];
  }

  /// By rank 0.
  void tell(const dvd::StepReport& report, bool logs, const std::vector<dvd::Score>& scores) {
    record_->show(report);
    for (const auto& warning :
         {spatial_watch_.see(report.discriminator("spatial")), temporal_watch_.see(report.discriminator("temporal"))})
      if (warning) warnings_.add(*warning);
    if (logs || !scores.empty()) record_->log(report, skipped_files_, scores);
  }

  /// What is not finite in the weights of any rank; empty if nothing is. All ranks are told the same, so that all go
  /// back where a single one has to.
  std::string first_non_finite() {
    dvd::Index rank = 0;
    const std::string name = dvd::first_message(ranks_, dvd::first_non_finite(dvd::contents(gan_)), &rank);
    return rank == 0 ? name : dvd::concat(name, " of rank ", rank);
  }

  /// Not within Ranks::agree: what it throws where states differ, it throws on all ranks, and what else may go wrong on
  /// one of them ends the run, because the others are in the midst of comparing.
  void check_ranks_agree() {
    try {
      dvd::check_ranks_agree(trainer_);
    } catch (const dvd::Error& error) {
      throw RanksFailed(error.what());
    }
  }

  /// Of a state that ranks have compared. All wait until it is there.
  void save_checkpoint() {
    if (record_) record_->save_checkpoint();
    ranks_.wait_for_first();
    last_saved_ = trainer_.steps();
    recovery_.saved(last_saved_);
    save_pending_ = false;
  }

  void go_back(const std::string& fault) {
    loader_.reset();
    save_pending_ = false;
    const dvd::Index from = trainer_.steps();
    if (record_) record_->pass_on_warnings(from);
    std::string place;
    try {
      place = recovery_.go_back(fault);
    } catch (const dvd::Error& error) {  // it has not helped
      if (record_) record_->give_up(error.what());
      throw;
    }
    last_saved_ = trainer_.steps();
    if (record_) record_->went_back(from, place, fault);
    ranks_.wait_for_first();
    open_loader();
  }

  void open_loader() {
    const dvd::Index cores =
        options_.common.threads > 0 ? options_.common.threads : std::thread::hardware_concurrency();
    const dvd::Index threads =
        options_.loader_threads > 0 ? options_.loader_threads : std::clamp<dvd::Index>(cores / 4, 1, 8);
    loader_.emplace(
        clips_, trainer_.batch_schedule(),
        dvd::ClipLoaderOptions{.batch = options_.trainer.batch, .threads = threads, .clips = trainer_.clip_numbers()},
        trainer_.steps() * trainer_.batches_per_step());
  }

  const TrainOptions& options_;
  Gan& gan_;
  TrainerOf<Gan>& trainer_;
  Ranks& ranks_;
  DataSet& data_;
  dvd::FunctionSource clips_;
  Warnings& warnings_;
  Poison poison_;
  Recovery<Gan> recovery_;
  std::optional<Scores<Gan>> scores_;
  std::optional<Record<Gan>> record_;  // by rank 0
  std::optional<dvd::ClipLoader<dvd::FunctionSource>> loader_;
  WinWatch spatial_watch_{"D_S"}, temporal_watch_{"D_T"};
  dvd::Index last_saved_ = 0, skipped_before_, skipped_files_ = 0;
  bool save_pending_ = false;  // a checkpoint that was due at a step that failed is saved after the next good one
  bool stop_ = false;
};

}  // namespace examples
