// Scores of forecasts of fields, such as rain rates: what meteorologists compare forecasts by.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <limits>
#include <span>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/core/is_finite.hpp"
#include "dvd/core/shape.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Counts, cell by cell, whether a forecast and what came are at least a threshold. Cells of many fields, times and
/// members of an ensemble may be added up. Cells that nobody has measured are to be left out of both.
struct ContingencyTable {
  Index hits = 0;               ///< forecast, and came
  Index misses = 0;             ///< came, but was not forecast
  Index false_alarms = 0;       ///< forecast, but did not come
  Index correct_negatives = 0;  ///< neither

  /// Throws ArgumentError unless both have as many cells, all of them finite.
  void add(std::span<const float> forecast, std::span<const float> truth, double threshold) {
    require(forecast.size() == truth.size(), "a forecast of ", forecast.size(), " cells cannot be compared with ",
            truth.size(), " cells");
    for (std::size_t i = 0; i < truth.size(); ++i) {
      require(is_finite(forecast[i]) && is_finite(truth[i]), "cell ", i,
              " is not finite: leave cells without a measurement", " out of forecast and truth");
      const bool said = static_cast<double>(forecast[i]) >= threshold,
                 came = static_cast<double>(truth[i]) >= threshold;
      ++(said ? (came ? hits : false_alarms) : (came ? misses : correct_negatives));
    }
  }

  /// The critical success index, or threat score, hits / (hits + misses + false alarms), from 0 to 1, the higher the
  /// better (Schaefer 1990); NaN where nothing came and nothing was forecast.
  double critical_success_index() const {
    const Index events = hits + misses + false_alarms;
    return events == 0 ? std::numeric_limits<double>::quiet_NaN()
                       : static_cast<double>(hits) / static_cast<double>(events);
  }
};

/// The continuous ranked probability score of an ensemble's members x_i, taken as a distribution that gives each the
/// same probability, for what came, y: mean |x_i - y| - mean |x_i - x_j| / 2 over all pairs (Gneiting and Raftery 2007,
/// equation 21). In the unit of y, 0 at best; of one member the absolute error. The fewer members, the higher it is for
/// the same forecaster, so ensembles of one size are to be compared. Throws ArgumentError where there is no member, and
/// for what is not finite.
inline double continuous_ranked_probability_score(std::vector<float> members, float truth) {
  require(!members.empty(), "an ensemble needs at least one member");
  require(is_finite(truth) && std::ranges::all_of(members, is_finite<float>),
          "an ensemble is compared with what came by finite numbers only");
  std::ranges::sort(members);
  const double count = static_cast<double>(members.size());
  double error = 0, spread = 0;
  for (std::size_t i = 0; i < members.size(); ++i) {
    const double x = static_cast<double>(members[i]), y = static_cast<double>(truth);
    error += x > y ? x - y : y - x;
    spread += x * (2 * static_cast<double>(i) + 1 - count);  // sum of |x_i - x_j| over pairs, by their order
  }
  return error / count - spread / (count * count);
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
