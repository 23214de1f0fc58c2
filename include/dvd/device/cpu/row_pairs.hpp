// All pairs of a few rows with a few other rows: inner products or squared distances, in double.
//
// What features are compared by. A distance is summed from differences and not from |a|^2 + |b|^2 - 2 a.b, which loses
// the digits of small ones: equal rows are at distance 0. Every pair is summed over its entries in ascending order, so
// that a result does not depend on which other pairs it was computed with, nor on which of the two rows comes first.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "dvd/core/shape.hpp"
#include "dvd/device/cpu/simd.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cpu {

/// Adds an inner product's term.
struct InnerProduct {
  template <class V>
  [[gnu::always_inline]] static V add(const V& sum, const V& a, const V& b) {
    return sum + a * b;
  }
};

/// Adds a squared distance's term.
struct SquaredDistance {
  template <class V>
  [[gnu::always_inline]] static V add(const V& sum, const V& a, const V& b) {
    const V difference = a - b;
    return sum + difference * difference;
  }
};

/// Pairs of up to `side` rows with up to `side` others. Holds some 160 KB: one for each task.
template <class Term>
class RowPairs {
 public:
  static constexpr Index side = 64;

  RowPairs() : packed_(side * depth), sums_(side * side) {}

  /// Rows of `length` numbers, one behind the other in `a` and `b`.
  void compute(Index length, const double* a, Index a_rows, const double* b, Index b_rows) {
    compute(length, a, length, a_rows, b, length, b_rows);
  }

  /// As above, with steps of their own from row to row.
  void compute(Index length, const double* a, Index a_step, Index a_rows, const double* b, Index b_step, Index b_rows) {
    std::fill(sums_.begin(), sums_.end(), 0.0);
    for (Index begin = 0; begin < length; begin += depth) {
      const Index count = std::min(depth, length - begin);
      pack(b_step, b + begin, b_rows, count);
      for (Index i = 0; i < a_rows; i += group) {
        const double* rows[std::size_t{group}];  // of a last group that is not full, the last row again
        for (Index r = 0; r < group; ++r) rows[r] = a + std::min(i + r, a_rows - 1) * a_step + begin;
        for (Index j = 0; j < b_rows; j += columns)
          tile(rows, packed_.data() + j * depth, count, sums_.data() + i * side + j);
      }
    }
  }

  /// Of row `i` of a with row `j` of b.
  double operator()(Index i, Index j) const { return sums_[static_cast<std::size_t>(i * side + j)]; }

 private:
  static constexpr int lanes = native_lanes<double>, group = 4, vectors = 2;
  static constexpr Index columns = vectors * lanes, depth = 256;  // packed rows stay in the cache
  static_assert(side % columns == 0 && side % group == 0);

  /// Columns of rows, so that a vector holds the same entry of neighbouring rows; rows that are not there are 0.
  void pack(Index step, const double* b, Index b_rows, Index count) {
    for (Index j = 0; j < (b_rows + columns - 1) / columns * columns; ++j) {
      double* to = packed_.data() + j / columns * columns * depth + j % columns;
      for (Index k = 0; k < count; ++k) to[k * columns] = j < b_rows ? b[j * step + k] : 0;
    }
  }

  static void tile(const double* const* rows, const double* packed, Index count, double* sums) {
    using V = Vector<double, lanes>;
    V sum[std::size_t{group}][std::size_t{vectors}];
    unroll<group>([&](int r) __attribute__((always_inline)) {
      unroll<vectors>([&](int v) __attribute__((always_inline)) { sum[r][v] = load<V>(sums + r * side + v * lanes); });
    });
    const double *const first = rows[0], *const second = rows[1], *const third = rows[2], *const fourth = rows[3];
    for (Index k = 0; k < count; ++k) {
      V b[std::size_t{vectors}];
      unroll<vectors>([&](int v) __attribute__((always_inline)) { b[v] = load<V>(packed + k * columns + v * lanes); });
      const double entries[std::size_t{group}] = {first[k], second[k], third[k], fourth[k]};
      unroll<group>([&](int r) __attribute__((always_inline)) {
        const V entry = V{} + entries[r];
        unroll<vectors>([&](int v) __attribute__((always_inline)) { sum[r][v] = Term::add(sum[r][v], entry, b[v]); });
      });
    }
    unroll<group>([&](int r) __attribute__((always_inline)) {
      unroll<vectors>([&](int v) __attribute__((always_inline)) { store(sums + r * side + v * lanes, sum[r][v]); });
    });
  }

  std::vector<double> packed_, sums_;
};

}  // namespace dvd::cpu

#include "dvd/core/macros_end.hpp"
