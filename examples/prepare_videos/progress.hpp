// How far the videos are: one line, redrawn in place on a terminal, a new one now and then elsewhere.
#pragma once

#include <fmt/core.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <dvd/data/prepare_set.hpp>
#include <string>

#include "../common/terminal.hpp"

namespace examples {

class VideoProgress {
 public:
  explicit VideoProgress(bool quiet) : quiet_(quiet), terminal_(isatty(STDOUT_FILENO) != 0), start_(Clock::now()) {}
  ~VideoProgress() { end_line(); }
  VideoProgress(const VideoProgress&) = delete;
  VideoProgress& operator=(const VideoProgress&) = delete;

  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

  void show(const dvd::PrepareProgress& progress) {
    const double now = seconds();
    const bool last = progress.videos == progress.all_videos;
    if (quiet_ || done_ || progress.all_videos == 0 || (!last && now - shown_ < (terminal_ ? 0.2 : 10))) return;
    shown_ = now;
    done_ = last;
    std::string line = fmt::format("video {}/{}  {:.0f} frames/s", progress.videos, progress.all_videos,
                                   static_cast<double>(progress.frames) / std::max(now, 1e-3));
    if (progress.bytes > 0) line += "  " + bytes_text(static_cast<double>(progress.bytes));
    // The first few videos tell little.
    if (progress.share > 0.001 && !last)
      line += fmt::format("  {} left", clock_text(now * (1 - progress.share) / progress.share));
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

  /// Ends the line that is redrawn, so that another can follow.
  void end_line() {
    if (open_) std::fputc('\n', stdout);
    open_ = false;
  }

 private:
  using Clock = std::chrono::steady_clock;

  bool quiet_, terminal_, open_ = false, done_ = false;
  Clock::time_point start_;
  double shown_ = 0;
};

}  // namespace examples
