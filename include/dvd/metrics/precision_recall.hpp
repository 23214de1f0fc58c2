// Precision and recall of generated clips: how many look real, and how much of what is real they cover.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/device/cpu/parallel.hpp"
#include "dvd/device/cpu/row_pairs.hpp"
#include "dvd/metrics/feature_rows.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Both from 0 to 1.
struct PrecisionRecall {
  double precision = 0;  ///< share of the generated rows that lie within the real ones
  double recall = 0;     ///< share of the real rows that lie within the generated ones
};

namespace detail {

/// The squared distance from each row to the k-th nearest other one of its set; copies of a row count as others.
inline std::vector<double> squared_radii(const FeatureRows& rows, Index k) {
  using Distances = cpu::RowPairs<cpu::SquaredDistance>;
  constexpr Index side = Distances::side;
  const Index count = rows.count(), dimensions = rows.dimensions;
  std::vector<double> radii(static_cast<std::size_t>(count));
  cpu::parallel_calls((count + side - 1) / side, [&](Index part) {
    Distances distances;
    const Index first = part * side, here = std::min(side, count - first);
    // k ascending numbers a row
    std::vector<double> nearest(static_cast<std::size_t>(here * k), std::numeric_limits<double>::max());
    for (Index other = 0; other < count; other += side) {
      const Index there = std::min(side, count - other);
      distances.compute(dimensions, rows.values.data() + first * dimensions, here,
                        rows.values.data() + other * dimensions, there);
      for (Index i = 0; i < here; ++i) {
        const auto begin = nearest.begin() + i * k, last = begin + (k - 1);
        for (Index j = 0; j < there; ++j) {
          const double distance = distances(i, j);
          if (first + i == other + j || distance >= *last) continue;
          const auto place = std::upper_bound(begin, last, distance);
          std::move_backward(place, last, last + 1);
          *place = distance;
        }
      }
    }
    for (Index i = 0; i < here; ++i)
      radii[static_cast<std::size_t>(first + i)] = nearest[static_cast<std::size_t>(i * k + k - 1)];
  });
  return radii;
}

/// The share of `candidates` that are no farther from some row of `set` than that row's radius.
inline double share_within(const FeatureRows& candidates, const FeatureRows& set, const std::vector<double>& radii) {
  using Distances = cpu::RowPairs<cpu::SquaredDistance>;
  constexpr Index side = Distances::side;
  const Index count = candidates.count(), dimensions = set.dimensions, parts = (count + side - 1) / side;
  std::vector<Index> within(static_cast<std::size_t>(parts));
  cpu::parallel_calls(parts, [&](Index part) {
    Distances distances;
    const Index first = part * side, here = std::min(side, count - first);
    std::vector<char> found(static_cast<std::size_t>(here), 0);
    for (Index other = 0; other < set.count(); other += side) {
      const Index there = std::min(side, set.count() - other);
      distances.compute(dimensions, candidates.values.data() + first * dimensions, here,
                        set.values.data() + other * dimensions, there);
      for (Index i = 0; i < here; ++i)
        for (Index j = 0; j < there; ++j)
          if (distances(i, j) <= radii[static_cast<std::size_t>(other + j)]) found[static_cast<std::size_t>(i)] = 1;
    }
    within[static_cast<std::size_t>(part)] = std::count(found.begin(), found.end(), 1);
  });
  Index total = 0;
  for (const Index some : within) total += some;
  return static_cast<double>(total) / static_cast<double>(count);
}

}  // namespace detail

/// Improved precision and recall: a set is taken for the union of balls around its rows, each as large as to reach the
/// k-th nearest other row of the set (copies are others), its surface included; precision is the share of generated
/// rows in the real set so taken, recall the share of real rows in the generated one. Kynkaanniemi, Karras, Laine,
/// Lehtinen, Aila, "Improved Precision and Recall Metric for Assessing Generative Models", 2019, with k = 3.
///
/// Both depend on the sets' sizes, which are to be equal where two models are compared. Throws ArgumentError for sets
/// of different dimensions, of no more than k rows, with values that are not numbers or above 1e150.
inline PrecisionRecall precision_recall(const FeatureRows& real, const FeatureRows& generated, Index k = 3) {
  require(k > 0, "precision and recall take the k-th nearest row, and k is ", k, " (expected at least 1)");
  const Index least = std::min(k, Shape::max_size) + 1;
  detail::check_moderate_rows("real features", real, least);
  detail::check_moderate_rows("generated features", generated, least);
  detail::check_same_dimensions("features", real.dimensions, generated.dimensions);
  return {detail::share_within(generated, real, detail::squared_radii(real, k)),
          detail::share_within(real, generated, detail::squared_radii(generated, k))};
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
