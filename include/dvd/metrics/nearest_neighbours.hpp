// The nearest rows of a set that may be too large for memory: which training clips a generated one resembles.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/device/cpu/parallel.hpp"
#include "dvd/device/cpu/row_pairs.hpp"
#include "dvd/metrics/feature_rows.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// A row of the set that is searched.
struct Neighbour {
  Index index;      ///< rows counted in the order in which they were added
  double distance;  ///< Euclidean

  friend bool operator==(const Neighbour&, const Neighbour&) = default;
};

/// Keeps, for each of some rows, the k nearest of all rows that it is shown; of equally near ones the first. What it
/// finds does not depend on the chunks that the set comes in.
///
///     NearestNeighbours nearest(samples, 3);
///     while (...) nearest.add(network(training_clips).features);
///     nearest.of(0).front().distance;
class NearestNeighbours {
 public:
  /// Throws ArgumentError where k is not positive, there are no rows, or one holds what is not a number or is above
  /// 1e150.
  NearestNeighbours(FeatureRows rows, Index k) : rows_(std::move(rows)), k_(k) {
    require(k > 0, "the k nearest rows are asked for, and k is ", k, " (expected at least 1)");
    detail::check_moderate_rows("rows whose neighbours are asked for", rows_);
    found_.resize(static_cast<std::size_t>(rows_.count()));
  }

  /// Shows the next rows of the set. Throws ArgumentError, and sees none, where they are of other dimensions, or hold
  /// what is not a number or is above 1e150.
  void add(const FeatureRows& set) {
    detail::check_moderate_rows("rows to be searched", set, 0);
    if (set.count() == 0) return;
    detail::check_same_dimensions("rows", rows_.dimensions, set.dimensions);
    using Distances = cpu::RowPairs<cpu::SquaredDistance>;
    constexpr Index side = Distances::side;
    const Index count = rows_.count(), dimensions = rows_.dimensions;
    cpu::parallel_calls((count + side - 1) / side, [&](Index part) {
      Distances distances;
      const Index first = part * side, here = std::min(side, count - first);
      for (Index other = 0; other < set.count(); other += side) {
        const Index there = std::min(side, set.count() - other);
        distances.compute(dimensions, rows_.values.data() + first * dimensions, here,
                          set.values.data() + other * dimensions, there);
        for (Index i = 0; i < here; ++i)
          for (Index j = 0; j < there; ++j)
            keep(found_[static_cast<std::size_t>(first + i)], {seen_ + other + j, distances(i, j)});
      }
    });
    seen_ += set.count();
  }

  /// Rows whose neighbours are asked for.
  Index count() const { return rows_.count(); }
  /// Rows of the set so far.
  Index seen() const { return seen_; }

  /// The nearest first; fewer than k where fewer rows were seen. Throws ArgumentError if there is no such row.
  std::vector<Neighbour> of(Index row) const {
    require(row >= 0 && row < count(), "row ", row, " is outside 0 .. ", count() - 1);
    std::vector<Neighbour> result = found_[static_cast<std::size_t>(row)];
    for (Neighbour& neighbour : result) neighbour.distance = std::sqrt(neighbour.distance);
    return result;
  }

 private:
  /// Rows come in ascending order, so that one that is as near as another belongs behind it.
  void keep(std::vector<Neighbour>& nearest, Neighbour candidate) const {
    const bool full = static_cast<Index>(nearest.size()) == k_;
    if (full && candidate.distance >= nearest.back().distance) return;
    const auto nearer = [](const Neighbour& a, const Neighbour& b) { return a.distance < b.distance; };
    const auto place = std::upper_bound(nearest.begin(), nearest.end(), candidate, nearer) - nearest.begin();
    if (full) nearest.pop_back();
    nearest.insert(nearest.begin() + place, candidate);
  }

  FeatureRows rows_;
  Index k_, seen_ = 0;
  std::vector<std::vector<Neighbour>> found_;  // with squared distances, ascending
};

/// The k nearest rows of `set` for each of `rows`, the nearest first; fewer where `set` has fewer. Throws ArgumentError
/// as NearestNeighbours does.
inline std::vector<std::vector<Neighbour>> nearest_neighbours(const FeatureRows& rows, const FeatureRows& set,
                                                              Index k) {
  NearestNeighbours nearest(rows, k);
  nearest.add(set);
  std::vector<std::vector<Neighbour>> result;
  for (Index i = 0; i < nearest.count(); ++i) result.push_back(nearest.of(i));
  return result;
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
