// The one loop in which the floating-point work of the library happens: a product of a few rows with a few columns,
// accumulated in registers. Convolutions, their gradients and matrix products all are this product with other strides.
//
//     c[row, column] (+)= bias[column] + sum over segments s and depths k of a(row, s, k) * b[s, k, column]
//
// Rows come in groups of four: the rows of a group lie `row_stride` apart in `a`, and every group starts at an offset
// of its own. That lets a group be four neighbouring pixels of an image row while the next group lies in the next image
// row, so small images (4x4, 8x8 pixels) fill a whole tile. Rows are never packed: in channels-last layout the
// 3 * channels values under a kernel row are contiguous already.
//
// On AVX-512 a tile is 12 rows by 2 vectors, 24 accumulators out of 32 registers; twelve broadcasts and two loads feed
// 24 fused multiply-adds, so the loop is bound by arithmetic, at 0.95 of the peak and more from L1.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <cstddef>
#include <type_traits>

#include "dvd/core/shape.hpp"
#include "dvd/device/cpu/simd.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cpu {

/// Rows in a group; see above.
inline constexpr int group_rows = 4;

/// Columns in a panel: what a tile covers.
template <class T>
inline constexpr Index panel_columns = 2 * native_lanes<T>;

/// What all tiles of a product share. Offsets and strides count elements.
template <class T>
struct ProductStrides {
  Index segments, depth;            ///< the sum runs over segments * depth terms
  Index a_row, a_segment, a_depth;  ///< steps in `a` between rows of a group, segments and depths
  Index b_segment, b_depth;         ///< steps in `b`, between segments and depths; columns of a panel are contiguous
  bool accumulate;                  ///< add to `c` rather than overwrite it
  /// Step in `b` between panels of columns. As it is, `b` is a plain matrix. A wide matrix is better cut into panels
  /// that are contiguous: rows kilobytes apart share few places in the cache.
  Index b_panel = panel_columns<T>;
};

/// Where one group of rows lies: `rows` of the four are stored, all four must be readable.
struct RowGroup {
  Index a;     ///< offset of the group's first row in `a`
  Index c;     ///< offset of the group's first row in `c`
  Index rows;  ///< 1 to 4
};

namespace detail {

/// Stores or adds the first `count` lanes.
template <class V, class T>
[[gnu::noinline]] void add_first(T* to, V value, Index count, bool accumulate) {
  for (Index i = 0; i < count; ++i) to[i] = accumulate ? to[i] + value[i] : value[i];
}

/// One tile: Groups groups of rows by Vectors vectors of Lanes columns, of which the first `columns` are stored.
template <class T, int Lanes, int Groups, int Vectors>
[[gnu::noinline]] void product_tile(const ProductStrides<T>& strides, const T* a, const T* b, T* c, Index c_row,
                                    const RowGroup* groups, Index columns, const T* bias) {
  using V = Vector<T, Lanes>;
  constexpr int rows = Groups * group_rows;
  V sum[std::size_t{rows}][std::size_t{Vectors}];
  unroll<rows>([&](int r) __attribute__((always_inline)) {
    unroll<Vectors>([&](int v) __attribute__((always_inline)) { sum[r][v] = V{}; });
  });
  const Index a_row = strides.a_row, a_depth = strides.a_depth, b_depth = strides.b_depth;

  for (Index segment = 0; segment < strides.segments; ++segment) {
    const T* group[std::size_t{Groups}];
    unroll<Groups>([&](int g)
                       __attribute__((always_inline)) { group[g] = a + groups[g].a + segment * strides.a_segment; });
    const T* column = b + segment * strides.b_segment;
    for (Index k = 0; k < strides.depth; ++k) {
      V values[std::size_t{Vectors}];
      unroll<Vectors>([&](int v) __attribute__((always_inline)) { values[v] = load<V>(column + v * Lanes); });
      unroll<rows>([&](int r) __attribute__((always_inline)) {
        const T factor = group[r / group_rows][(r % group_rows) * a_row];
        unroll<Vectors>([&](int v) __attribute__((always_inline)) { sum[r][v] += factor * values[v]; });
      });
      unroll<Groups>([&](int g) __attribute__((always_inline)) { group[g] += a_depth; });
      column += b_depth;
    }
  }

  if (bias) {
    V offset[std::size_t{Vectors}];
    unroll<Vectors>([&](int v) __attribute__((always_inline)) { offset[v] = load<V>(bias + v * Lanes); });
    unroll<rows>([&](int r) __attribute__((always_inline)) {
      unroll<Vectors>([&](int v) __attribute__((always_inline)) { sum[r][v] += offset[v]; });
    });
  }
  unroll<rows>([&](int r) __attribute__((always_inline)) {
    const RowGroup& group = groups[r / group_rows];
    if (r % group_rows >= group.rows) return;
    T* row = c + group.c + (r % group_rows) * c_row;
    unroll<Vectors>([&](int v) __attribute__((always_inline)) {
      T* to = row + v * Lanes;
      const V value = sum[r][v];  // a copy: an address taken of the sums would keep them out of registers
      if (columns >= (v + 1) * Lanes) {
        store(to, strides.accumulate ? load<V>(to) + value : value);
      } else if (columns > v * Lanes) {
        add_first(to, value, columns - v * Lanes, strides.accumulate);
      }
    });
  });
}

/// All groups against one column tile, the groups shared out evenly: 4 groups are 2 + 2 rather than 3 + 1.
template <class T, int Lanes, int Vectors>
void product_columns(const ProductStrides<T>& strides, const T* a, const T* b, T* c, Index c_row,
                     const RowGroup* groups, Index count, Index columns, const T* bias) {
  constexpr int accumulators = vector_registers - Vectors - 2;
  constexpr int most = std::clamp(accumulators / (group_rows * Vectors), 1, 3);
  const Index tiles = (count + most - 1) / most;
  for (Index tile = 0; tile < tiles; ++tile) {
    const Index begin = count * tile / tiles, end = count * (tile + 1) / tiles;
    const RowGroup* first = groups + begin;
    switch (end - begin) {
      case 1:
        product_tile<T, Lanes, 1, Vectors>(strides, a, b, c, c_row, first, columns, bias);
        break;
      case 2:
        if constexpr (most >= 2) product_tile<T, Lanes, 2, Vectors>(strides, a, b, c, c_row, first, columns, bias);
        break;
      default:
        if constexpr (most >= 3) product_tile<T, Lanes, 3, Vectors>(strides, a, b, c, c_row, first, columns, bias);
    }
  }
}

}  // namespace detail

/// The product of `count` row groups with `columns` columns. Reads whole vectors, so `b` and `bias` must be readable
/// for `buffer_slack` bytes past their ends, as every buffer of the library is.
template <class T>
void product(const ProductStrides<T>& strides, const T* a, const T* b, T* c, Index c_row, const RowGroup* groups,
             Index count, Index columns, const std::type_identity_t<T>* bias) {
  constexpr int lanes = native_lanes<T>;
  for (Index column = 0; column < columns;) {
    const Index left = columns - column;
    const T* bias_here = bias ? bias + column : nullptr;
    const T* b_here = b + column / panel_columns<T> * strides.b_panel;
    T* c_here = c + column;
    // Narrow columns take narrow vectors: half a register wasted is half the speed.
    if (left > lanes) {
      detail::product_columns<T, lanes, 2>(strides, a, b_here, c_here, c_row, groups, count, left, bias_here);
      column += 2 * lanes;
      continue;
    }
    if constexpr (lanes >= 8) {
      if (left <= lanes / 4)
        detail::product_columns<T, lanes / 4, 1>(strides, a, b_here, c_here, c_row, groups, count, left, bias_here);
      else if (left <= lanes / 2)
        detail::product_columns<T, lanes / 2, 1>(strides, a, b_here, c_here, c_row, groups, count, left, bias_here);
      else
        detail::product_columns<T, lanes, 1>(strides, a, b_here, c_here, c_row, groups, count, left, bias_here);
    } else {
      detail::product_columns<T, lanes, 1>(strides, a, b_here, c_here, c_row, groups, count, left, bias_here);
    }
    column += lanes;
  }
}

}  // namespace dvd::cpu

#include "dvd/core/macros_end.hpp"
