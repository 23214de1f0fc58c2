// Differentiable augmentation: DiffAugment (Zhao, Liu, Lin, Zhu, Han 2020, "Differentiable Augmentation for
// Data-Efficient GAN Training", arXiv 2006.10738), for videos.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <utility>
#include <vector>

#include "dvd/core/arrays.hpp"
#include "dvd/layers/augmentation_options.hpp"
#include "dvd/layers/layer.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Changes videos `[T, N, H, W, C]` at random, each in its own way and all of its frames alike. In front of all
/// discriminators, for real and for generated videos, and with its gradient handed on to the generator, it keeps
/// discriminators from learning few videos by heart: see TrainerOptions::augment. What is switched on, in this order:
///
///     flip         with probability 1/2, y[h, w] = x[h, W - 1 - w]; this one is not DiffAugment's
///     color        y = x + b, b in [-0.5, 0.5); then y = m + s (x - m), s in [0, 2), m the mean of a pixel's channels;
///                  then y = m + k (x - m), k in [0.5, 1.5), m the mean of the whole video
///     translation  y[h, w] = x[h - down, w - right], or 0 where that lies outside; down and right are whole numbers of
///                  pixels, up to part * H and part * W (rounded) either way
///     cutout       y = 0 in a rectangle of part * H x part * W pixels (rounded), its middle anywhere in the image
///
/// Contrast goes by the mean of the whole video, not of each frame, so that a fade stays a fade. Any number of channels
/// will do; saturation changes nothing where there is one.
///
/// What a video gets depends on the pass's random numbers and on its number in the whole batch alone (Pass::place): a
/// pass that is run again does the same, and so do the parts of a batch together. Real and generated videos that go
/// through in one pass get each their own. In a pass without the batch's statistics (Pass::evaluate) or without random
/// numbers (Pass::random) y = x.
///
/// All of it is affine in x, and the backward pass is the transposed map at the same price: a pass over the videos for
/// flip and translation together, about five for colour, which works on channels that lie apart, and the rectangle for
/// cutout. The cache holds no videos. A recording (see Recording in core/device.hpp) would repeat what was drawn when
/// it was made: a pass that augments is not to be recorded.
template <Scalar T, Device D = Cpu>
class Augmentation {
 public:
  using scalar_type = T;
  using device_type = D;
  using View = ConstTensorView<T, D>;
  static constexpr bool draws_at_random = true;  ///< its work differs from pass to pass

  struct Cache {
    Shape shape;                           ///< of the videos
    std::vector<DrawnAugmentation> draws;  ///< of each of them; none where y = x
  };

  /// Throws ArgumentError for options that make no sense.
  explicit Augmentation(const AugmentationOptions& options = {}) : options_((options.validate(), options)) {}

  const AugmentationOptions& options() const { return options_; }

  /// Throws ArgumentError unless x is videos with no extent of 0.
  Tensor<T, D> forward(const View& x, Pass pass, Cache* cache = nullptr) const {
    require(x.shape().rank() == 5 && x.size() > 0,
            "an augmentation expects videos [T, N, H, W, C] with no extent of 0, not ", x.shape());
    Cache own;
    Cache& c = cache ? *cache : own;
    c = {x.shape(), {}};
    if (!options_.any() || !pass.random || !pass.batch_statistics) return x.clone();
    const Random random = pass.random->stream("augmentation");
    for (Index n = 0; n < x.extent(1); ++n)
      c.draws.push_back(
          DrawnAugmentation::draw(options_, random, static_cast<std::uint64_t>(pass.place.number(n)), x.shape()));
    // Mirrored after its colours have changed, which comes to the same, and in one go with being moved.
    Tensor<T, D> y = options_.color ? colored(x, c.draws, true) : Tensor<T, D>();
    if (moves()) y = moved(y ? View(y) : x, c.draws, false);
    if (!y) y = x.clone();
    cut_out(y, c.draws);
    return y;
  }

  /// The gradient of x, empty unless wanted.
  Tensor<T, D> backward(const View& dy, const Cache& cache, Gradients gradients) const {
    require(cache.shape.rank() == 5,
            "the backward pass of an augmentation got a cache that no forward pass has filled");
    check_gradient("an augmentation", dy, cache.shape);
    if (!wants_inputs(gradients)) return {};
    Tensor<T, D> dx = dy.clone();
    if (cache.draws.empty()) return dx;
    cut_out(dx, cache.draws);
    if (moves()) dx = moved(dx, cache.draws, true);
    if (options_.color) dx = colored(dx, cache.draws, false);
    return dx;
  }

  template <class F>
  void visit(const std::string&, F&) {}

 private:
  using P = FullPrecision<T>;
  using Draws = std::vector<DrawnAugmentation>;

  bool moves() const { return options_.flip || options_.translation > 0; }

  /// With brightness b, saturation s and contrast k, k s x + k (1 - s) (mean over channels) + (1 - k) (mean over the
  /// video) + b. Transposed it is the same without b.
  static Tensor<T, D> colored(const View& x, const Draws& draws, bool brighten) {
    const Shape& shape = x.shape();
    const Index frames = shape[0], videos = shape[1], area = shape[2] * shape[3], channels = shape[4],
                images = frames * videos, pixels = images * area;
    const auto of_draws = [&](Index times, const auto& value) {
      std::vector<P> values;
      for (Index i = 0; i < times; ++i)
        for (const DrawnAugmentation& drawn : draws) values.push_back(static_cast<P>(value(drawn)));
      return PreciseTensor<T, D>(Shape{times, videos}, values);
    };
    const auto saturation = [&](const DrawnAugmentation& drawn) { return channels == 1 ? 1 : drawn.saturation; };
    const auto own_share = of_draws(channels * frames, [&](const auto& d) { return d.contrast * saturation(d); });
    const auto pixel_share = of_draws(
        frames, [&](const auto& d) { return d.contrast * (1 - saturation(d)) / static_cast<double>(channels); });
    const auto video_share =
        of_draws(1, [&](const auto& d) { return (1 - d.contrast) / static_cast<double>(frames * area * channels); });
    const auto brightness = of_draws(1, [&](const auto& d) { return brighten ? d.brightness : 0; });

    // Channel by channel, as sums over them are then sums of arrays.
    Tensor<T, D> planes(Shape{channels, pixels}), mixed(Shape{channels, pixels}), y(shape);
    PreciseTensor<T, D> of_pixels(Shape{pixels}), of_frames(Shape{images}), of_videos(Shape{videos}),
        per_video(Shape{videos}), shift(Shape{images}), added(Shape{pixels});
    D::transpose(1, pixels, channels, x.data(), planes.data());
    D::sum_rows(1, channels, pixels, planes.data(), pixels, of_pixels.data(), false);
    D::sum_rows(images, area, 1, of_pixels.data(), 1, of_frames.data(), false);
    D::sum_rows(1, frames, videos, of_frames.data(), videos, of_videos.data(), false);
    D::scale_shift(1, 1, videos, of_videos.data(), video_share.data(), brightness.data(), false, per_video.data());
    D::broadcast_rows(1, frames, videos, per_video.data(), shift.data());
    D::scale_shift(images, area, 1, of_pixels.data(), pixel_share.data(), shift.data(), false, added.data());
    D::scale_rows(channels * images, area, own_share.data(), planes.data(), mixed.data());
    const ConstTensorView<T, D> everywhere = cast<T>(added);
    for (Index c = 0; c < channels; ++c) D::add(pixels, everywhere.data(), mixed[c].data());
    D::transpose(1, channels, pixels, mixed.data(), y.data());
    return y;
  }

  /// Mirrored and moved, 0 where nothing comes in; or, if `back`, the other way.
  Tensor<T, D> moved(const View& x, const Draws& draws, bool back) const {
    const Shape& shape = x.shape();
    const Index channels = shape[4], row = shape[3] * channels, video = shape[2] * row, frame = shape[1] * video;
    Tensor<T, D> y(shape);
    if (options_.translation > 0) y.fill(T(0));
    std::vector<RowsToCopy<T>> list;
    for (Index n = 0; n < shape[1]; ++n) {
      const DrawnAugmentation& drawn = draws[static_cast<std::size_t>(n)];
      const Index rows = shape[2] - std::abs(drawn.down), columns = shape[3] - std::abs(drawn.right);
      if (rows <= 0 || columns <= 0) continue;
      // What stays inside: its first pixel and the way to the next one, before and behind.
      const Index column = std::max<Index>(-drawn.right, 0), mirrored = shape[3] - 1 - column;
      Index from = n * video + std::max<Index>(-drawn.down, 0) * row + (drawn.flip ? mirrored : column) * channels,
            to = n * video + std::max<Index>(drawn.down, 0) * row + std::max<Index>(drawn.right, 0) * channels,
            from_step = drawn.flip ? -channels : channels, to_step = channels;
      if (back) {
        std::swap(from, to);
        std::swap(from_step, to_step);
      }
      if (!drawn.flip) {
        list.push_back({shape[0], rows, columns * channels, x.data() + from, frame, row, y.data() + to, frame, row});
        continue;
      }
      for (Index t = 0; t < shape[0]; ++t)
        list.push_back({rows, columns, channels, x.data() + t * frame + from, row, from_step, y.data() + t * frame + to,
                        row, to_step});
    }
    D::copy_rows(list);
    return y;
  }

  void cut_out(Tensor<T, D>& y, const Draws& draws) const {
    if (options_.cutout == 0) return;
    const Shape& shape = y.shape();
    const Index channels = shape[4], row = shape[3] * channels, video = shape[2] * row, frame = shape[1] * video;
    const auto zeros = Tensor<T, D>::zeros(Shape{row});
    std::vector<RowsToCopy<T>> list;
    for (Index n = 0; n < shape[1]; ++n) {
      const DrawnAugmentation& drawn = draws[static_cast<std::size_t>(n)];
      if (drawn.height == 0 || drawn.width == 0) continue;
      list.push_back({shape[0], drawn.height, drawn.width * channels, zeros.data(), 0, 0,
                      y.data() + n * video + drawn.top * row + drawn.left * channels, frame, row});
    }
    D::copy_rows(list);
  }

  AugmentationOptions options_;
};

static_assert(Layer<Augmentation<float>>);

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
