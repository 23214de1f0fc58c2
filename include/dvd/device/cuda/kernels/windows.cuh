// Windows that slide over images: columns of general convolutions, pooling.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/device/cuda/windows.hpp"

#include <cstdint>
#include <numeric>

#include "dvd/device/cuda/parallel.cuh"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

namespace detail {

/// A row is a tap of a window.
template <class T>
struct Unfold {
  WindowSize size;
  Index first;
  const T* x;
  Index x_pixel;
  T* columns;

  template <int N>
  DVD_DEVICE void operator()(Index row, Index channel) const {
    const Index taps = size.taps(), pixel = size.pixel(first + row / taps, row % taps);
    Lanes<N> value;
    for (int k = 0; k < N; ++k) value[k] = 0;
    if (pixel >= 0) value = load<N>(x + pixel * x_pixel + channel);
    store(columns + row * size.channels + channel, value);
  }
};

/// A row is a pixel of those that the windows may reach.
template <class T>
struct Fold {
  WindowSize size;
  WindowLines lines;
  Index first, count;
  const T* columns;
  T* x;
  Index x_pixel;

  template <int N>
  DVD_DEVICE void operator()(Index row, Index channel) const {
    const Index taps = size.taps();
    const Index pixel = size.line(lines, row / size.width.inputs) * size.width.inputs + row % size.width.inputs;
    T* const to = x + pixel * x_pixel + channel;
    Lanes<N> sum = load<N>(to);
    for (Index tap = 0; tap < taps; ++tap) {
      const Index window = size.window(pixel, tap) - first;
      if (window < 0 || window >= count) continue;  // -1 is before the first one
      const Lanes<N> value = load<N>(columns + (window * taps + tap) * size.channels + channel);
      for (int k = 0; k < N; ++k) sum[k] += value[k];
    }
    store(to, sum);
  }
};

/// Whether `value` takes the place of the best so far: the first of equal ones stays, and what is no number comes
/// before all.
DVD_DEVICE bool larger_of_window(float value, float best) { return value > best || (value != value && best == best); }

/// The largest values of a window, or the taps where they are.
template <class T>
struct MaxWindows {
  WindowSize size;
  const T* x;
  T* y;
  std::int32_t* chosen;  ///< one of the two is null

  template <int N>
  DVD_DEVICE void operator()(Index window, Index channel) const {
    const Index taps = size.taps();
    Lanes<N> best;
    std::int32_t place[N]{};
    bool first = true;
    for (Index tap = 0; tap < taps; ++tap) {
      const Index pixel = size.pixel(window, tap);
      if (pixel < 0) continue;
      const Lanes<N> value = load<N>(x + pixel * size.channels + channel);
      for (int k = 0; k < N; ++k)
        if (first || larger_of_window(value[k], best[k])) {
          best[k] = value[k];
          place[k] = static_cast<std::int32_t>(tap);
        }
      first = false;
    }
    if (y) store(y + window * size.channels + channel, best);
    for (int k = 0; chosen && k < N; ++k) chosen[window * size.channels + channel + k] = place[k];
  }
};

/// Calls f(window, tap) for all windows over a pixel and the tap that lies there. Dilation is 1.
template <class F>
DVD_DEVICE void for_windows_over(const WindowSize& size, Index pixel, const F& f) {
  const Index line = pixel / size.width.inputs, image = line / size.height.inputs;
  const Index t = image / size.batch, h = line % size.height.inputs, w = pixel % size.width.inputs;
  for (Index a = size.time.first_window(t); a <= size.time.last_window(t); ++a)
    for (Index b = size.height.first_window(h); b <= size.height.last_window(h); ++b)
      for (Index c = size.width.first_window(w); c <= size.width.last_window(w); ++c) {
        const Index along = t + size.time.padding - a * size.time.stride,
                    down = h + size.height.padding - b * size.height.stride,
                    across = w + size.width.padding - c * size.width.stride;
        f(((a * size.batch + image % size.batch) * size.height.outputs + b) * size.width.outputs + c,
          (along * size.height.kernel + down) * size.width.kernel + across);
      }
}

/// What the sum of a window is multiplied with.
DVD_DEVICE float window_factor(const WindowSize& size, Index window, bool count_padding) {
  return 1 / static_cast<float>(size.counted(window, count_padding));
}

/// A row is a pixel.
template <class T>
struct MaxWindowsBackward {
  WindowSize size;
  const std::int32_t* chosen;
  const T* dy;
  T* dx;

  template <int N>
  DVD_DEVICE void operator()(Index pixel, Index channel) const {
    Lanes<N> sum;
    for (int k = 0; k < N; ++k) sum[k] = 0;
    for_windows_over(size, pixel, [&](Index window, Index tap) {
      const Index place = window * size.channels + channel;
      const Lanes<N> gradient = load<N>(dy + place);
      for (int k = 0; k < N; ++k) sum[k] += chosen[place + k] == tap ? gradient[k] : 0;
    });
    store(dx + pixel * size.channels + channel, sum);
  }
};

template <class T>
struct AverageWindows {
  WindowSize size;
  bool count_padding;
  const T* x;
  T* y;

  template <int N>
  DVD_DEVICE void operator()(Index window, Index channel) const {
    const Index taps = size.taps();
    Lanes<N> sum;
    for (int k = 0; k < N; ++k) sum[k] = 0;
    for (Index tap = 0; tap < taps; ++tap) {
      const Index pixel = size.pixel(window, tap);
      if (pixel < 0) continue;
      const Lanes<N> value = load<N>(x + pixel * size.channels + channel);
      for (int k = 0; k < N; ++k) sum[k] += value[k];
    }
    const float factor = window_factor(size, window, count_padding);
    for (int k = 0; k < N; ++k) sum[k] *= factor;
    store(y + window * size.channels + channel, sum);
  }
};

/// A row is a pixel.
template <class T>
struct AverageWindowsBackward {
  WindowSize size;
  bool count_padding;
  const T* dy;
  T* dx;

  template <int N>
  DVD_DEVICE void operator()(Index pixel, Index channel) const {
    Lanes<N> sum;
    for (int k = 0; k < N; ++k) sum[k] = 0;
    for_windows_over(size, pixel, [&](Index window, Index) {
      const Lanes<N> gradient = load<N>(dy + window * size.channels + channel);
      const float factor = window_factor(size, window, count_padding);
      for (int k = 0; k < N; ++k) sum[k] += factor * gradient[k];
    });
    store(dx + pixel * size.channels + channel, sum);
  }
};

}  // namespace detail

template <CudaScalar T>
void Windows::unfold(const WindowSize& size, Index first, Index count, const T* x, Index x_pixel, T* columns) {
  for_each_row_lanes<T>(count * size.taps(), size.channels, std::gcd(size.channels, x_pixel),
                        detail::Unfold<T>{size, first, x, x_pixel, columns}, x, static_cast<const T*>(columns));
}

template <CudaScalar T>
void Windows::fold(const WindowSize& size, Index first, Index count, const T* columns, T* x, Index x_pixel) {
  if (count == 0) return;
  const WindowLines lines = size.lines(first, count);
  for_each_row_lanes<T>(lines.count() * size.width.inputs, size.channels, std::gcd(size.channels, x_pixel),
                        detail::Fold<T>{size, lines, first, count, columns, x, x_pixel}, columns,
                        static_cast<const T*>(x));
}

template <CudaScalar T>
void Windows::max_windows(const WindowSize& size, const T* x, T* y) {
  for_each_row_lanes<T>(size.windows(), size.channels, size.channels, detail::MaxWindows<T>{size, x, y, nullptr}, x, y);
}

template <CudaScalar T>
void Windows::max_windows_backward(const WindowSize& size, const T* x, const T* dy, T* dx) {
  const auto memory = Memory::allocate(static_cast<std::size_t>(size.windows() * size.channels) * sizeof(std::int32_t));
  std::int32_t* const chosen = static_cast<std::int32_t*>(memory.get());
  for_each_row_lanes<T>(size.windows(), size.channels, size.channels, detail::MaxWindows<T>{size, x, nullptr, chosen},
                        x);
  for_each_row_lanes<T>(size.pixels(), size.channels, size.channels,
                        detail::MaxWindowsBackward<T>{size, chosen, dy, dx}, dy, dx);
}

template <CudaScalar T>
void Windows::average_windows(const WindowSize& size, bool count_padding, const T* x, T* y) {
  for_each_row_lanes<T>(size.windows(), size.channels, size.channels,
                        detail::AverageWindows<T>{size, count_padding, x, y}, x, y);
}

template <CudaScalar T>
void Windows::average_windows_backward(const WindowSize& size, bool count_padding, const T* dy, T* dx) {
  for_each_row_lanes<T>(size.pixels(), size.channels, size.channels,
                        detail::AverageWindowsBackward<T>{size, count_padding, dy, dx}, dy, dx);
}

#define DVD_INSTANTIATE(T)                                                                \
  template void Windows::unfold(const WindowSize&, Index, Index, const T*, Index, T*);    \
  template void Windows::fold(const WindowSize&, Index, Index, const T*, T*, Index);      \
  template void Windows::max_windows(const WindowSize&, const T*, T*);                    \
  template void Windows::max_windows_backward(const WindowSize&, const T*, const T*, T*); \
  template void Windows::average_windows(const WindowSize&, bool, const T*, T*);          \
  template void Windows::average_windows_backward(const WindowSize&, bool, const T*, T*);
DVD_INSTANTIATE(float)
DVD_INSTANTIATE(bfloat16)
#undef DVD_INSTANTIATE

}  // namespace dvd::cuda

#include "dvd/core/macros_end.hpp"
