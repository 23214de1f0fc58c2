// Mean and covariance of features, accumulated row by row.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/device/cpu/parallel.hpp"
#include "dvd/device/cpu/row_pairs.hpp"
#include "dvd/metrics/feature_rows.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// What the sum of products of N centred rows is divided by: N (NumPy's default for variances) or N - 1 (numpy.cov's).
/// Published scores differ in it.
enum class CovarianceForm { biased, unbiased };

/// What a normal distribution of features is told by.
struct Gaussian {
  std::vector<double> mean;        ///< [D]
  std::vector<double> covariance;  ///< [D, D]
  /// What the covariance's rank cannot exceed: one less than the rows that it is of. -1 where that is not known.
  Index largest_rank = -1;
};

/// Mean and covariance of rows that come in chunks, in double. Nothing is kept of a row but what it adds to D * D sums.
///
///     FeatureMoments moments;
///     while (...) moments.add(network(clips).features);
///     const Gaussian gaussian = moments.gaussian(CovarianceForm::unbiased);
///
/// Rows are gathered in blocks of 256. A block is centred on its own mean before it is multiplied with itself, and
/// joined to those before it by the formula of Chan, Golub and LeVeque ("Updating formulae and a pairwise algorithm for
/// computing sample variances", 1979): no digit is lost to a mean that is large beside the deviations, up to 1e8 times
/// as large, from where on the rows themselves, as doubles, do not hold their deviations. Where the blocks
/// begin depends on the rows' number alone, so that the same rows in the same order give the same bits whatever chunks
/// they come in.
class FeatureMoments {
 public:
  FeatureMoments() = default;

  /// The moments of `count` rows as they were saved: what `count`, `mean` and `scatter` have returned. Rows that are
  /// added begin a new block. Throws ArgumentError for sizes that contradict each other and values that no rows have.
  FeatureMoments(Index count, const std::vector<double>& mean, std::vector<double> scatter)
      : totals_{count, {mean.begin(), mean.end()}, std::move(scatter)} {
    const std::size_t dimensions = totals_.mean.size();
    require(count > 0 && dimensions > 0, "moments of ", count, " rows of ", dimensions,
            " features (expected at least one row and one feature)");
    require(totals_.scatter.size() == dimensions * dimensions, "a scatter matrix of ", totals_.scatter.size(),
            " numbers does not go with a mean of ", dimensions, " (expected the square)");
    for (const double value : mean) require(is_finite(value), "a saved mean is not a number");
    for (std::size_t i = 0; i < dimensions; ++i) {
      for (std::size_t j = 0; j < dimensions; ++j) {
        require(is_finite(totals_.scatter[i * dimensions + j]), "a saved sum of products is not a number");
        require(totals_.scatter[i * dimensions + j] == totals_.scatter[j * dimensions + i],
                "a saved matrix of sums of products is not symmetric at ", i, ", ", j);
      }
      require(totals_.scatter[i * dimensions + i] >= 0, "a saved sum of squares is negative");
    }
    pending_.dimensions = static_cast<Index>(dimensions);
  }

  /// Adds rows. Throws ArgumentError, and adds none, where their length is not that of the rows before, one is not a
  /// number (row and column are named, rows counted from the first of these), or of a magnitude above 1e150.
  void add(const FeatureRows& rows) {
    detail::check_moderate_rows("features", rows, 0);
    if (rows.count() == 0) return;
    if (count() > 0) detail::check_same_dimensions("moments", dimensions(), rows.dimensions);
    pending_.dimensions = rows.dimensions;
    for (Index row = 0; row < rows.count();) {
      const Index room = block - pending_.count(), taken = std::min(room, rows.count() - row);
      const auto begin = rows.values.begin() + row * rows.dimensions;
      pending_.values.insert(pending_.values.end(), begin, begin + taken * rows.dimensions);
      row += taken;
      if (taken < room) break;
      totals_.add(pending_);
      pending_.values.clear();
    }
  }

  /// Adds the rows that another one was given. The rows are the same as if they had all been added here; the blocks,
  /// and with them the last bits, are not.
  void merge(const FeatureMoments& other) {
    if (other.count() == 0) return;
    if (count() > 0) detail::check_same_dimensions("moments", dimensions(), other.dimensions());
    const FeatureRows rows = other.pending_;  // which may be this one's
    if (other.totals_.count > 0) totals_.add(Totals(other.totals_));
    pending_.dimensions = rows.dimensions;
    add(rows);
  }

  Index count() const { return totals_.count + pending_.count(); }
  /// 0 before the first row.
  Index dimensions() const { return pending_.dimensions; }

  /// [D]. Throws ArgumentError where there is no row.
  std::vector<double> mean() const {
    const Totals totals = complete();
    return {totals.mean.begin(), totals.mean.end()};
  }

  /// [D, D]: the sum over rows of (x - mean)(x - mean)^T. Throws ArgumentError where there is no row.
  std::vector<double> scatter() const { return complete().scatter; }

  /// [D, D]: the same, divided as `form` says. Throws ArgumentError where there is no row, or for `unbiased` only one.
  std::vector<double> covariance(CovarianceForm form) const { return gaussian(form).covariance; }

  /// Both, and what is known of the covariance's rank. Throws as `covariance` does.
  Gaussian gaussian(CovarianceForm form) const {
    const Index divisor = form == CovarianceForm::unbiased ? count() - 1 : count();
    require(divisor > 0, "a covariance", form == CovarianceForm::unbiased ? " that is divided by N - 1" : "",
            " cannot be computed of ", count(), count() == 1 ? " row" : " rows");
    Totals totals = complete();
    for (double& value : totals.scatter) value /= static_cast<double>(divisor);
    return {{totals.mean.begin(), totals.mean.end()}, std::move(totals.scatter), count() - 1};
  }

 private:
  static constexpr Index block = 256;

  /// Of all blocks so far. Entries of the scatter matrix below its diagonal are only right in what `complete` returns.
  struct Totals {
    Index count = 0;
    std::vector<long double> mean;  // beside which the differences between blocks may be small
    std::vector<double> scatter;

    void add(const FeatureRows& rows) {
      const Index dimensions = rows.dimensions, rows_count = rows.count();
      const double* const x = rows.values.data();
      std::vector<long double> block_mean(static_cast<std::size_t>(dimensions));
      std::vector<double> centred(rows.values.size());  // [dimensions, rows]: a feature's values lie together
      for (Index j = 0; j < dimensions; ++j) {
        long double sum = 0;
        for (Index i = 0; i < rows_count; ++i) sum += detail::wide(x[i * dimensions + j]);
        const long double average = sum / static_cast<long double>(rows_count);
        block_mean[static_cast<std::size_t>(j)] = average;
        double* const to = centred.data() + j * rows_count;
        for (Index i = 0; i < rows_count; ++i)
          to[i] = static_cast<double>(detail::wide(x[i * dimensions + j]) - average);
      }
      join(rows_count, block_mean, [&](Index first, Index first_count, const auto& put) {
        cpu::RowPairs<cpu::InnerProduct> products;
        for (Index other = first; other < dimensions; other += products.side) {
          const Index other_count = std::min(products.side, dimensions - other);
          products.compute(rows_count, centred.data() + first * rows_count, first_count,
                           centred.data() + other * rows_count, other_count);
          for (Index i = 0; i < first_count; ++i)
            for (Index j = 0; j < other_count; ++j) put(first + i, other + j, products(i, j));
        }
      });
    }

    void add(const Totals& other) {
      const auto dimensions = static_cast<Index>(other.mean.size());
      join(other.count, other.mean, [&](Index first, Index first_count, const auto& put) {
        for (Index i = first; i < first + first_count; ++i)
          for (Index j = i; j < dimensions; ++j) put(i, j, other.scatter[static_cast<std::size_t>(i * dimensions + j)]);
      });
    }

    /// Joins more rows, of which `for_products(first, count, put)` puts the sums of products of features
    /// first .. first + count - 1 with all behind them.
    template <class ForProducts>
    void join(Index more, const std::vector<long double>& more_mean, const ForProducts& for_products) {
      const auto dimensions = static_cast<Index>(more_mean.size());
      if (count == 0) {
        mean.assign(more_mean.size(), 0);
        scatter.assign(more_mean.size() * more_mean.size(), 0.0);
      }
      const double share = static_cast<double>(more) / static_cast<double>(count + more);
      const double weight = static_cast<double>(count) * share;
      std::vector<double> difference(more_mean.size());
      for (std::size_t j = 0; j < mean.size(); ++j) difference[j] = static_cast<double>(more_mean[j] - mean[j]);
      constexpr Index side = cpu::RowPairs<cpu::InnerProduct>::side;
      cpu::parallel_calls((dimensions + side - 1) / side, [&](Index part) {
        const Index first = part * side;
        for_products(first, std::min(side, dimensions - first), [&](Index i, Index j, double product) {
          const double between =
              difference[static_cast<std::size_t>(i)] * difference[static_cast<std::size_t>(j)] * weight;
          scatter[static_cast<std::size_t>(i * dimensions + j)] += product + between;
        });
      });
      for (std::size_t j = 0; j < mean.size(); ++j)
        mean[j] = count == 0 ? more_mean[j] : mean[j] + detail::wide(difference[j] * share);
      count += more;
    }
  };

  /// With the block that is not full yet, and both triangles of the matrix.
  Totals complete() const {
    require(count() > 0, "the moments of no rows are asked for (expected at least one row)");
    Totals totals = totals_;
    if (pending_.count() > 0) totals.add(pending_);
    const std::size_t dimensions = totals.mean.size();
    for (std::size_t i = 0; i < dimensions; ++i)
      for (std::size_t j = 0; j < i; ++j) totals.scatter[i * dimensions + j] = totals.scatter[j * dimensions + i];
    return totals;
  }

  Totals totals_;
  FeatureRows pending_;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
