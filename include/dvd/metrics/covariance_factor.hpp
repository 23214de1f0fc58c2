// Factors F of covariances, S = F F^T, with as few columns as S has rank: what the Frechet distance is computed from.
//
// The root of a covariance doubles what its rounding errors weigh: an eigenvalue that is 0 but for 1e-16 has a root of
// 1e-8. Everything here is about telling such eigenvalues from small ones.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/device/cpu/intrinsics.hpp"

#include <Eigen/Core>
#include <Eigen/Eigenvalues>
#include <Eigen/QR>
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <utility>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/core/is_finite.hpp"
#include "dvd/metrics/feature_moments.hpp"
#include "dvd/metrics/feature_rows.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::detail {

/// S = 4^exponent F F^T. The exponent makes the largest entries of F about 1, whatever the scale of S.
struct CovarianceFactor {
  Eigen::MatrixXd columns;  ///< F, [D, r]
  double trace = 0;         ///< of F F^T
  int exponent = 0;
};

/// Rounding errors of a matrix of n rows, relative to its largest eigenvalue.
inline double rounding_of(Index n) { return static_cast<double>(n) * 0x1p-52; }

/// What a matrix may be off from a covariance, relative to its largest entry, and be taken for one: more than rounding
/// explains, and less than any mistake makes.
inline constexpr double covariance_tolerance = 0x1p-30;

/// P A P^T = L L^T + rest, pivots being taken as long as they are above `least_pivot` and there are no more than
/// `largest_rank`. Blocked as LAPACK's dpstrf.
class PivotedCholesky {
 public:
  PivotedCholesky(Eigen::MatrixXd a, Index largest_rank, double least_pivot)
      : a_(std::move(a)), diagonal_(a_.diagonal()), order_(static_cast<std::size_t>(a_.rows())) {
    std::iota(order_.begin(), order_.end(), Index{0});
    constexpr Index panel = 64;
    const Index n = a_.rows(), limit = std::min(n, largest_rank);
    for (bool more = true; more && rank_ < limit;) {
      const Index first = rank_, end = std::min(limit, first + panel);
      while (more && rank_ < end) more = take_column(first, least_pivot);
      a_.bottomRightCorner(n - rank_, n - rank_)
          .selfadjointView<Eigen::Lower>()
          .rankUpdate(a_.block(rank_, first, n - rank_, rank_ - first), -1);
    }
    for (Index j = rank_; j < n; ++j) rest_ = std::max(rest_, a_.col(j).tail(n - j).cwiseAbs().maxCoeff());
  }

  Index rank() const { return rank_; }
  /// The largest magnitude of what L L^T leaves of A.
  double rest() const { return rest_; }
  /// P^T L, [n, rank].
  Eigen::MatrixXd factor() const {
    Eigen::MatrixXd result = Eigen::MatrixXd::Zero(a_.rows(), rank_);
    for (Index i = 0; i < a_.rows(); ++i) {
      const Index columns = std::min(i + 1, rank_);
      result.row(order_[static_cast<std::size_t>(i)]).head(columns) = a_.row(i).head(columns);
    }
    return result;
  }

 private:
  /// False where no pivot is left. Columns before `first` have been subtracted from all behind them.
  bool take_column(Index first, double least_pivot) {
    const Index k = rank_, n = a_.rows(), below = n - k - 1;
    Index pivot = 0;
    const double largest = diagonal_.tail(n - k).maxCoeff(&pivot);
    if (!(largest > least_pivot)) return false;
    exchange(k, k + pivot);
    const double root = std::sqrt(largest);
    a_(k, k) = root;
    auto column = a_.col(k).tail(below);
    column.noalias() -= a_.block(k + 1, first, below, k - first) * a_.row(k).segment(first, k - first).transpose();
    column /= root;
    diagonal_.tail(below) -= column.cwiseAbs2();
    ++rank_;
    return true;
  }

  /// Rows and columns k <= p of a symmetric matrix of which the lower triangle is stored.
  void exchange(Index k, Index p) {
    if (k == p) return;
    const Index n = a_.rows(), between = p - k - 1;
    std::swap(order_[static_cast<std::size_t>(k)], order_[static_cast<std::size_t>(p)]);
    std::swap(diagonal_[k], diagonal_[p]);
    std::swap(a_(k, k), a_(p, p));
    a_.row(k).head(k).swap(a_.row(p).head(k));
    a_.col(k).tail(n - p - 1).swap(a_.col(p).tail(n - p - 1));
    for (Index i = k + 1; i <= k + between; ++i) std::swap(a_(i, k), a_(p, i));
  }

  Eigen::MatrixXd a_;
  Eigen::VectorXd diagonal_;
  std::vector<Index> order_;
  Index rank_ = 0;
  double rest_ = 0;
};

/// The covariance as a matrix of numbers around 1, checked. `what` is how messages call it.
inline Eigen::MatrixXd scaled_covariance(const char* what, const Gaussian& gaussian, int& exponent) {
  const auto n = static_cast<Index>(gaussian.mean.size());
  require(n > 0, what, " distribution has a mean of no features (expected at least one)");
  require(gaussian.covariance.size() == gaussian.mean.size() * gaussian.mean.size(), what,
          " distribution has a mean of ", n, " features and a covariance of ", gaussian.covariance.size(),
          " numbers (expected ", n, " x ", n, ")");
  for (const double value : gaussian.mean) require(is_finite(value), what, " mean holds what is not a number");
  double largest = 0;
  for (Index i = 0; i < n; ++i)
    for (Index j = 0; j < n; ++j) {
      const double value = gaussian.covariance[static_cast<std::size_t>(i * n + j)];
      require(is_finite(value), what, " covariance is not a number at ", i, ", ", j);
      largest = std::max(largest, std::abs(value));
    }
  exponent = largest > 0 ? std::ilogb(largest) / 2 : 0;
  // In two steps: 4^exponent alone may be out of range.
  const Eigen::Map<const Eigen::MatrixXd> stored(gaussian.covariance.data(), n, n);
  const double scale = std::ldexp(1.0, -exponent);
  Eigen::MatrixXd scaled = stored * scale * scale;
  const double tolerance = covariance_tolerance * largest * scale * scale;
  for (Index i = 0; i < n; ++i) {
    require(scaled(i, i) >= -tolerance, what, " covariance has a variance of ", stored(i, i), " at ", i,
            " (expected none below 0)");
    for (Index j = 0; j < i; ++j) {
      require(std::abs(scaled(i, j) - scaled(j, i)) <= tolerance, what, " covariance is not symmetric: ", stored(j, i),
              " at ", i, ", ", j, " and ", stored(i, j), " at ", j, ", ", i);
      scaled(i, j) = scaled(j, i) = (scaled(i, j) + scaled(j, i)) / 2;
    }
  }
  return scaled;
}

/// F by the eigenvectors of H = D^-1 S D^-1, for the diagonal D of `deviations`: those whose eigenvalue rounding does
/// not explain. `largest` is the largest variance.
inline Eigen::MatrixXd factor_by_eigenvectors(const char* what, const Eigen::MatrixXd& h,
                                              const Eigen::VectorXd& deviations, double largest) {
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(h);
  require(solver.info() == Eigen::Success, what, " covariance has no eigenvalues that could be found");
  const Eigen::VectorXd& values = solver.eigenvalues();  // ascending
  const Index n = h.rows();
  const double least = rounding_of(n) * std::max(values[n - 1], 0.0);
  // x = D^-1 v has x^T S x = the eigenvalue: S has an eigenvalue at least as far below 0 as x^T S x / x^T x.
  for (Index i = 0; i < n && values[i] < -least; ++i) {
    const double quotient = values[i] / solver.eigenvectors().col(i).cwiseQuotient(deviations).squaredNorm();
    require(quotient >= -covariance_tolerance * largest, what, " covariance has a negative eigenvalue, ",
            quotient / largest, " times its largest variance (expected a covariance, which has none)");
  }
  Index rank = 0;
  while (rank < n && values[n - 1 - rank] > least) ++rank;
  return deviations.asDiagonal() * solver.eigenvectors().rightCols(rank) * values.tail(rank).cwiseSqrt().asDiagonal();
}

/// A factor of a covariance, by Cholesky's decomposition where its rank is beyond doubt, otherwise by eigenvectors,
/// which take ten times as long and more, and tell best where rounding errors begin.
///
/// Both see H = D^-1 S D^-1 with the deviations D on a diagonal, so that features of small variance keep their digits
/// beside those of large variance, down to variances that are rounding errors themselves.
inline CovarianceFactor factor_of(const char* what, const Gaussian& gaussian) {
  CovarianceFactor result;
  Eigen::MatrixXd h = scaled_covariance(what, gaussian, result.exponent);
  const Index n = h.rows();
  const double largest = std::max(h.diagonal().maxCoeff(), 0.0);
  result.trace = h.diagonal().sum();
  require(h.cwiseAbs().maxCoeff() <= largest * (1 + covariance_tolerance), what,
          " covariance has an entry beside its diagonal that is larger than all variances (expected a covariance)");
  if (largest <= 0) {
    result.columns.resize(n, 0);
    result.trace = 0;
    return result;
  }
  const double rounding = rounding_of(n);
  const Eigen::VectorXd deviations = h.diagonal().cwiseMax(rounding * largest).cwiseSqrt();
  h.array().colwise() /= deviations.array();
  h.array().rowwise() /= deviations.transpose().array();
  // Pivots above it have an error that does not matter; what is left of a matrix of known rank is rounding.
  constexpr double clear = 0x1p-26;
  const bool known = gaussian.largest_rank >= 0 && gaussian.largest_rank < n;
  const Index largest_rank = known ? gaussian.largest_rank : n;
  const PivotedCholesky cholesky(h, largest_rank, clear);
  const double allowed = known && cholesky.rank() == largest_rank ? covariance_tolerance : rounding / 4;
  result.columns = cholesky.rest() <= allowed ? Eigen::MatrixXd(deviations.asDiagonal() * cholesky.factor())
                                              : factor_by_eigenvectors(what, h, deviations, largest);
  return result;
}

/// A factor from the rows themselves, whose number N or N - 1 is `divisor`: the centred rows or, where these are more
/// than dimensions, R of their decomposition Q R. Nothing is squared, and hence no rank is in doubt.
inline CovarianceFactor factor_of(const FeatureRows& rows, const std::vector<long double>& mean, Index divisor) {
  const Index count = rows.count(), n = rows.dimensions;
  Eigen::MatrixXd centred(count, n);
  for (Index i = 0; i < count; ++i)
    for (Index j = 0; j < n; ++j)
      centred(i, j) =
          static_cast<double>(rows.values[static_cast<std::size_t>(i * n + j)] - mean[static_cast<std::size_t>(j)]);
  CovarianceFactor result;
  const double largest = centred.cwiseAbs().maxCoeff();
  result.exponent = largest > 0 ? std::ilogb(largest) : 0;
  for (double& value : centred.reshaped()) value = std::ldexp(value, -result.exponent);
  centred /= std::sqrt(static_cast<double>(divisor));
  result.trace = centred.squaredNorm();
  if (count <= n) {
    result.columns = centred.transpose();
    return result;
  }
  const Eigen::HouseholderQR<Eigen::Ref<Eigen::MatrixXd>> qr(centred);
  result.columns = Eigen::MatrixXd(qr.matrixQR().topRows(n).triangularView<Eigen::Upper>()).transpose();
  return result;
}

}  // namespace dvd::detail

#include "dvd/core/macros_end.hpp"
