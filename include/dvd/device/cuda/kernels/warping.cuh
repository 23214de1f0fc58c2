// Images warped along fields of motion, as the TSRU does.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/device/cuda/parallel.cuh"
#include "dvd/device/cuda/pointwise.hpp"
#include "dvd/device/cuda/resampling.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

namespace detail {

/// Where a coordinate falls between two pixels of an axis.
struct WarpBetween {
  Index low, high;  ///< the two pixels
  float fraction;   ///< how far it is from `low` to `high`; no number for a coordinate that is none
  bool inside;      ///< whether it moves with the coordinate: beyond the edge it does not
};

DVD_DEVICE WarpBetween warp_between(float coordinate, Index size) {
  const float last = static_cast<float>(size - 1);
  const float positive = coordinate > 0 ? coordinate : 0;  // 0 for what is no number
  const float clamped = positive < last ? positive : last;
  const Index most = size > 1 ? size - 2 : 0, floor = static_cast<Index>(clamped);
  WarpBetween between;
  between.low = floor < most ? floor : most;
  between.high = between.low + 1 < size ? between.low + 1 : size - 1;
  between.fraction = clamped - static_cast<float>(between.low) + (coordinate - coordinate);
  between.inside = coordinate > 0 && coordinate < last;
  return between;
}

/// Images and the places that their pixels look at.
template <class T>
struct WarpPlaces {
  Index height, width, channels;
  const T* offsets;

  DVD_DEVICE WarpBetween down(Index pixel) const {
    return warp_between(static_cast<float>(pixel / width % height) + static_cast<float>(offsets[2 * pixel]), height);
  }
  DVD_DEVICE WarpBetween across(Index pixel) const {
    return warp_between(static_cast<float>(pixel % width) + static_cast<float>(offsets[2 * pixel + 1]), width);
  }
  /// Of the image that a pixel belongs to.
  DVD_DEVICE Index image_begin(Index pixel) const { return pixel / (height * width) * height * width * channels; }
};

template <class T>
struct Warp {
  WarpPlaces<T> places;
  const T* x;
  T* y;

  template <int N>
  DVD_DEVICE void operator()(Index pixel, Index channel) const {
    const WarpBetween down = places.down(pixel), across = places.across(pixel);
    const Index channels = places.channels;
    const T* image = x + places.image_begin(pixel) + channel;
    const T* upper = image + down.low * places.width * channels;
    const T* lower = image + down.high * places.width * channels;
    const Lanes<N> a = load<N>(upper + across.low * channels), b = load<N>(upper + across.high * channels),
                   c = load<N>(lower + across.low * channels), d = load<N>(lower + across.high * channels);
    Lanes<N> value;
    for (int k = 0; k < N; ++k) {
      const float above = a[k] + across.fraction * (b[k] - a[k]), below = c[k] + across.fraction * (d[k] - c[k]);
      value[k] = above + down.fraction * (below - above);
    }
    store(y + pixel * channels + channel, value);
  }
};

/// One row of dx: several pixels may look at one place, so a thread looks through all pixels of the image for those
/// that fall on its row, and adds in their order.
template <class T>
struct WarpBackward {
  WarpPlaces<T> places;
  const T* dy;
  float* dx;  ///< 0 at first

  template <int N>
  DVD_DEVICE void operator()(Index line, Index channel) const {
    const Index width = places.width, channels = places.channels, pixels = places.height * width;
    const Index image = line / places.height, row = line % places.height;
    float* target = dx + line * width * channels + channel;
    for (Index pixel = image * pixels; pixel < (image + 1) * pixels; ++pixel) {
      const WarpBetween down = places.down(pixel);
      if (down.low != row && down.high != row) continue;
      const WarpBetween across = places.across(pixel);
      const Lanes<N> slope = load<N>(dy + pixel * channels + channel);
      if (down.low == row) {
        add<N>(target + across.low * channels, (1 - down.fraction) * (1 - across.fraction), slope);
        add<N>(target + across.high * channels, (1 - down.fraction) * across.fraction, slope);
      }
      if (down.high == row) {
        add<N>(target + across.low * channels, down.fraction * (1 - across.fraction), slope);
        add<N>(target + across.high * channels, down.fraction * across.fraction, slope);
      }
    }
  }

  template <int N>
  DVD_DEVICE void add(float* target, float share, const Lanes<N>& slope) const {
    Lanes<N> sum = load<N>(target);
    for (int k = 0; k < N; ++k) sum[k] += share * slope[k];
    store(target, sum);
  }
};

/// A thread reads N channels at a time; their number is a multiple of N.
template <class T, int N>
struct WarpOffsetsGradient {
  WarpPlaces<T> places;
  const T *x, *dy;
  T* doffsets;

  DVD_DEVICE void operator()(Index pixel) const {
    const WarpBetween down = places.down(pixel), across = places.across(pixel);
    const Index width = places.width, channels = places.channels;
    const T* image = x + places.image_begin(pixel);
    const T* gradient = dy + pixel * channels;
    const T* a = image + (down.low * width + across.low) * channels;
    const T* b = image + (down.low * width + across.high) * channels;
    const T* c = image + (down.high * width + across.low) * channels;
    const T* d = image + (down.high * width + across.high) * channels;
    float along_a = 0, along_b = 0, along_c = 0, along_d = 0;
    for (Index channel = 0; channel < channels; channel += N) {
      const Lanes<N> slope = load<N>(gradient + channel);
      along_a += product(slope, load<N>(a + channel));
      along_b += product(slope, load<N>(b + channel));
      along_c += product(slope, load<N>(c + channel));
      along_d += product(slope, load<N>(d + channel));
    }
    const float vertical = (1 - across.fraction) * (along_c - along_a) + across.fraction * (along_d - along_b);
    const float horizontal = (1 - down.fraction) * (along_b - along_a) + down.fraction * (along_d - along_c);
    doffsets[2 * pixel] = T(down.inside ? vertical : 0);
    doffsets[2 * pixel + 1] = T(across.inside ? horizontal : 0);
  }

  DVD_DEVICE float product(const Lanes<N>& slope, const Lanes<N>& values) const {
    float sum = 0;
    for (int k = 0; k < N; ++k) sum += slope[k] * values[k];
    return sum;
  }
};

}  // namespace detail

template <CudaScalar T>
void Resampling::warp(Index images, Index height, Index width, Index channels, const T* x, const T* offsets, T* y) {
  for_each_row_lanes<T>(images * height * width, channels, channels,
                        detail::Warp<T>{{height, width, channels, offsets}, x, y}, x, y);
}

template <CudaScalar T>
void Resampling::warp_backward(Index images, Index height, Index width, Index channels, const T* x, const T* offsets,
                               const T* dy, T* dx, T* doffsets) {
  const Index pixels = images * height * width;
  const detail::WarpPlaces<T> places{height, width, channels, offsets};
  // Sums of many are float's affair, whatever T is.
  std::shared_ptr<void> memory;
  float* sums = nullptr;
  if constexpr (std::same_as<T, float>) {
    sums = dx;
  } else {
    memory = Memory::allocate(static_cast<std::size_t>(pixels * channels) * sizeof(float));
    sums = static_cast<float*>(memory.get());
  }
  Pointwise::fill(pixels * channels, 0.0F, sums);
  for_each_row_lanes<T>(images * height, channels, channels, detail::WarpBackward<T>{places, dy, sums}, dy, sums);
  if constexpr (!std::same_as<T, float>) Pointwise::convert(pixels * channels, sums, dx);

  constexpr int lanes = lane_bytes / static_cast<int>(sizeof(T));
  if (channels % lanes == 0 && detail::aligned(x) && detail::aligned(dy))
    for_each(pixels, detail::WarpOffsetsGradient<T, lanes>{places, x, dy, doffsets});
  else
    for_each(pixels, detail::WarpOffsetsGradient<T, 1>{places, x, dy, doffsets});
}

#define DVD_INSTANTIATE(T)                                                            \
  template void Resampling::warp(Index, Index, Index, Index, const T*, const T*, T*); \
  template void Resampling::warp_backward(Index, Index, Index, Index, const T*, const T*, const T*, T*, T*);
DVD_INSTANTIATE(float)
DVD_INSTANTIATE(bfloat16)
#undef DVD_INSTANTIATE

}  // namespace dvd::cuda

#include "dvd/core/macros_end.hpp"
