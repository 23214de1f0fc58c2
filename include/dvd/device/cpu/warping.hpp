// Bilinear sampling of images at places of one's own, and its gradients. Bound by memory.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <cmath>

#include "dvd/device/cpu/parallel.hpp"
#include "dvd/device/cpu/simd.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cpu {

namespace detail {

/// Where a coordinate falls between two pixels of an axis.
template <class T>
struct Between {
  Index low, high;  ///< the two pixels
  T fraction;       ///< how far it is from `low` to `high`
  bool inside;      ///< whether it moves with the coordinate: beyond the edge it does not

  /// A coordinate that is no number gives a fraction that is none.
  Between(T coordinate, Index size) {
    const T last = static_cast<T>(size - 1);
    const T clamped = std::min(last, std::max(T{0}, coordinate));  // 0 for what is no number
    low = std::min(static_cast<Index>(clamped), std::max<Index>(size - 2, 0));
    high = std::min(low + 1, size - 1);
    fraction = clamped - static_cast<T>(low) + (coordinate - coordinate);
    inside = coordinate > 0 && coordinate < last;
  }
};

}  // namespace detail

/// Warping kernels of the contract; see core/device.hpp.
struct Warping {
  template <class T>
  static void warp(Index images, Index height, Index width, Index channels, const T* x, const T* offsets, T* y);
  template <class T>
  static void warp_backward(Index images, Index height, Index width, Index channels, const T* x, const T* offsets,
                            const T* dy, T* dx, T* doffsets);
};

template <class T>
void Warping::warp(Index images, Index height, Index width, Index channels, const T* x, const T* offsets, T* y) {
  parallel_for(images * height, [=](Index line) {
    const Index row = line % height;
    const T* image = x + line / height * height * width * channels;
    for (Index column = 0; column < width; ++column) {
      const Index pixel = line * width + column;
      const detail::Between<T> down(static_cast<T>(row) + offsets[2 * pixel], height);
      const detail::Between<T> across(static_cast<T>(column) + offsets[2 * pixel + 1], width);
      const T* upper = image + down.low * width * channels;
      const T* lower = image + down.high * width * channels;
      for_lanes<T>(channels, [&](Index c, auto lanes) {
        using V = Vector<T, lanes>;
        const Index left = across.low * channels + c, right = across.high * channels + c;
        const V above = load<V>(upper + left) + across.fraction * (load<V>(upper + right) - load<V>(upper + left));
        const V below = load<V>(lower + left) + across.fraction * (load<V>(lower + right) - load<V>(lower + left));
        store(y + pixel * channels + c, above + down.fraction * (below - above));
      });
    }
  });
}

template <class T>
void Warping::warp_backward(Index images, Index height, Index width, Index channels, const T* x, const T* offsets,
                            const T* dy, T* dx, T* doffsets) {
  // Several pixels may look at one place, so an image is one task, and they add in their order.
  parallel_for(images, [=](Index image) {
    const Index size = height * width * channels;
    const T* from = x + image * size;
    T* to = dx + image * size;
    std::fill(to, to + size, T{0});
    for (Index p = 0; p < height * width; ++p) {
      const Index pixel = image * height * width + p, row = p / width, column = p % width;
      const detail::Between<T> down(static_cast<T>(row) + offsets[2 * pixel], height);
      const detail::Between<T> across(static_cast<T>(column) + offsets[2 * pixel + 1], width);
      const Index corners[2][2] = {
          {(down.low * width + across.low) * channels, (down.low * width + across.high) * channels},
          {(down.high * width + across.low) * channels, (down.high * width + across.high) * channels}};
      const T shares[2][2] = {{(1 - down.fraction) * (1 - across.fraction), (1 - down.fraction) * across.fraction},
                              {down.fraction * (1 - across.fraction), down.fraction * across.fraction}};
      T products[2][2] = {};  // of dy with the four corners
      const T* gradient = dy + pixel * channels;
      for (int i = 0; i < 2; ++i)
        for (int j = 0; j < 2; ++j)
          for_lanes<T>(channels, [&](Index c, auto lanes) {
            using V = Vector<T, lanes>;
            const V slope = load<V>(gradient + c);
            const V product = slope * load<V>(from + corners[i][j] + c);
            for (int lane = 0; lane < lanes; ++lane) products[i][j] += product[lane];
            T* target = to + corners[i][j] + c;
            store(target, load<V>(target) + shares[i][j] * slope);
          });
      const T vertical = (1 - across.fraction) * (products[1][0] - products[0][0]) +
                         across.fraction * (products[1][1] - products[0][1]);
      const T horizontal =
          (1 - down.fraction) * (products[0][1] - products[0][0]) + down.fraction * (products[1][1] - products[1][0]);
      doffsets[2 * pixel] = down.inside ? vertical : T{0};
      doffsets[2 * pixel + 1] = across.inside ? horizontal : T{0};
    }
  });
}

}  // namespace dvd::cpu

#include "dvd/core/macros_end.hpp"
