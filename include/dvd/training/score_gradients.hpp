// From scores to gradients: what a discriminator's loss makes of the scores of a batch.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <utility>
#include <vector>

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

namespace detail {

/// A loss that compares scores, by the scores of the whole batch where others have parts of it: what is given back is
/// this part's gradients, and the loss as this part is to add it.
template <Scalar P, Device D, class Compare>
PairedLoss<P, D> compare_scores(const ConstTensorView<P, D>& scores, Index real_count, const Pass& pass,
                                const Compare& compare) {
  const Index fake_count = scores.size() - real_count;
  if (!pass.exchange) return compare(scores.slice(0, real_count), scores.slice(real_count, fake_count));
  const BatchPlace& place = pass.place;
  const Index all_real = place.of_all(real_count), all_fake = place.of_all(fake_count);
  const std::vector<P> own = scores.to_vector();
  std::vector<double> all(static_cast<std::size_t>(all_real + all_fake));
  for (Index n = 0; n < real_count; ++n)
    all[static_cast<std::size_t>(place.number(n))] = static_cast<double>(own[static_cast<std::size_t>(n)]);
  for (Index n = 0; n < fake_count; ++n)
    all[static_cast<std::size_t>(all_real + place.number(n))] =
        static_cast<double>(own[static_cast<std::size_t>(real_count + n)]);
  Tensor<double, D> shared(Shape{all_real + all_fake}, all);
  pass.exchange->sum(shared.size(), shared.data());
  all = shared.to_vector();
  const Tensor<P, D> whole(shared.shape(), std::vector<P>(all.begin(), all.end()));
  const PairedLoss<P, D> of_all = compare(whole.slice(0, all_real), whole.slice(all_real, all_fake));
  // The loss counts once, and the gradients are those of a mean over all: see the weight that they get.
  PairedLoss<P, D> part{Tensor<P, D>(Shape{1}), Tensor<P, D>(Shape{real_count}), Tensor<P, D>(Shape{fake_count})};
  D::scale(1, static_cast<P>(place.first == 0), of_all.loss.data(), part.loss.data());
  for (Index first = 0; first < real_count; first += place.count)
    part.dreal.slice(first, place.count).copy_from(of_all.dreal.slice(place.number(first), place.count));
  for (Index first = 0; first < fake_count; first += place.count)
    part.dfake.slice(first, place.count).copy_from(of_all.dfake.slice(place.number(first), place.count));
  const P weight = static_cast<P>(place.of_all(place.count)) / static_cast<P>(place.count);
  D::scale(1, weight, part.loss.data(), part.loss.data());
  D::scale(real_count, weight, part.dreal.data(), part.dreal.data());
  D::scale(fake_count, weight, part.dfake.data(), part.dfake.data());
  return part;
}

}  // namespace detail

/// What an update notes of one discriminator's loss, in this order.
enum ScoreNumber : Index { loss_number, real_score_number, fake_score_number, score_numbers };

/// The gradient of a discriminator's loss by scores `[R + F]`, real ones first, for a part of a batch that counts
/// `weight` in it. Adds that loss, the mean real and the mean generated score to `numbers`, on the device.
template <AnyGanLoss Loss, Scalar P, Device D>
Tensor<P, D> discriminator_gradient(const ConstTensorView<P, D>& scores, Index real_count, double weight, P* numbers,
                                    const Pass& pass = Pass::train()) {
  const Index fake_count = scores.size() - real_count;
  Tensor<P, D> dscores(scores.shape());
  auto part = Tensor<P, D>::zeros(Shape{score_numbers});
  if constexpr (GanLoss<Loss>) {
    D::mean_loss(real_count, scores.data(), RealTerm<Loss>(), part.data() + loss_number, dscores.data());
    D::mean_loss(fake_count, scores.data() + real_count, FakeTerm<Loss>(), part.data() + loss_number,
                 dscores.data() + real_count);
  } else {
    const PairedLoss<P, D> paired = detail::compare_scores<P, D>(
        scores, real_count, pass,
        [](const auto& real, const auto& fake) { return Loss::template discriminator<P, D>(real, fake); });
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
Tensor<P, D> generator_gradient(const ConstTensorView<P, D>& scores, Index real_count, double weight, P* number,
                                const Pass& pass = Pass::train()) {
  const Index fake_count = scores.size() - real_count;
  Tensor<P, D> dscores(scores.shape());
  auto part = Tensor<P, D>::zeros(Shape{1});
  if constexpr (GanLoss<Loss>) {
    if (real_count > 0) dscores.slice(0, real_count).fill(P{0});
    D::mean_loss(fake_count, scores.data() + real_count, GeneratorTerm<Loss>(), part.data(),
                 dscores.data() + real_count);
  } else {
    const PairedLoss<P, D> paired = detail::compare_scores<P, D>(
        scores, real_count, pass,
        [](const auto& real, const auto& fake) { return Loss::template generator<P, D>(real, fake); });
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
