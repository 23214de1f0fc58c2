// How far the clips are: one line, redrawn in place on a terminal, a new one now and then elsewhere.
#pragma once

#include <fmt/core.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <dvd/core/shape.hpp>
#include <string>

#include "../common/terminal.hpp"

namespace examples {

class ClipProgress {
 public:
  ClipProgress(bool quiet, std::string what, dvd::Index clips)
      : quiet_(quiet), what_(std::move(what)), clips_(clips), start_(Clock::now()) {}
  ~ClipProgress() {
    if (open_) std::fputc('\n', stdout);
  }
  ClipProgress(const ClipProgress&) = delete;
  ClipProgress& operator=(const ClipProgress&) = delete;

  void show(dvd::Index done) {
    const double now = std::chrono::duration<double>(Clock::now() - start_).count();
    const bool last = done == clips_;
    if (quiet_ || (!last && now - shown_ < (terminal_ ? 0.2 : 10)) || (last && !terminal_ && shown_ == 0 && now < 10))
      return;
    shown_ = now;
    std::string line =
        fmt::format("{} {}/{}  {:.1f} clips/s", what_, done, clips_, static_cast<double>(done) / std::max(now, 1e-3));
    if (!last && done > 0)
      line +=
          fmt::format("  {} left", clock_text(now * static_cast<double>(clips_ - done) / static_cast<double>(done)));
    if (terminal_) {
      if (line.size() >= terminal_width()) line.resize(terminal_width() - 1);
      line = "\r" + line + "\033[K";
    } else {
      line += '\n';
    }
    std::fputs(line.c_str(), stdout);
    std::fflush(stdout);
    open_ = terminal_;
  }

 private:
  using Clock = std::chrono::steady_clock;

  bool quiet_, terminal_ = isatty(STDOUT_FILENO) != 0, open_ = false;
  std::string what_;
  dvd::Index clips_;
  Clock::time_point start_;
  double shown_ = 0;
};

}  // namespace examples
