// Spectral normalisation (Miyato, Kataoka, Koyama, Yoshida, "Spectral Normalization for GANs", ICLR 2018).
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <cmath>
#include <memory>
#include <utility>

#include "dvd/layers/layer.hpp"
#include "dvd/layers/prepared_weights.hpp"
#include "dvd/layers/weight_gradients.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

namespace detail {

/// L::Input, or a view where L has none.
template <class L>
struct InputOfLayer {
  using type = ViewOf<L>;
};
template <class L>
requires requires { typename L::Input; }
struct InputOfLayer<L> {
  using type = typename L::Input;
};
template <class L>
using InputOf = typename InputOfLayer<L>::type;

}  // namespace detail

/// A layer whose weight, seen as a matrix `[out, rest]`, is divided by an estimate of its largest singular value. The
/// estimate comes from one power iteration per training pass on the persistent vector `u` `[out]`:
///
///     v = norm(W^T u),  u = norm(W v),  sigma = u^T W v
///
/// or is found in the pass, where the network has made it for all of its weights at once (SpectralEstimates).
/// Outside training u stays. The gradient goes through sigma, with u and v held constant. Parameters keep the names of
/// the layer inside; `u` joins them.
template <WeightedLayer L>
class SpectralNorm {
 public:
  using scalar_type = typename L::scalar_type;
  using device_type = typename L::device_type;
  using T = scalar_type;
  using D = device_type;
  using P = FullPrecision<T>;
  using View = ConstTensorView<T, D>;
  using PreciseView = PreciseTensorView<T, D>;

  /// The weight of one pass, as kernels read it, and what its gradient needs.
  struct NormalizedWeight {
    View packed;
    std::shared_ptr<const SpectralEstimate<T, D>> estimate;
  };

  struct Cache {
    detail::InputOf<L> x;
    NormalizedWeight weight;
    std::shared_ptr<void> prepared = nullptr;  ///< x, as a device that prepares inputs has made it ready
  };

  L layer;
  Buffer<P, D> u;
  bool filter_ahead = true;  ///< not where a unit reads the packed weight alone, to make filters of its own

  /// Constructs the layer inside from `arguments`. u starts as a random direction.
  template <class... Arguments>
  explicit SpectralNorm(const Random& random, Arguments&&... arguments)
      : layer(std::forward<Arguments>(arguments)...), u(random_direction(layer.weight.value.extent(0), random)) {}

  /// What the layer makes of x; if `onto` is given, added to it (and it is returned). Throws
  /// ArgumentError, before u advances, unless x fits, and `onto` the result.
  Tensor<T, D> forward(const detail::InputOf<L>& x, Pass pass, Cache* cache = nullptr,
                       Tensor<T, D> onto = {}) requires AppliedLayer<L> {
    layer.check(x, onto);  // before u advances
    NormalizedWeight weight = normalized_weight(pass);
    Tensor<T, D> y;
    std::shared_ptr<void> prepared;
    const FilterOf<D, T>* filter = made_filter(weight);
    const auto kept = filter ? std::nullopt : kept_filter(layer, pass, weight.packed, x);
    if (kept) filter = &*kept;
    if constexpr (takes_filter)
      y = layer.apply(weight.packed, x, std::move(onto), filter, cache ? &prepared : nullptr);
    else if constexpr (requires { layer.filter_size(x); })
      y = layer.apply(weight.packed, x, std::move(onto), filter);
    else
      y = layer.apply(weight.packed, x, std::move(onto));
    if (pass.watch) pass.watch->see(&layer.weight, y);
    if (cache) *cache = {x, std::move(weight), std::move(prepared)};
    return y;
  }

  /// The gradient of x, empty unless wanted; if `onto` is given, added to it.
  Tensor<T, D> backward(const View& dy, const Cache& cache, Gradients gradients,
                        Tensor<T, D> onto = {}) requires AppliedLayer<L> {
    check_filled("a spectrally normalised layer", cache.weight.packed);
    if constexpr (takes_filter && D::unpacks_together)
      if (gradients.together && wants_parameters(gradients) && made_filter(cache.weight) && layer.has_filter_gradient())
        return backward_together(dy, cache, gradients, std::move(onto));
    Tensor<T, D> dpacked;
    if (wants_parameters(gradients)) dpacked = Tensor<T, D>(cache.weight.packed.shape());
    Tensor<T, D> dx;
    if constexpr (takes_filter)
      dx = layer.apply_backward(cache.weight.packed, cache.x, dy, dpacked ? &dpacked : nullptr, wants_inputs(gradients),
                                std::move(onto), made_filter(cache.weight), nullptr, cache.prepared);
    else
      dx = layer.apply_backward(cache.weight.packed, cache.x, dy, dpacked ? &dpacked : nullptr, wants_inputs(gradients),
                                std::move(onto));
    if (dpacked) add_weight_gradient(dpacked, cache.weight, gradients);
    return dx;
  }

  /// W / sigma for one pass over the network; a training pass advances u. Called once a pass, however often the weight
  /// is then used.
  NormalizedWeight normalized_weight(Pass pass) {
    auto estimate = pass.estimates ? pass.estimates->template find<T>(layer.weight) : nullptr;
    const auto make = [&] { return SpectralEstimates::estimate(layer, u, pass); };
    if (!estimate && pass.prepared)
      estimate = pass.prepared->template once<SpectralEstimate<T, D>>(&layer.weight, [&] { return *make(); });
    if (!estimate) estimate = make();
    return {estimate->packed, estimate};
  }

  /// Adds to the raw weight's gradient what follows from the gradient of the normalised one, or leaves it to be added.
  void add_weight_gradient(const View& dpacked, const NormalizedWeight& weight, Gradients gradients) {
    const SpectralEstimate<T, D>& estimate = *weight.estimate;
    dvd::add_weight_gradient(layer, dpacked, weight.packed, estimate.sigma, estimate.u, estimate.v, gradients);
  }

  template <class F>
  void visit(const std::string& prefix, F& f) {
    layer.visit(prefix, f);
    f(prefix + "u", u);
    if constexpr (requires { f.normalized(layer, u, filter_ahead); }) f.normalized(layer, u, filter_ahead);
  }

 private:
  static constexpr bool takes_filter = requires(const L& l) { l.wants_filter(); };

  static const FilterOf<D, T>* made_filter(const NormalizedWeight& weight) {
    const auto& filter = weight.estimate->filter;
    return filter ? &*filter : nullptr;
  }

  /// `backward` that leaves the weight's gradient to be added with those of other layers, as a filter lies.
  Tensor<T, D> backward_together(const View& dy, const Cache& cache, Gradients gradients, Tensor<T, D> onto) {
    const SpectralEstimate<T, D>& estimate = *cache.weight.estimate;
    FilterOf<D, T> dfilter;
    Tensor<T, D> dx = layer.apply_backward(cache.weight.packed, cache.x, dy, nullptr, wants_inputs(gradients),
                                           std::move(onto), &*estimate.filter, &dfilter, cache.prepared);
    WeightGradientToUnpack<T> todo = layer.unpacking({}, {}, estimate.sigma, estimate.u, estimate.v);
    todo.dpacked = dfilter.weight;
    todo.packed = estimate.filter->weight;
    todo.filters = true;
    gradients.together->template add<D>(todo, dfilter, cache.weight.estimate);
    return dx;
  }

  static Buffer<P, D> random_direction(Index size, const Random& random) {
    auto direction = Tensor<P, D>::zeros(Shape{size});
    if (random.is_none()) return {std::move(direction)};
    D::random_normal(size, random, P{1}, direction.data());
    const auto values = direction.to_vector();
    double squares = 0;
    for (const P value : values) squares += static_cast<double>(value) * static_cast<double>(value);
    D::scale(size, static_cast<P>(1 / std::sqrt(squares)), direction.data(), direction.data());
    return {std::move(direction)};
  }
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
