// What went wrong without ending the run: said, and kept in the run's folder.
#pragma once

#include <algorithm>
#include <dvd/io/run_folder.hpp>
#include <mutex>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "../common/ranks.hpp"
#include "progress.hpp"

namespace examples {

/// Collects lines from any thread; `pass_on` says them and keeps them.
class Warnings {
 public:
  void add(std::string line) {
    std::replace(line.begin(), line.end(), '\n', ' ');
    const std::lock_guard lock(mutex_);
    lines_.push_back(std::move(line));
  }

  bool any() const {
    const std::lock_guard lock(mutex_);
    return !lines_.empty();
  }

  /// Gives rank 0 those of all ranks, which they are named by. All ranks call it.
  void gather(Ranks& ranks) {
    std::string own;
    if (!ranks.first())
      for (const std::string& line : take()) own += line + '\n';
    const std::vector<std::string> all = ranks.gather(own);
    for (std::size_t rank = 1; rank < all.size() && ranks.first(); ++rank) {
      std::istringstream lines(all[rank]);
      for (std::string line; std::getline(lines, line);) add(fmt::format("rank {}: {}", rank, line));
    }
  }

  /// To the terminal and to warnings.log, with the step at which they came up.
  void pass_on(dvd::Index step, Progress& progress, const dvd::RunFolder& folder) {
    for (const std::string& line : take()) {
      progress.say(fmt::format("warning    step {}: {}", step, line));
      folder.append_warning(fmt::format("step {}: {}", step, line));
    }
  }

 private:
  std::vector<std::string> take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(lines_, {});
  }

  mutable std::mutex mutex_;
  std::vector<std::string> lines_;
};

}  // namespace examples
