// Whether a model repeats the clips that it was trained on.
//
// A sample that is a copy has a training clip right beside it. But how near is too near depends on the data: clips of a
// plain background all lie close together. The yardstick are true clips that the model was never shown: a model that
// has learned the data, rather than the clips, makes samples that lie no nearer to the training clips than those do
// (Meehan, Chaudhuri, Dasgupta, "A Non-Parametric Test to Detect Data-Copying in Generative Models", 2020).
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/core/is_finite.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// The probability that a sample drawn by chance lies nearer to its nearest training clip than a held-out clip drawn by
/// chance does to its own, ties counting half: the statistic of Mann and Whitney over the number of pairs. About 0.5
/// where the model generalises, 1 where every sample is a copy, and lower the further samples are from all that is
/// true. Throws ArgumentError where one of the two is empty or a distance is negative or no number.
inline double nearer_share(std::span<const double> samples, std::span<const double> held_out) {
  require(!samples.empty() && !held_out.empty(),
          "memorisation is measured by at least one sample and one held-out "
          "clip, not ",
          samples.size(), " and ", held_out.size());
  for (const auto& distances : {samples, held_out})
    for (const double distance : distances)
      require(is_finite(distance) && distance >= 0, "a distance to the nearest clip is 0 or more, not ", distance);
  std::vector<double> sorted(held_out.begin(), held_out.end());
  std::sort(sorted.begin(), sorted.end());
  double further = 0;  // held-out clips, over all samples
  for (const double distance : samples) {
    const auto [low, high] = std::equal_range(sorted.begin(), sorted.end(), distance);
    further += static_cast<double>(sorted.end() - high) + 0.5 * static_cast<double>(high - low);
  }
  return further / (static_cast<double>(samples.size()) * static_cast<double>(held_out.size()));
}

/// How far `nearer_share` may stray from 0.5 by chance where nothing is memorised: three of its standard deviations, at
/// most 0.5.
inline double nearer_share_noise(std::size_t samples, std::size_t held_out) {
  require(samples > 0 && held_out > 0, "memorisation is measured by at least one sample and one held-out clip");
  const auto n = static_cast<double>(samples), m = static_cast<double>(held_out);
  return std::min(0.5, 3 * std::sqrt((n + m + 1) / (12 * n * m)));
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
