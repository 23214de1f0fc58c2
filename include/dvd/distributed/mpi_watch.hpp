// Waiting for other ranks, but not for ever: who has waited for long asks the others whether they wait, too, and those
// that do not answer in time are named.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <list>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/core/shape.hpp"
#include "dvd/distributed/mpi_api.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Prints a message and ends all processes of `processes`, in whatever they are. Does not return, and does not wait.
[[noreturn]] inline void abort_mpi(MPI_Comm processes, const std::string& message) {
  std::fflush(stdout);
  std::fputs((message + "\n").c_str(), stderr);
  std::fflush(stderr);
  // Should MPI itself wait for somebody who is gone: this process ends, and its launcher ends the others.
  std::signal(SIGALRM, SIG_DFL);
  alarm(5);
  MPI_Abort(processes, 1);
  std::_Exit(1);
}

/// Waits for what MPI does with all ranks. A rank that has waited for half of `timeout_seconds` asks all others whether
/// they wait, too; they answer as soon as they wait for anything. At the end of the time those that have not answered
/// are named, and all ranks are ended.
class MpiWatch {
 public:
  /// `timeout_seconds`: 0 to wait for ever. All ranks make one at the same time.
  MpiWatch(MPI_Comm processes, double timeout_seconds)
      : group_(processes),
        timeout_(timeout_seconds),
        answered_(static_cast<std::size_t>(group_.size())),
        sent_(answered_.size()) {
    require(timeout_seconds >= 0, "a time-out of ", timeout_seconds, " seconds: it must be 0, for none, or more");
  }

  MpiWatch(const MpiWatch&) = delete;
  MpiWatch& operator=(const MpiWatch&) = delete;

  /// Returns when `request` is done. `what` says what it is for: "a sum over all ranks". All ranks wait for the same
  /// things in the same order.
  void wait(MPI_Request& request, const char* what) {
    ++wait_;
    const Clock::time_point begin = Clock::now();
    Clock::time_point next_look = begin + std::chrono::milliseconds(20);
    next_question_ = timeout_ / 2;
    round_ = 0;
    for (int tries = 0;; ++tries) {
      int done = 0;
      check_mpi(MPI_Test(&request, &done, MPI_STATUS_IGNORE), what);
      if (done) return;
      if (tries < 100) continue;
      const Clock::time_point now = Clock::now();
      // Others, perhaps the rank that is waited for, may want the core.
      if (now - begin < std::chrono::milliseconds(2))
        std::this_thread::yield();
      else
        std::this_thread::sleep_for(std::chrono::microseconds(50));
      if (timeout_ == 0 || now < next_look) continue;
      next_look = now + std::chrono::milliseconds(5);
      read_letters();
      look_for_the_missing(std::chrono::duration<double>(now - begin).count(), what);
    }
  }

  /// Reads what is still on its way. For all ranks at the same time, behind everything that they wait for.
  void close() {
    std::int64_t coming = 0;
    check_mpi(MPI_Reduce_scatter_block(sent_.data(), &coming, 1, MPI_INT64_T, MPI_SUM, group_.get()), "its end");
    std::int64_t wait = 0;
    for (; received_ < coming; ++received_)
      check_mpi(MPI_Recv(&wait, 1, MPI_INT64_T, MPI_ANY_SOURCE, MPI_ANY_TAG, group_.get(), MPI_STATUS_IGNORE),
                "its end");
    for (Letter& letter : letters_) check_mpi(MPI_Wait(&letter.sending, MPI_STATUS_IGNORE), "its end");
    letters_.clear();
  }

 private:
  using Clock = std::chrono::steady_clock;

  // A question carries the number of the wait of whoever asks, and its answer carries it back.
  static constexpr int question = 1, answer = 2;
  struct Letter {
    std::int64_t wait = 0;
    MPI_Request sending = MPI_REQUEST_NULL;
  };

  void send(Index rank, int kind, std::int64_t wait) {
    Letter& letter = letters_.emplace_back();
    letter.wait = wait;
    ++sent_[static_cast<std::size_t>(rank)];
    check_mpi(MPI_Isend(&letter.wait, 1, MPI_INT64_T, static_cast<int>(rank), kind, group_.get(), &letter.sending),
              "a question whether a rank waits");
  }

  void read_letters() {
    for (;;) {
      int there = 0;
      MPI_Status status;
      check_mpi(MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, group_.get(), &there, &status), "a look at what came");
      if (!there) break;
      std::int64_t wait = 0;
      check_mpi(MPI_Recv(&wait, 1, MPI_INT64_T, status.MPI_SOURCE, status.MPI_TAG, group_.get(), MPI_STATUS_IGNORE),
                "a look at what came");
      ++received_;
      if (status.MPI_TAG == question)
        send(status.MPI_SOURCE, answer, wait);
      else if (wait == wait_)
        answered_[static_cast<std::size_t>(status.MPI_SOURCE)] = true;
    }
    letters_.remove_if([](Letter& letter) {
      int sent = 0;
      MPI_Test(&letter.sending, &sent, MPI_STATUS_IGNORE);
      return sent != 0;
    });
  }

  // Asks at half the time. At its end, and at least half of it later, whatever has kept this rank from looking: tells.
  void look_for_the_missing(double seconds, const char* what) {
    if (next_question_ > 0 && seconds > next_question_) {
      next_question_ = 0;
      end_ = seconds + timeout_ / 2;
      std::fill(answered_.begin(), answered_.end(), false);
      answered_[static_cast<std::size_t>(group_.rank())] = true;
      for (Index rank = 0; rank < group_.size(); ++rank)
        if (rank != group_.rank()) send(rank, question, wait_);
    }
    if (next_question_ > 0 || seconds < end_) return;
    const auto missing = std::count(answered_.begin(), answered_.end(), false);
    if (missing == 0) {
      // All wait: for something that takes long, at first.
      if (++round_ == 3)
        abort_mpi(group_.get(), concat("all ranks have waited for ", std::round(end_), " s in ", what,
                                       ", which does not end: the network between them has failed; the run ends"));
      next_question_ = end_ + timeout_ / 2;
      return;
    }
    // The lowest of those that wait speaks, and the next one where it has not.
    const auto lower = std::count(answered_.begin(), answered_.begin() + group_.rank(), true);
    if (seconds < end_ + 0.3 * static_cast<double>(lower)) return;
    abort_mpi(group_.get(),
              concat(names_of_the_missing(), missing == 1 ? " has" : " have", " not come to ", what, " for ",
                     std::round(end_),
                     " s: ", missing == 1 ? "it hangs, or its node is gone" : "they hang, or their nodes are gone",
                     "; the run ends"));
  }

  std::string names_of_the_missing() const {
    std::string names;
    for (std::size_t rank = 0; rank < answered_.size(); ++rank)
      if (!answered_[rank]) names += (names.empty() ? "rank " : ", rank ") + std::to_string(rank);
    return names;
  }

  MpiGroup group_;
  double timeout_;
  std::int64_t wait_ = 0;           // number of what is waited for
  double next_question_ = 0;        // when to ask, in seconds from the begin of the wait; 0 once asked
  double end_ = 0;                  // when the answers have to be there
  int round_ = 0;                   // how many times all have answered
  std::vector<bool> answered_;      // by rank
  std::list<Letter> letters_;       // that are on their way
  std::vector<std::int64_t> sent_;  // how many, by rank
  std::int64_t received_ = 0;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
