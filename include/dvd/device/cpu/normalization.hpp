// Batch statistics per channel, the affine map of a class-conditional batch norm (with the ReLU that follows it), and
// sums over rows. All are bound by memory: each reads every activation once.
//
// Activations are `[groups, rows, channels]`. Sums over rows go in chunks of fixed length: lanes in T within a chunk,
// chunks in double and in order, so they are exact enough for float and independent of the number of threads.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <cmath>
#include <vector>

#include "dvd/device/cpu/batch_norm_gradient.hpp"
#include "dvd/device/cpu/memory.hpp"
#include "dvd/device/cpu/parallel.hpp"
#include "dvd/device/cpu/pointwise.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cpu {

/// Normalisation kernels of the contract; see core/device.hpp.
struct Normalization {
  template <class T>
  static void moments(Index groups, Index rows, Index channels, const T* x, T* mean, T* variance);
  template <class T>
  static void scale_shift(Index groups, Index rows, Index channels, const T* x, const T* scale, const T* shift,
                          bool rectify, T* y);
  template <class T>
  static void follow_statistics(Index size, T decay, T unbias, const T* mean, const T* variance, T* running_mean,
                                T* running_variance);
  template <class T>
  static void batch_norm_coefficients(Index frames, Index batch, Index channels, const T* mean, const T* variance,
                                      const T* gain, const T* bias, T epsilon, T* scale, T* shift);
  template <class T>
  static void batch_norm_statistics(Index frames, Index batch, Index rows, Index channels, const T* x, const T* gain,
                                    const T* bias, T epsilon, T* mean, T* variance, const RunningStatistics<T>& running,
                                    T* scale, T* shift);
  template <class T>
  static void batch_norm_backward(Index frames, Index batch, Index rows, Index channels, const T* x, const T* dy,
                                  const T* mean, const T* variance, const T* gain, const T* scale, const T* shift,
                                  T epsilon, bool rectify, bool batch_statistics, T* dgain, T* dbias, T* dx);
  template <class T>
  static void sum_rows(Index groups, Index rows, Index channels, const T* x, Index x_row, T* y, bool accumulate);
  template <class T>
  static void dot(Index size, const T* x, const T* y, T* result);

 private:
  // 16 KiB of floats a chunk: half of a first-level cache.
  static Index chunk_rows(Index channels) { return std::clamp<Index>(4096 / channels, 16, 256); }
};

template <class T>
void Normalization::moments(Index groups, Index rows, Index channels, const T* x, T* mean, T* variance) {
  const Index length = chunk_rows(channels), chunks = (rows + length - 1) / length;
  // Per chunk its mean and the sum of squared distances from it; a chunk fits the cache, so two passes read it once.
  const Scratch<T> parts(groups * chunks * 2 * channels);
  parallel_for(groups * chunks, [&](Index i) {
    const Index first = i % chunks * length, count = std::min(length, rows - first);
    const T* from = x + (i / chunks * rows + first) * channels;
    T* chunk_mean = parts.data() + i * 2 * channels;
    T* chunk_squares = chunk_mean + channels;
    for_lanes<T>(channels, [&](Index c, auto lanes) {
      using V = Vector<T, lanes>;
      V sum{}, squares{};
      for (Index r = 0; r < count; ++r) sum += load<V>(from + r * channels + c);
      const V center = sum / static_cast<T>(count);
      for (Index r = 0; r < count; ++r) {
        const V distance = load<V>(from + r * channels + c) - center;
        squares += distance * distance;
      }
      store(chunk_mean + c, center);
      store(chunk_squares + c, squares);
    });
  });
  for (Index g = 0; g < groups; ++g)
    for (Index c = 0; c < channels; ++c) {
      double total = 0, center = 0, squares = 0;  // Chan, Golub, LeVeque 1979: two sets' moments from their parts'
      for (Index k = 0; k < chunks; ++k) {
        const T* part = parts.data() + (g * chunks + k) * 2 * channels;
        const double count = static_cast<double>(std::min(length, rows - k * length));
        const double distance = static_cast<double>(part[c]) - center;
        total += count;
        center += distance * count / total;
        squares += static_cast<double>(part[channels + c]) + distance * distance * count * (total - count) / total;
      }
      mean[g * channels + c] = static_cast<T>(center);
      variance[g * channels + c] = static_cast<T>(squares / total);
    }
}

template <class T>
void Normalization::scale_shift(Index groups, Index rows, Index channels, const T* x, const T* scale, const T* shift,
                                bool rectify, T* y) {
  by_row_chunks(groups, rows, channels, [=](Index group, Index first, Index last) {
    const T* a = scale + group * channels;
    const T* b = shift + group * channels;
    for (Index i = (group * rows + first) * channels; i < (group * rows + last) * channels; i += channels)
      for_lanes<T>(channels, [&](Index c, auto lanes) {
        using V = Vector<T, lanes>;
        const V value = load<V>(a + c) * load<V>(x + i + c) + load<V>(b + c);
        store(y + i + c, rectify ? rectified(value) : value);
      });
  });
}

template <class T>
void Normalization::follow_statistics(Index size, T decay, T unbias, const T* mean, const T* variance, T* running_mean,
                                      T* running_variance) {
  Pointwise::moving_average(size, decay, mean, running_mean);
  const auto memory = Memory::allocate(static_cast<std::size_t>(size) * sizeof(T));
  T* const unbiased = static_cast<T*>(memory.get());
  Pointwise::scale(size, unbias, variance, unbiased);
  Pointwise::moving_average(size, decay, unbiased, running_variance);
}

template <class T>
void Normalization::batch_norm_coefficients(Index frames, Index batch, Index channels, const T* mean, const T* variance,
                                            const T* gain, const T* bias, T epsilon, T* scale, T* shift) {
  for (Index t = 0; t < frames; ++t)
    for (Index n = 0; n < batch; ++n)
      for (Index c = 0; c < channels; ++c) {
        const T deviation = std::sqrt(variance[t * channels + c] + epsilon);
        const T slope = (T{1} + gain[n * channels + c]) / deviation;
        scale[(t * batch + n) * channels + c] = slope;
        shift[(t * batch + n) * channels + c] = bias[n * channels + c] - mean[t * channels + c] * slope;
      }
}

template <class T>
void Normalization::batch_norm_statistics(Index frames, Index batch, Index rows, Index channels, const T* x,
                                          const T* gain, const T* bias, T epsilon, T* mean, T* variance,
                                          const RunningStatistics<T>& running, T* scale, T* shift) {
  moments(frames, batch * rows, channels, x, mean, variance);
  follow_statistics(frames * channels, running.decay, running.unbias, mean, variance, running.mean, running.variance);
  batch_norm_coefficients(frames, batch, channels, mean, variance, gain, bias, epsilon, scale, shift);
}

template <class T>
void Normalization::batch_norm_backward(Index frames, Index batch, Index rows, Index channels, const T* x, const T* dy,
                                        const T* mean, const T* variance, const T* gain, const T* scale, const T* shift,
                                        T epsilon, bool rectify, bool batch_statistics, T* dgain, T* dbias, T* dx) {
  const Index images = frames * batch;
  const Scratch<T> sums(images * 2 * channels);
  image_sums(frames, batch, rows, channels, x, dy, mean, scale, shift, rectify, sums.data());

  // dx = a * dy - k * (x - mean) - l, with k and l per frame.
  const Scratch<T> terms(frames * 2 * channels);
  const double count = static_cast<double>(batch * rows);
  frame_sums(
      frames, batch, channels, sums.data(), variance, epsilon, dgain, dbias,
      [&](Index, Index n, Index c) { return 1 + static_cast<double>(gain[n * channels + c]); },
      [&](Index t, Index c, T inverse, double total, double moment) {
        T* term = terms.data() + t * 2 * channels;
        term[c] = batch_statistics ? static_cast<T>(moment / count) * inverse * inverse * inverse : T{0};
        term[channels + c] = batch_statistics ? static_cast<T>(total / count) * inverse : T{0};
      });
  if (!dx) return;

  input_gradient(frames, batch, rows, channels, x, dy, mean, scale, shift, terms.data(), rectify, dx);
}

template <class T>
void Normalization::sum_rows(Index groups, Index rows, Index channels, const T* x, Index x_row, T* y, bool accumulate) {
  const Index length = chunk_rows(channels), chunks = (rows + length - 1) / length;
  const Scratch<double> parts(groups * chunks * channels);
  parallel_for(groups * chunks, [&](Index i) {
    const Index first = i % chunks * length, count = std::min(length, rows - first);
    const T* from = x + (i / chunks * rows + first) * x_row;
    // In double throughout: a bias whose gradients cancel gets 0, not rounding noise, of which Adam makes whole
    // steps.
    for_lanes<T, native_lanes<double>>(channels, [&](Index c, auto lanes) {
      using V = Vector<T, lanes>;
      using W = Vector<double, lanes>;
      W sum[4] = {};  // four at a time, or the loop would wait for its additions
      Index r = 0;
      for (; r + 4 <= count; r += 4)
        unroll<4>([&](int k) __attribute__((always_inline)) {
          sum[k] += __builtin_convertvector(load<V>(from + (r + k) * x_row + c), W);
        });
      for (; r < count; ++r) sum[0] += __builtin_convertvector(load<V>(from + r * x_row + c), W);
      store(parts.data() + i * channels + c, (sum[0] + sum[1]) + (sum[2] + sum[3]));
    });
  });
  for (Index g = 0; g < groups; ++g)
    for (Index c = 0; c < channels; ++c) {
      double sum = accumulate ? static_cast<double>(y[g * channels + c]) : 0;
      for (Index k = 0; k < chunks; ++k) sum += parts.data()[(g * chunks + k) * channels + c];
      y[g * channels + c] = static_cast<T>(sum);
    }
}

template <class T>
void Normalization::dot(Index size, const T* x, const T* y, T* result) {
  const Index chunks = (size + pointwise_grain - 1) / pointwise_grain;
  std::vector<double> parts(static_cast<std::size_t>(chunks));
  parallel_for(chunks, [&](Index chunk) {
    const Index begin = chunk * pointwise_grain, end = std::min(size, begin + pointwise_grain);
    double total = 0;
    constexpr int lanes = native_lanes<T>;
    using V = Vector<T, lanes>;
    for (Index i = begin; i < end; i += 64 * lanes) {
      V sum{};
      const Index stop = std::min(end, i + 64 * lanes);
      Index j = i;
      for (; j + lanes <= stop; j += lanes) sum += load<V>(x + j) * load<V>(y + j);
      for (int lane = 0; lane < lanes; ++lane) total += static_cast<double>(sum[lane]);
      for (; j < stop; ++j) total += static_cast<double>(x[j]) * static_cast<double>(y[j]);
    }
    parts[static_cast<std::size_t>(chunk)] = total;
  });
  double total = 0;
  for (const double part : parts) total += part;
  *result = static_cast<T>(total);
}

}  // namespace dvd::cpu

#include "dvd/core/macros_end.hpp"
