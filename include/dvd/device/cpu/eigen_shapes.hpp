// Whether the parts of an expression of Eigen's Tensor fit each other, which Eigen itself only asserts.
#pragma once

#include "dvd/device/cpu/eigen_device.hpp"

namespace dvd::cpu {

/// The shape of what an expression evaluates to. Throws ArgumentError for a rank above Shape's.
template <class Expression>
Shape eigen_shape(const Expression& expression) {
  const EigenDevice device;
  const Eigen::TensorEvaluator<const Expression, EigenDevice> evaluator(expression, device);
  const Eigen::DSizes<Eigen::DenseIndex, Eigen::internal::traits<Expression>::NumDimensions> extents(
      evaluator.dimensions());
  Shape shape;
  for (const Eigen::DenseIndex extent : extents) shape.append(extent);
  return shape;
}

namespace detail {

template <class Expression>
void check_own(const Expression&) {}

template <class Op, class Left, class Right>
void check_own(const Eigen::TensorCwiseBinaryOp<Op, Left, Right>& expression) {
  const Shape left = eigen_shape(expression.lhsExpression()), right = eigen_shape(expression.rhsExpression());
  require(left == right, "an expression combines shapes ", left, " and ", right,
          " element by element; reshape and "
          "broadcast one of them");
}

template <class If, class Then, class Else>
void check_own(const Eigen::TensorSelectOp<If, Then, Else>& expression) {
  const Shape condition = eigen_shape(expression.ifExpression()), yes = eigen_shape(expression.thenExpression()),
              no = eigen_shape(expression.elseExpression());
  require(condition == yes && condition == no, "an expression selects by shape ", condition, " between shapes ", yes,
          " and ", no, ", which must be equal");
}

template <class Pairs, class Left, class Right, class Kernel>
void check_own(const Eigen::TensorContractionOp<Pairs, Left, Right, Kernel>& expression) {
  const Shape left = eigen_shape(expression.lhsExpression()), right = eigen_shape(expression.rhsExpression());
  for (std::size_t i = 0; i < Eigen::internal::array_size<Pairs>::value; ++i) {
    const auto first = static_cast<int>(expression.indices()[i].first);
    const auto second = static_cast<int>(expression.indices()[i].second);
    require(first >= 0 && second >= 0 && left[first] == right[second], "an expression contracts axis ", first,
            " of shape ", left, " with axis ", second, " of shape ", right, "; their extents must be equal");
  }
}

template <class Sizes, class Expression>
void check_own(const Eigen::TensorReshapingOp<Sizes, Expression>& expression) {
  const Shape shape = eigen_shape(expression.expression());
  Shape wanted;
  for (std::size_t i = 0; i < Eigen::internal::array_size<Sizes>::value; ++i)
    wanted.append(static_cast<Index>(expression.dimensions()[i]));
  require(shape.size() == wanted.size(), "an expression reshapes ", shape, " to ", wanted, ", which has another size");
}

template <class Starts, class Sizes, class Expression>
void check_own(const Eigen::TensorSlicingOp<Starts, Sizes, Expression>& expression) {
  const Shape shape = eigen_shape(expression.expression());
  for (int axis = 0; axis < shape.rank(); ++axis) {
    const auto i = static_cast<std::size_t>(axis);
    const auto first = static_cast<Index>(expression.startIndices()[i]);
    const auto count = static_cast<Index>(expression.sizes()[i]);
    require(first >= 0 && count >= 0 && first <= shape[axis] - count, "an expression slices ", count, " from ", first,
            " along axis ", axis, " of shape ", shape);
  }
}

template <Eigen::DenseIndex Axis, class Expression>
void check_own(const Eigen::TensorChippingOp<Axis, Expression>& expression) {
  const Shape shape = eigen_shape(expression.expression());
  const auto axis = static_cast<int>(expression.dim());
  const auto entry = static_cast<Index>(expression.offset());
  require(axis >= 0 && entry >= 0 && entry < shape[axis], "an expression takes entry ", entry, " along axis ", axis,
          " of shape ", shape);
}

}  // namespace detail

/// Throws ArgumentError, one line, unless the parts of an expression fit: shapes that are combined element by element,
/// the extents of contracted axes, sizes that are reshaped, and what is sliced.
template <class Expression>
void check_shapes(const Expression& expression) {
  // Parts first: an evaluator may be asked for the shape of a sound part only.
  if constexpr (requires { expression.nestedExpression(); }) check_shapes(expression.nestedExpression());
  if constexpr (requires { expression.expression(); }) check_shapes(expression.expression());
  if constexpr (requires { expression.lhsExpression(); }) {
    check_shapes(expression.lhsExpression());
    check_shapes(expression.rhsExpression());
  }
  if constexpr (requires { expression.ifExpression(); }) {
    check_shapes(expression.ifExpression());
    check_shapes(expression.thenExpression());
    check_shapes(expression.elseExpression());
  }
  if constexpr (requires { expression.inputExpression(); }) {
    check_shapes(expression.inputExpression());
    check_shapes(expression.kernelExpression());
  }
  detail::check_own(expression);
}

}  // namespace dvd::cpu
