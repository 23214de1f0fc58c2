// From scores to gradients: what a discriminator's loss makes of the scores of a batch.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <utility>

#include "dvd/models/video_gan.hpp"
#include "dvd/training/losses.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

namespace detail {

template <class X, class Otherwise>
struct LossOfDiscriminator {
  using type = Otherwise;
};
template <class X, class Otherwise>
requires requires { typename X::Loss; }
struct LossOfDiscriminator<X, Otherwise> {
  using type = typename X::Loss;
};

}  // namespace detail

/// The loss that a discriminator names, or the trainer's.
template <class X, class Otherwise>
using LossOf = typename detail::LossOfDiscriminator<X, Otherwise>::type;

/// What an update notes of one discriminator's loss, in this order.
enum ScoreNumber : Index { loss_number, real_score_number, fake_score_number, score_numbers };

/// The gradient of a discriminator's loss by scores `[R + F]`, real ones first, for a part of a batch that counts
/// `weight` in it. Adds that loss, the mean real and the mean generated score to `numbers`, on the device.
template <AnyGanLoss Loss, Scalar P, Device D>
Tensor<P, D> discriminator_gradient(const ConstTensorView<P, D>& scores, Index real_count, double weight, P* numbers) {
  const Index fake_count = scores.size() - real_count;
  Tensor<P, D> dscores(scores.shape());
  auto part = Tensor<P, D>::zeros(Shape{score_numbers});
  if constexpr (GanLoss<Loss>) {
    D::mean_loss(real_count, scores.data(), RealTerm<Loss>(), part.data() + loss_number, dscores.data());
    D::mean_loss(fake_count, scores.data() + real_count, FakeTerm<Loss>(), part.data() + loss_number,
                 dscores.data() + real_count);
  } else {
    const PairedLoss<P, D> paired =
        Loss::template discriminator<P, D>(scores.slice(0, real_count), scores.slice(real_count, fake_count));
    part.slice(loss_number, 1).copy_from(paired.loss);
    dscores.slice(0, real_count).copy_from(paired.dreal);
    dscores.slice(real_count, fake_count).copy_from(paired.dfake);
  }
  D::sum_rows(1, real_count, 1, scores.data(), 1, part.data() + real_score_number, false);
  D::sum_rows(1, fake_count, 1, scores.data() + real_count, 1, part.data() + fake_score_number, false);
  for (const auto& [score, count] :
       {std::pair(real_score_number, real_count), std::pair(fake_score_number, fake_count)})
    D::scale(1, static_cast<P>(1 / static_cast<double>(count)), part.data() + score, part.data() + score);
  if (weight != 1) {
    D::scale(part.size(), static_cast<P>(weight), part.data(), part.data());
    D::scale(dscores.size(), static_cast<P>(weight), dscores.data(), dscores.data());
  }
  D::add(part.size(), part.data(), numbers);
  return dscores;
}

/// The gradient of the generator's loss by scores `[R + F]`, of which real ones are there only if the loss sees them,
/// for a part of a batch, and a discriminator, that count `weight`. Adds that loss to `*number`, on the device.
template <AnyGanLoss Loss, Scalar P, Device D>
Tensor<P, D> generator_gradient(const ConstTensorView<P, D>& scores, Index real_count, double weight, P* number) {
  const Index fake_count = scores.size() - real_count;
  Tensor<P, D> dscores(scores.shape());
  auto part = Tensor<P, D>::zeros(Shape{1});
  if constexpr (GanLoss<Loss>) {
    if (real_count > 0) dscores.slice(0, real_count).fill(P{0});
    D::mean_loss(fake_count, scores.data() + real_count, GeneratorTerm<Loss>(), part.data(),
                 dscores.data() + real_count);
  } else {
    const PairedLoss<P, D> paired =
        Loss::template generator<P, D>(scores.slice(0, real_count), scores.slice(real_count, fake_count));
    part.copy_from(paired.loss);
    dscores.slice(0, real_count).copy_from(paired.dreal);
    dscores.slice(real_count, fake_count).copy_from(paired.dfake);
  }
  if (weight != 1) {
    D::scale(1, static_cast<P>(weight), part.data(), part.data());
    D::scale(dscores.size(), static_cast<P>(weight), dscores.data(), dscores.data());
  }
  D::add(1, part.data(), number);
  return dscores;
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
