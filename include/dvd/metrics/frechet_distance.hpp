// The Frechet distance of two sets of features, taken for normal distributions: FID of images, FVD of videos.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/core/is_finite.hpp"
#include "dvd/device/cpu/parallel.hpp"
#include "dvd/device/cpu/row_pairs.hpp"
#include "dvd/metrics/covariance_factor.hpp"
#include "dvd/metrics/feature_moments.hpp"
#include "dvd/metrics/feature_rows.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

namespace detail {

/// The sum of the singular values of F1^T F2.
inline double norm_of_product(const CovarianceFactor& first, const CovarianceFactor& second, Index dimensions) {
  if (first.rank < second.rank) return norm_of_product(second, first, dimensions);
  using Products = cpu::RowPairs<cpu::InnerProduct>;
  constexpr Index side = Products::side;
  std::vector<double> product(static_cast<std::size_t>(first.rank * second.rank));  // column-major
  cpu::parallel_calls((second.rank + side - 1) / side, [&](Index part) {
    Products products;
    const Index left = part * side, width = std::min(side, second.rank - left);
    for (Index top = 0; top < first.rank; top += side) {
      const Index height = std::min(side, first.rank - top);
      products.compute(dimensions, second.columns.data() + left * dimensions, width,
                       first.columns.data() + top * dimensions, height);
      for (Index j = 0; j < width; ++j)
        for (Index i = 0; i < height; ++i)
          product[static_cast<std::size_t>((left + j) * first.rank + top + i)] = products(j, i);
    }
  });
  return nuclear_norm(std::move(product), first.rank, second.rank);
}

/// From S = F F^T of both: tr (S1 S2)^(1/2) is the sum of the singular values of F1^T F2, whatever the factors.
inline double frechet_distance(const std::vector<double>& between_means, const CovarianceFactor& first,
                               const CovarianceFactor& second) {
  double largest = 0;
  for (const double value : between_means) {
    require(is_finite(value), "the means are farther apart than a double can say");
    largest = std::max(largest, std::abs(value));
  }
  // In units of 4^exponent, in which nothing overflows and nothing that matters vanishes.
  int exponent = std::max(first.exponent, second.exponent);
  if (largest > 0) exponent = std::max(exponent, std::ilogb(largest));
  double between = 0;
  for (const double value : between_means) {
    const double scaled = std::ldexp(value, -exponent);
    between += scaled * scaled;
  }
  const double traces = std::ldexp(first.trace, 2 * (first.exponent - exponent)) +
                        std::ldexp(second.trace, 2 * (second.exponent - exponent));
  const double of_product = std::ldexp(norm_of_product(first, second, static_cast<Index>(between_means.size())),
                                       first.exponent - exponent + second.exponent - exponent);
  const double distance = std::ldexp(std::max(between + traces - 2 * of_product, 0.0), 2 * exponent);
  require(is_finite(distance),
          "the Frechet distance is larger than a double can say; divide the features of both sets "
          "by one number");
  return distance;
}

inline std::vector<long double> mean_of(const FeatureRows& rows) {
  std::vector<long double> mean(static_cast<std::size_t>(rows.dimensions));
  for (Index i = 0; i < rows.count(); ++i)
    for (std::size_t j = 0; j < mean.size(); ++j) mean[j] += rows.values[static_cast<std::size_t>(i) * mean.size() + j];
  for (long double& value : mean) value /= static_cast<long double>(rows.count());
  return mean;
}

}  // namespace detail

/// |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)) of two normal distributions. Dowson, Landau, "The Frechet distance
/// between multivariate normal distributions", 1982; as a score, Heusel et al., "GANs Trained by a Two Time-Scale
/// Update Rule", 2017 (FID), and Unterthiner et al., "Towards Accurate Generative Models of Video", 2018 (FVD).
///
/// Exact to 1e-9 of |m1 - m2|^2 + tr S1 + tr S2, also for covariances that are singular, of low rank, or of very large
/// and very small scales: no root of a product of matrices is taken, which would cost half the digits. What rounding
/// makes of 0 may be a little below it, and is given as 0. Eigenvalues of a covariance below D 2^-52 of its largest are
/// taken for rounding errors of 0, unless different scales of the features explain them.
///
/// Throws ArgumentError for sizes that do not fit, what is not a number, and matrices that are no covariances: off from
/// symmetric, or with an eigenvalue below 0, by more than 1e-9 of the largest entry.
inline double frechet_distance(const Gaussian& first, const Gaussian& second) {
  detail::check_same_dimensions("features", static_cast<Index>(first.mean.size()),
                                static_cast<Index>(second.mean.size()));
  const detail::CovarianceFactor of_first = detail::factor_of("the first", first);
  const detail::CovarianceFactor of_second = detail::factor_of("the second", second);
  std::vector<double> between(first.mean.size());
  for (std::size_t i = 0; i < between.size(); ++i) between[i] = first.mean[i] - second.mean[i];
  return detail::frechet_distance(between, of_first, of_second);
}

/// Of rows that were accumulated. Throws as above, and for no rows or, where covariances are divided by N - 1, one.
inline double frechet_distance(const FeatureMoments& first, const FeatureMoments& second, CovarianceForm form) {
  if (first.count() > 0 && second.count() > 0)
    detail::check_same_dimensions("features", first.dimensions(), second.dimensions());
  return frechet_distance(first.gaussian(form), second.gaussian(form));
}

/// Of rows that are at hand. No covariance is computed, which where there are fewer rows than dimensions is faster and
/// takes less memory; but all rows are copied. Throws ArgumentError for too few rows, rows of other lengths, and values
/// that are not numbers or above 1e150.
inline double frechet_distance(const FeatureRows& first, const FeatureRows& second, CovarianceForm form) {
  const bool unbiased = form == CovarianceForm::unbiased;
  detail::check_moderate_rows("the first set of features", first, unbiased ? 2 : 1);
  detail::check_moderate_rows("the second set of features", second, unbiased ? 2 : 1);
  detail::check_same_dimensions("features", first.dimensions, second.dimensions);
  const std::vector<long double> mean = detail::mean_of(first), other_mean = detail::mean_of(second);
  std::vector<double> between(mean.size());
  for (std::size_t i = 0; i < mean.size(); ++i) between[i] = static_cast<double>(mean[i] - other_mean[i]);
  return detail::frechet_distance(between, detail::factor_of(first, mean, first.count() - (unbiased ? 1 : 0)),
                                  detail::factor_of(second, other_mean, second.count() - (unbiased ? 1 : 0)));
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
