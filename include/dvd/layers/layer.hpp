// What a layer is.
//
// A layer holds parameters and buffers and nothing else. What its backward pass needs lies in its `Cache`, a plain
// struct that the caller owns: one layer may run for many inputs, each with a cache of its own, and the cache of a
// composite is the struct of its parts' caches. A forward pass without a cache keeps nothing.
//
// A cache keeps views of the layer's input and result: whoever changes those in place, before the backward pass,
// changes the gradient. A layer is a value: a copy has parameters, gradients and buffers of its own.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/core/finite.hpp"
#include "dvd/core/parameter.hpp"
#include "dvd/core/pass.hpp"
#include "dvd/core/tensor.hpp"
#include "dvd/device/cpu.hpp"  // the default device

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Something with parameters that can be visited; see core/parameter.hpp.
template <class L>
concept Visitable = requires(L& layer, const std::string& prefix,
                             Contents<FullPrecision<typename L::scalar_type>, typename L::device_type>& visitor) {
  layer.visit(prefix, visitor);
};

/// What a layer computes, and what it is given to read.
template <class L>
using TensorOf = Tensor<typename L::scalar_type, typename L::device_type>;
template <class L>
using ViewOf = ConstTensorView<typename L::scalar_type, typename L::device_type>;

/// A map from one tensor to one tensor, with its gradient. `forward(x, pass, cache)` reads a view of x, may be called
/// without a cache, and throws ArgumentError, changing nothing, if x does not fit; `backward(dy, cache, gradients)`
/// adds to the gradients of parameters, returns that of x, empty unless wanted, and changes no cache. It throws
/// ArgumentError if no forward pass has filled the cache, or dy has not the shape of that pass's result.
template <class L>
concept Layer = Visitable<L> && std::default_initializable<typename L::Cache> &&
    requires(L& layer, const ViewOf<L>& x, Pass pass, typename L::Cache& cache, const typename L::Cache& kept,
             Gradients gradients) {
  { layer.forward(x, pass) } -> std::same_as<TensorOf<L>>;
  { layer.forward(x, pass, &cache) } -> std::same_as<TensorOf<L>>;
  { layer.backward(x, kept, gradients) } -> std::same_as<TensorOf<L>>;
};

/// A layer whose weight can be replaced for a pass by another one, which is what spectral normalisation does:
/// `packed_weight` makes the weight that kernels read, divided by `sigma` unless that is empty, and
/// `add_weight_gradient` adds to the gradient of `weight` what follows from the gradient of the packed one. The weight
/// is in full precision, the packed one in that of the layer. A layer may have `packing(sigma, packed)`, which makes
/// room for the packed weight and returns the WeightToPack that would fill it: a network's are then packed together.
/// Likewise `unpacking(dpacked, packed, sigma, u, v)` returns what `add_weight_gradient` would do.
template <class L>
concept WeightedLayer = Visitable<L> &&
    requires(L& layer, const ViewOf<L>& packed,
             const PreciseTensorView<typename L::scalar_type, typename L::device_type>& sigma) {
  { layer.weight } -> std::same_as<Parameter<FullPrecision<typename L::scalar_type>, typename L::device_type>&>;
  { layer.packed_weight(sigma) } -> std::same_as<TensorOf<L>>;
  layer.add_weight_gradient(packed, packed, sigma, sigma, sigma);
};

/// A weighted layer whose input is its `Input`, a view or something made from one. `check` throws ArgumentError unless
/// an input fits, and its result what it is to be added to, if anything. `apply` computes with a packed weight; a
/// tensor that it is given as `onto` it adds to, and returns. `apply_backward` returns the gradient of the input, empty
/// unless wanted, likewise added to `onto`, and fills in the packed weight's if a place for it is given; it checks dy.
template <class L>
concept AppliedLayer = WeightedLayer<L> && requires(L& layer, const typename L::Input& input, const ViewOf<L>& x,
                                                    TensorOf<L> onto, TensorOf<L>& out, bool wanted) {
  layer.check(input, x);
  { layer.apply(x, input, std::move(onto)) } -> std::same_as<TensorOf<L>>;
  { layer.apply_backward(x, input, x, &out, wanted, std::move(onto)) } -> std::same_as<TensorOf<L>>;
};

namespace detail {

/// Whether a layer or network says that its work differs from pass to pass, `static constexpr bool draws_at_random =
/// true`: such work must not be recorded and replayed.
template <class L>
inline constexpr bool draws_at_random = false;
template <class L>
requires requires { L::draws_at_random; }
inline constexpr bool draws_at_random<L> = L::draws_at_random;

}  // namespace detail

/// Throws ArgumentError unless a forward pass of `layer` has filled its cache, of which `kept` is a part that is never
/// empty then.
template <AnyTensor X>
void check_filled(const char* layer, const X& kept) {
  require(bool{kept}, "the backward pass of ", layer, " got a cache that no forward pass has filled");
}

/// Throws ArgumentError unless the gradient that a backward pass is given has the shape of the forward pass's result.
template <AnyTensor X>
void check_gradient(const char* layer, const X& dy, const Shape& y) {
  require(dy && dy.shape() == y, "the backward pass of ", layer, " expects a gradient of shape ", y, ", not ",
          dy ? "" : "an empty tensor, ", dy.shape());
}

/// Throws ArgumentError unless a gradient of shape `dx` can be added to `onto`, which may be empty.
template <AnyTensor X>
void check_added(const char* layer, const X& onto, const Shape& dx) {
  require(!onto || onto.shape() == dx, "the gradient of ", layer, "'s input, of shape ", dx, ", cannot be added to ",
          onto.shape());
}

/// The same elements where a kernel may read whole vectors, some bytes past their end, as it may in memory of the
/// library's: those in memory of the user's own are copied.
template <AnyTensor X>
ConstViewOf<X> readable_beyond(const X& x) {
  if (!x || ConstViewOf<X>(x).keeper()) return x;
  return ConstViewOf<X>(x.clone());
}

/// A layer or network equal to another one, with parameters and buffers of its own, and no gradients. Throws
/// ArgumentError if a part of it, written by somebody else, shares a parameter between copies.
template <Visitable L>
requires std::copy_constructible<L> L clone(const L& layer) {
  L copy = layer;
  auto all = contents(copy);
  const auto own = contents(const_cast<L&>(layer));  // a visit shows places that may be written to; these are only read
  for (std::size_t i = 0; i < all.parameters.size(); ++i) {
    auto& [name, parameter] = all.parameters[i];
    require(i < own.parameters.size() && parameter != own.parameters[i].parameter, name,
            " is one parameter in two copies of its part; a part must hold its parameters as members");
    parameter->gradient = {};
  }
  return copy;
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
