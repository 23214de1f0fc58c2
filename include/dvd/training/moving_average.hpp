// The average of weights over training, which samples are made from (Karras et al. 2018; BigGAN).
#pragma once

#include "dvd/core/parameter.hpp"

namespace dvd {

/// Settings of the moving average; the defaults are the paper's.
struct MovingAverageOptions {
  double decay = 0.9999;
  Index start = 20000;  ///< up to and including this update the average equals the weights
};

/// Follows `source` with `average` after update number `update` (1, 2, ...). Parameters are averaged, buffers copied.
/// Both must hold the same network. Throws ArgumentError if they do not.
template <class T, class D>
void update_moving_average(const Contents<T, D>& source, const Contents<T, D>& average, Index update,
                           const MovingAverageOptions& options) {
  require(source.parameters.size() == average.parameters.size() && source.buffers.size() == average.buffers.size(),
          "a moving average needs two networks of the same kind");
  for (std::size_t i = 0; i < source.parameters.size(); ++i) {
    const Tensor<T, D>& from = source.parameters[i].parameter->value;
    Tensor<T, D>& to = average.parameters[i].parameter->value;
    if (update <= options.start)
      to.copy_from(from);
    else
      D::moving_average(to.size(), static_cast<T>(options.decay), from.data(), to.data());
  }
  for (std::size_t i = 0; i < source.buffers.size(); ++i)
    average.buffers[i].buffer->value.copy_from(source.buffers[i].buffer->value);
}

}  // namespace dvd
