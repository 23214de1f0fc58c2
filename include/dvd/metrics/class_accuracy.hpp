// Whether clips are of the class that was asked for.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <span>

#include "dvd/metrics/feature_rows.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// The number of the largest logit, the first of equal ones.
inline Index likeliest_class(std::span<const double> logits) {
  return std::ranges::max_element(logits) - logits.begin();
}

/// The share of rows of logits whose largest is that of the label: of clips that a network finds to be of the class
/// they were asked to be of. It sees what distances between sets of clips cannot: a generator that exchanges classes,
/// such as one that makes every shape move backwards, makes the same clips in the same numbers, but not the right ones
/// for their labels. Throws ArgumentError unless there is at least one row, and a label for each that is a class.
inline double class_accuracy(const FeatureRows& logits, std::span<const Index> labels) {
  require(logits.count() > 0 && logits.count() == static_cast<Index>(labels.size()),
          "class accuracy expects one label for each clip and at least one clip, not ", labels.size(), " labels for ",
          logits.count(), " clips");
  Index right = 0;
  for (Index i = 0; i < logits.count(); ++i) {
    const Index label = labels[static_cast<std::size_t>(i)];
    require(label >= 0 && label < logits.dimensions, "class accuracy expects labels from 0 to ", logits.dimensions - 1,
            ", not ", label);
    right += likeliest_class(logits.row(i)) == label;
  }
  return static_cast<double>(right) / static_cast<double>(logits.count());
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
