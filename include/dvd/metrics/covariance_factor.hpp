// Factors F of covariances, S = F F^T, with as few columns as S has rank: what the Frechet distance is computed from.
//
// The root of a covariance doubles what its rounding errors weigh: an eigenvalue that is 0 but for 1e-16 has a root of
// 1e-8. Everything here is about telling such eigenvalues from small ones.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/device/cpu/intrinsics.hpp"

#include <Eigen/Core>
#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/core/is_finite.hpp"
#include "dvd/metrics/feature_moments.hpp"
#include "dvd/metrics/feature_rows.hpp"
#include "dvd/metrics/householder.hpp"
#include "dvd/metrics/pivoted_cholesky.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::detail {

/// S = 4^exponent F F^T. The exponent makes the largest entries of F about 1, whatever the scale of S.
struct CovarianceFactor {
  Index rank = 0;
  std::vector<double> columns;  ///< of F, one behind the other: [rank, D]
  double trace = 0;             ///< of F F^T
  int exponent = 0;
};

/// What a matrix may be off from a covariance, relative to its largest variance, and be taken for one: more than
/// rounding explains, and less than any mistake makes.
inline constexpr double covariance_tolerance = 0x1p-30;

/// Rounding errors of a matrix of n rows, relative to its largest eigenvalue.
inline double rounding_of(Index n) { return static_cast<double>(n) * 0x1p-52; }

/// The covariance as a matrix of numbers around 1, checked. `what` is how messages call it.
inline std::vector<double> scaled_covariance(const char* what, const Gaussian& gaussian, int& exponent) {
  const auto n = static_cast<Index>(gaussian.mean.size());
  const std::vector<double>& stored = gaussian.covariance;
  require(n > 0, what, " distribution has a mean of no features (expected at least one)");
  require(static_cast<Index>(stored.size()) == n * n, what, " distribution has a mean of ", n,
          " features and a covariance of ", stored.size(), " numbers (expected ", n, " x ", n, ")");
  for (const double value : gaussian.mean) require(is_finite(value), what, " mean holds what is not a number");
  double largest = 0, largest_variance = 0;
  for (Index i = 0; i < n * n; ++i) {
    const double& value = stored[static_cast<std::size_t>(i)];
    require(is_finite(value), what, " covariance is not a number at ", i / n, ", ", i % n);
    largest = std::max(largest, std::abs(value));
    if (i % (n + 1) == 0) largest_variance = std::max(largest_variance, value);
  }
  exponent = largest > 0 ? std::ilogb(largest) / 2 : 0;
  const double scale = std::ldexp(1.0, -exponent);  // twice: its square may be out of range
  std::vector<double> scaled(stored.size());
  for (std::size_t i = 0; i < stored.size(); ++i) scaled[i] = stored[i] * scale * scale;
  const double tolerance = covariance_tolerance * (largest * scale * scale);
  for (Index i = 0; i < n; ++i)
    for (Index j = 0; j <= i; ++j) {
      double &entry = scaled[static_cast<std::size_t>(i * n + j)], &other = scaled[static_cast<std::size_t>(j * n + i)];
      require(std::abs(entry - other) <= tolerance, what,
              " covariance is not symmetric: ", stored[static_cast<std::size_t>(i * n + j)], " at ", i, ", ", j,
              " and ", stored[static_cast<std::size_t>(j * n + i)], " at ", j, ", ", i);
      require(i != j || entry >= -tolerance, what, " covariance has a variance of ",
              stored[static_cast<std::size_t>(i * n + i)], " at ", i, " (expected none below 0)");
      entry = other = (entry + other) / 2;
    }
  require(largest <= largest_variance * (1 + covariance_tolerance), what,
          " covariance has an entry beside its diagonal that is larger than all variances (expected a covariance)");
  return scaled;
}

/// F by the eigenvectors of H = D^-1 S D^-1, for the diagonal D of `deviations`: those whose eigenvalue rounding does
/// not explain. `largest` is the largest variance.
inline void factor_by_eigenvectors(const char* what, const std::vector<double>& h,
                                   const std::vector<double>& deviations, double largest, CovarianceFactor& factor) {
  const auto n = static_cast<Index>(deviations.size());
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(Eigen::Map<const Eigen::MatrixXd>(h.data(), n, n));
  require(solver.info() == Eigen::Success, what, " covariance has no eigenvalues that could be found");
  const double* const values = solver.eigenvalues().data();  // ascending
  const double* const vectors = solver.eigenvectors().data();
  const double least = rounding_of(n) * std::max(values[n - 1], 0.0);
  factor.rank = 0;
  factor.columns.clear();
  for (Index i = 0; i < n; ++i) {
    const double* const vector = vectors + i * n;
    if (values[i] < -least) {
      // x = D^-1 v has x^T S x = the eigenvalue: S has an eigenvalue at least as far below 0 as x^T S x / x^T x.
      double square = 0;
      for (Index j = 0; j < n; ++j) square += std::pow(vector[j] / deviations[static_cast<std::size_t>(j)], 2);
      require(values[i] / square >= -covariance_tolerance * largest, what, " covariance has a negative eigenvalue, ",
              values[i] / square / largest, " times its largest variance (expected a covariance, which has none)");
    }
    if (!(values[i] > least)) continue;
    const double root = std::sqrt(values[i]);
    for (Index j = 0; j < n; ++j) factor.columns.push_back(root * vector[j] * deviations[static_cast<std::size_t>(j)]);
    ++factor.rank;
  }
}

/// A factor of a covariance, by Cholesky's decomposition where its rank is beyond doubt, otherwise by eigenvectors,
/// which take ten times as long and more, and tell best where rounding errors begin.
///
/// Both see H = D^-1 S D^-1 with the deviations D on a diagonal, so that features of small variance keep their digits
/// beside those of large variance, down to variances that are rounding errors themselves.
inline CovarianceFactor factor_of(const char* what, const Gaussian& gaussian) {
  CovarianceFactor result;
  std::vector<double> h = scaled_covariance(what, gaussian, result.exponent);
  const auto n = static_cast<Index>(gaussian.mean.size());
  const double rounding = rounding_of(n);
  double largest = 0;
  for (Index i = 0; i < n; ++i) {
    const double variance = h[static_cast<std::size_t>(i * n + i)];
    largest = std::max(largest, variance);
    result.trace += variance;
  }
  if (!(largest > 0)) return {};
  std::vector<double> deviations(static_cast<std::size_t>(n));
  for (Index i = 0; i < n; ++i)
    deviations[static_cast<std::size_t>(i)] =
        std::sqrt(std::max(h[static_cast<std::size_t>(i * n + i)], rounding * largest));
  for (Index i = 0; i < n; ++i)
    for (Index j = 0; j < n; ++j)
      h[static_cast<std::size_t>(i * n + j)] /=
          deviations[static_cast<std::size_t>(i)] * deviations[static_cast<std::size_t>(j)];
  // Pivots above it have an error that does not matter; what is left of a matrix of known rank is rounding.
  constexpr double clear = 0x1p-26;
  const bool known = gaussian.largest_rank >= 0 && gaussian.largest_rank < n;
  const Index largest_rank = known ? gaussian.largest_rank : n;
  const PivotedCholesky cholesky(h, n, largest_rank, clear);
  if (cholesky.rest() > (known && cholesky.rank() == largest_rank ? covariance_tolerance : rounding / 4)) {
    factor_by_eigenvectors(what, h, deviations, largest, result);
    return result;
  }
  result.rank = cholesky.rank();
  result.columns = cholesky.transposed_factor();
  for (std::size_t i = 0; i < result.columns.size(); ++i) result.columns[i] *= deviations[i % deviations.size()];
  return result;
}

/// A factor from the rows themselves, whose number N or N - 1 is `divisor`: the centred rows or, where these are more
/// than dimensions, R of their decomposition Q R. Nothing is squared, and hence no rank is in doubt.
inline CovarianceFactor factor_of(const FeatureRows& rows, const std::vector<long double>& mean, Index divisor) {
  const Index count = rows.count(), n = rows.dimensions;
  CovarianceFactor result{.rank = std::min(count, n), .columns = std::vector<double>(rows.values.size())};
  double largest = 0;
  for (std::size_t i = 0; i < rows.values.size(); ++i) {
    result.columns[i] = static_cast<double>(rows.values[i] - mean[i % mean.size()]);
    largest = std::max(largest, std::abs(result.columns[i]));
  }
  if (!(largest > 0)) return {};
  result.exponent = std::ilogb(largest);
  const double scale = std::ldexp(1.0, -result.exponent), root = std::sqrt(static_cast<double>(divisor));
  for (double& value : result.columns) value = value * scale / root;
  for (const double value : result.columns) result.trace += value * value;
  if (count <= n) return result;
  std::vector<double> by_feature(result.columns.size());
  for (Index i = 0; i < count; ++i)
    for (Index j = 0; j < n; ++j)
      by_feature[static_cast<std::size_t>(j * count + i)] = result.columns[static_cast<std::size_t>(i * n + j)];
  // R^T is F; its columns one behind the other are R by rows.
  const std::vector<double> transposed = transposed_triangle(std::move(by_feature), count, n);
  result.columns.assign(static_cast<std::size_t>(n * n), 0.0);
  for (Index i = 0; i < n; ++i)
    for (Index j = 0; j <= i; ++j)
      result.columns[static_cast<std::size_t>(j * n + i)] = transposed[static_cast<std::size_t>(i * n + j)];
  return result;
}

/// The sum of the singular values of a matrix [rows, columns], column-major. As eigenvalues of the symmetric matrix of
/// twice the size that has the two diagonals of the reduced matrix beside its own diagonal, which is 0: they come in
/// pairs of either sign (Golub, Kahan, "Calculating the singular values and pseudo-inverse of a matrix", 1965). They
/// are moved off 0, for rounding errors are of the size of the largest, and the search for digits of the smallest need
/// not end.
inline double nuclear_norm(std::vector<double> matrix, Index rows, Index columns) {
  if (columns == 0) return 0;
  const Bidiagonal reduced = bidiagonalize(std::move(matrix), rows, columns);
  Eigen::VectorXd beside(2 * columns - 1);
  for (Index i = 0; i < columns; ++i) {
    beside[2 * i] = reduced.diagonal[static_cast<std::size_t>(i)];
    if (i + 1 < columns) beside[2 * i + 1] = reduced.above[static_cast<std::size_t>(i)];
  }
  const double largest = beside.cwiseAbs().maxCoeff();
  if (!(largest > 0)) return 0;
  Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver;
  solver.computeFromTridiagonal(Eigen::VectorXd::Constant(2 * columns, 1), beside / largest, Eigen::EigenvaluesOnly);
  require(solver.info() == Eigen::Success, "the product of two covariances has no singular values that could be found");
  double sum = 0;
  for (Index i = 0; i < columns; ++i) sum += std::max(solver.eigenvalues()[2 * columns - 1 - i] - 1, 0.0);
  return sum * largest;
}

}  // namespace dvd::detail

#include "dvd/core/macros_end.hpp"
