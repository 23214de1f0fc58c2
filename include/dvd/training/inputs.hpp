// What the updates of a training step are made from, whole or in parts.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <vector>

#include "dvd/core/pass.hpp"
#include "dvd/layers/embedding.hpp"
#include "dvd/layers/frame_sampler.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// What an update of the discriminators is made from.
template <Scalar T, Device D = Cpu>
struct DiscriminatorInputs {
  /// [condition_frames + frames, N, R, R, 3]; generated videos continue the conditioning frames
  ConstTensorView<T, D> real;
  Labels real_labels;
  ConstTensorView<T, D> z;  ///< [N, latent_dim]
  Labels labels;
  /// For D_S, of the real and of the generated videos, counted from the first frame after the conditioning ones.
  FrameIndices real_frames, frames;
  Random random{};  ///< what layers draw from that do something random
};

/// What an update of the generator is made from.
template <Scalar T, Device D = Cpu>
struct GeneratorInputs {
  ConstTensorView<T, D> z;  ///< [N, latent_dim]
  Labels labels;
  FrameIndices frames;
  ConstTensorView<T, D> condition{};  ///< [condition_frames, N, R, R, 3], to be continued; empty where there are none
  Random random{};                    ///< what layers draw from that do something random
};

/// The conditioning frames of real videos, empty if there are none.
template <Scalar T, Device D>
ConstTensorView<T, D> condition_of(const ConstTensorView<T, D>& real, Index condition_frames) {
  return condition_frames > 0 ? real.slice(0, condition_frames) : ConstTensorView<T, D>();
}

/// Frame indices that leave out the first `count` frames.
inline FrameIndices behind(FrameIndices frames, Index count) {
  for (Index& frame : frames.values) frame += count;
  return frames;
}

/// Labels of real and of generated videos as one batch.
inline Labels joined(Labels real, const Labels& fake) {
  real.insert(real.end(), fake.begin(), fake.end());
  return real;
}

/// Frames of real and of generated videos as one batch.
inline FrameIndices joined(FrameIndices real, const FrameIndices& fake) {
  real.videos += fake.videos;
  real.values.insert(real.values.end(), fake.values.begin(), fake.values.end());
  return real;
}

namespace detail {

/// An input of an update: a view of what was given or, where an array must stay in its place because the update is
/// recorded, of a copy.
template <Scalar T, Device D>
class Place {
 public:
  void put(const ConstTensorView<T, D>& value) {
    if constexpr (!D::Recording::replays) {
      view_ = value;
    } else {
      if (copy_)
        copy_.copy_from(value);
      else
        copy_ = value.clone();
      view_ = copy_;
    }
  }
  const ConstTensorView<T, D>& operator*() const { return view_; }

 private:
  Tensor<T, D> copy_;
  ConstTensorView<T, D> view_;
};

template <DeviceMemory D, class Value, class Place>
void put(const Value& value, Place& place) {
  if (D::Recording::replays && place.size() > 0)
    place.assign(value);
  else
    place = value;
}

}  // namespace detail

/// The inputs of an update of the discriminators, in the places on the device that the update reads them from: where
/// updates are recorded, those stay while `assign` brings in others.
template <Scalar T, Device D = Cpu>
struct DiscriminatorBatch {
  ConstTensorView<T, D> real, z;
  ConstTensorView<T, D> condition;  ///< what the generated videos continue, the first frames of the real ones; or empty
  Rows<D> labels;                   ///< of the generated videos
  Rows<D> judged_labels;            ///< of the real and of the generated videos
  /// For D_S, of the real and of the generated videos, the conditioning frames counted.
  ChosenFrames<D> judged_frames;
  Random random{};

  /// `condition_frames` is that of the model. Whatever was assigned before must have been as large.
  void assign(const DiscriminatorInputs<T, D>& inputs, Index condition_frames) {
    real_.put(inputs.real);
    z_.put(inputs.z);
    real = *real_;
    z = *z_;
    condition = condition_of<T, D>(real, condition_frames);
    detail::put<D>(inputs.labels, labels);
    detail::put<D>(joined(inputs.real_labels, inputs.labels), judged_labels);
    detail::put<D>(behind(joined(inputs.real_frames, inputs.frames), condition_frames), judged_frames);
    random = inputs.random;
  }

  /// Whether what was assigned before was as large.
  bool fits(const DiscriminatorInputs<T, D>& inputs) const {
    return real.shape() == inputs.real.shape() && z.shape() == inputs.z.shape() &&
           judged_frames.count == inputs.frames.count;
  }

  /// What the discriminators are given: the real videos, then the generated ones, which begin with the same
  /// conditioning frames. The temporal one sees the conditioning frames as well.
  Tensor<T, D> judged(const ConstTensorView<T, D>& fake) const {
    const Shape& shape = real.shape();
    const Index frames = shape[0], given = frames - fake.extent(0), frame = shape[2] * shape[3] * shape[4],
                real_row = shape[1] * frame, fake_row = fake.extent(1) * frame, row = real_row + fake_row;
    Tensor<T, D> videos(Shape{frames, shape[1] + fake.extent(1), shape[2], shape[3], shape[4]});
    D::copy_rows(1, frames, real_row, real.data(), 0, real_row, videos.data(), 0, row);
    if (given > 0) D::copy_rows(1, given, real_row, real.data(), 0, real_row, videos.data() + real_row, 0, row);
    D::copy_rows(1, frames - given, fake_row, fake.data(), 0, fake_row, videos[given].data() + real_row, 0, row);
    return videos;
  }

 private:
  detail::Place<T, D> real_, z_;
};

/// The same for an update of the generator.
template <Scalar T, Device D = Cpu>
struct GeneratorBatch {
  ConstTensorView<T, D> z, condition;
  Rows<D> labels, judged_labels;
  ChosenFrames<D> judged_frames;
  Random random{};

  void assign(const GeneratorInputs<T, D>& inputs, Index condition_frames) {
    z_.put(inputs.z);
    z = *z_;
    detail::put<D>(inputs.labels, labels);
    judged_labels = labels;
    detail::put<D>(behind(inputs.frames, condition_frames), judged_frames);
    if (inputs.condition) condition_.put(inputs.condition);
    condition = *condition_;
    random = inputs.random;
  }

  bool fits(const GeneratorInputs<T, D>& inputs) const {
    return z.shape() == inputs.z.shape() && condition.shape() == inputs.condition.shape() &&
           judged_frames.count == inputs.frames.count;
  }

  /// What the discriminators are given: the generated videos behind the conditioning frames that they continue.
  Tensor<T, D> judged(Tensor<T, D> fake) const {
    if (!condition) return fake;
    const Index given = condition.extent(0);
    const Shape& shape = fake.shape();
    Tensor<T, D> videos(Shape{given + shape[0], shape[1], shape[2], shape[3], shape[4]});
    videos.slice(0, given).copy_from(condition);
    videos.slice(given, shape[0]).copy_from(fake);
    return videos;
  }

 private:
  detail::Place<T, D> z_, condition_;
};

inline Labels part_of(const Labels& labels, Index first, Index count) {
  return Labels(labels.begin() + first, labels.begin() + first + count);
}

inline FrameIndices part_of(const FrameIndices& frames, Index first, Index count) {
  const auto begin = frames.values.begin() + first * frames.count;
  return {count, frames.count, std::vector<Index>(begin, begin + count * frames.count)};
}

/// A part's share of its batch: what its mean loss counts.
template <class Batch>
double share_of(const Batch& part, const std::vector<Batch>& parts) {
  Index total = 0;
  for (const Batch& each : parts) total += each.labels.size();
  return static_cast<double>(part.labels.size()) / static_cast<double>(total);
}

/// How a part goes through the networks: u advances once a batch. Refers to the part.
template <class Batch>
Pass pass_for(const Batch& part, const std::vector<Batch>& parts) {
  Pass pass = &part == &parts.front() ? Pass::train() : Pass::train_further();
  pass.random = &part.random;
  return pass;
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
