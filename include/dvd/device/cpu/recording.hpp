// Work that is done many times.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/core/instruction_set.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cpu {

/// Calls its work every time: on a CPU there is nothing to gain from recording it.
struct Recording {
  static constexpr bool replays = false;

  template <class Work>
  void run(const Work& work) {
    work();
  }
  void reset() {}
};

}  // namespace dvd::cpu

#include "dvd/core/macros_end.hpp"
