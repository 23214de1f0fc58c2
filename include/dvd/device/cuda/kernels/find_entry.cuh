// Where a thread finds what it works on in a table that was passed to its kernel.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/device/cuda/parallel.cuh"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

/// The number of the last of `count` entries that begins no later than at i, `first(entry)` telling where one begins:
/// they begin in their order, the first at 0.
template <class First>
DVD_DEVICE int find_entry(int count, Index i, const First& first) {
  int low = 0, high = count;
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    if (first(middle) <= i)
      low = middle;
    else
      high = middle;
  }
  return low;
}

}  // namespace dvd::cuda

#include "dvd/core/macros_end.hpp"
