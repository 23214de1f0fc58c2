// Telling the user what goes wrong on the way, a line at a time.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <utility>

#include "dvd/core/instruction_set.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::detail {

/// Hands lines to a function of the user's: by one thread at a time, in the order in which they came, and with nothing
/// locked, so that the function may turn to whoever is telling it. A line that comes while another is being told waits,
/// and the thread that tells the other one tells it afterwards.
class WarningQueue {
 public:
  using Function = std::function<void(const std::string&)>;

  /// An empty function is told nothing.
  explicit WarningQueue(Function warn) : warn_(std::move(warn)) {}

  /// Throws what the function throws; later lines are told all the same.
  void add(std::string line) {
    if (!warn_) return;
    {
      const std::lock_guard lock(mutex_);
      lines_.push_back(std::move(line));
      if (std::exchange(telling_, true)) return;
    }
    try {
      for (std::string next; take(next);) warn_(next);
    } catch (...) {
      const std::lock_guard lock(mutex_);
      telling_ = false;
      throw;
    }
  }

 private:
  // The next line; false, and nobody is telling any more, if there is none.
  bool take(std::string& line) {
    const std::lock_guard lock(mutex_);
    telling_ = !lines_.empty();
    if (!telling_) return false;
    line = std::move(lines_.front());
    lines_.pop_front();
    return true;
  }

  Function warn_;
  std::mutex mutex_;  // guards what follows
  std::deque<std::string> lines_;
  bool telling_ = false;
};

}  // namespace dvd::detail

#include "dvd/core/macros_end.hpp"
