// Upsampling by two, pooling and their gradients, on channels-last images. Bound by memory.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/device/cpu/parallel.hpp"
#include "dvd/device/cpu/simd.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cpu {

namespace detail {

/// The second input that output `out` of a bilinear upsampling looks at.
inline Index bilinear_neighbour(Index out, Index size) {
  return out % 2 == 0 ? std::max<Index>(out / 2 - 1, 0) : std::min(out / 2 + 1, size - 1);
}

/// The outputs of a bilinear upsampling that look at one input, and how much.
struct BilinearContributions {
  Index first, count = 0;
  double weight[4];

  BilinearContributions(Index input, Index size) : first(std::max<Index>(2 * input - 1, 0)) {
    const Index last = std::min(2 * input + 2, 2 * size - 1);
    for (Index out = first; out <= last; ++out)
      weight[count++] = (out / 2 == input ? 0.75 : 0) + (bilinear_neighbour(out, size) == input ? 0.25 : 0);
  }
};

/// Row `h` of the gradient of a bilinear upsampling's input, from the gradient of the whole enlarged image; calls
/// `put(column, channel, values)`.
template <class T, class Put>
void bilinear_backward_row(Index h, Index height, Index width, Index channels, const T* dy, Index dy_row,
                           Index dy_pixel, const Put& put) {
  const BilinearContributions down(h, height);
  for (Index w = 0; w < width; ++w) {
    const BilinearContributions across(w, width);
    for_lanes<T>(channels, [&](Index c, auto lanes) {
      using V = Vector<T, lanes>;
      V sum{};
      for (Index i = 0; i < down.count; ++i) {
        const T* row = dy + (down.first + i) * dy_row + across.first * dy_pixel + c;
        V across_sum{};
        for (Index j = 0; j < across.count; ++j)
          across_sum += static_cast<T>(across.weight[j]) * load<V>(row + j * dy_pixel);
        sum += static_cast<T>(down.weight[i]) * across_sum;
      }
      put(w, c, sum);
    });
  }
}

/// How far the largest of 2x2 pixels lies from their first; the first of equal ones, and what is no number before all.
template <class T>
Index largest_of_window(const T* corner, Index width, Index channels) {
  Index best = 0;
  for (const Index other : {channels, width * channels, (width + 1) * channels})
    if (corner[other] > corner[best] || (corner[other] != corner[other] && corner[best] == corner[best])) best = other;
  return best;
}

}  // namespace detail

/// Resampling kernels of the contract; see core/device.hpp.
struct Resampling {
  template <class T>
  static void upsample_nearest(Index images, Index height, Index width, Index channels, const T* x, T* y);
  template <class T>
  static void upsample_nearest_backward(Index images, Index height, Index width, Index channels, const T* dy, T* dx);
  // Bilinear by two with half-pixel centres: output 2i lies a quarter before input i, output 2i + 1 a quarter after it,
  // so each is 3/4 of the nearest input and 1/4 of the next one; beyond the edge the edge itself stands in.
  template <class T>
  static void upsample_bilinear(Index images, Index height, Index width, Index channels, const T* x, T* y);
  template <class T>
  static void upsample_bilinear_backward(Index images, Index height, Index width, Index channels, const T* dy, T* dx);
  template <class T>
  static void average_pool(Index frames, Index batch, Index height, Index width, Index channels, Index pool_frames,
                           const T* x, T* y);
  template <class T>
  static void average_pool_backward(Index frames, Index batch, Index height, Index width, Index channels,
                                    Index pool_frames, const T* dy, T* dx);
  template <class T>
  static void max_pool(Index images, Index height, Index width, Index channels, const T* x, T* y);
  template <class T>
  static void max_pool_backward(Index images, Index height, Index width, Index channels, const T* x, const T* dy,
                                T* dx);
};

template <class T>
void Resampling::upsample_nearest(Index images, Index height, Index width, Index channels, const T* x, T* y) {
  parallel_for(images * 2 * height, [=](Index line) {
    const T* from = x + (line / (2 * height) * height + line % (2 * height) / 2) * width * channels;
    T* to = y + line * 2 * width * channels;
    for (Index w = 0; w < 2 * width; ++w)
      std::memcpy(to + w * channels, from + w / 2 * channels, static_cast<std::size_t>(channels) * sizeof(T));
  });
}

template <class T>
void Resampling::upsample_nearest_backward(Index images, Index height, Index width, Index channels, const T* dy,
                                           T* dx) {
  parallel_for(images * height, [=](Index line) {
    const T* upper = dy + line * 4 * width * channels;
    const T* lower = upper + 2 * width * channels;
    T* to = dx + line * width * channels;
    for (Index w = 0; w < width; ++w)
      for_lanes<T>(channels, [&](Index c, auto lanes) {
        using V = Vector<T, lanes>;
        const Index left = 2 * w * channels + c, right = left + channels;
        store(to + w * channels + c,
              load<V>(upper + left) + load<V>(upper + right) + load<V>(lower + left) + load<V>(lower + right));
      });
  });
}

template <class T>
void Resampling::upsample_bilinear(Index images, Index height, Index width, Index channels, const T* x, T* y) {
  parallel_for(images * 2 * height, [=](Index line) {
    const Index out = line % (2 * height), image = line / (2 * height);
    const T* near = x + (image * height + out / 2) * width * channels;
    const T* far = x + (image * height + detail::bilinear_neighbour(out, height)) * width * channels;
    T* to = y + line * 2 * width * channels;
    for (Index w = 0; w < 2 * width; ++w) {
      const Index column = w / 2 * channels, beside = detail::bilinear_neighbour(w, width) * channels;
      for_lanes<T>(channels, [&](Index c, auto lanes) {
        using V = Vector<T, lanes>;
        const V here = T(0.75) * load<V>(near + column + c) + T(0.25) * load<V>(far + column + c);
        const V next = T(0.75) * load<V>(near + beside + c) + T(0.25) * load<V>(far + beside + c);
        store(to + w * channels + c, T(0.75) * here + T(0.25) * next);
      });
    }
  });
}

template <class T>
void Resampling::upsample_bilinear_backward(Index images, Index height, Index width, Index channels, const T* dy,
                                            T* dx) {
  parallel_for(images * height, [=](Index line) {
    const T* image = dy + line / height * 4 * height * width * channels;
    detail::bilinear_backward_row(
        line % height, height, width, channels, image, 2 * width * channels, channels,
        [=](Index w, Index c, const auto& value) { store(dx + (line * width + w) * channels + c, value); });
  });
}

template <class T>
void Resampling::average_pool(Index frames, Index batch, Index height, Index width, Index channels, Index pool_frames,
                              const T* x, T* y) {
  const Index rows = height / 2, columns = width / 2, x_frame = batch * height * width * channels;
  const T factor = T{1} / static_cast<T>(4 * pool_frames);
  parallel_for(frames / pool_frames * batch * rows, [=](Index line) {
    const Index frame = line / (batch * rows), image = line / rows % batch, row = line % rows;
    const T* from = x + frame * pool_frames * x_frame + (image * height + 2 * row) * width * channels;
    T* to = y + line * columns * channels;
    for (Index w = 0; w < columns; ++w)
      for_lanes<T>(channels, [&](Index c, auto lanes) {
        using V = Vector<T, lanes>;
        V sum{};
        for (Index t = 0; t < pool_frames; ++t) {
          const T* upper = from + t * x_frame + 2 * w * channels + c;
          const T* lower = upper + width * channels;
          sum += load<V>(upper) + load<V>(upper + channels) + load<V>(lower) + load<V>(lower + channels);
        }
        store(to + w * channels + c, factor * sum);
      });
  });
}

template <class T>
void Resampling::average_pool_backward(Index frames, Index batch, Index height, Index width, Index channels,
                                       Index pool_frames, const T* dy, T* dx) {
  const Index rows = height / 2, columns = width / 2;
  const T factor = T{1} / static_cast<T>(4 * pool_frames);
  parallel_for(frames * batch * height, [=](Index line) {
    const Index frame = line / (batch * height), image = line / height % batch, row = line % height;
    T* to = dx + line * width * channels;
    // What no window covers (the last frame, row or column of an odd number) has no influence.
    if (frame / pool_frames >= frames / pool_frames || row / 2 >= rows) {
      std::fill(to, to + width * channels, T{0});
      return;
    }
    const T* from = dy + ((frame / pool_frames * batch + image) * rows + row / 2) * columns * channels;
    for (Index w = 0; w < 2 * columns; ++w)
      for_lanes<T>(channels, [&](Index c, auto lanes) {
        using V = Vector<T, lanes>;
        store(to + w * channels + c, factor * load<V>(from + w / 2 * channels + c));
      });
    std::fill(to + 2 * columns * channels, to + width * channels, T{0});
  });
}

template <class T>
void Resampling::max_pool(Index images, Index height, Index width, Index channels, const T* x, T* y) {
  const Index rows = height / 2, columns = width / 2;
  parallel_for(images * rows, [=](Index line) {
    const T* from = x + (line / rows * height + line % rows * 2) * width * channels;
    T* to = y + line * columns * channels;
    for (Index w = 0; w < columns; ++w)
      for (Index c = 0; c < channels; ++c)
        to[w * channels + c] =
            from[detail::largest_of_window(from + 2 * w * channels + c, width, channels) + 2 * w * channels + c];
  });
}

template <class T>
void Resampling::max_pool_backward(Index images, Index height, Index width, Index channels, const T* x, const T* dy,
                                   T* dx) {
  const Index rows = height / 2, columns = width / 2, size = height * width * channels;
  parallel_for(images, [=](Index image) {
    const T* from = x + image * size;
    T* to = dx + image * size;
    std::fill(to, to + size, T{0});
    for (Index h = 0; h < rows; ++h)
      for (Index w = 0; w < columns; ++w)
        for (Index c = 0; c < channels; ++c) {
          const Index corner = (2 * h * width + 2 * w) * channels + c;
          to[corner + detail::largest_of_window(from + corner, width, channels)] =
              dy[((image * rows + h) * columns + w) * channels + c];
        }
  });
}

}  // namespace dvd::cpu

#include "dvd/core/macros_end.hpp"
