// One line that tells how the training goes: redrawn in place on a terminal, now and then a new one elsewhere.
#pragma once

#include <fmt/core.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <dvd/training/trainer.hpp>
#include <string>

namespace examples {

/// "1:02:03" or "2:03", from seconds.
inline std::string clock_text(double seconds) {
  const auto total = static_cast<long>(seconds + 0.5);
  if (total >= 3600) return fmt::format("{}:{:02}:{:02}", total / 3600, total / 60 % 60, total % 60);
  return fmt::format("{}:{:02}", total / 60, total % 60);
}

/// Measures speed since construction and prints progress.
class Progress {
 public:
  Progress(dvd::Index first_step, dvd::Index last_step, dvd::Index line_every, bool quiet)
      : first_(first_step),
        last_(last_step),
        line_every_(line_every),
        quiet_(quiet),
        terminal_(isatty(STDOUT_FILENO) != 0),
        start_(Clock::now()) {}

  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

  double steps_per_second(dvd::Index step) const {
    return static_cast<double>(step - first_) / std::max(seconds(), 1e-9);
  }

  void show(const dvd::StepReport& report) {
    if (quiet_) return;
    const bool due = report.step % line_every_ == 0 || report.step == last_;
    if (!terminal_ && !due) return;
    const double speed = steps_per_second(report.step);
    const std::string line =
        fmt::format("step {}/{}  D_S {:.3f}  D_T {:.3f}  G {:+.3f}  {:.2f} steps/s  {} left", report.step, last_,
                    report.spatial.loss, report.temporal.loss, report.generator_loss, speed,
                    clock_text(static_cast<double>(last_ - report.step) / std::max(speed, 1e-9)));
    if (terminal_) {
      write("\r" + line + "\033[K");  // \033[K clears what an older, longer line left
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
  // Nobody may be listening any more, which is no reason to stop: errors are not looked at.
  static void write(const std::string& text) {
    std::fputs(text.c_str(), stdout);
    std::fflush(stdout);
  }

  using Clock = std::chrono::steady_clock;

  dvd::Index first_, last_, line_every_;
  bool quiet_, terminal_, open_line_ = false;
  Clock::time_point start_;
};

}  // namespace examples
