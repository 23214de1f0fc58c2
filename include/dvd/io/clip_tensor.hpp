// Between clips in host memory and batches of videos on a device.
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

namespace detail {

/// Clips of bytes or of floats as values of type T: bytes 0 .. 255 become -1 .. 1, floats stay.
template <Scalar T>
class ClipValues {
 public:
  ClipValues() {
    using P = FullPrecision<T>;
    for (std::size_t i = 0; i < levels_.size(); ++i) levels_[i] = T(static_cast<P>(i) / P(127.5) - 1);
  }
  void copy_frame(const Clip& clip, Index t, Index size, T* to) const {
    const std::uint8_t* const from = clip.frame(t);
    for (Index i = 0; i < size; ++i) to[i] = levels_[from[i]];
  }
  void copy_frame(const FloatClip& clip, Index t, Index size, T* to) const {
    const float* const from = clip.frame(t);
    for (Index i = 0; i < size; ++i) to[i] = T(from[i]);
  }

 private:
  std::array<T, 256> levels_;
};

/// `count` clips of one size as one batch: `copy(values, n, t, frame_size, to)` copies frame t of clip n.
template <Scalar T, Device D, class Copy>
Tensor<T, D> stack_clips(const ClipSize& size, Index count, const Copy& copy) {
  const ClipValues<T> values;
  const Index frame = size.height * size.width * size.channels;
  std::vector<T> all(static_cast<std::size_t>(size.frames * count * frame));
  cpu::parallel_for(size.frames * count, [&](Index image) {
    copy(values, image % count, image / count, frame, all.data() + image * frame);
  });
  return Tensor<T, D>(Shape{size.frames, count, size.height, size.width, size.channels}, all);
}

/// Throws ArgumentError unless a clip may stand in one batch with the first one.
inline void check_same_size(const ClipSize& first, const ClipSize& other) {
  require(other == first, "clips of one batch must have one size, not ", first, " and ", other);
}

template <Scalar T, Device D, class AnyClip>
Tensor<T, D> clips_to_tensor(std::span<const AnyClip> clips) {
  require(!clips.empty(), "a batch needs at least one clip");
  const ClipSize size = clips.front().size();
  for (const AnyClip& clip : clips) {
    check_same_size(size, clip.size());
    check_pixels(clip);
  }
  return stack_clips<T, D>(size, static_cast<Index>(clips.size()),
                           [&](const ClipValues<T>& values, Index n, Index t, Index frame, T* to) {
                             values.copy_frame(clips[static_cast<std::size_t>(n)], t, frame, to);
                           });
}

/// Throws ArgumentError unless these are videos `[T, N, H, W, P]`.
inline void check_videos(const Shape& shape) {
  require(shape.rank() == 5 && shape.size() > 0, "expected videos [T, N, H, W, P], at least one pixel, not ", shape);
}

/// A batch of videos as clips of type `AnyClip`, whose pixels `convert` makes of values.
template <class AnyClip, AnyTensor X, class Convert>
std::vector<AnyClip> tensor_to_clips(const X& videos, const Convert& convert) {
  const Shape& shape = videos.shape();
  check_videos(shape);
  const std::vector<typename X::value_type> values = videos.to_vector();
  const Index frame = shape[2] * shape[3] * shape[4];
  std::vector<AnyClip> clips(static_cast<std::size_t>(shape[1]), AnyClip(shape[0], shape[2], shape[3], shape[4]));
  for (Index t = 0; t < shape[0]; ++t)
    for (Index n = 0; n < shape[1]; ++n) {
      const auto* const from = values.data() + (t * shape[1] + n) * frame;
      std::transform(from, from + frame, clips[static_cast<std::size_t>(n)].frame(t), convert);
    }
  return clips;
}

}  // namespace detail

/// Clips of equal size as one batch `[T, N, H, W, P]` in [-1, 1]. Throws ArgumentError if their sizes differ or a clip
/// is malformed.
template <Scalar T, Device D = Cpu>
Tensor<T, D> to_tensor(std::span<const Clip> clips) {
  return detail::clips_to_tensor<T, D>(clips);
}

/// The same of numbers as they are; ArgumentError as well for one that is not finite.
template <Scalar T, Device D = Cpu>
Tensor<T, D> to_tensor(std::span<const FloatClip> clips) {
  return detail::clips_to_tensor<T, D>(clips);
}

/// A batch of videos `[T, N, H, W, P]` as N clips of 8 bits; values beyond [-1, 1] are clamped.
template <AnyTensor X>
std::vector<Clip> to_clips(const X& videos) {
  return detail::tensor_to_clips<Clip>(videos, detail::byte_of<FullPrecision<typename X::value_type>>);
}

/// A batch of videos `[T, N, H, W, P]` as N clips of numbers.
template <AnyTensor X>
std::vector<FloatClip> to_float_clips(const X& videos) {
  return detail::tensor_to_clips<FloatClip>(videos,
                                            [](typename X::value_type value) { return static_cast<float>(value); });
}

/// Videos `[T, N, H, W, P]` as files hold them: values in the order `[N, T, P, H, W]`.
template <AnyTensor X, class T = typename X::value_type>
std::vector<T> to_file_order(const X& videos) {
  const Shape& shape = videos.shape();
  require(shape.rank() == 5, "expected videos [T, N, H, W, P], not ", shape);
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
