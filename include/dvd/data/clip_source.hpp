// Where training clips come from, and batches of them on a device.
#pragma once

#include <concepts>
#include <span>
#include <string>
#include <vector>

#include "dvd/core/random.hpp"
#include "dvd/core/tensor.hpp"
#include "dvd/data/clip.hpp"
#include "dvd/device/cpu/parallel.hpp"
#include "dvd/layers/embedding.hpp"

namespace dvd {

/// A set of labelled clips of equal size. `draw(random)` returns one, a function of `random` alone, and may be called
/// by several threads at once.
template <class S>
concept ClipSource = requires(S& source, const Random& random) {
  { source.draw(random).clip } -> std::convertible_to<Clip>;
  { source.draw(random).label } -> std::convertible_to<Index>;
  { source.classes() } -> std::convertible_to<Index>;
  { source.class_names() } -> std::convertible_to<std::vector<std::string>>;
};

/// Videos `[T, N, H, W, 3]` in [-1, 1] and their labels.
template <Scalar T, Device D = Cpu>
struct Batch {
  Tensor<T, D> videos;
  Labels labels;
};

/// Clips of equal size as one batch `[T, N, H, W, 3]` in [-1, 1]. Throws ArgumentError if their sizes differ.
template <Scalar T, Device D = Cpu>
Tensor<T, D> to_tensor(std::span<const Clip> clips) {
  require(!clips.empty(), "a batch needs at least one clip");
  const Clip& first = clips.front();
  const Index frame = first.height * first.width * 3, count = static_cast<Index>(clips.size());
  for (const Clip& clip : clips)
    require(clip.frames == first.frames && clip.height == first.height && clip.width == first.width,
            "clips of one batch must have one size, not ", first.frames, "x", first.height, "x", first.width, " and ",
            clip.frames, "x", clip.height, "x", clip.width);
  std::vector<T> values(static_cast<std::size_t>(first.frames * count * frame));
  for (Index t = 0; t < first.frames; ++t)
    for (Index n = 0; n < count; ++n) {
      const std::uint8_t* from = clips[static_cast<std::size_t>(n)].frame(t);
      T* to = values.data() + (t * count + n) * frame;
      for (Index i = 0; i < frame; ++i) to[i] = static_cast<T>(from[i]) / T(127.5) - 1;
    }
  return Tensor<T, D>(Shape{first.frames, count, first.height, first.width, 3}, values);
}

/// A batch of videos `[T, N, H, W, 3]` as N clips of 8 bits; values beyond [-1, 1] are clamped.
template <class T, class D>
std::vector<Clip> to_clips(const Tensor<T, D>& videos) {
  const Shape& shape = videos.shape();
  require(shape.rank() == 5 && shape[4] == 3, "expected videos [T, N, H, W, 3], not ", shape);
  const std::vector<T> values = videos.to_vector();
  const Index frame = shape[2] * shape[3] * 3;
  std::vector<Clip> clips(static_cast<std::size_t>(shape[1]), Clip(shape[0], shape[2], shape[3]));
  for (Index t = 0; t < shape[0]; ++t)
    for (Index n = 0; n < shape[1]; ++n) {
      const T* from = values.data() + (t * shape[1] + n) * frame;
      std::uint8_t* to = clips[static_cast<std::size_t>(n)].frame(t);
      for (Index i = 0; i < frame; ++i)
        to[i] = static_cast<std::uint8_t>(std::clamp((from[i] + 1) * T(127.5) + T(0.5), T{0}, T{255}));
    }
  return clips;
}

/// `count` clips, drawn on all cores; clip number n comes from `random.stream(n)`.
template <Scalar T, Device D = Cpu, ClipSource Source>
Batch<T, D> draw_batch(Source& source, const Random& random, Index count) {
  std::vector<Clip> clips(static_cast<std::size_t>(count));
  Labels labels(static_cast<std::size_t>(count));
  cpu::parallel_for(count, [&](Index n) {
    auto drawn = source.draw(random.stream(static_cast<std::uint64_t>(n)));
    clips[static_cast<std::size_t>(n)] = std::move(drawn.clip);
    labels[static_cast<std::size_t>(n)] = drawn.label;
  });
  return {to_tensor<T, D>(clips), std::move(labels)};
}

}  // namespace dvd
