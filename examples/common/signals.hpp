// What a run does when it is told to stop.
#pragma once

#include <unistd.h>

#include <csignal>

namespace examples {

namespace detail {
// All that a signal handler may touch.
inline volatile std::sig_atomic_t stop_requests = 0;

extern "C" inline void request_stop(int signal) {
  if (stop_requests > 0) _exit(128 + signal);
  stop_requests = 1;
}
}  // namespace detail

/// While it lives, SIGINT and SIGTERM ask for a stop, which the run grants when its step is done; the second one ends
/// the program at once, with status 130 or 143. A terminal that is closed (SIGHUP) or a reader that goes away (SIGPIPE)
/// does not end it.
class StopSignals {
 public:
  StopSignals() {
    detail::stop_requests = 0;
    set(SIGINT, detail::request_stop, before_[0]);
    set(SIGTERM, detail::request_stop, before_[1]);
    set(SIGHUP, SIG_IGN, before_[2]);
    set(SIGPIPE, SIG_IGN, before_[3]);
  }
  ~StopSignals() {
    const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
    for (int i = 0; i < 4; ++i) sigaction(signals[i], &before_[i], nullptr);
  }
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  bool stop_requested() const { return detail::stop_requests > 0; }

 private:
  static void set(int signal, void (*handler)(int), struct sigaction& before) {
    struct sigaction action {};
    action.sa_handler = handler;
    sigemptyset(&action.sa_mask);
    action.sa_flags = SA_RESTART;  // a write in progress goes on
    sigaction(signal, &action, &before);
  }

  struct sigaction before_[4];
};

}  // namespace examples
