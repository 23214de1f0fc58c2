// Rows of features for tests of scores.
#pragma once

#include <cstddef>
#include <random>
#include <span>
#include <vector>

#include "dvd/metrics/feature_rows.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::testing {

// Normally distributed numbers.
inline FeatureRows random_rows(std::uint64_t seed, Index count, Index dimensions, double scale = 1, double offset = 0) {
  std::mt19937_64 engine(seed);
  std::normal_distribution<double> normal;
  FeatureRows rows{dimensions, {}};
  for (Index i = 0; i < count * dimensions; ++i) rows.values.push_back(offset + scale * normal(engine));
  return rows;
}

// Rows first .. first + count - 1.
inline FeatureRows some_rows(const FeatureRows& rows, Index first, Index count) {
  const auto begin = rows.values.begin() + first * rows.dimensions;
  return {rows.dimensions, std::vector<double>(begin, begin + count * rows.dimensions)};
}

inline FeatureRows with_value(FeatureRows rows, std::size_t place, double value) {
  rows.values.at(place) = value;
  return rows;
}

}  // namespace dvd::testing
