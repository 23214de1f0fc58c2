// Batches of training clips on a device.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <utility>
#include <variant>
#include <vector>

#include "dvd/data/clip_source.hpp"
#include "dvd/io/clip_tensor.hpp"
#include "dvd/layers/embedding.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Videos `[T, N, H, W, P]`, in [-1, 1] if they were bytes, with the label of each (0 where there are no classes), and
/// what they are conditioned on `[N, dim]`; empty where there is no such thing.
template <Scalar T, Device D = Cpu>
struct Batch {
  Tensor<T, D> videos;
  Labels labels;
  Tensor<T, D> conditions;
};

/// Clips `first` .. `first + count - 1` of some on a device. Throws ArgumentError where they differ in sizes or in the
/// length of their conditions, and for what is malformed or not finite.
template <Scalar T, Device D = Cpu>
Batch<T, D> to_batch(const std::vector<TrainingClip>& clips, Index first, Index count) {
  require(first >= 0 && count >= 1 && first + count <= static_cast<Index>(clips.size()), "a batch of ", count,
          " clips from number ", first, " on cannot be made of ", clips.size());
  const auto clip = [&](Index n) -> const TrainingClip& { return clips[static_cast<std::size_t>(first + n)]; };
  const ClipSize size = clip(0).size();
  const std::size_t numbers = clip(0).condition.size();
  Batch<T, D> batch;
  std::vector<T> conditions;
  for (Index n = 0; n < count; ++n) {
    detail::check_same_size(size, clip(n).size());
    require(clip(n).condition.size() == numbers, "clips of one batch must be conditioned on as many numbers, not ",
            numbers, " and ", clip(n).condition.size());
    check_pixels(clip(n));
    batch.labels.push_back(clip(n).label);
    for (const float number : clip(n).condition) conditions.push_back(T(number));
  }
  batch.videos = detail::stack_clips<T, D>(
      size, count, [&](const detail::ClipValues<T>& values, Index n, Index t, Index frame, T* to) {
        std::visit([&](const auto& either) { values.copy_frame(either, t, frame, to); }, clip(n).clip);
      });
  if (numbers > 0) batch.conditions = Tensor<T, D>(Shape{count, static_cast<Index>(numbers)}, conditions);
  return batch;
}

/// `count` clips, drawn on all cores, on a device; clip number n comes from `random.stream(n)`.
template <Scalar T, Device D = Cpu, ClipSource Source>
Batch<T, D> draw_batch(Source& source, const Random& random, Index count) {
  return to_batch<T, D>(draw_clips(source, random, count), 0, count);
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
