// What went wrong without ending the run: said, and kept in the run's folder.
#pragma once

#include <dvd/io/run_folder.hpp>
#include <mutex>
#include <string>
#include <vector>

#include "progress.hpp"

namespace examples {

/// Collects lines from any thread; `pass_on` says them and keeps them.
class Warnings {
 public:
  void add(const std::string& line) {
    const std::lock_guard lock(mutex_);
    lines_.push_back(line);
  }

  /// To the terminal and to warnings.log, with the step at which they came up.
  void pass_on(dvd::Index step, Progress& progress, const dvd::RunFolder& folder) {
    std::vector<std::string> lines;
    {
      const std::lock_guard lock(mutex_);
      lines.swap(lines_);
    }
    for (std::string& line : lines) {
      for (char& letter : line)
        if (letter == '\n') letter = ' ';
      progress.say(fmt::format("warning    step {}: {}", step, line));
      folder.append_warning(fmt::format("step {}: {}", step, line));
    }
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> lines_;
};

}  // namespace examples
