// What a run does when its numbers are no longer finite.
#pragma once

#include <dvd/io/run_folder.hpp>
#include <dvd/training/checkpoint.hpp>
#include <dvd/training/shared_state.hpp>
#include <filesystem>
#include <string>
#include <utility>

#include "../common/spread.hpp"
#include "sharing.hpp"

namespace examples {

/// Goes back to a checkpoint, with other random draws, once steps fail in a row. Gives up when that does not help. All
/// ranks do the same; rank 0 reads the checkpoint.
template <class Gan>
class Recovery {
 public:
  static constexpr dvd::Index failures_in_a_row = 3;
  static constexpr dvd::Index most_returns = 3;  ///< without a new checkpoint beyond the trouble

  Recovery(std::filesystem::path run, TrainerOf<Gan>& trainer, Ranks& ranks, std::uint64_t model_seed)
      : run_(std::move(run)), trainer_(trainer), ranks_(ranks), model_seed_(model_seed) {}

  /// Whether steps have failed in a row, this one included, so often that the run should go back.
  bool hopeless(const dvd::StepReport& report) {
    in_a_row_ = report.skipped ? in_a_row_ + 1 : 0;
    return in_a_row_ >= failures_in_a_row;
  }
  /// Whether the last step has failed.
  bool in_trouble() const { return in_a_row_ > 0; }

  /// Tells that a checkpoint has been saved.
  void saved(dvd::Index step) {
    if (step > trouble_) returns_ = 0;
  }

  /// Takes the trainer back to the newest whole checkpoint, or to its very beginning, with other random draws from
  /// there on. Returns where that is, for a person, to rank 0. Throws Error, on all ranks, if it has gone back often
  /// enough or cannot. The others wait as long as it takes rank 0 to read the checkpoint.
  std::string go_back(const std::string& fault) {
    const dvd::Index at = trainer_.steps(), skipped = trainer_.skipped_steps(), redraws = trainer_.redraws() + 1;
    ranks_.agree([&] {
      if (returns_ == most_returns)
        throw dvd::Error(dvd::concat("step ", at, ": numbers that are not finite arose in ", fault, "; going back ",
                                     returns_,
                                     " times with other random draws did not help. Checkpoints are kept: go on "
                                     "with --resume and a lower --lr-g and --lr-d"));
    });
    ++returns_;
    trouble_ = std::max(trouble_, at);
    in_a_row_ = 0;
    std::string place;
    on_first_rank(ranks_, [&] { place = load_newest(); });
    dvd::broadcast_training_state(trainer_);
    trainer_.set_skipped_steps(skipped);
    trainer_.set_redraws(redraws);
    return place;
  }

 private:
  std::string load_newest() {
    const auto entries = dvd::list_checkpoints(run_);
    std::string passed_over;
    for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) try {
        dvd::load_checkpoint(entry->path, trainer_);
        return entry->path.filename().string() + (passed_over.empty() ? "" : ", passing over " + passed_over);
      } catch (const dvd::FileError& error) {  // a damaged one; the one before it may be whole
        if (passed_over.empty()) passed_over = error.what();
      }
    if (!entries.empty())
      throw dvd::FileError(dvd::concat("numbers are no longer finite, and none of ", entries.size(),
                                       " checkpoints can be used to go back to; the newest: ", passed_over));
    Gan fresh(trainer_.gan().config(), model_seed_);
    TrainerOf<Gan> beginning(fresh, trainer_.options(), trainer_.ranks());
    dvd::copy_training_state(beginning, trainer_);
    return "the beginning";
  }

  std::filesystem::path run_;
  TrainerOf<Gan>& trainer_;
  Ranks& ranks_;
  std::uint64_t model_seed_;
  dvd::Index in_a_row_ = 0, returns_ = 0, trouble_ = 0;
};

}  // namespace examples
