// Layers of one tensor given what fits and what does not: a call works or is refused with a line, and has then changed
// nothing.
#pragma once

#include "dvd/core/pass.hpp"
#include "support/fuzz.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::testing {

using Fit = std::optional<Shape>;  // the result's shape, where the inputs fit

// What was kept of a pass: the cache, the shapes of the inputs and of the result. Caches that no pass has filled, too.
template <class L>
struct Kept {
  typename L::Cache cache;
  std::vector<Shape> inputs;
  Fit result;
};

// Caches of the last few passes, of which a backward pass gets one that is drawn.
template <class L>
struct Caches {
  std::vector<Kept<L>> kept = {{}};

  void add(Kept<L> one, Fuzz& fuzz) {
    if (kept.size() < 4)
      kept.push_back(std::move(one));
    else
      kept[static_cast<std::size_t>(1 + fuzz.below(3))] = std::move(one);
  }
  const Kept<L>& draw(Fuzz& fuzz) const {
    return fuzz.chance(70) ? kept.back() : kept[static_cast<std::size_t>(fuzz.below(static_cast<Index>(kept.size())))];
  }
};

// A layer of one tensor; `fit(shape)` tells what it makes of an input that is not empty.
template <class L, class F>
void fuzz_layer(const std::string& name, L layer, const Shape& right, const F& fit, int usual = 40) {
  Fuzz fuzz(name);
  Caches<L> caches;
  REQUIRE(fit(right).has_value());
  for (int i = 0; i < tries(usual); ++i) {
    const ConstTensorView<float> x = fuzz.view<float>(right);
    const Fit fits = x ? fit(x.shape()) : std::nullopt;
    Kept<L> kept{{}, {x.shape()}, fits};
    const Pass pass = fuzz.pass();
    const auto y = attempt(concat(name, " of ", x.shape()), layer, fits.has_value(),
                           [&] { return layer.forward(x, pass, fuzz.chance(80) ? &kept.cache : nullptr); });
    if (y) {
      check_result(name, *y, *fits);
      kept.cache = {};
      layer.forward(x, pass, &kept.cache);
      caches.add(std::move(kept), fuzz);
    }
    const Kept<L>& used = caches.draw(fuzz);
    const ConstTensorView<float> dy = fuzz.view<float>(used.result.value_or(fit(right).value()));
    const Gradients gradients = fuzz.gradients();
    const auto dx = attempt(concat(name, "'s backward pass of ", dy.shape()), layer, dy && used.result == dy.shape(),
                            [&] { return layer.backward(dy, used.cache, gradients); });
    if (dx) check_gradient_of(name + "'s gradient", *dx, used.inputs[0], wants_inputs(gradients));
  }
}

}  // namespace dvd::testing
