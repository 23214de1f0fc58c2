// D_T of DVD-GAN: judges the movement of the whole video at a lower resolution (section 3.2 of the paper).
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <concepts>
#include <vector>

#include "dvd/layers/attention.hpp"
#include "dvd/layers/finished_gradients.hpp"
#include "dvd/layers/recording_key.hpp"
#include "dvd/layers/residual_block.hpp"
#include "dvd/layers/spectral_estimates.hpp"
#include "dvd/layers/temporal_downsampler.hpp"
#include "dvd/models/config.hpp"
#include "dvd/models/projection_head.hpp"
#include "dvd/models/video_gan.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Scores `[N]` of videos `[T, N, H, W, C]` after a TemporalDownsampler. The first two blocks are three-dimensional and
/// halve time while they can; the frames that remain are judged by the other blocks one by one. The last block halves
/// nothing, be it the third or, in a model of one stage, the second. Where halving meets an odd height or width, it
/// drops the last row or column. A model without classes is given no labels.
/// An attention, if there is one, takes the features after the first block.
template <Scalar T, Device D = Cpu, TemporalDownsampling Downsampler = TemporalDownsampler<T, D>,
          VideoAttention Attention = NoAttention<T, D>>
class TemporalDiscriminator {
 public:
  using scalar_type = T;
  using device_type = D;
  using View = ConstTensorView<T, D>;
  using Scores = PreciseTensor<T, D>;
  using ScoresView = PreciseTensorView<T, D>;

  static constexpr std::size_t volumetric_blocks = 2;
  static constexpr bool draws_at_random = detail::draws_at_random<Downsampler> || detail::draws_at_random<Attention>;

  struct Cache {
    typename Downsampler::Cache downsampler;
    std::vector<typename ResBlock3D<T, D>::Cache> video_blocks;
    typename Attention::Cache attention;
    std::vector<typename ResBlock2D<T, D>::Cache> frame_blocks;
    typename ProjectionHead<T, D>::Cache head;
  };

  Downsampler downsampler;
  std::vector<ResBlock3D<T, D>> video_blocks;
  Attention attention;
  std::vector<ResBlock2D<T, D>> frame_blocks;
  ProjectionHead<T, D> head;

  /// Throws ArgumentError if the configuration makes no sense, or if the downsampler leaves too little of its videos.
  TemporalDiscriminator(const DvdGanConfig& config, const Random& random)
      : attention(config.discriminator_widths().front(), random.stream("attention")),
        head(config.discriminator_widths().back(), config.classes, random.stream("head")),
        height_(config.image_height()),
        width_(config.image_width()),
        image_channels_(config.image_channels) {
    Index inputs = image_channels_;
    const auto widths = config.discriminator_widths();
    for (std::size_t i = 0; i < widths.size(); ++i) {
      const bool down = i + 1 < widths.size();
      const Random own = random.stream("block").stream(i);
      if (i < volumetric_blocks)
        video_blocks.push_back({inputs, widths[i], i == 0, down, own});
      else
        frame_blocks.push_back({inputs, widths[i], false, down, own});
      inputs = widths[i];
    }
    // Every block but the last halves, down to a pixel; after the first one, attention over a frame needs two.
    const Index halvings = Index{1} << config.stages();
    const Index needed = std::same_as<Attention, SelfAttention<T, D>> ? std::max<Index>(halvings, 4) : halvings;
    const Index height = height_ / Downsampler::factor, width = width_ / Downsampler::factor;
    require(std::min(height, width) >= needed, "the temporal downsampler leaves ", height, "x", width, " of ", height_,
            "x", width_, " pixels, but the temporal discriminator needs at least ", needed, "x", needed);
  }

  /// See settings_of.
  std::vector<double> settings() const { return settings_of(downsampler, attention); }

  Scores forward(const VideoBatch<T, D>& batch, Pass pass, Cache* cache = nullptr) {
    const View& video = batch.videos;
    const Rows<D>& labels = batch.labels;
    const Shape& shape = video.shape();
    require(shape.rank() == 5 && shape.size() > 0 && shape[2] == height_ && shape[3] == width_ &&
                shape[4] == image_channels_,
            "the temporal discriminator expects videos [T, N, ", height_, ", ", width_, ", ", image_channels_,
            "] with no extent of 0, not ", shape);
    head.check(shape[1], labels);  // before any u advances
    const SpectralEstimates estimates(*this, pass);
    pass = estimates.in(pass);
    if (cache) {
      cache->video_blocks = std::vector<typename ResBlock3D<T, D>::Cache>(video_blocks.size());
      cache->frame_blocks = std::vector<typename ResBlock2D<T, D>::Cache>(frame_blocks.size());
    }
    Tensor<T, D> x = downsampler.forward(video, pass, part(cache, &Cache::downsampler));
    for (std::size_t i = 0; i < video_blocks.size(); ++i) {
      x = video_blocks[i].forward(x, pass, cache ? &cache->video_blocks[i] : nullptr);
      if (i == 0) x = attention.forward(std::move(x), pass, part(cache, &Cache::attention));
    }
    for (std::size_t i = 0; i < frame_blocks.size(); ++i)
      x = frame_blocks[i].forward(x, pass, cache ? &cache->frame_blocks[i] : nullptr);
    return head.forward(x, labels, pass, part(cache, &Cache::head));
  }

  /// The gradient of the videos, empty unless wanted.
  Tensor<T, D> backward(const ScoresView& dscores, const Cache& cache, Gradients gradients) {
    const Gradients inner = with_inputs(gradients);
    Tensor<T, D> dx = head.backward(dscores, cache.head, inner);
    tell_finished(gradients, head);
    for (std::size_t i = frame_blocks.size(); i-- > 0;) {
      dx = frame_blocks[i].backward(dx, cache.frame_blocks[i], inner);
      tell_finished(gradients, frame_blocks[i]);
    }
    const bool learned = !contents(downsampler).parameters.empty();  // then it wants a gradient, too
    for (std::size_t i = video_blocks.size(); i-- > 0;) {
      if (i == 0) dx = attention.backward(std::move(dx), cache.attention, inner);
      dx = video_blocks[i].backward(dx, cache.video_blocks[i], i > 0 || learned ? inner : gradients);
      tell_finished(gradients, video_blocks[i]);
    }
    return wants_inputs(gradients) || learned ? downsampler.backward(dx, cache.downsampler, gradients) : Tensor<T, D>();
  }

  template <class F>
  void visit(const std::string& prefix, F& f) {
    downsampler.visit(prefix + "downsampler.", f);
    for (std::size_t i = 0; i < video_blocks.size(); ++i) video_blocks[i].visit(concat(prefix, "blocks.", i, "."), f);
    for (std::size_t i = 0; i < frame_blocks.size(); ++i)
      frame_blocks[i].visit(concat(prefix, "blocks.", volumetric_blocks + i, "."), f);
    attention.visit(prefix + "attention.", f);
    head.visit(prefix, f);
  }

 private:
  Index height_, width_, image_channels_;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
