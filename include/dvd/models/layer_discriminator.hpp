// A discriminator out of a layer, such as a Sequential.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <utility>
#include <vector>

#include "dvd/core/is_finite.hpp"
#include "dvd/layers/recording_key.hpp"
#include "dvd/layers/spectral_estimates.hpp"
#include "dvd/models/video_gan.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Scores `[N]` of videos by what a layer makes of them: the mean over all but the videos of its result, which is
/// `[N]`, `[N, features]` or `[T, N, ...]`, as of a discriminator of patches (Isola et al. 2017). It knows no labels.
///
///     dvd::LayerDiscriminator motion(dvd::Sequential(dvd::FrameDifferences<float>(), dvd::Conv3D<float>(3, 16, 3,
///     random), ...));
///
/// What of a video it sees is up to its first layers: TemporalDownsampler, RandomHalfCrop, FrameDifferences, ...
template <Layer L>
class LayerDiscriminator {
 public:
  using scalar_type = typename L::scalar_type;
  using device_type = typename L::device_type;
  using T = scalar_type;
  using D = device_type;
  using P = FullPrecision<T>;

  struct Cache {
    typename L::Cache layer;
    Shape scored{};  ///< of the layer's result
  };

  static constexpr bool draws_at_random = detail::draws_at_random<L>;

  L layer;

  /// `share` is what its loss counts in the generator's. Throws ArgumentError unless it is 0 or more.
  explicit LayerDiscriminator(L scores_by, double share = 1) : layer(std::move(scores_by)), share_(share) {
    require(is_finite(share) && share >= 0, "a discriminator's share must be 0 or more, not ", share);
  }

  double share() const { return share_; }
  /// See settings_of.
  std::vector<double> settings() const { return settings_of(layer); }

  /// Throws ArgumentError for videos that the layer does not take, and where its result has not one of the shapes
  /// above.
  PreciseTensor<T, D> forward(const VideoBatch<T, D>& batch, Pass pass, Cache* cache = nullptr) {
    const Shape& videos = batch.videos.shape();
    require(videos.rank() == 5 && batch.videos.size() > 0,
            "a discriminator expects videos [T, N, H, W, C] with no extent of 0, not ", videos);
    const SpectralEstimates estimates(layer, pass);
    pass = estimates.in(pass);
    const Tensor<T, D> result = layer.forward(batch.videos, pass, part(cache, &Cache::layer));
    const auto [frames, count, features] = parts_of(result.shape());
    require(count == videos[1], "a discriminator's layer makes a tensor of shape ", result.shape(), " of ", videos[1],
            " videos; expected [N], [N, features] or [T, N, ...]");
    if (cache) cache->scored = result.shape();
    Tensor<P, D> by_frame(Shape{frames, count}), scores(Shape{count});
    D::sum_rows(frames * count, features, 1, result.data(), 1, by_frame.data(), false);
    D::sum_rows(1, frames, count, by_frame.data(), count, scores.data(), false);
    D::scale(count, mean_factor(frames * features), scores.data(), scores.data());
    return scores;
  }

  /// The gradient of the videos, empty unless wanted.
  Tensor<T, D> backward(const PreciseTensorView<T, D>& dscores, const Cache& cache, Gradients gradients) {
    require(cache.scored.rank() > 0,
            "the backward pass of a discriminator got a cache that no forward pass has filled");
    const auto [frames, count, features] = parts_of(cache.scored);
    check_gradient("a discriminator", dscores, {count});
    Tensor<P, D> scaled(dscores.shape());
    D::scale(count, mean_factor(frames * features), dscores.data(), scaled.data());
    const ConstTensorView<T, D> each = cast<T>(scaled);
    Tensor<T, D> frame(Shape{count, features}), dresult(cache.scored);
    D::broadcast_rows(count, features, 1, each.data(), frame.data());
    D::broadcast_rows(1, frames, frame.size(), frame.data(), dresult.data());
    return layer.backward(dresult, cache.layer, gradients);
  }

  template <class F>
  void visit(const std::string& prefix, F& f) {
    layer.visit(prefix, f);
  }

 private:
  struct Parts {
    Index frames, count, features;
  };

  /// Of the shape of a layer's result.
  static Parts parts_of(const Shape& shape) {
    if (shape.rank() <= 2) return {1, shape.rank() > 0 ? shape[0] : 0, shape.rank() == 2 ? shape[1] : 1};
    return {shape[0], shape[1], shape.size() / (shape[0] * shape[1])};
  }

  static P mean_factor(Index summed) { return static_cast<P>(1 / static_cast<double>(summed)); }

  double share_;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
