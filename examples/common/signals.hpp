// What a run does when it is told to stop.
#pragma once

#include <unistd.h>

#include <csignal>
#include <cstddef>
#include <iterator>

namespace examples {

namespace detail {
// All that a signal handler may touch.
inline volatile std::sig_atomic_t stop_requests = 0;

extern "C" inline void request_stop(int signal) {
  if (stop_requests > 0) _exit(128 + signal);
  stop_requests = 1;
}
}  // namespace detail

/// While it lives, SIGINT, SIGTERM and SIGUSR1 ask for a stop, which the run grants when its step is done; the second
/// one ends the program at once, with status 128 + its number. SIGUSR1 is what mpirun hands on to its ranks without
/// killing them a second later. A terminal that is closed (SIGHUP) or a reader that goes away (SIGPIPE) does not end
/// it.
class StopSignals {
 public:
  StopSignals() {
    detail::stop_requests = 0;
    for (std::size_t i = 0; i < std::size(signals); ++i)
      set(signals[i], i < 3 ? detail::request_stop : SIG_IGN, before_[i]);
  }
  ~StopSignals() {
    for (std::size_t i = 0; i < std::size(signals); ++i) sigaction(signals[i], &before_[i], nullptr);
  }
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  bool stop_requested() const { return detail::stop_requests > 0; }

 private:
  static constexpr int signals[] = {SIGINT, SIGTERM, SIGUSR1, SIGHUP, SIGPIPE};

  static void set(int signal, void (*handler)(int), struct sigaction& before) {
    struct sigaction action {};
    action.sa_handler = handler;
    sigemptyset(&action.sa_mask);
    action.sa_flags = SA_RESTART;  // a write in progress goes on
    sigaction(signal, &action, &before);
  }

  struct sigaction before_[std::size(signals)];
};

}  // namespace examples
