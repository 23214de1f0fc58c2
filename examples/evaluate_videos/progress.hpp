// How far the clips are: one line, redrawn in place on a terminal, a new one now and then elsewhere.
#pragma once

#include <fmt/core.h>
#include <algorithm>
#include <dvd/core/shape.hpp>
#include <string>

#include "../common/progress_line.hpp"

namespace examples {

class ClipProgress {
 public:
  ClipProgress(bool quiet, std::string what, dvd::Index clips) : line_(quiet), what_(std::move(what)), clips_(clips) {}

  void show(dvd::Index done) {
    const bool last = done == clips_;
    // Where lines stay, what is soon done needs none.
    if (line_.quiet() || (!line_.due() && !(last && line_.on_terminal()))) return;
    const double now = line_.seconds();
    std::string text =
        fmt::format("{} {}/{}  {:.1f} clips/s", what_, done, clips_, static_cast<double>(done) / std::max(now, 1e-3));
    if (!last && done > 0)
      text +=
          fmt::format("  {} left", clock_text(now * static_cast<double>(clips_ - done) / static_cast<double>(done)));
    line_.show(std::move(text));
  }

 private:
  ProgressLine line_;
  std::string what_;
  dvd::Index clips_;
};

}  // namespace examples
