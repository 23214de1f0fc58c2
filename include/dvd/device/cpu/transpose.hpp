// Transposing: squares of vectors, in registers.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <cstddef>
#include <type_traits>

#include "dvd/core/shape.hpp"
#include "dvd/device/cpu/simd.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cpu {

namespace detail {

/// Exchanges the upper right with the lower left quarter of all blocks of 2 * Distance rows and lanes.
template <int Distance, class V, std::size_t Lanes>
[[gnu::always_inline]] inline void exchange_quarters(V (&rows)[Lanes]) {
  using Integer = Vector<std::conditional_t<sizeof(rows[0][0]) == 4, int, long long>, static_cast<int>(Lanes)>;
  constexpr int lanes = static_cast<int>(Lanes);
  constexpr auto places = [](bool lower) {
    Integer result{};
    for (int lane = 0; lane < lanes; ++lane)
      result[lane] = lane & Distance ? lanes + lane - (lower ? 0 : Distance) : lane + (lower ? Distance : 0);
    return result;
  };
  const Integer upper = places(false), lower = places(true);
  unroll<lanes>([&](int row) __attribute__((always_inline)) {
    if (row & Distance) return;
    const V first = rows[row], second = rows[row + Distance];
#if defined(__clang__)
    V above, below;
    for (int lane = 0; lane < lanes; ++lane) {
      above[lane] = upper[lane] < lanes ? first[upper[lane]] : second[upper[lane] - lanes];
      below[lane] = lower[lane] < lanes ? first[lower[lane]] : second[lower[lane] - lanes];
    }
    rows[row] = above, rows[row + Distance] = below;
#else
    rows[row] = __builtin_shuffle(first, second, upper);
    rows[row + Distance] = __builtin_shuffle(first, second, lower);
#endif
  });
}

template <int Distance, class V, std::size_t Lanes>
[[gnu::always_inline]] inline void transpose_square(V (&rows)[Lanes]) {
  if constexpr (Distance > 0) {
    exchange_quarters<Distance>(rows);
    transpose_square<Distance / 2>(rows);
  }
}

/// square = `lanes` numbers from each of as many places, transposed. Apart, as all who transpose share it.
template <class T>
[[gnu::noinline]] void load_transposed(const T* const* from, Index column,
                                       Vector<T, native_lanes<T>> (&square)[std::size_t{native_lanes<T>}]) {
  constexpr int lanes = native_lanes<T>;
  using V = Vector<T, lanes>;
  V rows[std::size_t{lanes}];
  unroll<lanes>([&](int i) __attribute__((always_inline)) { rows[i] = load<V>(from[i] + column); });
  transpose_square<lanes / 2>(rows);
  unroll<lanes>([&](int i) __attribute__((always_inline)) { square[i] = rows[i]; });
}

}  // namespace detail

/// Calls `put(column, row, values)` with the columns of a matrix of `rows` x `columns`, some neighbouring rows at a
/// time; `at(row)` points to a row's numbers.
template <class T, class Row, class Put>
void for_columns(Index rows, Index columns, const Row& at, const Put& put) {
  constexpr int lanes = native_lanes<T>;
  using V = Vector<T, lanes>;
  Index row = 0;
  for (; row + lanes <= rows; row += lanes) {
    const T* from[std::size_t{lanes}];
    for (int i = 0; i < lanes; ++i) from[i] = at(row + i);
    Index column = 0;
    for (; column + lanes <= columns; column += lanes) {
      V square[std::size_t{lanes}];
      detail::load_transposed(from, column, square);
      for (int i = 0; i < lanes; ++i) put(column + i, row, square[i]);
    }
    for (; column < columns; ++column) {
      V values;
      for (int i = 0; i < lanes; ++i) values[i] = from[i][column];
      put(column, row, values);
    }
  }
  for (; row < rows; ++row)
    for (Index column = 0; column < columns; ++column) put(column, row, Vector<T, 1>{at(row)[column]});
}

}  // namespace dvd::cpu

#include "dvd/core/macros_end.hpp"
