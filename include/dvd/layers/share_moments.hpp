// The statistics of a batch norm over a batch whose parts are apart.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/core/device.hpp"
#include "dvd/core/pass.hpp"
#include "dvd/core/tensor.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::detail {

/// Makes the mean and (biased) variance of `count` values of this part of a batch those of all parts. In one message:
/// sums of squares are good to all digits if they are taken from a place close to the mean, for which the running mean
/// serves, which all parts have alike.
template <Scalar P, Device D>
void share_moments(const Pass& pass, Index count, const Tensor<P, D>& running_mean, Tensor<P, D>& mean,
                   Tensor<P, D>& variance) {
  const Index size = mean.size();
  Tensor<double, D> sums(Shape{2, size});
  D::moment_sums(size, count, mean.data(), variance.data(), running_mean.data(), sums.data());
  pass.exchange->sum(sums.size(), sums.data());
  D::moments_of_sums(size, pass.place.of_all(count), sums.data(), running_mean.data(), mean.data(), variance.data());
}

}  // namespace dvd::detail

#include "dvd/core/macros_end.hpp"
