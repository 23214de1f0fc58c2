// How sums are cut into pieces on a GPU: by their sizes alone, so that the same sum is added in the same order every
// time.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>

#include "dvd/core/shape.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

/// Blocks that share a row of `reduce`; more than one where rows are too few to fill a GPU.
constexpr Index reduction_pieces(Index rows, Index columns) {
  return rows >= 512 ? 1 : std::clamp<Index>(columns / 4096, 1, 256);
}

}  // namespace dvd::cuda

#include "dvd/core/macros_end.hpp"
