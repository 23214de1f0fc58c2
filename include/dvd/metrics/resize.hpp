// Videos of another size, by the rules that the published scores were computed with. They differ in where they look,
// and a score notices: the frames that a generator makes are resized to what a network was trained on.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/core/tensor.hpp"
#include "dvd/device/cpu.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Where output o of `outputs` looks among `inputs` pixels of a row or column. The first three are bilinear: between
/// the two pixels around that place, the place being held within the image. None smooths before it shrinks.
enum class ResizeRule {
  corner_origin,   ///< o * inputs / outputs: TensorFlow 1 (resize_bilinear), the reference implementation of FVD
  half_pixel,      ///< (o + 1/2) * inputs / outputs - 1/2: PyTorch with align_corners=False
  corner_aligned,  ///< o * (inputs - 1) / (outputs - 1): PyTorch with align_corners=True, Chainer
  bicubic  ///< as half_pixel, by Keys' kernel of four pixels with a = -3/4, edges repeated: OpenCV's INTER_CUBIC,
           ///< PyTorch
};

namespace detail {

/// What one output is made of: `count` inputs, each with its weight.
template <class T>
struct ResizeTaps {
  int count = 0;
  std::array<Index, 4> input{};
  std::array<T, 4> weight{};

  /// What has no weight is left out: an output that coincides with an input is that input.
  void add(Index index, double value) {
    if (value == 0) return;
    input[static_cast<std::size_t>(count)] = index;
    weight[static_cast<std::size_t>(count++)] = static_cast<T>(value);
  }
};

/// Keys' cubic convolution kernel at a distance of 0 to 2 pixels.
inline double cubic_weight(double distance) {
  constexpr double a = -0.75;
  if (distance <= 1) return ((a + 2) * distance - (a + 3)) * distance * distance + 1;
  return distance < 2 ? a * (((distance - 5) * distance + 8) * distance - 4) : 0;
}

template <class T>
std::vector<ResizeTaps<T>> resize_taps(Index inputs, Index outputs, ResizeRule rule) {
  std::vector<ResizeTaps<T>> taps(static_cast<std::size_t>(outputs));
  const auto size = static_cast<double>(inputs), new_size = static_cast<double>(outputs);
  for (Index o = 0; o < outputs; ++o) {
    ResizeTaps<T>& tap = taps[static_cast<std::size_t>(o)];
    const auto out = static_cast<double>(o);
    const double between_centres = (out + 0.5) * size / new_size - 0.5;
    if (rule == ResizeRule::bicubic) {
      const auto base = static_cast<Index>(std::floor(between_centres));
      for (Index input = base - 1; input < base + 3; ++input)
        tap.add(std::clamp<Index>(input, 0, inputs - 1),
                cubic_weight(std::abs(between_centres - static_cast<double>(input))));
      continue;
    }
    double source = between_centres;
    if (rule == ResizeRule::corner_origin) source = out * size / new_size;
    if (rule == ResizeRule::corner_aligned) source = outputs > 1 ? out * (size - 1) / (new_size - 1) : 0;
    source = std::clamp(source, 0.0, size - 1);
    const Index low = std::min(static_cast<Index>(source), inputs - 1);
    const double share = source - static_cast<double>(low);
    tap.add(low, 1 - share);
    tap.add(std::min(low + 1, inputs - 1), share);
  }
  return taps;
}

/// One pixel of `channels` values from pixels of a row. A template of their number, which lets the compiler unroll.
template <int Channels, class T>
[[gnu::always_inline]] inline void resize_pixel(const ResizeTaps<T>& tap, Index channels, const T* row, T* y) {
  if constexpr (Channels > 0) channels = Channels;
  for (Index c = 0; c < channels; ++c) {
    T sum = 0;
    for (int k = 0; k < tap.count; ++k) {
      const auto place = static_cast<std::size_t>(k);
      sum += tap.weight[place] * row[tap.input[place] * channels + c];
    }
    y[c] = sum;
  }
}

template <int Channels, class T>
void resize_row(const std::vector<ResizeTaps<T>>& taps, Index channels, const T* row, T* y) {
  for (const ResizeTaps<T>& tap : taps) {
    resize_pixel<Channels>(tap, channels, row, y);
    y += channels;
  }
}

/// The row of `width` values that lies at `tap` between rows of an image.
template <class T>
void mix_rows(const ResizeTaps<T>& tap, Index width, const T* image, T* y) {
  cpu::for_lanes<T>(
      width, [&](Index i, auto lanes) __attribute__((always_inline)) {
        using V = cpu::Vector<T, lanes>;
        V sum{};
        for (int k = 0; k < tap.count; ++k) {
          const auto place = static_cast<std::size_t>(k);
          sum += tap.weight[place] * cpu::load<V>(image + tap.input[place] * width + i);
        }
        cpu::store(y + i, sum);
      });
}

}  // namespace detail

/// `videos` [T, N, H, W, C] as [T, N, height, width, C]: rows, then columns, each by the rule; nothing is clipped, so
/// that `bicubic` leaves the range of its input where there are edges. Weights are computed in double. Videos that have
/// the size already come back as they are. Any number of channels; each frame apart, so that [1, N, H, W, C] are
/// images.
///
/// Throws ArgumentError unless there are five axes, none of them empty, and the size is at least 1 x 1.
template <AnyTensor X>
requires std::floating_point<typename X::value_type> && std::same_as<typename X::device_type, Cpu>
    Tensor<typename X::value_type> resize(const X& videos, Index height, Index width, ResizeRule rule) {
  using T = typename X::value_type;
  const Shape& shape = videos.shape();
  require(videos && shape.rank() == 5, "resize takes videos [T, N, H, W, C], not ", shape);
  require(shape.size() > 0, "videos of shape ", shape, " hold no pixel that could be resized");
  require(height > 0 && width > 0, "videos cannot be resized to ", height, "x", width, " (expected at least 1x1)");
  const Index rows = shape[2], columns = shape[3], channels = shape[4], images = shape[0] * shape[1];
  if (rows == height && columns == width) return videos.clone();

  Tensor<T> result(Shape{shape[0], shape[1], height, width, channels});
  const auto down = detail::resize_taps<T>(rows, height, rule), across = detail::resize_taps<T>(columns, width, rule);
  constexpr Index band = 16;  // rows of a task
  const Index bands = (height + band - 1) / band;
  const T* const x = videos.data();
  T* const y = result.data();
  cpu::parallel_calls(images * bands, [&](Index task) {
    const Index image = task / bands, begin = task % bands * band, end = std::min(height, begin + band);
    const auto [row] = cpu::Workspace::arrays<T, 1>({columns * channels});
    for (Index h = begin; h < end; ++h) {
      detail::mix_rows(down[static_cast<std::size_t>(h)], columns * channels, x + image * rows * columns * channels,
                       row);
      T* const to = y + (image * height + h) * width * channels;
      if (channels == 3)
        detail::resize_row<3>(across, channels, row, to);
      else
        detail::resize_row<0>(across, channels, row, to);
    }
  });
  return result;
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
