// GAN losses. Most are a function of one score, averaged over a batch; with its derivative. One that compares scores of
// real and of generated videos with each other is in training/relativistic_loss.hpp.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <cmath>
#include <type_traits>
#include <utility>

#include "dvd/core/is_finite.hpp"
#include "dvd/layers/layer.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// What a loss that sees real and generated scores together gives back.
template <Scalar P, Device D = Cpu>
struct PairedLoss {
  Tensor<P, D> loss;          ///< `[1]`
  Tensor<P, D> dreal, dfake;  ///< gradients, of the scores' shapes
};

/// A GAN loss: what discriminator and generator minimise, per score. Each function returns (value, derivative).
/// `real` and `fake` are the discriminator's terms for scores of real and generated videos, `generator` is the
/// generator's term for scores of its videos.
template <class L>
concept GanLoss = requires(float score) {
  { L::real(score) } -> std::same_as<std::pair<float, float>>;
  { L::fake(score) } -> std::same_as<std::pair<float, float>>;
  { L::generator(score) } -> std::same_as<std::pair<float, float>>;
};

/// A GAN loss that sees the scores of real and of generated videos together. Each function takes both, `[R]` and `[F]`,
/// and returns the loss and its gradients; `discriminator` is what the discriminator minimises, `generator` what the
/// generator does. An update of the generator then takes real videos as well, and where a batch goes through the
/// networks in parts, scores are compared within a part.
template <class L>
concept PairedGanLoss = requires(const ConstTensorView<float, Cpu>& real, const ConstTensorView<float, Cpu>& fake) {
  { L::discriminator(real, fake) } -> std::same_as<PairedLoss<float, Cpu>>;
  { L::generator(real, fake) } -> std::same_as<PairedLoss<float, Cpu>>;
};

namespace detail {
// Any GanLoss: stands for a PairedGanLoss where the compiler is asked what a loss lacks to be a GanLoss.
struct SomeLoss {
  static std::pair<float, float> real(float), fake(float), generator(float);
};
}  // namespace detail

/// Either of both.
template <class L>
concept AnyGanLoss = GanLoss<std::conditional_t<PairedGanLoss<L>, detail::SomeLoss, L>>;

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

static_assert(GanLoss<HingeLoss> && GanLoss<NonSaturatingLoss> && GanLoss<LeastSquaresLoss> &&
              GanLoss<WassersteinLoss>);

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
