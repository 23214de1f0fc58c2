// What the updates of a training step are made from, whole or in parts.
#pragma once

#include <vector>

#include "dvd/core/pass.hpp"
#include "dvd/layers/embedding.hpp"
#include "dvd/layers/frame_sampler.hpp"

namespace dvd {

/// What an update of the discriminators is made from.
template <Scalar T, Device D = Cpu>
struct DiscriminatorInputs {
  Tensor<T, D> real;  ///< [condition_frames + frames, N, R, R, 3]; generated videos continue the conditioning frames
  Labels real_labels;
  Tensor<T, D> z;  ///< [N, latent_dim]
  Labels labels;
  /// For D_S, of the real and of the generated videos, counted from the first frame after the conditioning ones.
  FrameIndices real_frames, frames;
  Random random{};  ///< what layers draw from that do something random
};

/// What an update of the generator is made from.
template <Scalar T, Device D = Cpu>
struct GeneratorInputs {
  Tensor<T, D> z;  ///< [N, latent_dim]
  Labels labels;
  FrameIndices frames;
  Tensor<T, D> condition{};  ///< [condition_frames, N, R, R, 3], to be continued; empty where there are none
  Random random{};           ///< what layers draw from that do something random
};

/// What the discriminators are given. The temporal one sees the conditioning frames as well; the spatial one's indices
/// begin behind them.
template <Scalar T, Device D = Cpu>
struct JudgedVideos {
  Tensor<T, D> videos;  ///< [condition_frames + frames, N, R, R, 3]
  Labels labels;
  FrameIndices frames;
};

/// The conditioning frames of real videos, empty if there are none.
template <Scalar T, Device D>
Tensor<T, D> condition_of(const Tensor<T, D>& real, Index condition_frames) {
  return condition_frames > 0 ? real.slice(0, condition_frames) : Tensor<T, D>();
}

/// Frame indices that leave out the first `count` frames.
inline FrameIndices behind(FrameIndices frames, Index count) {
  for (Index& frame : frames.values) frame += count;
  return frames;
}

/// The real videos, then the generated ones, which begin with the same conditioning frames.
template <Scalar T, Device D>
JudgedVideos<T, D> with_fakes(const DiscriminatorInputs<T, D>& inputs, const Tensor<T, D>& fake) {
  const Shape& shape = inputs.real.shape();
  const Index frames = shape[0], given = frames - fake.extent(0), frame = shape[2] * shape[3] * shape[4],
              real_row = shape[1] * frame, fake_row = fake.extent(1) * frame, row = real_row + fake_row;
  Tensor<T, D> videos(Shape{frames, shape[1] + fake.extent(1), shape[2], shape[3], shape[4]});
  D::copy_rows(1, frames, real_row, inputs.real.data(), 0, real_row, videos.data(), 0, row);
  if (given > 0) D::copy_rows(1, given, real_row, inputs.real.data(), 0, real_row, videos.data() + real_row, 0, row);
  D::copy_rows(1, frames - given, fake_row, fake.data(), 0, fake_row, videos[given].data() + real_row, 0, row);
  JudgedVideos<T, D> result{videos, inputs.real_labels, behind(inputs.real_frames, given)};
  result.labels.insert(result.labels.end(), inputs.labels.begin(), inputs.labels.end());
  const FrameIndices of_fakes = behind(inputs.frames, given);
  result.frames.videos += of_fakes.videos;
  result.frames.values.insert(result.frames.values.end(), of_fakes.values.begin(), of_fakes.values.end());
  return result;
}

/// Generated videos alone, behind the conditioning frames that they continue.
template <Scalar T, Device D>
JudgedVideos<T, D> continued(const GeneratorInputs<T, D>& inputs, const Tensor<T, D>& fake) {
  if (!inputs.condition) return {fake, inputs.labels, inputs.frames};
  const Index given = inputs.condition.extent(0);
  const Shape& shape = fake.shape();
  Tensor<T, D> videos(Shape{given + shape[0], shape[1], shape[2], shape[3], shape[4]});
  videos.slice(0, given).copy_from(inputs.condition);
  videos.slice(given, shape[0]).copy_from(fake);
  return {videos, inputs.labels, behind(inputs.frames, given)};
}

inline Labels part_of(const Labels& labels, Index first, Index count) {
  return Labels(labels.begin() + first, labels.begin() + first + count);
}

inline FrameIndices part_of(const FrameIndices& frames, Index first, Index count) {
  const auto begin = frames.values.begin() + first * frames.count;
  return {count, frames.count, std::vector<Index>(begin, begin + count * frames.count)};
}

/// A part's share of its batch: what its mean loss counts.
template <class Inputs>
double share_of(const Inputs& part, const std::vector<Inputs>& parts) {
  std::size_t total = 0;
  for (const Inputs& each : parts) total += each.labels.size();
  return static_cast<double>(part.labels.size()) / static_cast<double>(total);
}

/// How a part goes through the networks: u advances once a batch. Refers to the part.
template <class Inputs>
Pass pass_for(const Inputs& part, const std::vector<Inputs>& parts) {
  Pass pass = &part == &parts.front() ? Pass::train() : Pass::train_further();
  pass.random = &part.random;
  return pass;
}

}  // namespace dvd
