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
  Tensor<T, D> real;  ///< [T, N, R, R, 3]
  Labels real_labels;
  Tensor<T, D> z;  ///< [N, latent_dim]
  Labels labels;
  FrameIndices real_frames, frames;  ///< for D_S, of the real and of the generated videos
};

/// What an update of the generator is made from.
template <Scalar T, Device D = Cpu>
struct GeneratorInputs {
  Tensor<T, D> z;  ///< [N, latent_dim]
  Labels labels;
  FrameIndices frames;
};

/// What the discriminators are given: the real videos, then the generated ones.
template <Scalar T, Device D = Cpu>
struct JudgedVideos {
  Tensor<T, D> videos;  ///< [T, 2N, R, R, 3]
  Labels labels;
  FrameIndices frames;
};

template <Scalar T, Device D>
JudgedVideos<T, D> with_fakes(const DiscriminatorInputs<T, D>& inputs, const Tensor<T, D>& fake) {
  const Shape& shape = inputs.real.shape();
  const Index frame = shape[2] * shape[3] * shape[4], real_row = shape[1] * frame, fake_row = fake.extent(1) * frame;
  Tensor<T, D> videos(Shape{shape[0], shape[1] + fake.extent(1), shape[2], shape[3], shape[4]});
  D::copy_rows(1, shape[0], real_row, inputs.real.data(), 0, real_row, videos.data(), 0, real_row + fake_row);
  D::copy_rows(1, shape[0], fake_row, fake.data(), 0, fake_row, videos.data() + real_row, 0, real_row + fake_row);
  JudgedVideos<T, D> result{videos, inputs.real_labels, inputs.real_frames};
  result.labels.insert(result.labels.end(), inputs.labels.begin(), inputs.labels.end());
  result.frames.videos += inputs.frames.videos;
  result.frames.values.insert(result.frames.values.end(), inputs.frames.values.begin(), inputs.frames.values.end());
  return result;
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

/// How a part goes through the networks: u advances once a batch.
template <class Inputs>
Pass pass_for(const Inputs& part, const std::vector<Inputs>& parts) {
  return &part == &parts.front() ? Pass::train() : Pass::train_further();
}

}  // namespace dvd
