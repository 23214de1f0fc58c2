// The inputs of an update in the places on the device that it reads them from.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "dvd/training/inputs.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

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
      if (copy_ && value)
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

/// Labels of real and of generated videos as one batch.
inline Labels joined(Labels real, const Labels& fake) {
  real.insert(real.end(), fake.begin(), fake.end());
  return real;
}

/// Frames of real and of generated videos as one batch, counted from the first of all.
inline FrameIndices joined(FrameIndices real, const FrameIndices& fake, Index given) {
  real.videos += fake.videos;
  real.count = fake.count;
  real.values.insert(real.values.end(), fake.values.begin(), fake.values.end());
  for (Index& frame : real.values) frame += given;
  return real;
}

/// Rows of one tensor, then those of another; either may be empty.
template <Scalar T, Device D>
ConstTensorView<T, D> joined_rows(const ConstTensorView<T, D>& first, const ConstTensorView<T, D>& second) {
  if (!first || !second) return first ? first : second;
  Tensor<T, D> both(first.shape().with_first(first.extent(0) + second.extent(0)));
  both.slice(0, first.extent(0)).copy_from(first);
  both.slice(first.extent(0), second.extent(0)).copy_from(second);
  return both;
}

}  // namespace detail

/// What an update of discriminators or generator reads, on the device: where updates are recorded, all stays in its
/// place while `assign` brings in other values.
template <Scalar T, Device D = Cpu>
class UpdateBatch {
 public:
  ConstTensorView<T, D> z;
  Conditions<T, D> conditions;  ///< of the generated videos
  Random random{};
  BatchPlace place{};  ///< where others have the rest of the batch

  /// `condition_frames` is that of the GAN. Whatever was assigned before must have been as large. `real_apart`: there
  /// will be a call of `real`.
  void assign(const DiscriminatorInputs<T, D>& inputs, Index condition_frames, bool real_apart = false) {
    real_.put(inputs.real);
    mismatched_ = static_cast<Index>(inputs.other_classes.size());
    put(inputs, condition_of<T, D>(*real_, condition_frames), condition_frames);
    if (!real_apart) return;
    detail::put<D>(inputs.real_labels, real_labels_);
    put_frames(inputs.real_frames, condition_frames, real_frames_);
  }
  void assign(const GeneratorInputs<T, D>& inputs, Index condition_frames) {
    real_.put(inputs.real);
    condition_.put(inputs.condition);
    truth_.put(inputs.truth);
    put(inputs, *condition_, condition_frames);
  }

  /// Whether what was assigned before was as large.
  template <class Inputs>
  bool fits(const Inputs& inputs) const {
    bool fits = z.shape() == inputs.z.shape() && real_count() == inputs_real_count(inputs) &&
                mismatched_ == static_cast<Index>(other_classes(inputs).size()) &&
                frames_.size() == inputs.frames.size();
    for (std::size_t i = 0; fits && i < frames_.size(); ++i) fits = frames_[i].count == inputs.frames[i].count;
    return fits;
  }

  /// How many real videos there are, which come first in what the discriminators are given.
  Index real_count() const { return *real_ ? (*real_).extent(1) : 0; }
  Index fake_count() const { return z.extent(0); }
  /// Generated videos of the whole batch, of which this may be a part.
  Index fake_count_of_all() const { return place.of_all(fake_count()); }

  /// What the discriminators are given: the real videos, if there are any, then the generated ones behind the frames
  /// that they continue, the first of them replaced by as many real ones as are to be seen under another class. Each
  /// discriminator's own frames come with `seen_by`.
  VideoBatch<T, D> videos(Tensor<T, D> fake) const {
    const ConstTensorView<T, D>& real = *real_;
    const Index given = conditions.frames ? conditions.frames.extent(0) : 0;
    if (!real && given == 0) return {fake, labels_, {}, *vectors_};
    const Shape& shape = fake.shape();
    const Index frames = given + shape[0], frame = shape[2] * shape[3] * shape[4], real_row = real_count() * frame,
                fake_row = shape[1] * frame, row = real_row + fake_row;
    Tensor<T, D> all(Shape{frames, real_count() + shape[1], shape[2], shape[3], shape[4]});
    if (real) D::copy_rows(1, frames, real_row, real.data(), 0, real_row, all.data(), 0, row);
    if (given > 0)
      D::copy_rows(1, given, fake_row, conditions.frames.data(), 0, fake_row, all.data() + real_row, 0, row);
    D::copy_rows(1, shape[0], fake_row, fake.data(), 0, fake_row, all[given].data() + real_row, 0, row);
    if (mismatched_ > 0)
      D::copy_rows(1, frames, mismatched_ * frame, real.data(), 0, real_row, all.data() + real_row, 0, row);
    return {all, labels_, {}, *vectors_};
  }

  /// Of what `videos` gave and discriminators are given, the real videos alone; for a discriminator that samples frames
  /// those of number `sampler`.
  VideoBatch<T, D> real(const VideoBatch<T, D>& all, std::optional<std::size_t> sampler) const {
    const Shape& shape = all.videos.shape();
    const Index frame = shape[2] * shape[3] * shape[4], row = real_count() * frame;
    Tensor<T, D> videos(Shape{shape[0], real_count(), shape[2], shape[3], shape[4]});
    D::copy_rows(1, shape[0], row, all.videos.data(), 0, shape[1] * frame, videos.data(), 0, row);
    return {videos, real_labels_, sampler ? real_frames_[*sampler] : ChosenFrames<D>(),
            all.vectors ? all.vectors.slice(0, real_count()) : all.vectors};
  }

  /// What really follows where the generator's videos are compared with it: `[frames, N / samples, H, W, C]`.
  const ConstTensorView<T, D>& truth() const { return *truth_; }

  /// The part of a gradient of `videos` that is of what was generated: `frames` frames, no conditioning ones.
  ConstTensorView<T, D> generated(const ConstTensorView<T, D>& dvideos, Index frames) const {
    ConstTensorView<T, D> made = dvideos.slice(dvideos.extent(0) - frames, frames);
    if (real_count() == 0) return made;
    const Shape& shape = made.shape();
    const Index frame = shape[2] * shape[3] * shape[4], row = shape[1] * frame, fake_row = fake_count() * frame;
    Tensor<T, D> fake(Shape{frames, fake_count(), shape[2], shape[3], shape[4]});
    D::copy_rows(1, frames, fake_row, made.data() + real_count() * frame, 0, row, fake.data(), 0, fake_row);
    return fake;
  }

  /// The frames drawn for sampling discriminator number `sampler`, counted from 0.
  const ChosenFrames<D>& frames(std::size_t sampler) const { return frames_[sampler]; }

 private:
  template <class Inputs>
  static Index inputs_real_count(const Inputs& inputs) {
    return inputs.real ? inputs.real.extent(1) : 0;
  }

  static Labels other_classes(const DiscriminatorInputs<T, D>& inputs) { return inputs.other_classes; }
  static Labels other_classes(const GeneratorInputs<T, D>&) { return {}; }

  template <class Inputs>
  void put(const Inputs& inputs, const ConstTensorView<T, D>& condition, Index condition_frames) {
    z_.put(inputs.z);
    z = *z_;
    fake_vectors_.put(inputs.vectors);
    vectors_.put(detail::joined_rows<T, D>(inputs.real_vectors, inputs.vectors));
    detail::put<D>(inputs.labels, conditions.labels);
    conditions.frames = condition;
    conditions.vectors = *fake_vectors_;
    const Labels others = other_classes(inputs);
    Labels of_fake = inputs.labels;
    std::copy(others.begin(), others.end(), of_fake.begin());
    detail::put<D>(detail::joined(inputs.real_labels, of_fake), labels_);
    frames_.resize(inputs.frames.size());
    for (std::size_t i = 0; i < frames_.size(); ++i)
      detail::put<D>(detail::joined(inputs.real_frames.empty() ? FrameIndices() : inputs.real_frames[i],
                                    inputs.frames[i], condition_frames),
                     frames_[i]);
    random = inputs.random;
    place = inputs.place;
  }

  static void put_frames(const SampledFrames& drawn, Index condition_frames, std::vector<ChosenFrames<D>>& places) {
    places.resize(drawn.size());
    for (std::size_t i = 0; i < drawn.size(); ++i)
      detail::put<D>(detail::joined(FrameIndices(), drawn[i], condition_frames), places[i]);
  }

  Index mismatched_ = 0;  ///< real videos that stand in the place of generated ones
  detail::Place<T, D> z_, real_, condition_, truth_, fake_vectors_, vectors_;
  Rows<D> labels_;                       ///< under which real and generated videos are seen
  std::vector<ChosenFrames<D>> frames_;  ///< the same, of each discriminator that samples frames
  Rows<D> real_labels_;                  ///< of the real videos alone
  std::vector<ChosenFrames<D>> real_frames_;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
