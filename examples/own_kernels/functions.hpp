// An activation and a loss that the library does not have, for any device: what they compute is written once, and
// kernels.cu makes it known to a GPU.
#pragma once

#include <cmath>
#include <concepts>
#include <dvd/core/tensor.hpp>
#include <utility>

namespace examples {

// 1. An activation: a function and its derivative, for dvd::PointwiseLayer. A GPU calls it as it stands, so it is
// constexpr and holds nothing but numbers.

/// x * sigmoid(x) (Ramachandran, Zoph, Le 2017).
template <class P>
struct Swish {
  static constexpr const char* name = "swish";
  static constexpr bool from_value = false;  // the derivative follows from x, not from the value

  template <std::floating_point X>
  constexpr X operator()(X x) const {
    return x * sigmoid(x);
  }
  template <std::floating_point X>
  constexpr X operator()(X x, X dy) const {
    const X s = sigmoid(x);
    return dy * (s + x * s * (1 - s));
  }

 private:
  template <class X>
  static constexpr X sigmoid(X x) {
    return 1 / (1 + std::exp(-x));
  }
};

// 2. A loss: its value for a score, and the slope.

/// Least squares with a target for real videos that is not quite 1 (Salimans et al. 2016).
struct SmoothedLeastSquares {
  template <dvd::Scalar T>
  static constexpr std::pair<T, T> towards(T target, T score) {
    return {(score - target) * (score - target) / 2, score - target};
  }
  template <dvd::Scalar T>
  static constexpr std::pair<T, T> real(T score) {
    return towards(T(0.9), score);
  }
  template <dvd::Scalar T>
  static constexpr std::pair<T, T> fake(T score) {
    return towards(T(0), score);
  }
  template <dvd::Scalar T>
  static constexpr std::pair<T, T> generator(T score) {
    return towards(T(0.9), score);
  }
};

}  // namespace examples
