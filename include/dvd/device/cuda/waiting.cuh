// Waiting for the GPU, which may itself wait for something that never comes.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <cuda_runtime_api.h>

#include <chrono>
#include <thread>

#include "dvd/core/instruction_set.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

/// Whoever knows of what a GPU may wait for in vain, as for the GPUs of other ranks. It is asked while a thread that it
/// watches waits for the GPU.
class Watch {
 public:
  /// Throws if it is no use to wait any longer, which has taken so many seconds.
  virtual void look(double seconds) = 0;

 protected:
  ~Watch() = default;
};

/// A wait in small steps: at first it gives up the core for no more than a moment, then it leaves it to others.
class Patience {
 public:
  void pause() {
    if (++pauses_ < 1000)
      std::this_thread::yield();
    else
      std::this_thread::sleep_for(std::chrono::microseconds(50));
  }
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  int pauses_ = 0;
};

namespace detail {

/// Who watches this thread, or null.
inline thread_local Watch* watch_here = nullptr;

template <class Query, class Synchronize>
cudaError_t wait_until(const Query& query, const Synchronize& synchronize) {
  if (watch_here)
    for (Patience patience; query() == cudaErrorNotReady; patience.pause()) {
      cudaGetLastError();  // "not ready" would be found by the next call that looks
      watch_here->look(patience.seconds());
    }
  return synchronize();
}

}  // namespace detail

/// Whether somebody watches this thread.
inline bool is_watched() { return detail::watch_here != nullptr; }

/// Waits for all that was asked of a stream. Throws what the thread's watch throws.
inline cudaError_t wait_for(cudaStream_t stream) {
  return detail::wait_until([=] { return cudaStreamQuery(stream); }, [=] { return cudaStreamSynchronize(stream); });
}

/// Waits for all that was asked of a stream before the event was recorded there. Throws what the thread's watch throws.
inline cudaError_t wait_for(cudaEvent_t event) {
  return detail::wait_until([=] { return cudaEventQuery(event); }, [=] { return cudaEventSynchronize(event); });
}

/// Waits for a stream where nobody could be told of errors: others will meet them, too.
inline void wait_regardless(cudaStream_t stream) {
  try {
    if (wait_for(stream) != cudaSuccess) cudaGetLastError();
  } catch (...) {  // nothing that the stream waits for will come, and it has been told so
  }
}

}  // namespace dvd::cuda

#include "dvd/core/macros_end.hpp"
