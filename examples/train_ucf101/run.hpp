// The loop of a run: a step, and what is due after it.
#pragma once

#include <dvd/core/finite.hpp>
#include <dvd/data/clip_loader.hpp>
#include <dvd/device/cpu.hpp>
#include <dvd/io/run_folder.hpp>
#include <dvd/training/checkpoint.hpp>
#include <dvd/training/trainer.hpp>
#include <optional>
#include <thread>

#include "../common/signals.hpp"
#include "board.hpp"
#include "data.hpp"
#include "log.hpp"
#include "memory.hpp"
#include "options.hpp"
#include "pictures.hpp"
#include "poison.hpp"
#include "progress.hpp"
#include "recovery.hpp"
#include "report.hpp"
#include "resume.hpp"
#include "scores.hpp"
#include "warnings.hpp"
#include "watch.hpp"

namespace examples {

/// A class may have any bytes in its name; JSON wants UTF-8.
inline std::string to_text(const dvd::Json& json, int indent = -1) {
  return json.dump(indent, ' ', false, dvd::Json::error_handler_t::replace);
}

/// The rest of a run, from where the trainer stands.
template <class Gan>
class Run {
 public:
  /// Takes hold of the run's folder. Throws FileError if it cannot, and ArgumentError for a poison without sense.
  Run(const TrainOptions& options, Gan& gan, dvd::Trainer<Gan>& trainer, DataSet& data, Warnings& warnings,
      const dvd::Json& config)
      : options_(options),
        gan_(gan),
        trainer_(trainer),
        data_(data),
        warnings_(warnings),
        config_(config),
        poison_(gan),
        folder_(options.common.out),
        recovery_(folder_, trainer, options.common.seed),
        pictures_(gan, options.common.seed, options.truncation) {
    open_scores();
  }

  /// Trains to the last step, or until a signal asks for a stop.
  void go() {
    folder_.write_config(to_text(config_, 2) + "\n");
    forget_what_comes_anew();
    const std::vector<std::string> log = folder_.read_log();
    progress_.emplace(options_.steps, options_.log_every, options_.common.quiet,
                      log.empty() ? 0 : number_in(log.back(), "seconds", 0));
    // A run that goes on from elsewhere must have something to go back to.
    last_saved_ = trainer_.steps();
    if (last_saved_ > 0 && !std::filesystem::exists(folder_.checkpoint(last_saved_))) save_checkpoint();
    if (options_.tensorboard) board_.emplace(folder_.root(), trainer_.steps() + 1);
    open_loader();
    const StopSignals signals;
    while (trainer_.steps() < options_.steps && !signals.stop_requested()) step();
    loader_.reset();
    if (trainer_.steps() > last_saved_ && dvd::first_non_finite(dvd::contents(gan_)).empty()) save_checkpoint();
    summarise();
  }

 private:
  void step() {
    poison_.strike(gan_, trainer_.steps() + 1);
    const dvd::StepReport report = trainer_.step(*loader_);
    const bool last = report.step == options_.steps;
    const auto due = [&](dvd::Index every) { return last || report.step % every == 0; };
    data_seconds_ += report.data_seconds;
    progress_->count(report.step);

    if (report.skipped) warnings_.add("left out, because it is not finite: " + report.fault);
    save_pending_ = save_pending_ || due(options_.checkpoint_every);
    if (recovery_.hopeless(report) || (last && recovery_.in_trouble())) return go_back(report.fault);
    if (!recovery_.in_trouble()) {
      if (save_pending_ || due(options_.sample_every))
        // What no loss has shown yet, in a weight that few clips use, must not get into a checkpoint either.
        if (const std::string name = dvd::first_non_finite(dvd::contents(gan_)); !name.empty())
          return go_back(name + ": its values");
      progress_->show(report);
      for (const auto& warning :
           {spatial_watch_.see(report.discriminator("spatial")), temporal_watch_.see(report.discriminator("temporal"))})
        if (warning) warnings_.add(*warning);
      const bool evaluates = scores_ && due(options_.evaluate_every);
      if (due(options_.log_every) || evaluates) {
        dvd::Json line = log_line(options_, gan_, trainer_, report, *progress_, data_seconds_, data_.skipped_files());
        if (evaluates) evaluate(line);
        folder_.append_log(to_text(line));
        if (board_) board_->add(line);
        data_seconds_ = 0;
      }
      if (save_pending_) save_checkpoint();
      if (due(options_.sample_every)) draw_pictures();
    }
    warnings_.pass_on(report.step, *progress_, folder_);
    if (due(options_.sample_every) && !last) report_page("running");
  }

  void open_scores() {
    if (options_.evaluate_every == 0) return;
    scores_.emplace(options_, data_);
    if (options_.keep_best.empty()) return;
    std::string remark;
    best_.emplace(options_.keep_best, scores_->fingerprint(), folder_.root() / "best.safetensors", remark);
    if (!remark.empty()) warnings_.add(remark);
  }

  // Adds the scores to a line of the log.
  void evaluate(dvd::Json& line) {
    const std::vector<dvd::Score> scores = scores_->of(gan_);
    std::string told;
    for (const dvd::Score& each : scores) {
      line[each.name] = each.value;
      if (each.name == dvd::frechet_score || each.name == dvd::inception_score_name ||
          each.name == dvd::accuracy_score || each.name == options_.keep_best)
        told += fmt::format("{}{} {:.4g}", told.empty() ? "" : ", ", words(each.name), each.value);
    }
    line["scores_fingerprint"] = scores_->fingerprint().hash();
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

  void save_checkpoint() {
    const dvd::Index step = trainer_.steps();
    dvd::save_checkpoint(folder_.checkpoint(step), trainer_,
                         {{"config", to_text(config_)}, {"dvd.version", dvd::version}});
    folder_.rotate_checkpoints(options_.keep, step);
    recovery_.saved(step);
    last_saved_ = step;
    save_pending_ = false;
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

  void go_back(const std::string& fault) {
    loader_.reset();
    save_pending_ = false;
    const dvd::Index from = trainer_.steps();
    warnings_.pass_on(from, *progress_, folder_);
    std::string place;
    try {
      place = recovery_.go_back(fault);
    } catch (const dvd::Error& error) {  // it has not helped
      folder_.append_warning(error.what());
      report_page("stopped");
      throw;
    }
    last_saved_ = trainer_.steps();
    warnings_.add(dvd::concat("went back to ", place, " (step ", trainer_.steps(), "), with other random draws; ",
                              "not finite: ", fault));
    warnings_.pass_on(from, *progress_, folder_);
    forget_what_comes_anew();
    if (board_) board_.emplace(folder_.root(), trainer_.steps() + 1);
    open_loader();
  }

  void forget_what_comes_anew() { folder_.forget_log_after(trainer_.steps(), step_in); }

  void open_loader() {
    const dvd::Index cores =
        options_.common.threads > 0 ? options_.common.threads : std::thread::hardware_concurrency();
    const dvd::Index threads =
        options_.loader_threads > 0 ? options_.loader_threads : std::clamp<dvd::Index>(cores / 4, 1, 8);
    loader_.emplace(data_, trainer_.batch_schedule(),
                    dvd::ClipLoaderOptions{.batch = options_.trainer.batch, .threads = threads},
                    trainer_.steps() * trainer_.batches_per_step());
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
      warnings_.pass_on(trainer_.steps(), *progress_, folder_);
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

  const TrainOptions& options_;
  Gan& gan_;
  dvd::Trainer<Gan>& trainer_;
  DataSet& data_;
  Warnings& warnings_;
  const dvd::Json& config_;
  Poison poison_;
  dvd::RunFolder folder_;
  Recovery<Gan> recovery_;
  Pictures<Gan> pictures_;
  std::optional<Progress> progress_;
  std::optional<Scores<Gan>> scores_;
  std::optional<BestScore> best_;
  std::optional<Board> board_;
  std::optional<dvd::ClipLoader<DataSet>> loader_;
  WinWatch spatial_watch_{"D_S"}, temporal_watch_{"D_T"};
  double data_seconds_ = 0;
  dvd::Index last_saved_ = 0;
  bool save_pending_ = false;  // a checkpoint that was due at a step that failed is saved after the next good one
};

}  // namespace examples
