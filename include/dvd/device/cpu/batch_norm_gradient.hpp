// The two passes over memory that the gradient of a batch norm takes: sums over each image, then the gradient of x.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <cmath>

#include "dvd/device/cpu/parallel.hpp"
#include "dvd/device/cpu/pointwise.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cpu {

/// Calls `chunk(group, first, last)` for chunks of rows of every group, on all cores.
template <class Chunk>
void by_row_chunks(Index groups, Index rows, Index channels, const Chunk& chunk) {
  const Index length = std::max<Index>(1, pointwise_grain / channels), chunks = (rows + length - 1) / length;
  parallel_for(groups * chunks, [&](Index i) {
    const Index first = i % chunks * length;
    chunk(i / chunks, first, std::min(rows, first + length));
  });
}

/// Over the pixels of every image, the sums of dy and of dy * (x - mean): `[images, 2, channels]`. Where a ReLU
/// follows, dy counts only where it let its input through.
template <class T>
void image_sums(Index frames, Index batch, Index rows, Index channels, const T* x, const T* dy, const T* mean,
                const T* scale, const T* shift, bool rectify, T* sums) {
  parallel_for(frames * batch, [&](Index image) {
    const T* center = mean + image / batch * channels;
    T* sum = sums + image * 2 * channels;
    for_lanes<T>(channels, [&](Index c, auto lanes) {
      using V = Vector<T, lanes>;
      const V a = load<V>(scale + image * channels + c), b = load<V>(shift + image * channels + c);
      const V m = load<V>(center + c);
      V total{}, moment{};
      for (Index i = image * rows * channels + c; i < (image + 1) * rows * channels; i += channels * 64) {
        V chunk_total{}, chunk_moment{};  // short sums first: less rounding
        const Index end = std::min(i + 64 * channels, (image + 1) * rows * channels);
        for (Index j = i; j < end; j += channels) {
          const V value = load<V>(x + j);
          V upstream = load<V>(dy + j);
          if (rectify) upstream = a * value + b > 0 ? upstream : V{};
          chunk_total += upstream;
          chunk_moment += upstream * (value - m);
        }
        total += chunk_total;
        moment += chunk_moment;
      }
      store(sum + c, total);
      store(sum + channels + c, moment);
    });
  });
}

/// From these sums `[frames, batch, 2, channels]`, the gradients of gain and bias `[batch, channels]`, and for every
/// frame and channel the sums over the batch of dy and of dy * (x - mean), each image weighted by `slope(frame, video,
/// channel)`: `use(frame, channel, inverse deviation, both sums)`.
template <class T, class Slope, class Use>
void frame_sums(Index frames, Index batch, Index channels, const T* of_images, const T* variance, T epsilon, T* dgain,
                T* dbias, const Slope& slope, const Use& use) {
  std::fill(dgain, dgain + batch * channels, T{0});
  std::fill(dbias, dbias + batch * channels, T{0});
  for (Index t = 0; t < frames; ++t)
    for (Index c = 0; c < channels; ++c) {
      const T inverse = T{1} / std::sqrt(variance[t * channels + c] + epsilon);
      double total = 0, moment = 0;
      for (Index n = 0; n < batch; ++n) {
        const T* sum = of_images + (t * batch + n) * 2 * channels;
        const double weight = slope(t, n, c);
        total += weight * static_cast<double>(sum[c]);
        moment += weight * static_cast<double>(sum[channels + c]);
        dbias[n * channels + c] += sum[c];
        dgain[n * channels + c] += sum[channels + c] * inverse;
      }
      use(t, c, inverse, total, moment);
    }
}

/// dx = scale * dy - k * (x - mean) - l, with k and l of every frame in `terms` `[frames, 2, channels]`.
template <class T>
void input_gradient(Index frames, Index batch, Index rows, Index channels, const T* x, const T* dy, const T* mean,
                    const T* scale, const T* shift, const T* terms, bool rectify, T* dx) {
  by_row_chunks(frames * batch, rows, channels, [&](Index image, Index first, Index last) {
    const T* a = scale + image * channels;
    const T* b = shift + image * channels;
    const T* center = mean + image / batch * channels;
    const T* term = terms + image / batch * 2 * channels;
    for (Index i = (image * rows + first) * channels; i < (image * rows + last) * channels; i += channels)
      for_lanes<T>(channels, [&](Index c, auto lanes) {
        using V = Vector<T, lanes>;
        const V value = load<V>(x + i + c), slope = load<V>(a + c);
        V upstream = load<V>(dy + i + c);
        if (rectify) upstream = slope * value + load<V>(b + c) > 0 ? upstream : V{};
        store(dx + i + c,
              slope * upstream - load<V>(term + c) * (value - load<V>(center + c)) - load<V>(term + channels + c));
      });
  });
}

}  // namespace dvd::cpu

#include "dvd/core/macros_end.hpp"
