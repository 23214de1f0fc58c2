// Where training clips come from, and batches of them on a device.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <concepts>
#include <functional>
#include <string>
#include <vector>

#include "dvd/core/random.hpp"
#include "dvd/core/tensor.hpp"
#include "dvd/device/cpu/parallel.hpp"
#include "dvd/io/clip_tensor.hpp"
#include "dvd/layers/embedding.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// A set of labelled clips of equal size. `draw(random)` returns one, a function of `random` alone, and may be called
/// by several threads at once.
template <class S>
concept ClipSource = requires(S& source, const Random& random) {
  { source.draw(random).clip } -> std::convertible_to<Clip>;
  { source.draw(random).label } -> std::convertible_to<Index>;
  { source.classes() } -> std::convertible_to<Index>;
  { source.class_names() } -> std::convertible_to<std::vector<std::string>>;
};

/// The random numbers of batch number 0, 1, ... of a run.
using BatchSchedule = std::function<Random(Index)>;

/// Whole batches by their number, made ready ahead of need: see ClipLoader.
template <class S>
concept BatchSource = requires(S& source, Index number) {
  { source.batch(number) } -> std::same_as<std::vector<LabelledClip>>;
};

/// Videos `[T, N, H, W, 3]` in [-1, 1] and their labels.
template <Scalar T, Device D = Cpu>
struct Batch {
  Tensor<T, D> videos;
  Labels labels;
};

/// `count` clips, drawn on all cores; clip number n comes from `random.stream(n)`. The source draws in the caller's
/// floating-point mode, as it would if it were called here.
template <ClipSource Source>
std::vector<LabelledClip> draw_clips(Source& source, const Random& random, Index count) {
  std::vector<LabelledClip> clips(static_cast<std::size_t>(count));
  cpu::parallel_calls(count, [&](Index n) {
    clips[static_cast<std::size_t>(n)] = source.draw(random.stream(static_cast<std::uint64_t>(n)));
  });
  return clips;
}

/// Clips `first` .. `first + count - 1` of some on a device.
template <Scalar T, Device D = Cpu>
Batch<T, D> to_batch(const std::vector<LabelledClip>& clips, Index first, Index count) {
  require(first >= 0 && count >= 1 && first + count <= static_cast<Index>(clips.size()), "a batch of ", count,
          " clips from number ", first, " on cannot be made of ", clips.size());
  std::vector<Clip> videos;
  Labels labels;
  for (Index n = first; n < first + count; ++n) {
    videos.push_back(clips[static_cast<std::size_t>(n)].clip);
    labels.push_back(clips[static_cast<std::size_t>(n)].label);
  }
  return {to_tensor<T, D>(videos), std::move(labels)};
}

/// `count` clips, drawn on all cores, on a device; clip number n comes from `random.stream(n)`.
template <Scalar T, Device D = Cpu, ClipSource Source>
Batch<T, D> draw_batch(Source& source, const Random& random, Index count) {
  return to_batch<T, D>(draw_clips(source, random, count), 0, count);
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
