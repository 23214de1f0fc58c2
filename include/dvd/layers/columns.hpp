// Vectors side by side: what a network is given beside what it computes, such as latents and conditions.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <utility>

#include "dvd/layers/layer.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// `[N, A]` and `[N, B]` as `[N, A + B]`. Throws ArgumentError for other shapes.
template <AnyTensor X, class T = typename X::value_type, class D = typename X::device_type>
Tensor<T, D> join_columns(const X& first, const ConstViewOf<X>& second) {
  const Shape &a = first.shape(), &b = second.shape();
  require(a.rank() == 2 && b.rank() == 2 && a[0] == b[0], "tensors of shapes ", a, " and ", b,
          " cannot be joined to rows; expected [N, A] and [N, B]");
  Tensor<T, D> joined(Shape{a[0], a[1] + b[1]});
  D::copy_rows(1, a[0], a[1], first.data(), 0, a[1], joined.data(), 0, a[1] + b[1]);
  D::copy_rows(1, a[0], b[1], second.data(), 0, b[1], joined.data() + a[1], 0, a[1] + b[1]);
  return joined;
}

/// The first `width` columns of `[N, C]`, and the others: what gradients of `join_columns` are made of. Throws
/// ArgumentError if there are not as many.
template <AnyTensor X, class T = typename X::value_type, class D = typename X::device_type>
std::pair<Tensor<T, D>, Tensor<T, D>> split_columns(const X& joined, Index width) {
  const Shape& shape = joined.shape();
  require(shape.rank() == 2 && width >= 0 && width <= shape[1], "a tensor of shape ", shape,
          " cannot be split into its first ", width, " columns and the others");
  const Index rows = shape[0], others = shape[1] - width;
  Tensor<T, D> first(Shape{rows, width}), second(Shape{rows, others});
  D::copy_rows(1, rows, width, joined.data(), 0, shape[1], first.data(), 0, width);
  D::copy_rows(1, rows, others, joined.data() + width, 0, shape[1], second.data(), 0, others);
  return {std::move(first), std::move(second)};
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
