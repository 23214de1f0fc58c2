// A 3x3 convolution whose outputs are averaged over 2x2 pixels, as one convolution.
//
// The four outputs of an average look at 4x4 pixels, each through its own place of the kernel, and the next average
// looks two pixels on. So the average is a convolution with a kernel of 4x4 and stride 2, whose tap (u, v) is a quarter
// of the sum of the taps (u - a, v - b) for a, b in {0, 1}: 16 products an output in place of 36, no array of what is
// still to be averaged, and none of its gradient. Sums go the other way: the gradient of tap (k, l) is a quarter of the
// sum of those of the taps (k + a, l + b), and the product of a kernel and its gradient is the same in either form.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/device/cuda/parallel.cuh"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda::detail {

/// Taps of a kernel in the library's form.
constexpr Index library_taps(Index taps, bool pool) { return pool ? taps / 9 * 16 : taps; }

/// Tap `tap` of the library's kernel; `read(i)` is tap i of the weight.
template <class Read>
DVD_DEVICE float to_library_tap(Index tap, bool pool, const Read& read) {
  if (!pool) return read(tap);
  const Index frame = tap / 16, down = tap / 4 % 4, across = tap % 4;
  float sum = 0;
  for (Index k = down > 0 ? down - 1 : 0; k <= down && k < 3; ++k)
    for (Index l = across > 0 ? across - 1 : 0; l <= across && l < 3; ++l) sum += read(frame * 9 + k * 3 + l);
  return 0.25f * sum;
}

/// The gradient of tap `tap` of the weight; `read(i)` is that of tap i of the library's kernel.
template <class Read>
DVD_DEVICE float from_library_taps(Index tap, bool pool, const Read& read) {
  if (!pool) return read(tap);
  const Index first = tap / 9 * 16 + tap / 3 % 3 * 4 + tap % 3;
  return 0.25f * (read(first) + read(first + 1) + read(first + 4) + read(first + 5));
}

}  // namespace dvd::cuda::detail

#include "dvd/core/macros_end.hpp"
