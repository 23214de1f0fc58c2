// The Inception Score: whether a classifier is sure of each clip, and of many different classes in all.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/metrics/feature_rows.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// What keeps the logarithm of 0 away; published programs differ in it.
enum class LogGuard {
  none,   ///< nothing: a probability of 0 adds nothing, as 0 log 0 = 0
  tgan,   ///< TGAN: 1e-7 added inside both logarithms
  tganv2  ///< TGANv2: 1e-20 added to every probability before anything else
};

/// Scores of the parts of a set, their mean and their deviation (divided by the number of parts).
struct InceptionScore {
  double mean = 0, deviation = 0;
  std::vector<double> scores;
};

/// exp(x - log of the row's sum of exp(x)): the probabilities that a classifier's logits stand for. Throws
/// ArgumentError for what is not a number.
inline FeatureRows softmax(FeatureRows logits) {
  detail::check_rows("logits", logits, 0);
  const auto classes = static_cast<std::size_t>(logits.dimensions);
  for (std::size_t begin = 0; begin < logits.values.size(); begin += classes) {
    const std::span<double> row = std::span(logits.values).subspan(begin, classes);
    const double largest = *std::max_element(row.begin(), row.end());
    double sum = 0;
    for (double& value : row) sum += value = std::exp(value - largest);
    for (double& value : row) value /= sum;
  }
  return logits;
}

namespace detail {

inline void check_probabilities(const FeatureRows& probabilities) {
  constexpr double tolerance = 1e-5;  // a softmax of hundreds of classes in float
  check_rows("probabilities", probabilities);
  for (Index i = 0; i < probabilities.count(); ++i) {
    double sum = 0;
    for (const double value : probabilities.row(i)) {
      require(value >= 0, "probabilities: row ", i, " holds ", value,
              " (expected at least 0; of logits, the softmax is to be taken first)");
      sum += value;
    }
    require(std::abs(sum - 1) <= tolerance, "probabilities: row ", i, " sums to ", sum,
            " (expected 1; of logits, the softmax is to be taken first)");
  }
}

/// Of rows begin .. end - 1. Summed in long double: a part may have millions of terms.
inline double score_of_part(const FeatureRows& probabilities, Index begin, Index end, LogGuard guard) {
  const double added = guard == LogGuard::tganv2 ? 1e-20 : 0, inside = guard == LogGuard::tgan ? 1e-7 : 0;
  const auto classes = static_cast<std::size_t>(probabilities.dimensions);
  std::vector<long double> sums(classes, 0);
  for (Index i = begin; i < end; ++i) {
    const std::span<const double> row = probabilities.row(i);
    for (std::size_t k = 0; k < classes; ++k) sums[k] += row[k] + added;
  }
  std::vector<double> log_of_mean(classes);
  for (std::size_t k = 0; k < classes; ++k)
    log_of_mean[k] = std::log(static_cast<double>(sums[k] / static_cast<long double>(end - begin)) + inside);
  long double total = 0;
  for (Index i = begin; i < end; ++i) {
    const std::span<const double> row = probabilities.row(i);
    for (std::size_t k = 0; k < classes; ++k)
      if (const double p = row[k] + added; p > 0) total += p * (std::log(p + inside) - log_of_mean[k]);
  }
  return static_cast<double>(std::exp(total / static_cast<long double>(end - begin)));
}

}  // namespace detail

/// exp(mean over rows of sum over classes of p (log p - log m)), m being the mean of the rows: 1 where all rows are
/// equal, the number of classes where the rows are sure and the classes even. Part i of `splits` is rows
/// floor(i N / splits) up to floor((i + 1) N / splits). Salimans et al., "Improved Techniques for Training GANs", 2016.
///
/// Throws ArgumentError for rows that are no probabilities (negative, or a sum that is off from 1 by more than 1e-5)
/// and for fewer rows than parts.
inline InceptionScore inception_score(const FeatureRows& probabilities, Index splits = 1,
                                      LogGuard guard = LogGuard::none) {
  detail::check_probabilities(probabilities);
  const Index count = probabilities.count();
  require(splits > 0 && splits <= count, count, " rows of probabilities cannot be split into ", splits,
          " parts (expected 1 to ", count, ")");
  InceptionScore result;
  for (Index i = 0; i < splits; ++i)
    result.scores.push_back(detail::score_of_part(probabilities, i * count / splits, (i + 1) * count / splits, guard));
  const auto parts = static_cast<double>(splits);
  for (const double score : result.scores) result.mean += score / parts;
  double squares = 0;
  for (const double score : result.scores) squares += (score - result.mean) * (score - result.mean);
  result.deviation = std::sqrt(squares / parts);
  return result;
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
