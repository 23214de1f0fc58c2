// What layers with one weight share: running by that weight as it is.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/layers/prepared_weights.hpp"
#include "dvd/layers/weight_gradients.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Gives `Derived`, an AppliedLayer over T on D with inputs of type `Input`, its forward and backward passes.
template <class Derived, class InputType, Scalar T, Device D>
class Weighted {
 public:
  using scalar_type = T;
  using device_type = D;
  using View = ConstTensorView<T, D>;
  using PreciseView = PreciseTensorView<T, D>;
  using Input = InputType;

  struct Cache {
    Input x;
    View packed;
  };

  Tensor<T, D> forward(const Input& x, Pass pass, Cache* cache = nullptr) const {
    own().check(x);
    const auto made = made_once<Tensor<T, D>>(pass, &own().weight, [&] { return own().packed_weight(); });
    const View packed = *made;
    if (cache) *cache = {x, packed};
    const auto filter = kept_filter(own(), pass, packed, x);
    if constexpr (requires { own().filter_size(x); })
      return own().apply(packed, x, {}, filter ? &*filter : nullptr);
    else
      return own().apply(packed, x, {});
  }

  /// The gradient of x, empty unless wanted.
  Tensor<T, D> backward(const View& dy, const Cache& cache, Gradients gradients) {
    check_filled(Derived::name, cache.packed);
    Tensor<T, D> dpacked;
    if (wants_parameters(gradients)) dpacked = Tensor<T, D>(cache.packed.shape());
    Tensor<T, D> dx =
        own().apply_backward(cache.packed, cache.x, dy, dpacked ? &dpacked : nullptr, wants_inputs(gradients), {});
    if (dpacked)
      add_weight_gradient(own(), View(dpacked), cache.packed, PreciseView(), PreciseView(), PreciseView(), gradients);
    return dx;
  }

 private:
  Derived& own() { return static_cast<Derived&>(*this); }
  const Derived& own() const { return static_cast<const Derived&>(*this); }
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
