// How much a cell of a field counts in a sum over its cells, and a sign that counts as much. They need nothing of the
// library but its numbers: the GPU's kernels include them.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <concepts>
#include <vector>

namespace dvd::inline DVD_INSTRUCTION_SET {

/// min(offset + slope * y, most) for a cell of value y: 1 by default. A field y = 2 r / R - 1 of rain rates r up to R
/// has, with weights of min(r + 1, 24), as DGMR's are read here, the offset R / 2 + 1, the slope R / 2 and 24 at most.
struct LinearCellWeight {
  double offset = 1, slope = 0, most = 1e30;

  /// See settings_of.
  std::vector<double> settings() const { return {offset, slope, most}; }

  template <std::floating_point V>
  constexpr V operator()(V y) const {
    const V weight = static_cast<V>(offset) + static_cast<V>(slope) * y;
    return weight < static_cast<V>(most) ? weight : static_cast<V>(most);
  }
};

/// The gradient of |error| weighted by the true value: weight(truth) * sign(error).
template <class Weight>
struct WeightedSign {
  Weight weight;

  template <std::floating_point V>
  constexpr V operator()(V truth, V error) const {
    // What is neither above nor below 0 may be no number, which is to be seen.
    return error > 0 ? weight(truth) : error < 0 ? -weight(truth) : error;
  }
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
