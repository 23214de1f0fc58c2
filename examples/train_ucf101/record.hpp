// What a run leaves in its folder and says on the terminal: the work of rank 0.
#pragma once

#include <dvd/io/run_folder.hpp>
#include <dvd/training/checkpoint.hpp>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "board.hpp"
#include "log.hpp"
#include "memory.hpp"
#include "pictures.hpp"
#include "progress.hpp"
#include "report.hpp"
#include "scores.hpp"
#include "sharing.hpp"
#include "warnings.hpp"

namespace examples {

/// A class may have any bytes in its name; JSON wants UTF-8.
inline std::string to_text(const dvd::Json& json, int indent = -1) {
  return json.dump(indent, ' ', false, dvd::Json::error_handler_t::replace);
}

template <class Gan>
class Record {
 public:
  /// Takes hold of the run's folder. Throws FileError if it cannot. Keeps references to all that it is given.
  /// `score_fingerprint` says how scores are made; null where there are none.
  Record(const TrainOptions& options, Gan& gan, TrainerOf<Gan>& trainer, DataSet& data, Warnings& warnings,
         const dvd::Json& config, const dvd::Fingerprint* score_fingerprint)
      : options_(options),
        gan_(gan),
        trainer_(trainer),
        data_(data),
        warnings_(warnings),
        config_(config),
        score_fingerprint_(score_fingerprint),
        folder_(options.common.out),
        pictures_(gan, options.common.seed, options.truncation) {
    open_best();
  }

  /// To be called before the first step, from where the trainer stands.
  void begin() {
    dvd::Json whole = config_;
    whole["ranks"] = trainer_.ranks().size();  // which checkpoints do not depend on
    folder_.write_config(to_text(whole, 2) + "\n");
    forget_what_comes_anew();
    const std::vector<std::string> log = folder_.read_log();
    progress_.emplace(options_.steps, options_.log_every, options_.common.quiet,
                      log.empty() ? 0 : number_in(log.back(), "seconds", 0));
    // A run that goes on from elsewhere must have something to go back to.
    last_saved_ = trainer_.steps();
    if (last_saved_ > 0 && !std::filesystem::exists(folder_.checkpoint(last_saved_))) save_checkpoint();
    if (options_.tensorboard) board_.emplace(folder_.root(), trainer_.steps() + 1);
  }

  /// Once per step.
  void count(const dvd::StepReport& report) {
    data_seconds_ += report.data_seconds;
    progress_->count(report.step);
  }
  void show(const dvd::StepReport& report) { progress_->show(report); }

  /// A line of the log, with scores where there are any.
  void log(const dvd::StepReport& report, dvd::Index skipped_files, const std::vector<dvd::Score>& scores) {
    dvd::Json line = log_line(options_, gan_, trainer_, report, *progress_, data_seconds_, skipped_files);
    if (!scores.empty()) tell_scores(line, scores);
    folder_.append_log(to_text(line));
    if (board_) board_->add(line);
    data_seconds_ = 0;
  }

  void save_checkpoint() {
    last_saved_ = trainer_.steps();
    dvd::save_checkpoint(folder_.checkpoint(last_saved_), trainer_,
                         {{"config", to_text(config_)}, {"dvd.version", dvd::version}});
    folder_.rotate_checkpoints(options_.keep, last_saved_);
  }

  // A picture that cannot be written is no reason to end a run.
  void draw_pictures() {
    const dvd::Index step = trainer_.steps();
    try {
      pictures_.write(data_, folder_.sample(step, ".png"), folder_.sample(step, ".gif"));
      if (board_) board_->add_samples(folder_, step);
    } catch (const dvd::Error& error) {
      warnings_.add(dvd::concat("no pictures: ", error.what()));
    }
  }

  void pass_on_warnings(dvd::Index step) { warnings_.pass_on(step, *progress_, folder_); }

  /// The run went back from step `from` to where the trainer now stands.
  void went_back(dvd::Index from, const std::string& place, const std::string& fault) {
    last_saved_ = trainer_.steps();
    warnings_.add(dvd::concat("went back to ", place, " (step ", trainer_.steps(), "), with other random draws; ",
                              "not finite: ", fault));
    pass_on_warnings(from);
    forget_what_comes_anew();
    if (board_) board_.emplace(folder_.root(), trainer_.steps() + 1);
  }

  /// The run ends because going back has not helped.
  void give_up(const std::string& why) {
    folder_.append_warning(why);
    report_page("stopped");
  }

  void report_page(const std::string& status) {
    try {
      write_report(folder_, {.status = status,
                             .config = to_text(config_),
                             .step = trainer_.steps(),
                             .steps = options_.steps,
                             .seconds = progress_->seconds(),
                             .condition_frames = options_.model.condition_frames,
                             .frames = options_.model.frames,
                             .height = options_.model.image_height(),
                             .width = options_.model.image_width()});
    } catch (const dvd::Error& error) {
      warnings_.add(dvd::concat("no report: ", error.what()));
      pass_on_warnings(trainer_.steps());
    }
  }

  void summarise() {
    const dvd::Index step = trainer_.steps();
    const bool done = step == options_.steps;
    report_page(done ? "done" : "stopped");
    if (done)
      progress_->say(fmt::format("done       {} in {}, {:.2f} steps/s, at most {:.0f} MiB of memory",
                                 options_.common.out, clock_text(progress_->seconds()),
                                 progress_->mean_steps_per_second(), peak_memory_mib()));
    else
      progress_->say(fmt::format("stopped    after step {} of {}, as asked", step, options_.steps));
    if (trainer_.skipped_steps() > 0) progress_->say(fmt::format("left out   {} steps", trainer_.skipped_steps()));
    if (done) {
      progress_->say(fmt::format("samples    {}", folder_.sample(step, ".png").string()));
      if (with_video_files) progress_->say(fmt::format("           {}", folder_.sample(step, ".gif").string()));
    }
    if (last_saved_ > 0) progress_->say(fmt::format("checkpoint {}", folder_.checkpoint(last_saved_).string()));
    if (best_ && best_->value())
      progress_->say(
          fmt::format("best       {}, {} {:.4g}", best_->path().string(), words(best_->name()), *best_->value()));
    progress_->say(fmt::format("report     {}", (folder_.root() / "report.html").string()));
    if (!done) progress_->say(fmt::format("go on with train_ucf101 --resume --out {}", options_.common.out));
  }

 private:
  void open_best() {
    if (!score_fingerprint_ || options_.keep_best.empty()) return;
    std::string remark;
    best_.emplace(options_.keep_best, *score_fingerprint_, folder_.root() / "best.safetensors", remark);
    if (!remark.empty()) warnings_.add(remark);
  }

  // Adds the scores to a line of the log, and keeps the model if they are the best.
  void tell_scores(dvd::Json& line, const std::vector<dvd::Score>& scores) {
    std::string told;
    for (const dvd::Score& each : scores) {
      line[each.name] = each.value;
      if (each.name == dvd::frechet_score || each.name == dvd::inception_score_name ||
          each.name == dvd::accuracy_score || each.name == options_.keep_best)
        told += fmt::format("{}{} {:.4g}", told.empty() ? "" : ", ", words(each.name), each.value);
    }
    line["scores_fingerprint"] = score_fingerprint_->hash();
    const dvd::Index step = trainer_.steps();
    const bool is_best = best_ && best_->takes(scores);
    if (is_best)
      dvd::save_checkpoint(
          best_->path(), trainer_,
          {{"config", to_text(config_)}, {"dvd.version", dvd::version}, {"best", best_->metadata(step)}});
    progress_->say(fmt::format("step {:<6} {}{}", step, told, is_best ? " (the best so far)" : ""));
  }

  static std::string words(std::string name) {
    std::replace(name.begin(), name.end(), '_', ' ');
    return name;
  }

  void forget_what_comes_anew() { folder_.forget_log_after(trainer_.steps(), step_in); }

  const TrainOptions& options_;
  Gan& gan_;
  TrainerOf<Gan>& trainer_;
  DataSet& data_;
  Warnings& warnings_;
  const dvd::Json& config_;
  const dvd::Fingerprint* score_fingerprint_;
  dvd::RunFolder folder_;
  Pictures<Gan> pictures_;
  std::optional<Progress> progress_;
  std::optional<BestScore> best_;
  std::optional<Board> board_;
  double data_seconds_ = 0;
  dvd::Index last_saved_ = 0;
};

}  // namespace examples
