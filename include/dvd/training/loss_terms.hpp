// GAN losses that are a function of one score, averaged over a batch; each function returns value and derivative. They
// need nothing of the library but its numbers: the GPU's kernels include them.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "dvd/core/is_finite.hpp"
#include "dvd/core/tensor.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// min E[relu(1 - D(x))] + E[relu(1 + D(G(z)))], min -E[D(G(z))]: DVD-GAN's loss (Lim and Ye 2017).
struct HingeLoss {
  template <Scalar T>
  static constexpr std::pair<T, T> real(T score) {
    // A NaN must not look like a perfect score, whatever the compiler makes of comparisons with it.
    return is_finite(score) && score >= 1 ? std::pair<T, T>(0, 0) : std::pair<T, T>(1 - score, -1);
  }
  template <Scalar T>
  static constexpr std::pair<T, T> fake(T score) {
    return is_finite(score) && score <= -1 ? std::pair<T, T>(0, 0) : std::pair<T, T>(1 + score, 1);
  }
  template <Scalar T>
  static constexpr std::pair<T, T> generator(T score) {
    return {-score, -1};
  }
};

/// min E[softplus(-D(x))] + E[softplus(D(G(z)))], min E[softplus(-D(G(z)))] (Goodfellow et al. 2014).
struct NonSaturatingLoss {
  template <Scalar T>
  static constexpr std::pair<T, T> real(T score) {
    const auto [value, slope] = softplus(-score);
    return {value, -slope};
  }
  template <Scalar T>
  static constexpr std::pair<T, T> fake(T score) {
    return softplus(score);
  }
  template <Scalar T>
  static constexpr std::pair<T, T> generator(T score) {
    return real(score);
  }

 private:
  // log(1 + exp(x)) without overflow, and its derivative.
  template <Scalar T>
  static constexpr std::pair<T, T> softplus(T x) {
    return {std::max(x, T{0}) + std::log1p(std::exp(-std::abs(x))), 1 / (1 + std::exp(-x))};
  }
};

/// min 0.5 E[(D(x) - 1)^2] + 0.5 E[D(G(z))^2], min 0.5 E[(D(G(z)) - 1)^2] (Mao et al. 2017).
struct LeastSquaresLoss {
  template <Scalar T>
  static constexpr std::pair<T, T> real(T score) {
    return {(score - 1) * (score - 1) / 2, score - 1};
  }
  template <Scalar T>
  static constexpr std::pair<T, T> fake(T score) {
    return {score * score / 2, score};
  }
  template <Scalar T>
  static constexpr std::pair<T, T> generator(T score) {
    return real(score);
  }
};

/// min E[D(G(z))] - E[D(x)], min -E[D(G(z))] (Arjovsky, Chintala, Bottou 2017).
struct WassersteinLoss {
  template <Scalar T>
  static constexpr std::pair<T, T> real(T score) {
    return {-score, -1};
  }
  template <Scalar T>
  static constexpr std::pair<T, T> fake(T score) {
    return {score, 1};
  }
  template <Scalar T>
  static constexpr std::pair<T, T> generator(T score) {
    return {-score, -1};
  }
};

// One term of a loss as a function object, which is what a device's kernel takes.

template <class Loss>
struct RealTerm {
  template <Scalar T>
  constexpr std::pair<T, T> operator()(T score) const {
    return Loss::real(score);
  }
};
template <class Loss>
struct FakeTerm {
  template <Scalar T>
  constexpr std::pair<T, T> operator()(T score) const {
    return Loss::fake(score);
  }
};
template <class Loss>
struct GeneratorTerm {
  template <Scalar T>
  constexpr std::pair<T, T> operator()(T score) const {
    return Loss::generator(score);
  }
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
