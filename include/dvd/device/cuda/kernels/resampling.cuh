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
  Index images, height;
  FastDivide width;
  Index channels;
  const T* x;
  T* y;

  Index largest() const { return 4 * images * height * width.value(); }

  template <int N, class I>
  DVD_DEVICE void operator()(I pixel, I channel) const {
    const auto [line, column] = width.divide(pixel);
    const Lanes<N> value = load<N>(x + (product(pixel, channels) + channel));
    const Index below = 2 * width.value() * channels;
    T* corner = y + (product((2 * line * static_cast<I>(width.value()) + column) * 2, channels) + channel);
    store(corner, value);
    store(corner + channels, value);
    store(corner + below, value);
    store(corner + below + channels, value);
  }
};

template <class T>
struct UpsampleNearestBackward {
  Index images, height;
  FastDivide width;
  Index channels;
  const T* dy;
  T* dx;

  Index largest() const { return 4 * images * height * width.value(); }

  template <int N, class I>
  DVD_DEVICE void operator()(I pixel, I channel) const {
    const auto [line, column] = width.divide(pixel);
    const Index below = 2 * width.value() * channels;
    const T* corner = dy + (product((2 * line * static_cast<I>(width.value()) + column) * 2, channels) + channel);
    Lanes<N> sum = load<N>(corner);
    const Lanes<N> right = load<N>(corner + channels), lower = load<N>(corner + below),
                   last = load<N>(corner + below + channels);
    for (int k = 0; k < N; ++k) sum[k] = sum[k] + right[k] + lower[k] + last[k];
    store(dx + (product(pixel, channels) + channel), sum);
  }
};

// Bilinear by two with half-pixel centres: output 2i lies a quarter before input i, output 2i + 1 a quarter after it,
// so each is 3/4 of the nearest input and 1/4 of the next one; beyond the edge the edge itself stands in.

/// The second input that output `out` looks at.
template <class I>
DVD_DEVICE I upsampling_neighbour(I out, I size) {
  if (out % 2 == 0) return out > 0 ? out / 2 - 1 : 0;
  return out / 2 + 1 < size ? out / 2 + 1 : size - 1;
}

/// How much output `out` looks at an input.
template <class I>
DVD_DEVICE float upsampling_weight(I out, I input, I size) {
  return (out / 2 == input ? 0.75F : 0) + (upsampling_neighbour(out, size) == input ? 0.25F : 0);
}

template <class T>
struct UpsampleBilinear {
  Index images;
  FastDivide height, width;  ///< of y
  Index channels;
  const T* x;
  T* y;

  Index largest() const { return images * height.value() * width.value(); }

  template <int N, class I>
  DVD_DEVICE void operator()(I pixel, I channel) const {
    const auto [line, column] = width.divide(pixel);
    const auto [image, row] = height.divide(line);
    const I rows = static_cast<I>(height.value()) / 2, columns = static_cast<I>(width.value()) / 2;
    const T* near = x + (product((image * rows + row / 2) * columns, channels) + channel);
    const T* far = x + (product((image * rows + upsampling_neighbour(row, rows)) * columns, channels) + channel);
    const Index here = product(column / 2, channels), beside = product(upsampling_neighbour(column, columns), channels);
    const Lanes<N> near_here = load<N>(near + here), far_here = load<N>(far + here),
                   near_beside = load<N>(near + beside), far_beside = load<N>(far + beside);
    Lanes<N> value;
    for (int k = 0; k < N; ++k)
      value[k] = 0.75F * (0.75F * near_here[k] + 0.25F * far_here[k]) +
                 0.25F * (0.75F * near_beside[k] + 0.25F * far_beside[k]);
    store(y + (product(pixel, channels) + channel), value);
  }
};

template <class T>
struct UpsampleBilinearBackward {
  Index images;
  FastDivide height, width;  ///< of dx
  Index channels;
  const T* dy;
  T* dx;

  Index largest() const { return 4 * images * height.value() * width.value(); }

  template <int N, class I>
  DVD_DEVICE void operator()(I pixel, I channel) const {
    const auto [line, column] = width.divide(pixel);
    const auto [image, row] = height.divide(line);
    const I rows = static_cast<I>(height.value()), columns = static_cast<I>(width.value());
    const T* enlarged = dy + (product(image * 4 * rows * columns, channels) + channel);
    Lanes<N> sum;
    for (int k = 0; k < N; ++k) sum[k] = 0;
    for (I down = 2 * row - 1; down <= 2 * row + 2; ++down) {
      if (down < 0 || down >= 2 * rows) continue;
      const float share = upsampling_weight(down, row, rows);
      Lanes<N> across_sum;
      for (int k = 0; k < N; ++k) across_sum[k] = 0;
      for (I across = 2 * column - 1; across <= 2 * column + 2; ++across) {
        if (across < 0 || across >= 2 * columns) continue;
        const float weight = upsampling_weight(across, column, columns);
        const Lanes<N> gradient = load<N>(enlarged + product(down * 2 * columns + across, channels));
        for (int k = 0; k < N; ++k) across_sum[k] += weight * gradient[k];
      }
      for (int k = 0; k < N; ++k) sum[k] += share * across_sum[k];
    }
    store(dx + (product(pixel, channels) + channel), sum);
  }
};

/// From the frames of x to windows of pool_frames x 2 x 2 of them.
struct PoolSize {
  Index frames;
  FastDivide batch;
  Index height, width, channels, pool_frames;

  Index pixels() const { return frames * batch.value() * height * width; }
};

template <class T>
struct AveragePool {
  PoolSize size;
  FastDivide rows, columns;  ///< of y
  const T* x;
  T* y;

  Index largest() const { return size.pixels(); }

  template <int N, class I>
  DVD_DEVICE void operator()(I pixel, I channel) const {
    const auto [line, column] = columns.divide(pixel);
    const auto [picture, row] = rows.divide(line);
    const auto [window, image] = size.batch.divide(picture);
    const Index below = size.width * size.channels;
    const I place = window * static_cast<I>(size.pool_frames * size.batch.value()) + image;
    const T* corner =
        x + (product((place * static_cast<I>(size.height) + 2 * row) * static_cast<I>(size.width) + 2 * column,
                     size.channels) +
             channel);
    Lanes<N> sum;
    for (int k = 0; k < N; ++k) sum[k] = 0;
    for (Index t = 0; t < size.pool_frames; ++t) {
      const Lanes<N> first = load<N>(corner), right = load<N>(corner + size.channels), lower = load<N>(corner + below),
                     last = load<N>(corner + below + size.channels);
      for (int k = 0; k < N; ++k) sum[k] += first[k] + right[k] + lower[k] + last[k];
      corner += size.batch.value() * size.height * below;
    }
    const float factor = 1 / static_cast<float>(4 * size.pool_frames);
    for (int k = 0; k < N; ++k) sum[k] *= factor;
    store(y + (product(pixel, size.channels) + channel), sum);
  }
};

template <class T>
struct AveragePoolBackward {
  PoolSize size;
  FastDivide height, width, pool_frames;  ///< as in `size`
  const T* dy;
  T* dx;

  Index largest() const { return size.pixels(); }

  template <int N, class I>
  DVD_DEVICE void operator()(I pixel, I channel) const {
    const auto [line, across] = width.divide(pixel);
    const auto [picture, down] = height.divide(line);
    const auto [own_frame, image] = size.batch.divide(picture);
    const I frame = pool_frames.quotient(own_frame), row = down / 2, column = across / 2;
    const I rows = static_cast<I>(size.height) / 2, columns = static_cast<I>(size.width) / 2;
    Lanes<N> value;
    // What no window covers (the last frame, row or column of an odd number) has no influence.
    if (frame >= pool_frames.quotient(static_cast<I>(size.frames)) || row >= rows || column >= columns) {
      for (int k = 0; k < N; ++k) value[k] = 0;
    } else {
      const I from = ((frame * static_cast<I>(size.batch.value()) + image) * rows + row) * columns + column;
      value = load<N>(dy + (product(from, size.channels) + channel));
      const float factor = 1 / static_cast<float>(4 * size.pool_frames);
      for (int k = 0; k < N; ++k) value[k] *= factor;
    }
    store(dx + (product(pixel, size.channels) + channel), value);
  }
};

/// Whether `value` takes the place of the best so far: the first of equal ones stays, and what is no number comes
/// before all.
DVD_DEVICE bool larger(float value, float best) { return value > best || (value != value && best == best); }

template <class T>
struct MaxPool {
  Index images, height, width, channels;
  FastDivide rows, columns;  ///< of y
  const T* x;
  T* y;

  Index largest() const { return images * height * width; }

  template <int N, class I>
  DVD_DEVICE void operator()(I pixel, I channel) const {
    const auto [line, column] = columns.divide(pixel);
    const auto [image, row] = rows.divide(line);
    const Index below = width * channels;
    const I place = (image * static_cast<I>(height) + 2 * row) * static_cast<I>(width) + 2 * column;
    const T* corner = x + (product(place, channels) + channel);
    Lanes<N> best = load<N>(corner);
    const Lanes<N> right = load<N>(corner + channels), lower = load<N>(corner + below),
                   last = load<N>(corner + below + channels);
    for (int k = 0; k < N; ++k) {
      if (larger(right[k], best[k])) best[k] = right[k];
      if (larger(lower[k], best[k])) best[k] = lower[k];
      if (larger(last[k], best[k])) best[k] = last[k];
    }
    store(y + (product(pixel, channels) + channel), best);
  }
};

/// A row of this launch is a window, or what an odd height or width leaves of one.
template <class T>
struct MaxPoolBackward {
  Index images, height, width, channels;
  FastDivide rows, columns;  ///< of windows, those that are left over included
  const T *x, *dy;
  T* dx;

  Index largest() const { return images * height * width; }

  template <int N, class I>
  DVD_DEVICE void operator()(I window, I channel) const {
    const auto [line, column] = columns.divide(window);
    const auto [image, row] = rows.divide(line);
    const I down = static_cast<I>(height), across = static_cast<I>(width);
    const Index corner = product((image * down + 2 * row) * across + 2 * column, channels) + channel,
                below = width * channels;
    const bool has_right = 2 * column + 1 < across, has_lower = 2 * row + 1 < down;
    Lanes<N> first, right, lower, last;
    for (int k = 0; k < N; ++k) first[k] = right[k] = lower[k] = last[k] = 0;
    if (has_right && has_lower) {
      const T* from = x + corner;
      const Lanes<N> a = load<N>(from), b = load<N>(from + channels), c = load<N>(from + below),
                     d = load<N>(from + below + channels);
      const I pooled = (image * (down / 2) + row) * (across / 2) + column;
      const Lanes<N> gradient = load<N>(dy + (product(pooled, channels) + channel));
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
  for_each_row_lanes<T>(images * height * width, channels, channels,
                        detail::UpsampleNearest<T>{images, height, width, channels, x, y}, x, y);
}

template <CudaScalar T>
void Resampling::upsample_nearest_backward(Index images, Index height, Index width, Index channels, const T* dy,
                                           T* dx) {
  for_each_row_lanes<T>(images * height * width, channels, channels,
                        detail::UpsampleNearestBackward<T>{images, height, width, channels, dy, dx}, dy, dx);
}

template <CudaScalar T>
void Resampling::upsample_bilinear(Index images, Index height, Index width, Index channels, const T* x, T* y) {
  for_each_row_lanes<T>(images * 4 * height * width, channels, channels,
                        detail::UpsampleBilinear<T>{images, 2 * height, 2 * width, channels, x, y}, x, y);
}

template <CudaScalar T>
void Resampling::upsample_bilinear_backward(Index images, Index height, Index width, Index channels, const T* dy,
                                            T* dx) {
  for_each_row_lanes<T>(images * height * width, channels, channels,
                        detail::UpsampleBilinearBackward<T>{images, height, width, channels, dy, dx}, dy, dx);
}

template <CudaScalar T>
void Resampling::average_pool(Index frames, Index batch, Index height, Index width, Index channels, Index pool_frames,
                              const T* x, T* y) {
  const Index pixels = frames / pool_frames * batch * (height / 2) * (width / 2);
  for_each_row_lanes<T>(
      pixels, channels, channels,
      detail::AveragePool<T>{{frames, batch, height, width, channels, pool_frames}, height / 2, width / 2, x, y}, x, y);
}

template <CudaScalar T>
void Resampling::average_pool_backward(Index frames, Index batch, Index height, Index width, Index channels,
                                       Index pool_frames, const T* dy, T* dx) {
  for_each_row_lanes<T>(frames * batch * height * width, channels, channels,
                        detail::AveragePoolBackward<T>{
                            {frames, batch, height, width, channels, pool_frames}, height, width, pool_frames, dy, dx},
                        dy, dx);
}

template <CudaScalar T>
void Resampling::max_pool(Index images, Index height, Index width, Index channels, const T* x, T* y) {
  for_each_row_lanes<T>(images * (height / 2) * (width / 2), channels, channels,
                        detail::MaxPool<T>{images, height, width, channels, height / 2, width / 2, x, y}, x, y);
}

template <CudaScalar T>
void Resampling::max_pool_backward(Index images, Index height, Index width, Index channels, const T* x, const T* dy,
                                   T* dx) {
  for_each_row_lanes<T>(
      images * ((height + 1) / 2) * ((width + 1) / 2), channels, channels,
      detail::MaxPoolBackward<T>{images, height, width, channels, (height + 1) / 2, (width + 1) / 2, x, dy, dx}, x, dy,
      dx);
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
