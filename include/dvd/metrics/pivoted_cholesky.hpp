// Cholesky's decomposition of matrices that may be singular.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <utility>
#include <vector>

#include "dvd/core/shape.hpp"
#include "dvd/device/cpu/parallel.hpp"
#include "dvd/device/cpu/row_pairs.hpp"
#include "dvd/metrics/householder.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::detail {

/// P A P^T = L L^T + rest for a symmetric A [n, n], of which the lower triangle is read: the largest pivots first, as
/// long as they are above `least_pivot` and there are no more than `largest_rank`. In blocks of columns, as LAPACK's
/// dpstrf (Lucas, "LAPACK-style codes for level 2 and 3 pivoted Cholesky factorizations", 2004); on all threads, with
/// the same bits on any number.
class PivotedCholesky {
 public:
  PivotedCholesky(std::vector<double> a, Index n, Index largest_rank, double least_pivot)
      : n_(n), a_(std::move(a)), diagonal_(static_cast<std::size_t>(n)), order_(static_cast<std::size_t>(n)) {
    std::iota(order_.begin(), order_.end(), Index{0});
    for (Index i = 0; i < n; ++i) diagonal_[static_cast<std::size_t>(i)] = at(i, i);
    const Index limit = std::min(n, largest_rank);
    for (bool more = true; more && rank_ < limit;) {
      const Index first = rank_, end = std::min(limit, first + Products::side);
      while (more && rank_ < end) more = take_column(first, least_pivot);
      subtract_columns(first);
    }
    for (Index i = rank_; i < n; ++i)
      for (Index j = rank_; j <= i; ++j) rest_ = std::max(rest_, std::abs(at(i, j)));
  }

  Index rank() const { return rank_; }

  /// The largest magnitude of what L L^T leaves of A.
  double rest() const { return rest_; }

  /// (P^T L)^T, [rank, n], row-major.
  std::vector<double> transposed_factor() const {
    std::vector<double> result(static_cast<std::size_t>(rank_ * n_));
    for (Index i = 0; i < n_; ++i)
      for (Index k = 0; k < std::min(i + 1, rank_); ++k)
        result[static_cast<std::size_t>(k * n_ + order_[static_cast<std::size_t>(i)])] =
            a_[static_cast<std::size_t>(i * n_ + k)];
    return result;
  }

 private:
  using Products = cpu::RowPairs<cpu::InnerProduct>;

  double& at(Index i, Index j) { return a_[static_cast<std::size_t>(i * n_ + j)]; }

  /// False where no pivot is left. Columns before `first` have been subtracted from all behind them.
  bool take_column(Index first, double least_pivot) {
    const Index k = rank_;
    const auto pivot = std::max_element(diagonal_.begin() + k, diagonal_.end());
    const double largest = *pivot;
    if (!(largest > least_pivot)) return false;
    exchange(k, pivot - diagonal_.begin());
    const double root = std::sqrt(largest);
    at(k, k) = root;
    for (Index i = k + 1; i < n_; ++i) {
      double& entry = at(i, k);
      entry = (entry - dot(k - first, &at(i, first), &at(k, first))) / root;
      diagonal_[static_cast<std::size_t>(i)] -= entry * entry;
    }
    ++rank_;
    return true;
  }

  /// Rows and columns k <= p.
  void exchange(Index k, Index p) {
    if (k == p) return;
    std::swap(order_[static_cast<std::size_t>(k)], order_[static_cast<std::size_t>(p)]);
    std::swap(diagonal_[static_cast<std::size_t>(k)], diagonal_[static_cast<std::size_t>(p)]);
    std::swap(at(k, k), at(p, p));
    std::swap_ranges(&at(k, 0), &at(k, 0) + k, &at(p, 0));
    for (Index i = k + 1; i < p; ++i) std::swap(at(i, k), at(p, i));
    for (Index i = p + 1; i < n_; ++i) std::swap(at(i, k), at(i, p));
  }

  /// Subtracts the product of columns first .. rank - 1 with themselves from what is behind them.
  void subtract_columns(Index first) {
    const Index begin = rank_, length = rank_ - first, rows = n_ - begin;
    if (length == 0) return;
    cpu::parallel_calls((rows + Products::side - 1) / Products::side, [&](Index part) {
      Products products;
      const Index top = begin + part * Products::side, height = std::min(Products::side, n_ - top);
      for (Index left = begin; left <= top; left += Products::side) {
        const Index width = std::min(Products::side, n_ - left);
        products.compute(length, &at(top, first), n_, height, &at(left, first), n_, width);
        for (Index i = 0; i < height; ++i)
          for (Index j = 0; j < std::min(width, top + i - left + 1); ++j) at(top + i, left + j) -= products(i, j);
      }
    });
  }

  Index n_;
  std::vector<double> a_, diagonal_;
  std::vector<Index> order_;
  Index rank_ = 0;
  double rest_ = 0;
};

}  // namespace dvd::detail

#include "dvd/core/macros_end.hpp"
