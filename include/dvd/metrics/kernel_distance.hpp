// The kernel distance (KID of images, KVD of videos): whether two sets of features come from one distribution, without
// taking either for a normal one, and without a bias for small sets.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/device/cpu/parallel.hpp"
#include "dvd/device/cpu/row_pairs.hpp"
#include "dvd/metrics/feature_rows.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

namespace detail {

/// The sum of (x.y / D + 1)^3 over the pairs of a row of `a` and one of `b` or, where `within` one set, over those of
/// different rows, each taken once. Added in an order that depends on the sizes alone.
inline double sum_of_kernels(const FeatureRows& a, const FeatureRows& b, bool within) {
  using Products = cpu::RowPairs<cpu::InnerProduct>;
  constexpr Index side = Products::side;
  const Index dimensions = a.dimensions, parts = (a.count() + side - 1) / side;
  std::vector<double> sums(static_cast<std::size_t>(parts));
  cpu::parallel_calls(parts, [&](Index part) {
    Products products;
    const Index first = part * side, rows = std::min(side, a.count() - first);
    double sum = 0;
    for (Index other = within ? first : 0; other < b.count(); other += side) {
      const Index columns = std::min(side, b.count() - other);
      products.compute(dimensions, a.values.data() + first * dimensions, rows, b.values.data() + other * dimensions,
                       columns);
      double tile = 0;
      for (Index i = 0; i < rows; ++i)
        for (Index j = within && other == first ? i + 1 : 0; j < columns; ++j) {
          const double k = products(i, j) / static_cast<double>(dimensions) + 1;
          tile += k * k * k;
        }
      sum += tile;
    }
    sums[static_cast<std::size_t>(part)] = sum;
  });
  double total = 0;
  for (const double sum : sums) total += sum;
  return total;
}

}  // namespace detail

/// The unbiased estimate of the squared maximum mean discrepancy under the kernel k(x, y) = (x.y / D + 1)^3: the mean
/// of k over pairs of different rows of `a`, plus the same of `b`, minus twice the mean over pairs of a row of each. 0
/// on average where both sets are of one distribution, and hence often negative there. Binkowski, Sutherland, Arbel,
/// Gretton, "Demystifying MMD GANs", 2018.
///
/// Throws ArgumentError for sets of different dimensions, of fewer than two rows, with values that are not numbers, or
/// so large that their kernel is not (about 1e51).
inline double kernel_distance(const FeatureRows& a, const FeatureRows& b) {
  detail::check_rows("the first set of features", a, 2);
  detail::check_rows("the second set of features", b, 2);
  detail::check_same_dimensions("features", a.dimensions, b.dimensions);
  const auto m = static_cast<double>(a.count()), n = static_cast<double>(b.count());
  const double of_a = 2 * detail::sum_of_kernels(a, a, true) / (m * (m - 1));
  const double of_b = 2 * detail::sum_of_kernels(b, b, true) / (n * (n - 1));
  const double across = detail::sum_of_kernels(a, b, false) / (m * n);
  const double distance = of_a + of_b - 2 * across;
  require(is_finite(distance), "features are too large for the kernel (x.y / D + 1)^3; divide both sets by one number");
  return distance;
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
