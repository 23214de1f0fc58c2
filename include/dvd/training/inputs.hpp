// What the updates of a training step are made from, whole or in parts.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <initializer_list>
#include <utility>
#include <vector>

#include "dvd/core/pass.hpp"
#include "dvd/layers/embedding.hpp"
#include "dvd/models/video_gan.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// The frames drawn for the discriminators that sample frames: an entry for each of them, in their order. A DVD-GAN has
/// one, so the frames of that one serve as well.
struct SampledFrames : std::vector<FrameIndices> {
  SampledFrames() = default;
  SampledFrames(FrameIndices of_the_only_one) : std::vector<FrameIndices>{std::move(of_the_only_one)} {}
  SampledFrames(std::initializer_list<FrameIndices> of_each) : std::vector<FrameIndices>(of_each) {}
};

/// What an update of the discriminators is made from. Frames are counted from the first one after those given.
template <Scalar T, Device D = Cpu>
struct DiscriminatorInputs {
  /// `[condition_frames + frames, R, H, W, C]`; generated videos continue the first frames of these, one each
  ConstTensorView<T, D> real;
  Labels real_labels;       ///< empty where the GAN has no classes, as all labels
  ConstTensorView<T, D> z;  ///< `[N, latent_dim]`
  Labels labels;
  SampledFrames real_frames, frames;  ///< of the real and of the generated videos
  Random random{};                    ///< what layers draw from that do something random
  ConstTensorView<T, D> real_vectors{},
      vectors{};       ///< `[R, condition_dim]`, `[N, condition_dim]`, where there are such
  BatchPlace place{};  ///< where others have the rest of the batch
  /// Classes that are not those of the first real videos, under which these stand in the place of as many generated
  /// ones, with the vectors of these: see TrainerOptions::mismatched.
  Labels other_classes{};
};

/// What an update of the generator is made from. Of the real videos, all is empty unless a loss sees their scores, too.
template <Scalar T, Device D = Cpu>
struct GeneratorInputs {
  ConstTensorView<T, D> z;  ///< `[N, latent_dim]`
  Labels labels;
  SampledFrames frames;
  ConstTensorView<T, D> condition{};  ///< `[condition_frames, N, H, W, C]`, to be continued; empty where there are none
  Random random{};                    ///< what layers draw from that do something random
  ConstTensorView<T, D> vectors{};    ///< `[N, condition_dim]`, where there are such
  ConstTensorView<T, D> real{};       ///< `[condition_frames + frames, R, H, W, C]`
  Labels real_labels{};
  SampledFrames real_frames{};
  ConstTensorView<T, D> real_vectors{};
  BatchPlace place{};  ///< where others have the rest of the batch
  /// `[frames, N / samples, H, W, C]`: what really follows, for a generator with a regularizer that makes `samples`
  /// videos of each; empty otherwise. Generated video number k N / samples + n is one of those under condition n.
  ConstTensorView<T, D> truth{};
};

/// The conditioning frames of real videos, empty if there are none.
template <Scalar T, Device D>
ConstTensorView<T, D> condition_of(const ConstTensorView<T, D>& real, Index condition_frames) {
  return condition_frames > 0 ? real.slice(0, condition_frames) : ConstTensorView<T, D>();
}

inline Labels part_of(const Labels& labels, Index first, Index count) {
  return labels.empty() ? labels : Labels(labels.begin() + first, labels.begin() + first + count);
}

inline SampledFrames part_of(const SampledFrames& frames, Index first, Index count) {
  SampledFrames part;
  for (const FrameIndices& each : frames) {
    const auto begin = each.values.begin() + first * each.count;
    part.push_back({count, each.count, std::vector<Index>(begin, begin + count * each.count)});
  }
  return part;
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
