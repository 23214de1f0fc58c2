// Rows of numbers: what a network says of clips, and all that scores are computed from.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/core/is_finite.hpp"
#include "dvd/core/shape.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Rows of numbers of one length: what a network says of clips, one row each.
struct FeatureRows {
  Index dimensions = 0;        ///< numbers in a row; 0 as long as there is no row
  std::vector<double> values;  ///< [count, dimensions], row-major

  Index count() const { return dimensions > 0 ? static_cast<Index>(values.size()) / dimensions : 0; }

  /// Throws ArgumentError if there is no such row.
  std::span<const double> row(Index index) const {
    require(index >= 0 && index < count(), "row ", index, " is outside 0 .. ", count() - 1);
    return std::span(values).subspan(static_cast<std::size_t>(index * dimensions),
                                     static_cast<std::size_t>(dimensions));
  }

  /// Adds a row at the end; the first one says how long rows are. Throws ArgumentError for one of another length.
  void append(std::span<const double> row) {
    const auto length = static_cast<Index>(row.size());
    require(length > 0, "a row of features has at least one number");
    require(dimensions == 0 || length == dimensions, "a row of ", length, " features was added to rows of ", dimensions,
            " (expected the same network for all)");
    values.insert(values.end(), row.begin(), row.end());
    dimensions = length;
  }
};

namespace detail {

/// Beyond it squares, or their sums, may be too large for a double.
inline constexpr double largest_feature = 1e150;

/// What every score asks of its rows, which the message calls `what`: whole rows, at least `least` of them, of numbers.
inline void check_rows(const char* what, const FeatureRows& rows, Index least = 1) {
  const auto size = static_cast<Index>(rows.values.size());
  require(rows.dimensions >= 0 && (rows.dimensions > 0 ? size % rows.dimensions == 0 : size == 0), what, ": ", size,
          " numbers are no rows of ", rows.dimensions);
  require(rows.count() >= least, what, ": there are ", rows.count(), " rows (expected at least ", least, ")");
  for (Index i = 0; i < size; ++i)
    require(is_finite(rows.values[static_cast<std::size_t>(i)]), what, ": row ", i / rows.dimensions, ", column ",
            i % rows.dimensions, " is not a number (NaN or infinite); was the clip, or are the weights?");
}

/// As above, and of magnitudes that can be squared and added.
inline void check_moderate_rows(const char* what, const FeatureRows& rows, Index least = 1) {
  check_rows(what, rows, least);
  double largest = 0;
  for (const double value : rows.values) largest = std::max(largest, std::abs(value));
  require(largest <= largest_feature, what, ": there are values of magnitude ", largest, " (expected at most ",
          largest_feature, "); divide all sets by the same number");
}

/// Whether two sets come from one network, by the length of their rows.
inline void check_same_dimensions(const char* score, Index first, Index second) {
  require(first == second, score, " of ", first, " and of ", second,
          " dimensions cannot be compared (expected features of one network)");
}

}  // namespace detail

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
