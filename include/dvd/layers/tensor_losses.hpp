// Distances of tensors as losses: reconstruction terms, which stand beside or in the place of a GAN's.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/layers/functions.hpp"
#include "dvd/layers/layer.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// A loss, on the device in full precision and of shape [], and its gradient.
template <Scalar T, Device D = Cpu>
struct TensorLoss {
  PreciseTensor<T, D> loss;
  Tensor<T, D> dx;
};

namespace detail {

/// loss = factor * <x, y> and dx = slope * y.
template <Scalar T, Device D>
TensorLoss<T, D> loss_of(const Tensor<T, D>& x, Tensor<T, D> y, double factor, double slope) {
  using P = FullPrecision<T>;
  Tensor<P, D> loss(Shape{});
  D::dot(x.size(), x.data(), y.data(), loss.data());
  D::scale(1, static_cast<P>(factor), loss.data(), loss.data());
  D::scale(y.size(), static_cast<T>(slope), y.data(), y.data());
  return {std::move(loss), std::move(y)};
}

template <AnyTensor X>
auto difference(const char* name, const X& x, const ConstViewOf<X>& target) {
  using T = typename X::value_type;
  using D = typename X::device_type;
  require(x.size() > 0 && x.shape() == target.shape(), name,
          " expects two tensors of one shape, with no extent of 0, not ", x.shape(), " and ", target.shape());
  Tensor<T, D> result(x.shape());
  D::map(x.size(), DifferenceFunction{}, x.data(), target.data(), result.data());
  return result;
}

}  // namespace detail

/// The mean of (x - target)^2 over all elements, summed in double, and its gradient with respect to x,
/// 2 * (x - target) / size. That with respect to the target is its negative. Throws ArgumentError unless x and target
/// have one shape and at least one element.
template <AnyTensor X>
auto mean_squared_error(const X& x, const ConstViewOf<X>& target) {
  auto distance = detail::difference("the mean squared error", x, target);
  const double size = static_cast<double>(distance.size());
  return detail::loss_of(distance, distance, 1 / size, 2 / size);
}

/// The mean of |x - target| over all elements, summed in double, and its gradient with respect to x,
/// sign(x - target) / size, which is 0 where they are equal. Throws ArgumentError as above.
template <AnyTensor X>
auto mean_absolute_error(const X& x, const ConstViewOf<X>& target) {
  const auto distance = detail::difference("the mean absolute error", x, target);
  auto sign = distance;
  decltype(sign)::device_type::map(sign.size(), SignFunction{}, distance.data(), sign.data());
  const double size = static_cast<double>(distance.size());
  return detail::loss_of(distance, std::move(sign), 1 / size, 1 / size);
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
