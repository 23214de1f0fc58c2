// A line of progress: redrawn in place on a terminal, a new one now and then elsewhere.
#pragma once

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <string>

#include "terminal.hpp"

namespace examples {

class ProgressLine {
 public:
  explicit ProgressLine(bool quiet) : quiet_(quiet) {}
  ~ProgressLine() { end(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  bool quiet() const { return quiet_; }
  bool on_terminal() const { return terminal_; }
  /// Since it was made.
  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }
  /// Whether it is time for the next one: five times a second on a terminal, every ten seconds elsewhere.
  bool due() const { return seconds() - shown_ >= (terminal_ ? 0.2 : 10); }

  /// Shows a text, cut to the terminal's width.
  void show(std::string text) {
    if (quiet_) return;
    shown_ = seconds();
    if (terminal_) {
      if (text.size() >= terminal_width()) text.resize(terminal_width() - 1);
      text = "\r" + text + "\033[K";
    } else {
      text += '\n';
    }
    std::fputs(text.c_str(), stdout);
    std::fflush(stdout);
    open_ = terminal_;
  }

  /// Ends the line that is redrawn, so that another can follow.
  void end() {
    if (open_) std::fputc('\n', stdout);
    open_ = false;
  }

 private:
  using Clock = std::chrono::steady_clock;

  bool quiet_, terminal_ = isatty(STDOUT_FILENO) != 0, open_ = false;
  Clock::time_point start_ = Clock::now();
  double shown_ = 0;
};

}  // namespace examples
