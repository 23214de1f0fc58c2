// The window kernels of the device contract as their definitions read: loops over single elements, in double, on the
// host, that share nothing with core/windows.hpp but the sizes.
#pragma once

#include <cmath>

#include "dvd/core/windows.hpp"
#include "support/plain_kernels.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::testing::plain {

// Calls `f(window, tap, pixel)` for every tap of every window, in their order; the pixel is -1 in the padding.
template <class F>
void for_window_taps(const WindowSize& size, const F& f) {
  const auto &t = size.time, &h = size.height, &w = size.width;
  Index window = 0;
  for (Index a = 0; a < t.outputs; ++a)
    for (Index n = 0; n < size.batch; ++n)
      for (Index b = 0; b < h.outputs; ++b)
        for (Index c = 0; c < w.outputs; ++c, ++window) {
          Index tap = 0;
          for (Index i = 0; i < t.kernel; ++i)
            for (Index j = 0; j < h.kernel; ++j)
              for (Index k = 0; k < w.kernel; ++k, ++tap) {
                const Index at_t = a * t.stride + i * t.dilation - t.padding,
                            at_h = b * h.stride + j * h.dilation - h.padding,
                            at_w = c * w.stride + k * w.dilation - w.padding;
                const bool inside =
                    at_t >= 0 && at_t < t.inputs && at_h >= 0 && at_h < h.inputs && at_w >= 0 && at_w < w.inputs;
                f(window, tap, inside ? ((at_t * size.batch + n) * h.inputs + at_h) * w.inputs + at_w : -1);
              }
        }
}

// [windows, taps, channels]
inline Vector unfold(const WindowSize& size, const Vector& x, Index x_pixel) {
  Vector columns;
  for_window_taps(size, [&](Index, Index, Index pixel) {
    for (Index c = 0; c < size.channels; ++c) columns.push_back(pixel < 0 ? 0 : at(x, pixel * x_pixel + c));
  });
  return columns;
}

// Added to x.
inline Vector fold(const WindowSize& size, const Vector& columns, Vector x, Index x_pixel) {
  for_window_taps(size, [&](Index window, Index tap, Index pixel) {
    for (Index c = 0; c < size.channels && pixel >= 0; ++c)
      at(x, pixel * x_pixel + c) += at(columns, (window * size.taps() + tap) * size.channels + c);
  });
  return x;
}

// The pixel of every window and channel that is the first of its largest, [windows, channels].
inline std::vector<Index> largest_pixels(const WindowSize& size, const Vector& x) {
  std::vector<Index> pixels(static_cast<std::size_t>(size.windows() * size.channels), -1);
  for_window_taps(size, [&](Index window, Index, Index pixel) {
    for (Index c = 0; c < size.channels && pixel >= 0; ++c) {
      Index& best = pixels[static_cast<std::size_t>(window * size.channels + c)];
      const double value = at(x, pixel * size.channels + c), other = best < 0 ? 0 : at(x, best * size.channels + c);
      if (best < 0 || (!std::isnan(other) && (std::isnan(value) || value > other))) best = pixel;
    }
  });
  return pixels;
}

// How many taps of every window count.
inline Vector window_divisors(const WindowSize& size, bool count_padding) {
  Vector counts = zeros(size.windows());
  const auto overhangs = [](const WindowAxis& axis, Index window, Index tap) {
    return window == axis.outputs - 1 && tap >= axis.kernel - axis.overhang;
  };
  const auto &t = size.time, &h = size.height, &w = size.width;
  for_window_taps(size, [&](Index window, Index tap, Index pixel) {
    const bool beyond = overhangs(w, window % w.outputs, tap % w.kernel) ||
                        overhangs(h, window / w.outputs % h.outputs, tap / w.kernel % h.kernel) ||
                        overhangs(t, window / (w.outputs * h.outputs * size.batch), tap / (w.kernel * h.kernel));
    at(counts, window) += pixel >= 0 || (count_padding && !beyond);
  });
  return counts;
}

}  // namespace dvd::testing::plain
