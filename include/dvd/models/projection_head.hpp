// How a discriminator turns features into a score (Miyato and Koyama, "cGANs with Projection Discriminator", 2018).
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <optional>

#include "dvd/layers/embedding.hpp"
#include "dvd/layers/linear.hpp"
#include "dvd/layers/spectral_norm.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Scores `[N]` of features x `[T, N, H, W, C]` under class labels: with phi the sum of relu(x) over H and W,
///
///     score = sum over frames of (L phi + l + <E[y], phi>)
///
/// The score is linear in phi, so frames are summed first, and l counts once a frame. L and E are spectrally
/// normalised. From phi on, all is in full precision. Without classes there is no E, the score is that of L phi + l,
/// and no labels are given.
template <Scalar T, Device D = Cpu>
class ProjectionHead {
 public:
  using scalar_type = T;
  using device_type = D;
  using P = FullPrecision<T>;
  using View = ConstTensorView<T, D>;
  using PreciseView = ConstTensorView<P, D>;

  struct Cache {
    View rectified;
    PreciseView phi, direction;
    Rows<D> labels;
    typename SpectralNorm<Linear<P, D>>::NormalizedWeight linear;
    typename SpectralNorm<Embedding<P, D>>::NormalizedWeight embedding;
  };

  SpectralNorm<Linear<P, D>> linear;
  std::optional<SpectralNorm<Embedding<P, D>>> embedding;  ///< where there are classes

  /// Throws ArgumentError for less than one channel or no classes.
  ProjectionHead(Index channels, Index classes, const Random& random)
      : linear(random.stream("linear u"), channels, Index{1}, random.stream("linear")) {
    if (classes != 0) embedding.emplace(random.stream("embedding u"), classes, channels, random.stream("embedding"));
  }

  Tensor<P, D> forward(const View& x, const Rows<D>& labels, Pass pass, Cache* cache = nullptr) {
    require(x.shape().rank() == 5 && x.size() > 0 && x.extent(4) == linear.layer.inputs(),
            "a discriminator's head expects features [T, N, H, W, ", linear.layer.inputs(),
            "] with no extent of 0, not ", x.shape());
    const Index frames = x.extent(0), batch = x.extent(1), pixels = x.extent(2) * x.extent(3), channels = x.extent(4);
    check(batch, labels);
    Tensor<T, D> rectified(x.shape());
    Tensor<P, D> by_frame(Shape{frames, batch * channels}), phi(Shape{batch, channels});
    D::relu(x.size(), x.data(), rectified.data());
    D::sum_rows(frames * batch, pixels, channels, rectified.data(), channels, by_frame.data(), false);
    D::sum_rows(1, frames, batch * channels, by_frame.data(), batch * channels, phi.data(), false);

    const auto linear_weight = linear.normalized_weight(pass);
    typename SpectralNorm<Embedding<P, D>>::NormalizedWeight embedding_weight;
    Tensor<P, D> direction(phi.shape()), scores(Shape{batch}), offsets(Shape{batch});
    D::broadcast_rows(1, batch, channels, linear_weight.packed.data(), direction.data());
    if (embedding) {
      embedding_weight = embedding->normalized_weight(pass);
      const Tensor<P, D> own = embedding->layer.apply(embedding_weight.packed, labels);
      D::add(direction.size(), own.data(), direction.data());
    }
    D::row_dots(batch, channels, phi.data(), direction.data(), scores.data());
    D::broadcast_rows(1, batch, 1, linear.layer.bias.value.data(), offsets.data());
    D::scale(batch, static_cast<P>(frames), offsets.data(), offsets.data());
    D::add(batch, offsets.data(), scores.data());
    if (cache) *cache = {rectified, phi, direction, labels, linear_weight, embedding_weight};
    return scores;
  }

  /// Throws ArgumentError unless `labels` are classes of as many videos or, without classes, none.
  void check(Index videos, const Rows<D>& labels) const {
    require(embedding || labels.size() == 0, "the discriminator got ", labels.size(),
            " labels, but this model has no classes");
    if (!embedding) return;
    require(labels.size() == videos, "the discriminator got ", videos, " videos and ", labels.size(), " labels");
    embedding->layer.check(labels);
  }

  /// The gradient of x, empty unless wanted.
  Tensor<T, D> backward(const PreciseView& dscores, const Cache& cache, Gradients gradients) {
    check_filled("a discriminator", cache.phi);
    check_gradient("a discriminator", dscores, {cache.phi.extent(0)});
    const Shape& shape = cache.rectified.shape();
    const Index frames = shape[0], batch = shape[1], pixels = shape[2] * shape[3], channels = shape[4];
    if (wants_parameters(gradients)) {
      Tensor<P, D> ddirection(cache.direction.shape());
      D::scale_rows(batch, channels, dscores.data(), cache.phi.data(), ddirection.data());
      Tensor<P, D> dlinear(cache.linear.packed.shape());
      D::sum_rows(1, batch, channels, ddirection.data(), channels, dlinear.data(), false);
      linear.add_weight_gradient(dlinear, cache.linear, gradients);
      if (embedding) {
        auto dtable = Tensor<P, D>::zeros(cache.embedding.packed.shape());
        embedding->layer.template add_rows_gradient<P>(ddirection, cache.labels, dtable);
        embedding->add_weight_gradient(dtable, cache.embedding, gradients);
      }
      // While the hinge is open for every score, this sum is 0; rounding noise in its place would be a whole step to
      // Adam, so it is the kernel that sums in double.
      Tensor<P, D> dbias(Shape{1});
      const auto ones = Tensor<P, D>::full(Shape{batch}, 1);
      D::row_dots(1, batch, dscores.data(), ones.data(), dbias.data());
      D::scale(1, static_cast<P>(frames), dbias.data(), dbias.data());
      D::add(1, dbias.data(), linear.layer.bias.accumulator().data());
    }
    if (!wants_inputs(gradients)) return {};
    Tensor<P, D> precise_dphi(cache.phi.shape());
    D::scale_rows(batch, channels, dscores.data(), cache.direction.data(), precise_dphi.data());
    const View dphi = cast<T>(precise_dphi);
    Tensor<T, D> frame(shape.tail()), dx(shape);
    D::broadcast_rows(batch, pixels, channels, dphi.data(), frame.data());
    D::broadcast_rows(1, frames, frame.size(), frame.data(), dx.data());
    D::relu_backward(dx.size(), cache.rectified.data(), dx.data(), dx.data());
    return dx;
  }

  template <class F>
  void visit(const std::string& prefix, F& f) {
    linear.visit(prefix + "linear.", f);
    if (embedding) embedding->visit(prefix + "embedding.", f);
  }
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
