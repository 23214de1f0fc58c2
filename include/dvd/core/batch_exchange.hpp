// What the parts of a batch that are worked on apart from each other, by several processes, have to tell each other.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/core/shape.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Where videos that a pass sees stand in their batch, of which others may see the rest. A pass may see several batches
/// of equal size one behind the other (real videos, then generated ones), of each the same part.
struct BatchPlace {
  Index first = 0;  ///< number of the first video in its batch
  Index count = 0;  ///< videos of a batch that the pass sees; 0: all there are
  Index total = 0;  ///< videos of a batch

  /// The number that video n of the pass has among all videos of all batches: what it draws at random by.
  constexpr Index number(Index n) const { return count == 0 ? n : n / count * total + first + n % count; }

  /// How many there are of something in all parts, if each video has as many and this part has `here`.
  constexpr Index of_all(Index here) const { return count == 0 ? here : here / count * total; }
};

/// Sums over all parts of a batch. Every part asks for the same sums in the same order.
class BatchExchange {
 public:
  virtual ~BatchExchange() = default;

  /// Each of `size` numbers, in memory of the device that the pass computes on, becomes its sum over all parts: the
  /// same bits for every part.
  virtual void sum(Index size, double* values) const = 0;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
