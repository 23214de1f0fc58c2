// Functions of one number with their derivatives, as layers (pointwise_layer.hpp) and losses (tensor_losses.hpp) give
// them to a device's `map`. They need nothing of the library but its numbers: the GPU's kernels include them.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <cmath>
#include <concepts>
#include <numbers>
#include <type_traits>

#include "dvd/core/error.hpp"
#include "dvd/core/is_finite.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// A function as a layer: `f(x)` is its value, `f(kept, dy)` the gradient dy carried through it, where `kept` is the
/// value if `from_value`, else x. P is float or double. It can be copied as bytes, to a GPU, and `name` stands in
/// messages. An operator that is a template for any type must work, on the CPU, for short vectors of P, too (see
/// LeakyReLUFunction), which is fast; one that does not is constrained to std::floating_point, and called for one
/// number after the other, as are the C library's functions here.
template <class F, class P>
concept PointwiseFunction = std::is_trivially_copyable_v<F> && requires(const F& f, P x) {
  { F::name } -> std::convertible_to<const char*>;
  { F::from_value } -> std::convertible_to<bool>;
  { f(x) } -> std::same_as<P>;
  { f(x, x) } -> std::same_as<P>;
};

/// x where x > 0, else slope * x.
template <class P>
struct LeakyReLUFunction {
  static constexpr const char* name = "a leaky ReLU";
  static constexpr bool from_value = true;  // which has the sign of x

  P slope;

  /// Throws ArgumentError unless `s` is a number of at least 0.
  explicit LeakyReLUFunction(double s) : slope(static_cast<P>(s)) {
    require(is_finite(slope) && slope >= 0, "the slope of a leaky ReLU is a number of at least 0, not ", s);
  }

  template <class V>
  constexpr V operator()(const V& x) const {
    return x < 0 ? slope * x : x;
  }
  template <class V>
  constexpr V operator()(const V& y, const V& dy) const {
    return y > 0 ? dy : slope * dy;
  }
};

/// x where x > 0, else alpha * (exp(x) - 1).
template <class P>
struct ELUFunction {
  static constexpr const char* name = "an ELU";
  static constexpr bool from_value = true;  // below 0 the derivative is alpha * exp(x) = y + alpha

  P alpha;

  /// Throws ArgumentError unless `a` is a number of at least 0.
  explicit ELUFunction(double a = 1) : alpha(static_cast<P>(a)) {
    require(is_finite(alpha) && alpha >= 0, "the alpha of an ELU is a number of at least 0, not ", a);
  }

  template <std::floating_point V>
  constexpr V operator()(V x) const {
    return x > 0 ? x : alpha * std::expm1(x);
  }
  template <class V>
  constexpr V operator()(const V& y, const V& dy) const {
    return y > 0 ? dy : (y + alpha) * dy;
  }
};

/// x * Phi(x), Phi being the distribution function of the standard normal distribution.
template <class P>
struct GELUFunction {
  static constexpr const char* name = "a GELU";
  static constexpr bool from_value = false;  // it falls, then rises: two x have the same value

  template <std::floating_point V>
  constexpr V operator()(V x) const {
    return x * below(x);
  }
  template <std::floating_point V>
  constexpr V operator()(V x, V dy) const {
    constexpr V peak = std::numbers::inv_sqrtpi_v<V> / std::numbers::sqrt2_v<V>;
    return dy * (below(x) + x * peak * std::exp(x * x / -2));
  }

 private:
  // Phi(x) = (1 + erf(x / sqrt(2))) / 2, written so that it keeps its digits where it is small.
  template <std::floating_point V>
  static constexpr V below(V x) {
    return std::erfc(x / -std::numbers::sqrt2_v<V>) / 2;
  }
};

/// log(1 + exp(x)).
template <class P>
struct SoftplusFunction {
  static constexpr const char* name = "a softplus";
  static constexpr bool from_value = true;  // the derivative is 1 / (1 + exp(-x)) = 1 - exp(-y)

  template <std::floating_point V>
  constexpr V operator()(V x) const {
    return (x < 0 ? V{0} : x) + std::log1p(std::exp(x < 0 ? x : -x));
  }
  template <std::floating_point V>
  constexpr V operator()(V y, V dy) const {
    return -std::expm1(-y) * dy;
  }
};

/// x - y.
struct DifferenceFunction {
  template <class V>
  constexpr V operator()(const V& x, const V& y) const {
    return x - y;
  }
};

/// 1, -1, or 0 for what is neither above nor below 0.
struct SignFunction {
  template <class V>
  constexpr V operator()(const V& x) const {
    return x > 0 ? V{} + 1 : x < 0 ? V{} - 1 : V{};
  }
};

/// length / sqrt(x), and 0 for 0: what makes a vector as long whose elements' squares add up to x.
struct LengthFactor {
  double length;

  template <std::floating_point V>
  constexpr V operator()(V x) const {
    return x > 0 ? static_cast<V>(length) / std::sqrt(x) : x;
  }
};

static_assert(PointwiseFunction<LeakyReLUFunction<float>, float> && PointwiseFunction<ELUFunction<float>, float> &&
              PointwiseFunction<GELUFunction<float>, float> && PointwiseFunction<SoftplusFunction<float>, float>);

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
