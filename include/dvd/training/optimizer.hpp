// What training asks of an optimizer.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <concepts>

#include "dvd/core/parameter.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// An optimizer of the parameters of a network: `O(contents, options)` constructs one. An update is `advance()`, which
/// counts it on the host, then `step(apply)`, which asks the device to update the parameters from their gradients
/// unless the number `apply` there is 0, and may be recorded, so that it must do the same whatever the update's number.
/// `steps()` counts updates, `scale_learning_rate(factor)` sets a factor of the learning rate of the updates to come.
/// For checkpoints, `parameters()` lists what it updates and `moments()` holds, in that order, a pair of tensors
/// `average` and `average_square` for each.
template <class O, class T, class D>
concept OptimizerFor = requires(O& optimizer, const Contents<T, D>& contents, const typename O::Options& options,
                                const ConstTensorView<T, D>& apply, Index steps) {
  O(contents, options);
  optimizer.advance();
  optimizer.step(apply);
  { optimizer.steps() } -> std::same_as<Index>;
  optimizer.set_steps(steps);
  optimizer.scale_learning_rate(0.5);
  { optimizer.parameters()[0].name } -> std::convertible_to<std::string>;
  { optimizer.moments()[0].average } -> std::same_as<Tensor<T, D>&>;
  { optimizer.moments()[0].average_square } -> std::same_as<Tensor<T, D>&>;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
