// Tensors as Eigen's, and Eigen's expressions as tensors: arithmetic, reductions, shuffles, contractions and losses of
// one's own, written with Eigen's unsupported Tensor module and computed on oneTBB's threads.
//
//     const auto a = dvd::eigen<2>(x), b = dvd::eigen<2>(y);             // Eigen::TensorMap, nothing is copied
//     dvd::Tensor<float> z = dvd::evaluate(a * b + a.exp());             // of the expression's shape
//     dvd::assign(z, a.shuffle(Eigen::array<int, 2>{1, 0}) - 0.5f);      // into elements that are there
//     float mean = dvd::evaluate((a - b).square().mean()).item();
//
// Not part of <dvd/dvdgan.hpp>, because it takes the compiler seconds.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <concepts>
#include <type_traits>
#include <utility>

#include "dvd/core/tensor.hpp"
#include "dvd/device/cpu.hpp"
#include "dvd/device/cpu/eigen_contraction.hpp"
#include "dvd/device/cpu/eigen_device.hpp"
#include "dvd/device/cpu/eigen_shapes.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

namespace detail {
template <class T>
struct EigenScalarOf {
  using type = T;
};
template <>
struct EigenScalarOf<bfloat16> {
  using type = Eigen::bfloat16;  // the same bits under another name
};
/// Other, const if T is.
template <class T, class Other>
using SameConst = std::conditional_t<std::is_const_v<T>, const Other, Other>;

template <class T>
struct ScalarOfEigen {
  using type = T;
};
template <>
struct ScalarOfEigen<Eigen::bfloat16> {
  using type = bfloat16;
};
}  // namespace detail

/// The tensor of Eigen's that refers to a dvd tensor's elements of type T, which is const where they are only to be
/// read. Any address will do, so views into the middle of a tensor are as good as whole ones.
template <class T, int Rank>
using EigenMap = Eigen::TensorMap<detail::SameConst<
    T, Eigen::Tensor<typename detail::EigenScalarOf<std::remove_const_t<T>>::type, Rank, Eigen::RowMajor>>>;

/// A tensor or view whose elements Eigen can reach: those in the host's memory.
template <class X>
concept OnHost = AnyTensor<X> && std::same_as<typename std::remove_cvref_t<X>::device_type, Cpu>;

/// Something that still has its elements after the call: not a temporary Tensor, which would take them with it. A view
/// keeps nothing alive once it has become Eigen's: the tensor that it views must.
template <class X>
concept LivesOn = std::is_lvalue_reference_v<X> ||
    !std::same_as<std::remove_cvref_t<X>,
                  Tensor<typename std::remove_cvref_t<X>::value_type, typename std::remove_cvref_t<X>::device_type>>;

/// A tensor or view whose elements may be written to.
template <class X>
concept Writable = !std::is_const_v<std::remove_pointer_t<decltype(std::declval<X&>().data())>>;

/// A tensor or expression of Eigen's Tensor module.
template <class E>
concept EigenExpression = std::derived_from<E, Eigen::TensorBase<E, Eigen::ReadOnlyAccessors>>;

/// An expression in the order of elements that tensors have here. Eigen's own default is the other one.
template <class E>
concept RowMajorExpression = EigenExpression<E> && int{Eigen::internal::traits<E>::Layout} == int{Eigen::RowMajor};

/// The element type of a tensor with an expression's values.
template <EigenExpression E>
using ElementOf =
    typename detail::ScalarOfEigen<std::remove_const_t<typename Eigen::internal::traits<E>::Scalar>>::type;

/// An expression whose values a tensor can hold: float, double or bfloat16; `.cast<float>()` makes them so.
template <class E>
concept ScalarExpression = Scalar<ElementOf<E>>;

namespace detail {
/// The shape that a sound expression's values have. Throws ArgumentError if it is not sound.
template <EigenExpression E>
Shape shape_of(const E& expression) {
  static_assert(Eigen::internal::traits<E>::NumDimensions <= Shape::max_rank,
                "the expression has more axes than a tensor may have; reshape it");
  cpu::check_shapes(expression);
  Shape shape;
  for (const Index extent : cpu::eigen_extents(expression)) shape.append(extent);
  return shape;
}
}  // namespace detail

/// A tensor's or view's elements as a tensor of Eigen's with `Rank` axes, in place. Throws ArgumentError unless x has
/// as many.
template <int Rank, OnHost X>
requires LivesOn<X>
auto eigen(X&& x) {
  static_assert(Rank >= 0 && Rank <= Shape::max_rank);
  using T = std::remove_pointer_t<decltype(x.data())>;
  using Map = EigenMap<T, Rank>;
  require(x.shape().rank() == Rank && (x || x.shape().size() == 0), "a tensor of ", Rank, " axes was asked for, but ",
          x ? "the shape is " : "the tensor is empty, of shape ", x.shape());
  Eigen::array<Eigen::DenseIndex, std::size_t{Rank}> extents;
  for (int axis = 0; axis < Rank; ++axis) extents[static_cast<std::size_t>(axis)] = x.extent(axis);
  if constexpr (std::same_as<std::remove_const_t<T>, bfloat16>) {
    static_assert(sizeof(bfloat16) == sizeof(Eigen::bfloat16) && alignof(bfloat16) == alignof(Eigen::bfloat16));
    return Map(reinterpret_cast<detail::SameConst<T, Eigen::bfloat16>*>(x.data()), extents);
  } else {
    return Map(x.data(), extents);
  }
}

/// Overwrites the elements of a tensor or view with an expression's values, computed on oneTBB's threads: the same
/// bits on any number of them. What the expression reads of `to` itself it must read where it is written, element by
/// element: a sum may, a shuffle, reduction or contraction may not. As in kernels, denormal numbers are 0.
///
/// Throws ArgumentError, changing nothing, unless the expression's shape is that of `to` and its parts fit each other.
template <OnHost X, RowMajorExpression E>
requires Writable<X> && ScalarExpression<E>
void assign(X&& to, const E& expression) {
  constexpr int rank = Eigen::internal::traits<E>::NumDimensions;
  static_assert(std::same_as<ElementOf<E>, typename std::remove_cvref_t<X>::value_type>,
                "the expression's values are of another type than the tensor's elements; use .cast<>()");
  const Shape shape = detail::shape_of(expression);
  require(to.shape() == shape, "an expression of shape ", shape, " cannot be assigned to shape ", to.shape());
  auto elements = eigen<rank>(to);
  elements.device(cpu::EigenDevice{}) = expression;
}

/// A tensor with an expression's values and shape; see `assign`. A full reduction has shape [], and `item()`.
template <RowMajorExpression E>
requires ScalarExpression<E> Tensor<ElementOf<E>> evaluate(const E& expression) {
  Tensor<ElementOf<E>> result(detail::shape_of(expression));
  auto elements = eigen<Eigen::internal::traits<E>::NumDimensions>(result);
  elements.device(cpu::EigenDevice{}) = expression;
  return result;
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
