// The R1 gradient penalty (Mescheder, Geiger, Nowozin, "Which Training Methods for GANs do actually Converge?", 2018).
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <cmath>
#include <concepts>
#include <vector>

#include "dvd/core/is_finite.hpp"
#include "dvd/layers/functions.hpp"
#include "dvd/training/regularizer.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// weight / 2 * E[|g|^2] over real videos x, g being the gradient of the scores by a video: a discriminator is to be
/// flat around the data. A DiscriminatorRegularizer, over float or double.
///
/// The gradient of |g|^2 / 2 by the weights w is the second derivative of D by w and x, times g: the derivative of D's
/// gradient by w in the direction of g, which is taken from both sides,
///
///     d/dw |g|^2 / 2  =  (dD(x + e g)/dw - dD(x - e g)/dw) / (2 e)  +  O(e^2),
///
/// so no layer needs a second derivative, and any discriminator will do. It costs three passes, forward and backward,
/// over the real videos alone, where an update without it is one over real and generated ones. `step` is how far the
/// videos of a batch move, as a root mean square over their elements, which are in [-1, 1].
///
/// Its error: for layers with continuous third derivatives (tanh, softplus, ELU but for its kink, attention) a quarter
/// for half the step, down to rounding, which grows as the step falls: at the usual step, in float, less than a
/// thousandth of the largest gradient. A ReLU has no second derivative
/// where it switches: what automatic differentiation gives there is 0, while the difference counts the units that
/// switch within a step of x, as a mean over a neighbourhood does; where none switches, it is exact but for rounding.
/// Where videos see each other, as through a batch norm, g is the gradient of the sum of all scores.
struct R1 {
  double weight = 10;  ///< 0 or more
  double step = 1e-3;  ///< above 0

  /// See settings_of.
  std::vector<double> settings() const { return {weight, step}; }

  /// Throws ArgumentError for a weight or step out of range.
  template <VideoDiscriminator X>
  requires std::floating_point<typename X::scalar_type> PreciseTensor<typename X::scalar_type, typename X::device_type>
  operator()(X& discriminator, const VideoBatch<typename X::scalar_type, typename X::device_type>& real, double share,
             const Pass& pass) const {
    using T = typename X::scalar_type;
    using D = typename X::device_type;
    require(is_finite(weight) && weight >= 0, "the weight of R1 must be 0 or more, not ", weight);
    require(is_finite(step) && step > 0, "the step of R1 must be above 0, not ", step);
    const Shape& shape = real.videos.shape();
    require(shape.rank() == 5 && real.videos.size() > 0, "R1 expects videos [T, N, H, W, C], not ", shape);
    const Index images = shape[0] * shape[1], frame = shape[2] * shape[3] * shape[4], count = shape[1];
    const double distance = step * std::sqrt(static_cast<double>(shape[0] * frame));  // of a video

    const Tensor<T, D> slope = gradient_of_scores(discriminator, real, pass);
    Tensor<T, D> by_image(Shape{images}), square(Shape{1});  // |g|^2
    D::row_dots(images, frame, slope.data(), slope.data(), by_image.data());
    D::sum_rows(1, images, 1, by_image.data(), 1, square.data(), false);
    Tensor<T, D> loss(Shape{1});
    D::scale(1, static_cast<T>(weight / 2 / static_cast<double>(count)), square.data(), loss.data());

    // e = distance / sqrt(E[|g|^2]), of all parts of the batch, and 1 / e = |g|^2 * e / (distance^2 * count)
    Tensor<T, D> ratio(Shape{1}), inverse(Shape{1});
    const double all = static_cast<double>(pass.place.of_all(count));
    square = of_all(square, pass);
    D::map(1, LengthFactor{distance * std::sqrt(all)}, square.data(), ratio.data());
    D::scale_rows(1, 1, ratio.data(), square.data(), inverse.data());
    D::scale(1, static_cast<T>(1 / (distance * distance * all)), inverse.data(), inverse.data());

    D::broadcast_rows(1, images, 1, ratio.data(), by_image.data());
    Tensor<T, D> ahead(shape), behind(shape);
    D::scale_rows(images, frame, by_image.data(), slope.data(), ahead.data());
    D::scale(ahead.size(), T(-1), ahead.data(), behind.data());
    D::add(ahead.size(), real.videos.data(), ahead.data());
    D::add(behind.size(), real.videos.data(), behind.data());

    Tensor<T, D> dscores(Shape{count});
    D::broadcast_rows(1, count, 1, inverse.data(), dscores.data());
    D::scale(count, static_cast<T>(share * weight / static_cast<double>(count) / 2), dscores.data(), dscores.data());
    add_gradients(discriminator, real, ahead, dscores, pass);
    D::scale(count, T(-1), dscores.data(), dscores.data());
    add_gradients(discriminator, real, behind, dscores, pass);
    return loss;
  }

 private:
  /// dD(x)/dx of every video.
  template <class X, class T, class D>
  static Tensor<T, D> gradient_of_scores(X& discriminator, const VideoBatch<T, D>& real, const Pass& pass) {
    typename X::Cache cache;
    Tensor<T, D> ones(discriminator.forward(real, pass, &cache).shape());
    ones.fill(T(1));
    return discriminator.backward(ones, cache, Gradients::inputs);
  }

  /// The sum over all parts of a batch.
  template <class T, class D>
  static Tensor<T, D> of_all(const Tensor<T, D>& part, const Pass& pass) {
    if (!pass.exchange) return part.clone();
    Tensor<double, D> sum(Shape{1}, std::vector<double>{static_cast<double>(part.item())});
    pass.exchange->sum(1, sum.data());
    return Tensor<T, D>(Shape{1}, std::vector<T>{static_cast<T>(sum.item())});
  }

  /// Adds the gradient of <dscores, D(videos)>.
  template <class X, class T, class D>
  static void add_gradients(X& discriminator, const VideoBatch<T, D>& real, const Tensor<T, D>& videos,
                            const Tensor<T, D>& dscores, const Pass& pass) {
    VideoBatch<T, D> moved = real;
    moved.videos = videos;
    typename X::Cache cache;
    discriminator.forward(moved, pass, &cache);
    discriminator.backward(dscores, cache, Gradients::parameters);
  }
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
