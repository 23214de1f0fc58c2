// D_S of DVD-GAN: judges the content of single frames (section 3.2 of the paper).
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <vector>

#include "dvd/layers/attention.hpp"
#include "dvd/layers/finished_gradients.hpp"
#include "dvd/layers/frame_sampler.hpp"
#include "dvd/layers/recording_key.hpp"
#include "dvd/layers/residual_block.hpp"
#include "dvd/layers/spectral_estimates.hpp"
#include "dvd/models/config.hpp"
#include "dvd/models/projection_head.hpp"
#include "dvd/models/video_gan.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Scores `[N]` of videos `[T, N, H, W, C]` by k of their frames at full resolution, each judged on its own. A model
/// without classes is given no labels.
/// An attention, if there is one, takes the features at half the height and width, after the first block.
template <Scalar T, Device D = Cpu, VideoAttention Attention = NoAttention<T, D>,
          FrameSampling FrameSamplerType = FrameSampler>
class SpatialDiscriminator {
 public:
  using scalar_type = T;
  using device_type = D;
  using View = ConstTensorView<T, D>;
  using Scores = PreciseTensor<T, D>;
  using ScoresView = PreciseTensorView<T, D>;
  using Sampler = FrameSamplerType;
  static constexpr bool draws_at_random = detail::draws_at_random<Attention>;

  struct Cache {
    ChosenFrames<D> frames;
    Index total_frames;
    std::vector<typename ResBlock2D<T, D>::Cache> blocks;
    typename Attention::Cache attention;
    typename ProjectionHead<T, D>::Cache head;
  };

  std::vector<ResBlock2D<T, D>> blocks;
  Attention attention;
  ProjectionHead<T, D> head;

  /// Throws ArgumentError if the configuration makes no sense.
  SpatialDiscriminator(const DvdGanConfig& config, const Random& random)
      : attention(config.discriminator_widths().front(), random.stream("attention")),
        head(config.discriminator_widths().back(), config.classes, random.stream("head")),
        height_(config.image_height()),
        width_(config.image_width()),
        sampled_frames_(config.frames_judged()) {
    Index inputs = config.image_channels;
    const auto widths = config.discriminator_widths();
    for (std::size_t i = 0; i < widths.size(); ++i) {
      blocks.push_back({inputs, widths[i], i == 0, i + 1 < widths.size(), random.stream("block").stream(i)});
      inputs = widths[i];
    }
  }

  /// How many frames of every video it is given.
  Index sampled_frames() const { return sampled_frames_; }
  /// See settings_of.
  std::vector<double> settings() const { return settings_of(attention); }

  /// Judges the batch's chosen frames.
  Scores forward(const VideoBatch<T, D>& batch, Pass pass, Cache* cache = nullptr) {
    const auto& [video, labels, frames, vectors] = batch;
    head.check(frames.videos, labels);  // before any u advances
    Tensor<T, D> x = select_frames(video, frames);
    blocks.front().conv1.layer.check(x);
    require(x.extent(2) == height_ && x.extent(3) == width_, "the spatial discriminator expects videos of ", height_,
            "x", width_, " pixels, not of shape ", video.shape());
    const SpectralEstimates estimates(*this, pass);
    pass = estimates.in(pass);
    if (cache) {
      cache->frames = frames;
      cache->total_frames = video.extent(0);
      cache->blocks = std::vector<typename ResBlock2D<T, D>::Cache>(blocks.size());
    }
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      x = blocks[i].forward(x, pass, cache ? &cache->blocks[i] : nullptr);
      if (i == 0) x = attention.forward(std::move(x), pass, part(cache, &Cache::attention));
    }
    return head.forward(x, labels, pass, part(cache, &Cache::head));
  }

  /// The gradient of the videos, empty unless wanted.
  Tensor<T, D> backward(const ScoresView& dscores, const Cache& cache, Gradients gradients) {
    const Gradients inner = with_inputs(gradients);
    Tensor<T, D> dx = head.backward(dscores, cache.head, inner);
    tell_finished(gradients, head);
    for (std::size_t i = blocks.size(); i-- > 0;) {
      if (i == 0) dx = attention.backward(std::move(dx), cache.attention, inner);
      dx = blocks[i].backward(dx, cache.blocks[i], i > 0 ? inner : gradients);
      tell_finished(gradients, blocks[i]);
    }
    return wants_inputs(gradients) ? select_frames_backward(dx, cache.frames, cache.total_frames) : Tensor<T, D>();
  }

  template <class F>
  void visit(const std::string& prefix, F& f) {
    for (std::size_t i = 0; i < blocks.size(); ++i) blocks[i].visit(concat(prefix, "blocks.", i, "."), f);
    attention.visit(prefix + "attention.", f);
    head.visit(prefix, f);
  }

 private:
  Index height_, width_, sampled_frames_;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
