// Where training clips come from, and batches of them on a device.
#pragma once

#include <concepts>
#include <string>
#include <vector>

#include "dvd/core/random.hpp"
#include "dvd/core/tensor.hpp"
#include "dvd/device/cpu/parallel.hpp"
#include "dvd/io/clip_tensor.hpp"
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
