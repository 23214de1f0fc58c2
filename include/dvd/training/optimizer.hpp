// What training asks of an optimizer.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <concepts>
#include <string>

#include "dvd/core/parameter.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

namespace detail {
/// Stands for whoever visits what an optimizer remembers.
template <class T, class D>
struct AnyTensorVisitor {
  void operator()(const std::string&, Tensor<T, D>&) const {}
};
}  // namespace detail

/// An optimizer of the parameters of networks: `O(contents, options)` constructs one, which must throw ArgumentError
/// for options that make no sense. An update is `advance()`, which counts it on the host, then `step(apply)`, which
/// asks the device to update the parameters from their gradients unless the number `apply` there is 0, and may be
/// recorded, so that it must do the same whatever the update's number: what depends on it, `advance` writes into memory
/// of the device. `steps()` counts updates, `scale_learning_rate(factor)` sets a factor of the learning rate of the
/// updates to come. `visit(f)` shows what it remembers from update to update, for checkpoints, as `f(name, tensor)`,
/// the name being a parameter's with something added, such as "generator.input.weight.exp_avg".
///
/// Laws: an optimizer made anew, with what `visit` shows copied and `set_steps` called, goes on to the bit; `step` with
/// 0 changes nothing.
template <class O, class T, class D>
concept OptimizerFor = requires(O& optimizer, const Contents<T, D>& contents, const typename O::Options& options,
                                const ConstTensorView<T, D>& apply, Index steps,
                                const detail::AnyTensorVisitor<T, D>& visitor) {
  O(contents, options);
  optimizer.advance();
  optimizer.step(apply);
  { optimizer.steps() } -> std::same_as<Index>;
  optimizer.set_steps(steps);
  optimizer.scale_learning_rate(0.5);
  optimizer.visit(visitor);
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
