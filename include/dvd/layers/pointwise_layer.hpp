// Pointwise nonlinearities beside those of DVD-GAN (activation.hpp): leaky ReLU, ELU, GELU, softplus, and functions of
// one's own.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <utility>

#include "dvd/layers/functions.hpp"
#include "dvd/layers/layer.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// `Function<P>` of every element on its own, for any shape, computed in P, the full precision of T. The backward pass
/// reads the result or, where the derivative does not follow from it, the input; see PointwiseFunction. Constructed
/// from what its function is constructed from; see the aliases LeakyReLU, ELU, GELU and Softplus. Throws ArgumentError
/// for an empty x.
///
/// A GPU has kernels for the functions of layers/functions.hpp; device/cuda/map.cuh says how one's own gets them.
template <template <class> class Function, Scalar T, Device D = Cpu>
requires PointwiseFunction<Function<FullPrecision<T>>, FullPrecision<T>>
class PointwiseLayer {
 public:
  using scalar_type = T;
  using device_type = D;
  using View = ConstTensorView<T, D>;
  using F = Function<FullPrecision<T>>;

  struct Cache {
    View kept;  ///< the result if F::from_value, else x
  };

  template <class... Arguments>
  requires std::constructible_from<F, Arguments...>
  explicit PointwiseLayer(Arguments... arguments) : function_(arguments...) {}

  Tensor<T, D> forward(const View& x, Pass, Cache* cache = nullptr) const {
    require(bool{x}, F::name, " expects a tensor, not an empty one");
    Tensor<T, D> y(x.shape());
    D::map(x.size(), function_, x.data(), y.data());
    if (cache) cache->kept = F::from_value ? View(y) : x;
    return y;
  }

  /// The gradient of x, empty unless wanted.
  Tensor<T, D> backward(const View& dy, const Cache& cache, Gradients gradients) const {
    check_filled(F::name, cache.kept);
    check_gradient(F::name, dy, cache.kept.shape());
    if (!wants_inputs(gradients)) return {};
    Tensor<T, D> dx(dy.shape());
    D::map(dy.size(), function_, cache.kept.data(), dy.data(), dx.data());
    return dx;
  }

  template <class Visitor>
  void visit(const std::string&, Visitor&) {}

 private:
  F function_;
};

/// y = x where x > 0, else slope * x (Maas, Hannun, Ng 2013): `LeakyReLU<float>(0.2)`. Throws ArgumentError for a slope
/// below 0.
template <Scalar T, Device D = Cpu>
using LeakyReLU = PointwiseLayer<LeakyReLUFunction, T, D>;

/// y = x where x > 0, else alpha * (exp(x) - 1) (Clevert, Unterthiner, Hochreiter 2016): `ELU<float>()` with alpha = 1,
/// `ELU<float>(0.5)`. Throws ArgumentError for an alpha below 0.
template <Scalar T, Device D = Cpu>
using ELU = PointwiseLayer<ELUFunction, T, D>;

/// y = x * Phi(x) = x * (1 + erf(x / sqrt(2))) / 2 (Hendrycks, Gimpel 2016): the exact function, not its approximation
/// by a tanh.
template <Scalar T, Device D = Cpu>
using GELU = PointwiseLayer<GELUFunction, T, D>;

/// y = log(1 + exp(x)) (Dugas et al. 2001), which overflows nowhere.
template <Scalar T, Device D = Cpu>
using Softplus = PointwiseLayer<SoftplusFunction, T, D>;

static_assert(Layer<LeakyReLU<float>> && Layer<ELU<float>> && Layer<GELU<float>> && Layer<Softplus<float>>);

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
