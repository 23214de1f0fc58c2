// One line that tells how the training goes: redrawn in place on a terminal, now and then a new one elsewhere.
#pragma once

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <dvd/training/report.hpp>
#include <string>

#include "../common/terminal.hpp"

namespace examples {

/// Measures time and speed, and prints progress.
class Progress {
 public:
  /// `seconds_before`: what the run has taken so far, where it goes on.
  Progress(dvd::Index last_step, dvd::Index line_every, bool quiet, double seconds_before = 0)
      : last_(last_step),
        line_every_(line_every),
        quiet_(quiet),
        terminal_(isatty(STDOUT_FILENO) != 0),
        before_(seconds_before),
        start_(Clock::now()),
        recent_start_(start_) {}

  /// Of the whole run, the parts before it went on included.
  double seconds() const { return before_ + seconds_since(start_); }

  /// Over the last steps, as many as lie between two lines.
  double steps_per_second() const { return speed_; }
  /// Over all steps since construction.
  double mean_steps_per_second() const { return static_cast<double>(steps_) / std::max(seconds_since(start_), 1e-9); }

  /// Counts a step.
  void count(dvd::Index step) {
    ++steps_;
    ++recent_steps_;
    const double now = static_cast<double>(recent_steps_) / std::max(seconds_since(recent_start_), 1e-9);
    // A few steps tell little: the speed before them fills the rest.
    const double share = std::min(static_cast<double>(recent_steps_) / static_cast<double>(line_every_), 1.0);
    speed_ = lines_ == 0 ? now : share * now + (1 - share) * last_speed_;
    if (step % line_every_ != 0) return;
    last_speed_ = now;
    ++lines_;
    recent_start_ = Clock::now();
    recent_steps_ = 0;
  }

  void show(const dvd::StepReport& report) {
    if (quiet_) return;
    const bool due = report.step % line_every_ == 0 || report.step == last_;
    if (!terminal_ && !due) return;
    std::string line =
        fmt::format("step {}/{}  D_S {:.3f}  D_T {:.3f}  G {:+.3f}  {:.2f} steps/s  {} left", report.step, last_,
                    report.discriminator("spatial").loss, report.discriminator("temporal").loss, report.generator_loss,
                    speed_, clock_text(static_cast<double>(last_ - report.step) / std::max(speed_, 1e-9)));
    if (terminal_) {
      const std::size_t width = terminal_width();
      if (line.size() >= width) line.resize(width - 1);  // a line that wraps cannot be redrawn
      write("\r" + line + "\033[K");                     // \033[K clears what an older, longer line left
      open_line_ = true;
    } else {
      write(line + "\n");
    }
  }

  /// A line of its own, below the progress so far.
  void say(const std::string& text) {
    if (quiet_) return;
    write((open_line_ ? "\n" : "") + text + "\n");
    open_line_ = false;
  }

 private:
  using Clock = std::chrono::steady_clock;

  static double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  }

  // Nobody may be listening any more, which is no reason to stop: errors are not looked at.
  static void write(const std::string& text) {
    std::fputs(text.c_str(), stdout);
    std::fflush(stdout);
  }

  dvd::Index last_, line_every_;
  bool quiet_, terminal_, open_line_ = false;
  double before_, speed_ = 0, last_speed_ = 0;
  Clock::time_point start_, recent_start_;
  dvd::Index steps_ = 0, recent_steps_ = 0, lines_ = 0;
};

}  // namespace examples
