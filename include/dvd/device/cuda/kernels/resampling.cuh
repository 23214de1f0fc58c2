// Pooling and upsampling of images.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/device/cuda/resampling.hpp"

#include "dvd/device/cuda/parallel.cuh"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

namespace detail {

// A row of the launches below is a pixel, of the smaller image where one thread sees to more than one.

template <class T>
struct UpsampleNearest {
  Index width, channels;
  const T* x;
  T* y;

  template <int N>
  DVD_DEVICE void operator()(Index pixel, Index channel) const {
    const Lanes<N> value = load<N>(x + pixel * channels + channel);
    const Index below = 2 * width * channels;
    T* corner = y + (pixel / width * 4 * width + pixel % width * 2) * channels + channel;
    store(corner, value);
    store(corner + channels, value);
    store(corner + below, value);
    store(corner + below + channels, value);
  }
};

template <class T>
struct UpsampleNearestBackward {
  Index width, channels;
  const T* dy;
  T* dx;

  template <int N>
  DVD_DEVICE void operator()(Index pixel, Index channel) const {
    const Index below = 2 * width * channels;
    const T* corner = dy + (pixel / width * 4 * width + pixel % width * 2) * channels + channel;
    Lanes<N> sum = load<N>(corner);
    const Lanes<N> right = load<N>(corner + channels), lower = load<N>(corner + below),
                   last = load<N>(corner + below + channels);
    for (int k = 0; k < N; ++k) sum[k] = sum[k] + right[k] + lower[k] + last[k];
    store(dx + pixel * channels + channel, sum);
  }
};

// Bilinear by two with half-pixel centres: output 2i lies a quarter before input i, output 2i + 1 a quarter after it,
// so each is 3/4 of the nearest input and 1/4 of the next one; beyond the edge the edge itself stands in.

/// The second input that output `out` looks at.
DVD_DEVICE Index upsampling_neighbour(Index out, Index size) {
  if (out % 2 == 0) return out > 0 ? out / 2 - 1 : 0;
  return out / 2 + 1 < size ? out / 2 + 1 : size - 1;
}

/// How much output `out` looks at an input.
DVD_DEVICE float upsampling_weight(Index out, Index input, Index size) {
  return (out / 2 == input ? 0.75F : 0) + (upsampling_neighbour(out, size) == input ? 0.25F : 0);
}

template <class T>
struct UpsampleBilinear {
  Index height, width, channels;
  const T* x;
  T* y;

  template <int N>
  DVD_DEVICE void operator()(Index pixel, Index channel) const {
    const Index line = pixel / (2 * width), column = pixel % (2 * width);
    const Index image = line / (2 * height), row = line % (2 * height);
    const T* near = x + (image * height + row / 2) * width * channels + channel;
    const T* far = x + (image * height + upsampling_neighbour(row, height)) * width * channels + channel;
    const Index here = column / 2 * channels, beside = upsampling_neighbour(column, width) * channels;
    const Lanes<N> near_here = load<N>(near + here), far_here = load<N>(far + here),
                   near_beside = load<N>(near + beside), far_beside = load<N>(far + beside);
    Lanes<N> value;
    for (int k = 0; k < N; ++k)
      value[k] = 0.75F * (0.75F * near_here[k] + 0.25F * far_here[k]) +
                 0.25F * (0.75F * near_beside[k] + 0.25F * far_beside[k]);
    store(y + pixel * channels + channel, value);
  }
};

template <class T>
struct UpsampleBilinearBackward {
  Index height, width, channels;
  const T* dy;
  T* dx;

  template <int N>
  DVD_DEVICE void operator()(Index pixel, Index channel) const {
    const Index line = pixel / width, column = pixel % width, image = line / height, row = line % height;
    const T* enlarged = dy + image * 4 * height * width * channels + channel;
    Lanes<N> sum;
    for (int k = 0; k < N; ++k) sum[k] = 0;
    for (Index down = 2 * row - 1; down <= 2 * row + 2; ++down) {
      if (down < 0 || down >= 2 * height) continue;
      const float share = upsampling_weight(down, row, height);
      Lanes<N> across_sum;
      for (int k = 0; k < N; ++k) across_sum[k] = 0;
      for (Index across = 2 * column - 1; across <= 2 * column + 2; ++across) {
        if (across < 0 || across >= 2 * width) continue;
        const float weight = upsampling_weight(across, column, width);
        const Lanes<N> gradient = load<N>(enlarged + (down * 2 * width + across) * channels);
        for (int k = 0; k < N; ++k) across_sum[k] += weight * gradient[k];
      }
      for (int k = 0; k < N; ++k) sum[k] += share * across_sum[k];
    }
    store(dx + pixel * channels + channel, sum);
  }
};

/// From the frames of x to windows of pool_frames x 2 x 2 of them.
struct PoolSize {
  Index batch, height, width, channels, pool_frames;
};

template <class T>
struct AveragePool {
  PoolSize size;
  const T* x;
  T* y;

  template <int N>
  DVD_DEVICE void operator()(Index pixel, Index channel) const {
    const Index rows = size.height / 2, columns = size.width / 2, below = size.width * size.channels;
    const Index line = pixel / columns, picture = line / rows;
    const Index frame = picture / size.batch * size.pool_frames, image = picture % size.batch;
    const T* corner =
        x + channel +
        (((frame * size.batch + image) * size.height + line % rows * 2) * size.width + pixel % columns * 2) *
            size.channels;
    Lanes<N> sum;
    for (int k = 0; k < N; ++k) sum[k] = 0;
    for (Index t = 0; t < size.pool_frames; ++t) {
      const Lanes<N> first = load<N>(corner), right = load<N>(corner + size.channels), lower = load<N>(corner + below),
                     last = load<N>(corner + below + size.channels);
      for (int k = 0; k < N; ++k) sum[k] += first[k] + right[k] + lower[k] + last[k];
      corner += size.batch * size.height * below;
    }
    const float factor = 1 / static_cast<float>(4 * size.pool_frames);
    for (int k = 0; k < N; ++k) sum[k] *= factor;
    store(y + pixel * size.channels + channel, sum);
  }
};

template <class T>
struct AveragePoolBackward {
  PoolSize size;
  Index frames;
  const T* dy;
  T* dx;

  template <int N>
  DVD_DEVICE void operator()(Index pixel, Index channel) const {
    const Index line = pixel / size.width, column = pixel % size.width / 2, row = line % size.height / 2;
    const Index picture = line / size.height, frame = picture / size.batch / size.pool_frames;
    const Index rows = size.height / 2, columns = size.width / 2;
    Lanes<N> value;
    // What no window covers (the last frame, row or column of an odd number) has no influence.
    if (frame >= frames / size.pool_frames || row >= rows || column >= columns) {
      for (int k = 0; k < N; ++k) value[k] = 0;
    } else {
      const Index from = ((frame * size.batch + picture % size.batch) * rows + row) * columns + column;
      value = load<N>(dy + from * size.channels + channel);
      const float factor = 1 / static_cast<float>(4 * size.pool_frames);
      for (int k = 0; k < N; ++k) value[k] *= factor;
    }
    store(dx + pixel * size.channels + channel, value);
  }
};

/// Whether `value` takes the place of the best so far: the first of equal ones stays, and what is no number comes
/// before all.
DVD_DEVICE bool larger(float value, float best) { return value > best || (value != value && best == best); }

template <class T>
struct MaxPool {
  Index height, width, channels;
  const T* x;
  T* y;

  template <int N>
  DVD_DEVICE void operator()(Index pixel, Index channel) const {
    const Index rows = height / 2, columns = width / 2, line = pixel / columns, below = width * channels;
    const T* corner = x + ((line / rows * height + line % rows * 2) * width + pixel % columns * 2) * channels + channel;
    Lanes<N> best = load<N>(corner);
    const Lanes<N> right = load<N>(corner + channels), lower = load<N>(corner + below),
                   last = load<N>(corner + below + channels);
    for (int k = 0; k < N; ++k) {
      if (larger(right[k], best[k])) best[k] = right[k];
      if (larger(lower[k], best[k])) best[k] = lower[k];
      if (larger(last[k], best[k])) best[k] = last[k];
    }
    store(y + pixel * channels + channel, best);
  }
};

/// A row of this launch is a window, or what an odd height or width leaves of one.
template <class T>
struct MaxPoolBackward {
  Index height, width, channels;
  const T *x, *dy;
  T* dx;

  template <int N>
  DVD_DEVICE void operator()(Index window, Index channel) const {
    const Index rows = (height + 1) / 2, columns = (width + 1) / 2, line = window / columns;
    const Index row = line % rows, column = window % columns, image = line / rows, below = width * channels;
    const Index corner = ((image * height + 2 * row) * width + 2 * column) * channels + channel;
    const bool has_right = 2 * column + 1 < width, has_lower = 2 * row + 1 < height;
    Lanes<N> first, right, lower, last;
    for (int k = 0; k < N; ++k) first[k] = right[k] = lower[k] = last[k] = 0;
    if (has_right && has_lower) {
      const T* from = x + corner;
      const Lanes<N> a = load<N>(from), b = load<N>(from + channels), c = load<N>(from + below),
                     d = load<N>(from + below + channels);
      const Index pooled = (image * (height / 2) + row) * (width / 2) + column;
      const Lanes<N> gradient = load<N>(dy + pooled * channels + channel);
      for (int k = 0; k < N; ++k) {
        float best = a[k];
        int place = 0;
        if (larger(b[k], best)) best = b[k], place = 1;
        if (larger(c[k], best)) best = c[k], place = 2;
        if (larger(d[k], best)) place = 3;
        first[k] = place == 0 ? gradient[k] : 0;
        right[k] = place == 1 ? gradient[k] : 0;
        lower[k] = place == 2 ? gradient[k] : 0;
        last[k] = place == 3 ? gradient[k] : 0;
      }
    }
    store(dx + corner, first);
    if (has_right) store(dx + corner + channels, right);
    if (has_lower) store(dx + corner + below, lower);
    if (has_right && has_lower) store(dx + corner + below + channels, last);
  }
};

}  // namespace detail

template <CudaScalar T>
void Resampling::upsample_nearest(Index images, Index height, Index width, Index channels, const T* x, T* y) {
  for_each_row_lanes<T>(images * height * width, channels, channels, detail::UpsampleNearest<T>{width, channels, x, y},
                        x, y);
}

template <CudaScalar T>
void Resampling::upsample_nearest_backward(Index images, Index height, Index width, Index channels, const T* dy,
                                           T* dx) {
  for_each_row_lanes<T>(images * height * width, channels, channels,
                        detail::UpsampleNearestBackward<T>{width, channels, dy, dx}, dy, dx);
}

template <CudaScalar T>
void Resampling::upsample_bilinear(Index images, Index height, Index width, Index channels, const T* x, T* y) {
  for_each_row_lanes<T>(images * 4 * height * width, channels, channels,
                        detail::UpsampleBilinear<T>{height, width, channels, x, y}, x, y);
}

template <CudaScalar T>
void Resampling::upsample_bilinear_backward(Index images, Index height, Index width, Index channels, const T* dy,
                                            T* dx) {
  for_each_row_lanes<T>(images * height * width, channels, channels,
                        detail::UpsampleBilinearBackward<T>{height, width, channels, dy, dx}, dy, dx);
}

template <CudaScalar T>
void Resampling::average_pool(Index frames, Index batch, Index height, Index width, Index channels, Index pool_frames,
                              const T* x, T* y) {
  const Index pixels = frames / pool_frames * batch * (height / 2) * (width / 2);
  for_each_row_lanes<T>(pixels, channels, channels,
                        detail::AveragePool<T>{{batch, height, width, channels, pool_frames}, x, y}, x, y);
}

template <CudaScalar T>
void Resampling::average_pool_backward(Index frames, Index batch, Index height, Index width, Index channels,
                                       Index pool_frames, const T* dy, T* dx) {
  for_each_row_lanes<T>(frames * batch * height * width, channels, channels,
                        detail::AveragePoolBackward<T>{{batch, height, width, channels, pool_frames}, frames, dy, dx},
                        dy, dx);
}

template <CudaScalar T>
void Resampling::max_pool(Index images, Index height, Index width, Index channels, const T* x, T* y) {
  for_each_row_lanes<T>(images * (height / 2) * (width / 2), channels, channels,
                        detail::MaxPool<T>{height, width, channels, x, y}, x, y);
}

template <CudaScalar T>
void Resampling::max_pool_backward(Index images, Index height, Index width, Index channels, const T* x, const T* dy,
                                   T* dx) {
  for_each_row_lanes<T>(images * ((height + 1) / 2) * ((width + 1) / 2), channels, channels,
                        detail::MaxPoolBackward<T>{height, width, channels, x, dy, dx}, x, dy, dx);
}

#define DVD_INSTANTIATE(T)                                                                                 \
  template void Resampling::upsample_nearest(Index, Index, Index, Index, const T*, T*);                    \
  template void Resampling::upsample_nearest_backward(Index, Index, Index, Index, const T*, T*);           \
  template void Resampling::upsample_bilinear(Index, Index, Index, Index, const T*, T*);                   \
  template void Resampling::upsample_bilinear_backward(Index, Index, Index, Index, const T*, T*);          \
  template void Resampling::average_pool(Index, Index, Index, Index, Index, Index, const T*, T*);          \
  template void Resampling::average_pool_backward(Index, Index, Index, Index, Index, Index, const T*, T*); \
  template void Resampling::max_pool(Index, Index, Index, Index, const T*, T*);                            \
  template void Resampling::max_pool_backward(Index, Index, Index, Index, const T*, const T*, T*);
DVD_INSTANTIATE(float)
DVD_INSTANTIATE(bfloat16)
#undef DVD_INSTANTIATE

}  // namespace dvd::cuda

#include "dvd/core/macros_end.hpp"
