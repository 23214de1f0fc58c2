// Whether the parts of an expression of Eigen's Tensor fit each other, which Eigen itself only asserts.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <functional>
#include <numeric>
#include <ostream>
#include <vector>

#include "dvd/device/cpu/eigen_device.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cpu {

/// The extents of an expression, which may have more axes than a tensor here: parts of it often do.
struct EigenExtents : std::vector<Index> {
  using std::vector<Index>::vector;

  Index product() const { return std::accumulate(begin(), end(), Index{1}, std::multiplies<Index>()); }

  friend std::ostream& operator<<(std::ostream& out, const EigenExtents& extents) {
    out << '[';
    for (std::size_t axis = 0; axis < extents.size(); ++axis) out << (axis ? ", " : "") << extents[axis];
    return out << ']';
  }
};

template <class Expression>
EigenExtents eigen_extents(const Expression& expression) {
  const EigenDevice device;
  const Eigen::TensorEvaluator<const Expression, EigenDevice> evaluator(expression, device);
  const Eigen::DSizes<Eigen::DenseIndex, Eigen::internal::traits<Expression>::NumDimensions> extents(
      evaluator.dimensions());
  return EigenExtents(extents.begin(), extents.end());
}

namespace detail {

template <class Expression>
void check_own(const Expression&) {}

template <class Op, class Left, class Right>
void check_own(const Eigen::TensorCwiseBinaryOp<Op, Left, Right>& expression) {
  const EigenExtents left = eigen_extents(expression.lhsExpression()),
                     right = eigen_extents(expression.rhsExpression());
  require(left == right, "an expression combines shapes ", left, " and ", right,
          " element by element; broadcast one of them");
}

template <class If, class Then, class Else>
void check_own(const Eigen::TensorSelectOp<If, Then, Else>& expression) {
  const EigenExtents condition = eigen_extents(expression.ifExpression()),
                     yes = eigen_extents(expression.thenExpression()), no = eigen_extents(expression.elseExpression());
  require(condition == yes && condition == no, "an expression selects by shape ", condition, " between shapes ", yes,
          " and ", no, ", which must be equal");
}

template <class Pairs, class Left, class Right, class Kernel>
void check_own(const Eigen::TensorContractionOp<Pairs, Left, Right, Kernel>& expression) {
  const EigenExtents left = eigen_extents(expression.lhsExpression()),
                     right = eigen_extents(expression.rhsExpression());
  for (std::size_t i = 0; i < Eigen::internal::array_size<Pairs>::value; ++i) {
    const auto first = static_cast<std::size_t>(expression.indices()[i].first);
    const auto second = static_cast<std::size_t>(expression.indices()[i].second);
    require(first < left.size() && second < right.size() && left[first] == right[second],
            "an expression contracts axis ", first, " of shape ", left, " with axis ", second, " of shape ", right,
            "; their extents must be equal");
  }
}

template <class Sizes, class Expression>
void check_own(const Eigen::TensorReshapingOp<Sizes, Expression>& expression) {
  const EigenExtents shape = eigen_extents(expression.expression());
  EigenExtents wanted;
  for (std::size_t i = 0; i < Eigen::internal::array_size<Sizes>::value; ++i)
    wanted.push_back(static_cast<Index>(expression.dimensions()[i]));
  require(shape.product() == wanted.product(), "an expression reshapes ", shape, " to ", wanted,
          ", which has another size");
}

template <class Starts, class Sizes, class Expression>
void check_own(const Eigen::TensorSlicingOp<Starts, Sizes, Expression>& expression) {
  const EigenExtents shape = eigen_extents(expression.expression());
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    const auto first = static_cast<Index>(expression.startIndices()[axis]);
    const auto count = static_cast<Index>(expression.sizes()[axis]);
    require(first >= 0 && count >= 0 && first <= shape[axis] - count, "an expression slices ", count, " from ", first,
            " along axis ", axis, " of shape ", shape);
  }
}

template <Eigen::DenseIndex Axis, class Expression>
void check_own(const Eigen::TensorChippingOp<Axis, Expression>& expression) {
  const EigenExtents shape = eigen_extents(expression.expression());
  const auto axis = static_cast<std::size_t>(expression.dim());
  const auto entry = static_cast<Index>(expression.offset());
  require(axis < shape.size() && entry >= 0 && entry < shape[axis], "an expression takes entry ", entry, " along axis ",
          axis, " of shape ", shape);
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

#include "dvd/core/macros_end.hpp"
