// Attention: softmax(Q K^T) V within many sets of tokens. Bound by FLOPs in large sets, by memory in small ones.
//
// The weights of a set, queries x keys, are never stored whole: a block of queries is done at a time, and the gradient
// computes them again. Its products are cpu/product.hpp's, as all others of the library: Eigen would share out large
// ones among threads of its own where a program is compiled for OpenMP, and add in another order.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <array>

#include "dvd/core/attention.hpp"
#include "dvd/device/cpu/eigen_arrays.hpp"
#include "dvd/device/cpu/memory.hpp"
#include "dvd/device/cpu/parallel.hpp"
#include "dvd/device/cpu/product.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cpu {

namespace detail {

constexpr Index attention_block = 64;  ///< queries at a time: their weights stay in the cache beside the keys

/// A matrix within an array: element (i, j) at `data[i * row + j * column]`.
template <class T>
struct Strided {
  T* data;
  Index row, column = 1;

  Strided<T> transposed() const { return {data, column, row}; }
};

/// c (+)= a b, `rows` x `depth` times `depth` x `columns`. Rows of b and c are contiguous.
template <class T>
void multiply(Index rows, Index depth, Index columns, Strided<const T> a, Strided<const T> b, Strided<T> c,
              bool accumulate = false) {
  ProductStrides<T> strides{1, depth, a.row, 0, a.column, 0, b.row, accumulate};
  constexpr Index most = 32;  // groups at a time
  RowGroup groups[most];
  const Index whole = rows / group_rows;
  for (Index begin = 0; begin < whole; begin += most) {
    const Index count = std::min(most, whole - begin);
    for (Index g = 0; g < count; ++g)
      groups[g] = {(begin + g) * group_rows * a.row, (begin + g) * group_rows * c.row, group_rows};
    product(strides, a.data, b.data, c.data, c.row, groups, count, columns, nullptr);
  }
  // The last one to three rows: groups of one row repeated, so that nothing is read past the end of `a`.
  strides.a_row = 0;
  Index count = 0;
  for (Index row = whole * group_rows; row < rows; ++row) groups[count++] = {row * a.row, row * c.row, 1};
  if (count > 0) product(strides, a.data, b.data, c.data, c.row, groups, count, columns, nullptr);
}

/// Where the tokens of a set lie in an array of `[groups, tokens, inner, width]`.
struct TokenPlace {
  Index tokens, inner, width;

  /// The tokens of a set from number `first` on, a row each.
  template <class T>
  Strided<T> of(T* x, Index set, Index first = 0) const {
    return {x + ((set / inner * tokens + first) * inner + set % inner) * width, inner * width};
  }

  /// A set's tokens as columns [width, tokens].
  template <class T>
  void transpose(const T* x, Index set, T* columns) const {
    const Strided<const T> rows = of(x, set);
    for (Index token = 0; token < tokens; ++token)
      for (Index i = 0; i < width; ++i) columns[i * tokens + token] = rows.data[token * rows.row + i];
  }
};

/// weights = softmax of each row of `count` rows of `keys` logits, in place.
template <class T>
void softmax_rows(Index count, Index keys, T* weights) {
  for (Index r = 0; r < count; ++r) {
    Values<T> row(weights + r * keys, keys);
    row = (row - row.maxCoeff()).exp();
    row /= row.sum();
  }
}

}  // namespace detail

/// Attention kernels of the contract; see core/device.hpp.
struct Attention {
  template <class T>
  static void attend(const AttentionSize& size, const T* query, const T* key, const T* value, T* y);
  template <class T>
  static void attend_backward(const AttentionSize& size, const T* query, const T* key, const T* value, const T* dy,
                              T* dquery, T* dkey, T* dvalue);
};

template <class T>
void Attention::attend(const AttentionSize& size, const T* query, const T* key, const T* value, T* y) {
  const detail::TokenPlace queries{size.queries, size.inner, size.width}, keys{size.keys, size.inner, size.width},
      values{size.keys, size.inner, size.value_width}, results{size.queries, size.inner, size.value_width};
  const Index blocks = (size.queries + detail::attention_block - 1) / detail::attention_block;
  parallel_for(size.groups * size.inner * blocks, [=](Index task) {
    const Index set = task / blocks, first = task % blocks * detail::attention_block,
                count = std::min(detail::attention_block, size.queries - first);
    const auto [columns, weights] = Workspace::arrays<T, 2>({size.width * size.keys, count * size.keys});
    keys.transpose(key, set, columns);
    detail::multiply<T>(count, size.width, size.keys, queries.of(query, set, first), {columns, size.keys},
                        {weights, size.keys});
    detail::softmax_rows(count, size.keys, weights);
    detail::multiply<T>(count, size.keys, size.value_width, {weights, size.keys}, values.of(value, set),
                        results.of(y, set, first));
  });
}

template <class T>
void Attention::attend_backward(const AttentionSize& size, const T* query, const T* key, const T* value, const T* dy,
                                T* dquery, T* dkey, T* dvalue) {
  const detail::TokenPlace queries{size.queries, size.inner, size.width}, keys{size.keys, size.inner, size.width},
      values{size.keys, size.inner, size.value_width}, results{size.queries, size.inner, size.value_width};
  // Gradients of keys and values are sums over queries, so a set is one task.
  parallel_for(size.groups * size.inner, [=](Index set) {
    const Index most = std::min(detail::attention_block, size.queries);
    const auto [key_columns, value_columns, weights, dlogits] = Workspace::arrays<T, 4>(
        {size.width * size.keys, size.value_width * size.keys, most * size.keys, most * size.keys});
    keys.transpose(key, set, key_columns);
    values.transpose(value, set, value_columns);
    for (Index first = 0; first < size.queries; first += detail::attention_block) {
      const Index count = std::min(detail::attention_block, size.queries - first);
      const bool accumulate = first > 0;
      const detail::Strided<const T> q = queries.of(query, set, first), dresult = results.of(dy, set, first);
      const detail::Strided<const T> w{weights, size.keys}, dl{dlogits, size.keys};
      detail::multiply<T>(count, size.width, size.keys, q, {key_columns, size.keys}, {weights, size.keys});
      detail::softmax_rows(count, size.keys, weights);
      detail::multiply<T>(size.keys, count, size.value_width, w.transposed(), dresult, values.of(dvalue, set),
                          accumulate);
      detail::multiply<T>(count, size.value_width, size.keys, dresult, {value_columns, size.keys},
                          {dlogits, size.keys});
      for (Index r = 0; r < count; ++r) {
        Values<T> row(dlogits + r * size.keys, size.keys);
        const Values<T> weight(weights + r * size.keys, size.keys);
        row = weight * (row - (row * weight).sum());
      }
      detail::multiply<T>(count, size.keys, size.width, dl, keys.of(key, set), queries.of(dquery, set, first));
      detail::multiply<T>(size.keys, count, size.width, dl.transposed(), q, keys.of(dkey, set), accumulate);
    }
  });
}

}  // namespace dvd::cpu

#include "dvd/core/macros_end.hpp"
