// What a layer is.
//
// A layer holds parameters and buffers and nothing else. What its backward pass needs lies in its `Cache`, a plain
// struct that the caller owns: one layer may run for many inputs, each with a cache of its own, and the cache of a
// composite is the struct of its parts' caches. A forward pass without a cache keeps nothing.
#pragma once

#include "dvd/core/finite.hpp"
#include "dvd/core/parameter.hpp"
#include "dvd/core/pass.hpp"
#include "dvd/core/tensor.hpp"
#include "dvd/device/cpu.hpp"  // the default device

namespace dvd {

/// Something with parameters that can be visited; see core/parameter.hpp.
template <class L>
concept Visitable = requires(L& layer, const std::string& prefix,
                             Contents<FullPrecision<typename L::scalar_type>, typename L::device_type>& visitor) {
  layer.visit(prefix, visitor);
};

/// A map from one tensor to one tensor, with its gradient. `forward(x, pass, cache)` may be called without a cache;
/// `backward(dy, cache, gradients)` changes no cache.
template <class L>
concept Layer = Visitable<L> && std::default_initializable<typename L::Cache> &&
    requires(L& layer, const Tensor<typename L::scalar_type, typename L::device_type>& x, Pass pass,
             typename L::Cache& cache, const typename L::Cache& kept, Gradients gradients) {
  { layer.forward(x, pass) } -> std::same_as<Tensor<typename L::scalar_type, typename L::device_type>>;
  { layer.forward(x, pass, &cache) } -> std::same_as<Tensor<typename L::scalar_type, typename L::device_type>>;
  { layer.backward(x, kept, gradients) } -> std::same_as<Tensor<typename L::scalar_type, typename L::device_type>>;
};

/// A layer whose weight can be replaced for a pass by another one, which is what spectral normalisation does:
/// `packed_weight` makes the weight that kernels read, divided by `sigma` if there is one, and `add_weight_gradient`
/// adds to the gradient of `weight` what follows from the gradient of the packed one. The weight is in full precision,
/// the packed one in that of the layer.
template <class L>
concept WeightedLayer = Visitable<L> &&
    requires(L& layer, const Tensor<typename L::scalar_type, typename L::device_type>& packed,
             const PreciseTensor<typename L::scalar_type, typename L::device_type>& sigma) {
  { layer.weight } -> std::same_as<Parameter<FullPrecision<typename L::scalar_type>, typename L::device_type>&>;
  layer.packed_weight(&sigma);
  layer.add_weight_gradient(packed, packed, &sigma, sigma, sigma);
};

/// A weighted layer whose input is its `Input`, a tensor or something made from one: `apply` computes with a packed
/// weight and adds to `onto` unless that is empty; `apply_backward` returns the gradient of the input (empty unless
/// wanted, added to `onto` unless that is empty) and fills in the packed weight's if a place for it is given.
template <class L>
concept AppliedLayer = WeightedLayer<L> &&
    requires(L& layer, const typename L::Input& input,
             const Tensor<typename L::scalar_type, typename L::device_type>& x,
             Tensor<typename L::scalar_type, typename L::device_type>& out, bool wanted) {
  layer.apply(x, input, x);
  layer.apply_backward(x, input, x, &out, wanted, x);
};

}  // namespace dvd
