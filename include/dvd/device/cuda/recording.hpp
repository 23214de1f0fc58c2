// Work that is recorded once, as a CUDA graph, and then repeated at the cost of a single launch.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <functional>
#include <memory>

#include "dvd/core/instruction_set.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

/// A piece of work that is to be done many times, on arrays that stay where they are. The first time it runs as it is,
/// which lets libraries choose their algorithms; the second time it is recorded, and from then on replayed: none of its
/// host code runs again. It must wait for nothing and leave no array behind that it has made. Replayed work shares one
/// part of the pool with all other recordings, which is lent to other arrays where there is no more memory, and free
/// again with the last recording. Work is recorded anew when such an array still lives, or when `allow_tf32` has
/// changed; for what else it depends on, see RecordingKey. While a thread records, what others ask of the GPU waits.
class Recording {
 public:
  static constexpr bool replays = true;

  /// Throws Error if the work cannot be recorded.
  void run(const std::function<void()>& work);
  /// Forgets what was recorded: for when arrays move.
  void reset();

 private:
  struct Graph;
  std::shared_ptr<Graph> graph_;
  bool prepared_ = false;  ///< has run once as it is
};

}  // namespace dvd::cuda

#include "dvd/core/macros_end.hpp"
