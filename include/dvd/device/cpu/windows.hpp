// Windows over images and videos: brought into the rows of a matrix and back, which with matrix products makes
// convolutions of any kernel, and pooled.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <cstdint>
#include <type_traits>

#include "dvd/core/windows.hpp"
#include "dvd/device/cpu/memory.hpp"
#include "dvd/device/cpu/parallel.hpp"
#include "dvd/device/cpu/simd.hpp"
#include "dvd/device/cpu/strided_winograd.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cpu {

/// Window kernels of the contract; see core/device.hpp.
struct Windows {
  /// What the second-level caches of a few cores hold.
  static constexpr Index columns_bytes = Index{4} << 20;

  template <class T>
  static void unfold(const WindowSize& size, Index first, Index count, const T* x, Index x_pixel, T* columns);
  template <class T>
  static void fold(const WindowSize& size, Index first, Index count, const T* columns, T* x, Index x_pixel);
  template <class T>
  static void max_windows(const WindowSize& size, const T* x, T* y);
  template <class T>
  static void max_windows_backward(const WindowSize& size, const T* x, const T* dy, T* dx);
  template <class T>
  static void average_windows(const WindowSize& size, bool count_padding, const T* x, T* y);
  template <class T>
  static void average_windows_backward(const WindowSize& size, bool count_padding, const T* dy, T* dx);

  static constexpr bool convolves_windows = true;
  static bool convolves(const WindowSize& size) { return StridedWinograd<float>::serves(size); }
  template <class T>
  static WindowFilter<T> window_filter(const WindowSize& size, Index outputs, const T* weight);
  template <class T>
  static void convolve_windows(const WindowSize& size, const T* x, const WindowFilter<T>& filter,
                               const std::type_identity_t<T>* bias, bool rectify, std::type_identity_t<T>* y);
};

namespace detail {

/// Calls `f(pixel, tap)` for all taps of a window that lie inside.
template <class F>
void for_taps(const WindowSize& size, Index window, const F& f) {
  const Index line = window / size.width.outputs, image = line / size.height.outputs;
  for (Index a = 0; a < size.time.kernel; ++a) {
    const Index t = size.time.position(image / size.batch, a);
    if (t < 0) continue;
    for (Index b = 0; b < size.height.kernel; ++b) {
      const Index h = size.height.position(line % size.height.outputs, b);
      if (h < 0) continue;
      const Index row = ((t * size.batch + image % size.batch) * size.height.inputs + h) * size.width.inputs;
      for (Index c = 0; c < size.width.kernel; ++c) {
        const Index w = size.width.position(window % size.width.outputs, c);
        if (w >= 0) f(row + w, (a * size.height.kernel + b) * size.width.kernel + c);
      }
    }
  }
}

/// Calls `f(window, tap)` for all windows over a pixel and the tap that lies there. Dilation is 1.
template <class F>
void for_windows(const WindowSize& size, Index pixel, const F& f) {
  const Index line = pixel / size.width.inputs, image = line / size.height.inputs;
  const Index t = image / size.batch, h = line % size.height.inputs, w = pixel % size.width.inputs;
  for (Index a = size.time.first_window(t); a <= size.time.last_window(t); ++a)
    for (Index b = size.height.first_window(h); b <= size.height.last_window(h); ++b)
      for (Index c = size.width.first_window(w); c <= size.width.last_window(w); ++c) {
        const Index down = h + size.height.padding - b * size.height.stride,
                    across = w + size.width.padding - c * size.width.stride,
                    along = t + size.time.padding - a * size.time.stride;
        f(((a * size.batch + image % size.batch) * size.height.outputs + b) * size.width.outputs + c,
          (along * size.height.kernel + down) * size.width.kernel + across);
      }
}

/// Calls `best(tap, channel)` for every value of a window that is larger than those before it, the first one
/// among them: the last call for a channel is the first of its largest values. What is no number is larger than all.
template <class T, class F>
void for_larger(const WindowSize& size, Index window, const T* x, T* largest, const F& best) {
  bool first = true;
  for_taps(size, window, [&](Index pixel, Index tap) {
    const T* from = x + pixel * size.channels;
    for (Index c = 0; c < size.channels; ++c) {
      const T value = from[c];
      if (first || value > largest[c] || (value != value && largest[c] == largest[c])) {
        largest[c] = value;
        best(tap, c);
      }
    }
    first = false;
  });
}

/// The larger one; the second where they are equal. What is no number is larger than all, and the second one stays.
template <class V>
[[gnu::always_inline]] inline V larger(const V& value, const V& best) {
  return ((best >= value) | (best != best)) ? best : value;
}

/// What of a window lies inside, along one axis. Dilation is 1.
struct Positions {
  Index begin, end;

  Positions(const WindowAxis& axis, Index window)
      : begin(std::max<Index>(window * axis.stride - axis.padding, 0)),
        end(std::min(window * axis.stride - axis.padding + axis.kernel, axis.inputs)) {}
};

/// The largest values of a window, for which all its positions are read for some channels before the next ones.
template <class T>
void largest_of_window(const WindowSize& size, Index window, const T* x, T* largest) {
  const Index line = window / size.width.outputs, image = line / size.height.outputs;
  const Positions times(size.time, image / size.batch), rows(size.height, line % size.height.outputs),
      columns(size.width, window % size.width.outputs);
  const Index channels = size.channels, row = size.width.inputs * channels;
  const Index frame = size.batch * size.height.inputs * row;
  const T* const first = x + image % size.batch * size.height.inputs * row + columns.begin * channels;
  for_lanes<T>(channels, [&](Index channel, auto lanes) {
    using V = Vector<T, lanes>;
    V best = load<V>(first + times.begin * frame + rows.begin * row + channel);
    for (Index t = times.begin; t < times.end; ++t)
      for (Index h = rows.begin; h < rows.end; ++h) {
        const T* from = first + t * frame + h * row + channel;
        for (Index w = columns.begin; w < columns.end; ++w, from += channels) best = larger(load<V>(from), best);
      }
    store(largest + channel, best);
  });
}

/// Some channels of a pixel; a call costs more than a few vectors.
template <class T>
void copy_channels(Index channels, const T* from, T* to) {
  if (channels > 4 * native_lanes<T>)
    std::memcpy(to, from, static_cast<std::size_t>(channels) * sizeof(T));
  else
    for_lanes<T>(channels, [&](Index c, auto lanes) { store(to + c, load<Vector<T, lanes>>(from + c)); });
}

/// Tasks of some work, each of `elements` elements.
inline Index windows_per_task(Index elements) { return std::max<Index>(1, pointwise_grain / elements); }

}  // namespace detail

template <class T>
void Windows::unfold(const WindowSize& size, Index first, Index count, const T* x, Index x_pixel, T* columns) {
  const WindowAxis& across = size.width;
  const Index channels = size.channels, depth = size.taps() * channels;
  const bool contiguous = across.dilation == 1 && x_pixel == channels;
  parallel_chunks(count, detail::windows_per_task(depth), [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      const Index line = (first + i) / across.outputs, column = (first + i) % across.outputs;
      const Index image = line / size.height.outputs;
      T* to = columns + i * depth;
      for (Index a = 0; a < size.time.kernel; ++a)
        for (Index b = 0; b < size.height.kernel; ++b) {
          const Index t = size.time.position(image / size.batch, a),
                      h = size.height.position(line % size.height.outputs, b);
          const T* row = x + ((t * size.batch + image % size.batch) * size.height.inputs + h) * across.inputs * x_pixel;
          if (t < 0 || h < 0) {
            to = std::fill_n(to, across.kernel * channels, T{0});
          } else if (contiguous) {
            const Index left = column * across.stride - across.padding;
            const Index before = std::clamp<Index>(-left, 0, across.kernel),
                        inside = std::clamp<Index>(across.inputs - left, before, across.kernel) - before;
            to = std::fill_n(to, before * channels, T{0});
            if (inside > 0)
              std::memcpy(to, row + (left + before) * channels,
                          static_cast<std::size_t>(inside * channels) * sizeof(T));
            to += inside * channels;
            to = std::fill_n(to, (across.kernel - before - inside) * channels, T{0});
          } else {
            for (Index c = 0; c < across.kernel; ++c, to += channels) {
              const Index w = across.position(column, c);
              if (w < 0)
                std::fill_n(to, channels, T{0});
              else
                detail::copy_channels(channels, row + w * x_pixel, to);
            }
          }
        }
    }
  });
}

template <class T>
void Windows::fold(const WindowSize& size, Index first, Index count, const T* columns, T* x, Index x_pixel) {
  if (count == 0) return;
  const WindowAxis& across = size.width;
  const Index channels = size.channels, depth = size.taps() * channels;
  const WindowLines lines = size.lines(first, count);
  const Index grain = detail::windows_per_task(across.inputs * channels);
  parallel_chunks(lines.count(), grain, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      const Index line = size.line(lines, i), image = line / size.height.inputs;
      T* to = x + line * across.inputs * x_pixel;
      for (Index a = 0; a < size.time.kernel; ++a)
        for (Index b = 0; b < size.height.kernel; ++b) {
          const Index t = size.time.window(image / size.batch, a), h = size.height.window(line % size.height.inputs, b);
          if (t < 0 || h < 0) continue;
          const Index row = ((t * size.batch + image % size.batch) * size.height.outputs + h) * across.outputs - first;
          for (Index c = 0; c < across.kernel; ++c) {
            // Windows of this row that are wanted and whose tap lies inside.
            const Index offset = c * across.dilation - across.padding, last = across.inputs - 1 - offset;
            if (last < 0) continue;
            const Index from = std::max(offset < 0 ? (across.stride - 1 - offset) / across.stride : 0, -row),
                        until = std::min({last / across.stride + 1, across.outputs, count - row});
            const T* values = columns + ((a * size.height.kernel + b) * across.kernel + c) * channels;
            for (Index w = from; w < until; ++w)
              for_lanes<T>(channels, [&](Index channel, auto lanes) {
                using V = Vector<T, lanes>;
                T* place = to + (w * across.stride + offset) * x_pixel + channel;
                store(place, load<V>(place) + load<V>(values + (row + w) * depth + channel));
              });
          }
        }
    }
  });
}

template <class T>
void Windows::max_windows(const WindowSize& size, const T* x, T* y) {
  const Index channels = size.channels;
  parallel_chunks(size.windows(), detail::windows_per_task(size.taps() * channels), [&](Index begin, Index end) {
    for (Index window = begin; window < end; ++window)
      detail::largest_of_window(size, window, x, y + window * channels);
  });
}

template <class T>
void Windows::max_windows_backward(const WindowSize& size, const T* x, const T* dy, T* dx) {
  const Index channels = size.channels, windows = size.windows(), grain = detail::windows_per_task(channels);
  // Which tap every window chose; then every pixel looks at the windows over it.
  const Scratch<T> largest(windows * channels);
  const Scratch<std::int32_t> chosen(windows * channels);
  parallel_chunks(windows, detail::windows_per_task(size.taps() * channels), [&](Index begin, Index end) {
    for (Index window = begin; window < end; ++window)
      detail::for_larger(size, window, x, largest.data() + window * channels, [&](Index tap, Index c) {
        chosen.data()[window * channels + c] = static_cast<std::int32_t>(tap);
      });
  });
  parallel_chunks(size.pixels(), grain, [&](Index begin, Index end) {
    std::fill(dx + begin * channels, dx + end * channels, T{0});
    for (Index pixel = begin; pixel < end; ++pixel)
      detail::for_windows(size, pixel, [&](Index window, Index tap) {
        for (Index c = 0; c < channels; ++c)
          if (chosen.data()[window * channels + c] == tap) dx[pixel * channels + c] += dy[window * channels + c];
      });
  });
}

template <class T>
void Windows::average_windows(const WindowSize& size, bool count_padding, const T* x, T* y) {
  const Index channels = size.channels;
  parallel_chunks(size.windows(), detail::windows_per_task(size.taps() * channels), [&](Index begin, Index end) {
    std::fill(y + begin * channels, y + end * channels, T{0});
    for (Index window = begin; window < end; ++window) {
      T* to = y + window * channels;
      detail::for_taps(size, window, [&](Index pixel, Index) {
        for (Index c = 0; c < channels; ++c) to[c] += x[pixel * channels + c];
      });
      const T divisor = static_cast<T>(size.counted(window, count_padding));
      for (Index c = 0; c < channels; ++c) to[c] /= divisor;
    }
  });
}

template <class T>
void Windows::average_windows_backward(const WindowSize& size, bool count_padding, const T* dy, T* dx) {
  const Index channels = size.channels;
  parallel_chunks(size.pixels(), detail::windows_per_task(channels), [&](Index begin, Index end) {
    std::fill(dx + begin * channels, dx + end * channels, T{0});
    for (Index pixel = begin; pixel < end; ++pixel)
      detail::for_windows(size, pixel, [&](Index window, Index) {
        const T divisor = static_cast<T>(size.counted(window, count_padding));
        for (Index c = 0; c < channels; ++c) dx[pixel * channels + c] += dy[window * channels + c] / divisor;
      });
  });
}

template <class T>
WindowFilter<T> Windows::window_filter(const WindowSize& size, Index outputs, const T* weight) {
  return StridedWinograd<T>::filter(size, outputs, weight);
}

template <class T>
void Windows::convolve_windows(const WindowSize& size, const T* x, const WindowFilter<T>& filter,
                               const std::type_identity_t<T>* bias, bool rectify, std::type_identity_t<T>* y) {
  StridedWinograd<T>(size, x, filter, bias, rectify, y).run();
}

}  // namespace dvd::cpu

#include "dvd/core/macros_end.hpp"
