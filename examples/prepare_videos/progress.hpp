// How far the videos are: one line, redrawn in place on a terminal, a new one now and then elsewhere.
#pragma once

#include <fmt/core.h>
#include <dvd/data/prepare_set.hpp>
#include <string>

#include "../common/progress_line.hpp"

namespace examples {

class VideoProgress {
 public:
  explicit VideoProgress(bool quiet) : line_(quiet) {}

  double seconds() const { return line_.seconds(); }

  void show(const dvd::PrepareProgress& progress) {
    const bool last = progress.videos == progress.all_videos;
    if (line_.quiet() || done_ || progress.all_videos == 0 || (!last && !line_.due())) return;
    done_ = last;
    const double now = seconds();
    std::string text = fmt::format("video {}/{}  {:.0f} frames/s", progress.videos, progress.all_videos,
                                   static_cast<double>(progress.frames) / std::max(now, 1e-3));
    if (progress.bytes > 0) text += "  " + bytes_text(static_cast<double>(progress.bytes));
    // The first few videos tell little.
    if (progress.share > 0.001 && !last)
      text += fmt::format("  {} left", clock_text(now * (1 - progress.share) / progress.share));
    line_.show(std::move(text));
  }

  /// Ends the line that is redrawn, so that another can follow.
  void end_line() { line_.end(); }

 private:
  ProgressLine line_;
  bool done_ = false;
};

}  // namespace examples
