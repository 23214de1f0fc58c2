// What a recurrent unit is, of which a generator's stages are made.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <concepts>

#include "dvd/layers/layer.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// A unit that carries a state from frame to frame. `U(width, random)` constructs one for C = `width` channels;
/// `forward(x, frames, state, pass, cache)` maps x `[T or 1, N, H, W, C]` (one frame standing for T = `frames` equal
/// ones) and an initial state `[N, H, W, C]` (empty: 0), both views, to the states after every frame, `[T, N, H, W,
/// C]`; `backward(dy, cache, gradients)` returns the gradients `.x`, of the shape of x, and `.state`, which does not
/// matter where no state was given. A unit holds its parameters as members, so that a copy has parameters of its own.
/// examples/custom_gan writes a unit.
template <class U>
concept RecurrentUnit = Visitable<U> && std::copy_constructible<U> &&
    std::constructible_from<U, Index, const Random&> && std::default_initializable<typename U::Cache> &&
    requires(U& unit, const ViewOf<U>& x, Index frames, Pass pass, typename U::Cache& cache, Gradients gradients) {
  { unit.forward(x, frames, x, pass, &cache) } -> std::same_as<TensorOf<U>>;
  { unit.backward(x, cache, gradients).x } -> std::convertible_to<TensorOf<U>>;
  { unit.backward(x, cache, gradients).state } -> std::convertible_to<TensorOf<U>>;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
