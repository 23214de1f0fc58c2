// Losses that ask whether real videos look more real than generated ones (Jolicoeur-Martineau, "The relativistic
// discriminator: a key element missing from standard GAN", ICLR 2019).
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/training/losses.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// The relativistic average form of a loss: its terms for real and generated videos are given scores relative to the
/// mean score of the other kind,
///
///     D:  E[real(D(x) - E D(G(z)))] + E[fake(D(G(z)) - E D(x))]
///     G:  E[fake(D(x) - E D(G(z)))] + E[real(D(G(z)) - E D(x))]
///
/// With `HingeLoss` it is the relativistic average hinge (RaHingeGAN).
template <GanLoss Base>
struct RelativisticAverage {
  template <Scalar P, Device D>
  static PairedLoss<P, D> discriminator(const ConstTensorView<P, D>& real, const ConstTensorView<P, D>& fake) {
    return both<RealTerm<Base>, FakeTerm<Base>>(real, fake);
  }

  template <Scalar P, Device D>
  static PairedLoss<P, D> generator(const ConstTensorView<P, D>& real, const ConstTensorView<P, D>& fake) {
    return both<FakeTerm<Base>, RealTerm<Base>>(real, fake);
  }

 private:
  template <class OfReal, class OfFake, Scalar P, Device D>
  static PairedLoss<P, D> both(const ConstTensorView<P, D>& real, const ConstTensorView<P, D>& fake) {
    PairedLoss<P, D> result{Tensor<P, D>::zeros(Shape{1}), Tensor<P, D>::zeros(real.shape()),
                            Tensor<P, D>::zeros(fake.shape())};
    add_term<OfReal>(real, fake, result.loss, result.dreal, result.dfake);
    add_term<OfFake>(fake, real, result.loss, result.dfake, result.dreal);
    return result;
  }

  /// The mean of term(score - mean of others), with both gradients.
  template <class Term, Scalar P, Device D>
  static void add_term(const ConstTensorView<P, D>& scores, const ConstTensorView<P, D>& others, Tensor<P, D>& loss,
                       Tensor<P, D>& dscores, Tensor<P, D>& dothers) {
    const Index count = scores.size(), other_count = others.size();
    const P of_each = static_cast<P>(-1 / static_cast<double>(other_count));
    Tensor<P, D> minus_mean(Shape{1}), relative(scores.shape()), drelative(scores.shape());
    D::sum_rows(1, other_count, 1, others.data(), 1, minus_mean.data(), false);
    D::scale(1, of_each, minus_mean.data(), minus_mean.data());
    D::broadcast_rows(1, count, 1, minus_mean.data(), relative.data());
    D::add(count, scores.data(), relative.data());
    D::mean_loss(count, relative.data(), Term(), loss.data(), drelative.data());
    D::add(count, drelative.data(), dscores.data());

    Tensor<P, D> dmean(Shape{1}), from_mean(others.shape());
    D::sum_rows(1, count, 1, drelative.data(), 1, dmean.data(), false);
    D::scale(1, of_each, dmean.data(), dmean.data());
    D::broadcast_rows(1, other_count, 1, dmean.data(), from_mean.data());
    D::add(other_count, from_mean.data(), dothers.data());
  }
};

using RelativisticHingeLoss = RelativisticAverage<HingeLoss>;

static_assert(PairedGanLoss<RelativisticHingeLoss>);

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
