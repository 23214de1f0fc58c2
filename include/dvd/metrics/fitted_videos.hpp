// Videos of any size brought to the one that a network was trained on.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "dvd/core/is_finite.hpp"
#include "dvd/core/tensor.hpp"
#include "dvd/device/cpu.hpp"
#include "dvd/io/clip.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

namespace detail {

/// What makes one position of an axis out of others: from `first` on, by these weights, whose sum is 1.
struct AxisTaps {
  Index first = 0;
  std::vector<float> weights;
};

/// Resampling n positions to `to` of them by a triangle filter that is two positions wide, of those of the longer axis:
/// linear interpolation with half-pixel centres where an axis grows, an average where it shrinks. What would lie
/// outside is left out. It is Pillow's BILINEAR.
inline std::vector<AxisTaps> triangle_taps(Index n, Index to) {
  const double step = static_cast<double>(n) / static_cast<double>(to), reach = std::max(step, 1.0);
  std::vector<AxisTaps> result(static_cast<std::size_t>(to));
  for (Index o = 0; o < to; ++o) {
    AxisTaps& taps = result[static_cast<std::size_t>(o)];
    const double center = (static_cast<double>(o) + 0.5) * step - 0.5;
    const Index end = std::min(static_cast<Index>(std::ceil(center + reach)), n);
    taps.first = std::max(static_cast<Index>(std::floor(center - reach)) + 1, Index{0});
    std::vector<double> weights;
    double sum = 0;
    for (Index i = taps.first; i < end; ++i) {
      weights.push_back(1 - std::abs(static_cast<double>(i) - center) / reach);
      sum += weights.back();
    }
    for (const double weight : weights) taps.weights.push_back(static_cast<float>(weight / sum));
  }
  return result;
}

/// The frame that stands for frame `t` of `frames` out of n: the first for the first, the last for the last, the
/// nearest between; for a single one, the middle.
inline Index nearest_frame(Index t, Index frames, Index n) {
  return frames > 1 ? (2 * t * (n - 1) + frames - 1) / (2 * (frames - 1)) : (n - 1) / 2;
}

/// Throws ArgumentError for videos that are none or hold what is no number, which it says the place of.
inline void check_finite_videos(const ConstTensorView<float>& videos) {
  const Shape& shape = videos.shape();
  require(shape.rank() == 5 && videos.size() > 0, "expected videos [T, N, H, W, C] of at least one pixel, not ", shape);
  const float* const end = videos.data() + videos.size();
  const float* const found = std::find_if_not(videos.data(), end, is_finite<float>);
  if (found == end) return;
  const Index pixel = (found - videos.data()) / shape[4], image = pixel / (shape[2] * shape[3]);
  throw ArgumentError(concat("video ", image % shape[1], " of a batch holds a value that is not finite, in row ",
                             pixel / shape[3] % shape[2], ", column ", pixel % shape[3], " of frame ", image / shape[1],
                             " (expected numbers in [-1, 1])"));
}

}  // namespace detail

/// Videos `[T, N, H, W, C]` as `[frames, N, height, width, channels]`. Pixels are resampled by a triangle filter that
/// averages where an image shrinks (Pillow's BILINEAR) and keeps no proportions; frames are picked, not blended: those
/// nearest to evenly spaced places from the first to the last one, so that the whole movement is seen and what lies
/// between may not be. One channel is repeated for more. Where nothing changes the values are the same, to the bit.
/// Throws ArgumentError for what are no videos, other numbers of channels, sizes below 1, and a value that is not
/// finite.
inline Tensor<float> fit_videos(const ConstTensorView<float>& videos, const ClipSize& size) {
  detail::check_finite_videos(videos);
  const Shape& shape = videos.shape();
  const Index frames = shape[0], batch = shape[1], height = shape[2], width = shape[3], channels = shape[4];
  require(std::min({size.frames, size.height, size.width, size.channels}) >= 1, "videos cannot be fitted to ", size);
  require(channels == size.channels || channels == 1, "expected videos of ", size.channels,
          size.channels == 1 ? " channel, not of " : " channels, or of 1 (grey), not of ", channels);

  const auto down = detail::triangle_taps(height, size.height), across = detail::triangle_taps(width, size.width);
  Tensor<float> result(Shape{size.frames, batch, size.height, size.width, size.channels});
  cpu::parallel_for(size.frames * batch, [&](Index image) {
    const Index t = detail::nearest_frame(image / batch, size.frames, frames);
    const float* const from = videos.data() + (t * batch + image % batch) * height * width * channels;
    std::vector<float> columns(static_cast<std::size_t>(height * size.width * channels));  // with the new width
    for (Index row = 0; row < height; ++row)
      for (Index column = 0; column < size.width; ++column) {
        const detail::AxisTaps& taps = across[static_cast<std::size_t>(column)];
        for (Index c = 0; c < channels; ++c) {
          float sum = 0;
          for (std::size_t k = 0; k < taps.weights.size(); ++k)
            sum += taps.weights[k] * from[(row * width + taps.first + static_cast<Index>(k)) * channels + c];
          columns[static_cast<std::size_t>((row * size.width + column) * channels + c)] = sum;
        }
      }
    float* to = result.data() + image * size.height * size.width * size.channels;
    for (const detail::AxisTaps& taps : down)
      for (Index column = 0; column < size.width; ++column)
        for (Index c = 0; c < size.channels; ++c) {
          float sum = 0;
          for (std::size_t k = 0; k < taps.weights.size(); ++k)
            sum +=
                taps.weights[k] *
                columns[static_cast<std::size_t>(
                    ((taps.first + static_cast<Index>(k)) * size.width + column) * channels + (channels == 1 ? 0 : c))];
          *to++ = sum;
        }
  });
  return result;
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
