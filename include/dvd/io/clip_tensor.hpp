// Between clips of 8 bits in host memory and batches of videos on a device.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <vector>

#include "dvd/core/device.hpp"
#include "dvd/core/tensor.hpp"
#include "dvd/device/cpu/parallel.hpp"
#include "dvd/io/clip.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Clips of equal size as one batch `[T, N, H, W, 3]` in [-1, 1]. Throws ArgumentError if their sizes differ.
template <Scalar T, Device D = Cpu>
Tensor<T, D> to_tensor(std::span<const Clip> clips) {
  require(!clips.empty(), "a batch needs at least one clip");
  const Clip& first = clips.front();
  const Index frame = first.height * first.width * 3, count = static_cast<Index>(clips.size());
  for (const Clip& clip : clips) {
    require(clip.frames == first.frames && clip.height == first.height && clip.width == first.width,
            "clips of one batch must have one size, not ", first.frames, "x", first.height, "x", first.width, " and ",
            clip.frames, "x", clip.height, "x", clip.width);
    check_pixels(clip);
  }
  using P = FullPrecision<T>;
  std::array<T, 256> levels;
  for (std::size_t i = 0; i < levels.size(); ++i) levels[i] = T(static_cast<P>(i) / P(127.5) - 1);
  std::vector<T> values(static_cast<std::size_t>(first.frames * count * frame));
  cpu::parallel_for(first.frames * count, [&](Index image) {
    const std::uint8_t* from = clips[static_cast<std::size_t>(image % count)].frame(image / count);
    T* to = values.data() + image * frame;
    for (Index i = 0; i < frame; ++i) to[i] = levels[from[i]];
  });
  return Tensor<T, D>(Shape{first.frames, count, first.height, first.width, 3}, values);
}

/// A batch of videos `[T, N, H, W, 3]` as N clips of 8 bits; values beyond [-1, 1] are clamped.
template <AnyTensor X>
std::vector<Clip> to_clips(const X& videos) {
  using T = typename X::value_type;
  const Shape& shape = videos.shape();
  require(shape.rank() == 5 && shape[4] == 3 && shape.size() > 0,
          "expected videos [T, N, H, W, 3], at least one pixel, not ", shape);
  using P = FullPrecision<T>;
  const std::vector<T> values = videos.to_vector();
  const Index frame = shape[2] * shape[3] * 3;
  std::vector<Clip> clips(static_cast<std::size_t>(shape[1]), Clip(shape[0], shape[2], shape[3]));
  for (Index t = 0; t < shape[0]; ++t)
    for (Index n = 0; n < shape[1]; ++n) {
      const T* from = values.data() + (t * shape[1] + n) * frame;
      std::uint8_t* to = clips[static_cast<std::size_t>(n)].frame(t);
      for (Index i = 0; i < frame; ++i) {
        const P value = (from[i] + 1) * P(127.5) + P(0.5);
        to[i] = static_cast<std::uint8_t>(value > 0 ? std::min(value, P{255}) : P{0});  // a NaN is black
      }
    }
  return clips;
}

/// Videos `[T, N, H, W, 3]` as files hold them: values in the order `[N, T, 3, H, W]`.
template <AnyTensor X, class T = typename X::value_type>
std::vector<T> to_file_order(const X& videos) {
  const Shape& shape = videos.shape();
  require(shape.rank() == 5, "expected videos [T, N, H, W, C], not ", shape);
  const Index frames = shape[0], batch = shape[1], pixels = shape[2] * shape[3], channels = shape[4];
  const std::vector<T> from = videos.to_vector();
  std::vector<T> to(from.size());
  for (Index n = 0; n < batch; ++n)
    for (Index t = 0; t < frames; ++t)
      for (Index c = 0; c < channels; ++c)
        for (Index p = 0; p < pixels; ++p)
          to[static_cast<std::size_t>(((n * frames + t) * channels + c) * pixels + p)] =
              from[static_cast<std::size_t>(((t * batch + n) * pixels + p) * channels + c)];
  return to;
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
