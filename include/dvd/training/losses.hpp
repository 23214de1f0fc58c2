// What a GAN loss is. Most are a function of one score, averaged over a batch: training/loss_terms.hpp. One that
// compares scores of real and of generated videos with each other is in training/relativistic_loss.hpp.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <type_traits>
#include <utility>

#include "dvd/layers/layer.hpp"
#include "dvd/training/loss_terms.hpp"

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

static_assert(GanLoss<HingeLoss> && GanLoss<NonSaturatingLoss> && GanLoss<LeastSquaresLoss> &&
              GanLoss<WassersteinLoss>);

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
