// Householder's decompositions of large matrices of doubles, of which the scores want the values only: the triangle of
// Q R, and the two diagonals that have a matrix's singular values. On all threads, with the same bits on any number.
//
// Eigen's decompositions of this kind take tens of seconds to compile, one thread, and (BDCSVD) a compiler that was not
// told of finite numbers only.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

#include "dvd/core/shape.hpp"
#include "dvd/device/cpu/parallel.hpp"
#include "dvd/device/cpu/simd.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::detail {

inline double dot(Index count, const double* a, const double* b) {
  constexpr int lanes = cpu::native_lanes<double>, vectors = 4;
  using V = cpu::Vector<double, lanes>;
  V sums[std::size_t{vectors}] = {};
  Index i = 0;
  for (; i + vectors * lanes <= count; i += vectors * lanes)
    cpu::unroll<vectors>([&](int v) __attribute__((always_inline)) {
      sums[v] += cpu::load<V>(a + i + v * lanes) * cpu::load<V>(b + i + v * lanes);
    });
  const V sum = (sums[0] + sums[1]) + (sums[2] + sums[3]);
  double result = 0;
  for (int lane = 0; lane < lanes; ++lane) result += sum[lane];
  for (; i < count; ++i) result += a[i] * b[i];
  return result;
}

/// y += factor x.
inline void add_multiple(Index count, double factor, const double* x, double* y) {
  cpu::for_lanes<double>(
      count, [&](Index i, auto lanes) __attribute__((always_inline)) {
        using V = cpu::Vector<double, lanes>;
        cpu::store(y + i, cpu::load<V>(y + i) + factor * cpu::load<V>(x + i));
      });
}

/// I - factor u u^T, which maps a vector x to (value, 0, ..., 0).
struct Reflection {
  double factor = 0, value = 0;
};

/// Makes u of x, in place. Entries are around 1 or smaller; those whose squares vanish count as 0.
inline Reflection reflect(Index count, double* x) {
  const double norm = std::sqrt(dot(count, x, x));
  if (!(norm > 0)) return {};
  const double first = x[0];
  x[0] += first < 0 ? -norm : norm;
  return {1 / (norm * (norm + std::abs(first))), first < 0 ? norm : -norm};
}

/// Columns that one task takes: some 10 microseconds of work.
inline Index columns_in_task(Index rows) { return 1 + 16384 / std::max<Index>(rows, 1); }

/// A = Q R for `a` [rows, columns], column-major, rows >= columns: returns R^T [columns, columns], row-major, so that
/// A^T A = R^T R.
inline std::vector<double> transposed_triangle(std::vector<double> a, Index rows, Index columns) {
  std::vector<double> result(static_cast<std::size_t>(columns * columns));
  for (Index k = 0; k < columns; ++k) {
    double* const u = a.data() + k * rows + k;
    const Reflection reflection = reflect(rows - k, u);
    cpu::parallel_chunks(columns - k - 1, columns_in_task(rows - k), [&](Index begin, Index end) {
      for (Index j = k + 1 + begin; j < k + 1 + end; ++j) {
        double* const column = a.data() + j * rows + k;
        add_multiple(rows - k, -reflection.factor * dot(rows - k, u, column), u, column);
      }
    });
    for (Index i = 0; i < k; ++i)
      result[static_cast<std::size_t>(k * columns + i)] = a[static_cast<std::size_t>(k * rows + i)];
    result[static_cast<std::size_t>(k * columns + k)] = reflection.value;
  }
  return result;
}

/// What U^T A V is for some orthogonal U and V: a diagonal and the one above it.
struct Bidiagonal {
  std::vector<double> diagonal, above;
};

/// Golub and Kahan's reduction of `a` [rows, columns], column-major, rows >= columns >= 1. The reflection of the rows
/// of one step is carried out together with that of the columns of the next: the matrix is read twice a step and
/// written once.
inline Bidiagonal bidiagonalize(std::vector<double> a, Index rows, Index columns) {
  Bidiagonal result{std::vector<double>(static_cast<std::size_t>(columns)),
                    std::vector<double>(static_cast<std::size_t>(columns - 1))};
  std::vector<double> v(static_cast<std::size_t>(columns)), y(static_cast<std::size_t>(rows));
  const auto column = [&](Index j) { return a.data() + j * rows; };
  for (Index k = 0; k < columns; ++k) {
    // A - y v^T is yet to be computed.
    const Index below = rows - k;
    double* const u = column(k) + k;
    add_multiple(below, -v[static_cast<std::size_t>(k)], y.data() + k, u);
    const Reflection left = reflect(below, u);
    result.diagonal[static_cast<std::size_t>(k)] = left.value;
    const Index others = columns - k - 1;
    if (others == 0) break;
    cpu::parallel_chunks(others, columns_in_task(below), [&](Index begin, Index end) {
      for (Index j = k + 1 + begin; j < k + 1 + end; ++j) {
        double& entry = v[static_cast<std::size_t>(j)];
        double* const x = column(j) + k;
        add_multiple(below, -entry, y.data() + k, x);
        add_multiple(below, -left.factor * dot(below, u, x), u, x);
        entry = x[0];  // of row k, which is reflected next
      }
    });
    const Reflection right = reflect(others, v.data() + k + 1);
    result.above[static_cast<std::size_t>(k)] = right.value;
    cpu::parallel_chunks(below - 1, columns_in_task(others), [&](Index begin, Index end) {
      double* const to = y.data() + k + 1;
      std::fill(to + begin, to + end, 0.0);
      for (Index j = k + 1; j < columns; ++j)
        add_multiple(end - begin, right.factor * v[static_cast<std::size_t>(j)], column(j) + k + 1 + begin, to + begin);
    });
  }
  return result;
}

}  // namespace dvd::detail

#include "dvd/core/macros_end.hpp"
