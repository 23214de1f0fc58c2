// A layer with its weight as it is, where another one may be normalised.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <utility>

#include "dvd/layers/weight_gradients.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Stands in the place of SpectralNorm where a unit's weights are not to be normalised: the same members, but for u.
template <WeightedLayer L>
class Unnormalized {
 public:
  using scalar_type = typename L::scalar_type;
  using device_type = typename L::device_type;
  using View = ViewOf<L>;

  /// The weight of one pass, as kernels read it.
  struct NormalizedWeight {
    View packed;
  };

  L layer;

  /// Constructs the layer inside from `arguments`. There is no u to draw.
  template <class... Arguments>
  explicit Unnormalized(const Random&, Arguments&&... arguments) : layer(std::forward<Arguments>(arguments)...) {}

  NormalizedWeight normalized_weight(Pass) const { return {layer.packed_weight({})}; }

  void add_weight_gradient(const View& dpacked, const NormalizedWeight& weight, Gradients gradients) {
    const PreciseTensorView<scalar_type, device_type> none;
    dvd::add_weight_gradient(layer, dpacked, weight.packed, none, none, none, gradients);
  }

  template <class F>
  void visit(const std::string& prefix, F& f) {
    layer.visit(prefix, f);
  }
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
