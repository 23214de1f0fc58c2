// What a run does when its numbers are no longer finite.
#pragma once

#include <dvd/io/run_folder.hpp>
#include <dvd/training/checkpoint.hpp>
#include <string>

namespace examples {

/// Goes back to a checkpoint, with other random draws, once steps fail in a row. Gives up when that does not help.
template <class Gan>
class Recovery {
 public:
  static constexpr dvd::Index failures_in_a_row = 3;
  static constexpr dvd::Index most_returns = 3;  ///< without a new checkpoint beyond the trouble

  using TrainerType = dvd::Trainer<Gan>;

  Recovery(const dvd::RunFolder& folder, TrainerType& trainer, std::uint64_t model_seed)
      : folder_(folder), trainer_(trainer), model_seed_(model_seed) {}

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
  /// there on. Returns where that is, for a person. Throws Error if it has gone back often enough.
  std::string go_back(const std::string& fault) {
    const dvd::Index at = trainer_.steps(), skipped = trainer_.skipped_steps(), redraws = trainer_.redraws() + 1;
    if (returns_ == most_returns)
      throw dvd::Error(dvd::concat("step ", at, ": numbers that are not finite arose in ", fault, "; going back ",
                                   returns_,
                                   " times with other random draws did not help. Checkpoints are kept: go on "
                                   "with --resume and a lower --lr-g and --lr-d"));
    ++returns_;
    trouble_ = std::max(trouble_, at);
    in_a_row_ = 0;
    const std::string place = load_newest();
    trainer_.set_skipped_steps(skipped);
    trainer_.set_redraws(redraws);
    return place;
  }

 private:
  std::string load_newest() {
    const auto entries = dvd::list_checkpoints(folder_.root());
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
    TrainerType beginning(fresh, trainer_.options());
    dvd::copy_training_state(beginning, trainer_);
    return "the beginning";
  }

  const dvd::RunFolder& folder_;
  TrainerType& trainer_;
  std::uint64_t model_seed_;
  dvd::Index in_a_row_ = 0, returns_ = 0, trouble_ = 0;
};

}  // namespace examples
