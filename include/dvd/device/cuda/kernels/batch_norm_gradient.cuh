// What the gradient of a batch norm is made of: sums over each image, what follows from them for gain and bias, and the
// gradient of x.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <cmath>
#include <memory>

#include "dvd/device/cuda/memory.hpp"
#include "dvd/device/cuda/reduce_rows.cuh"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

namespace detail {

/// Sums over the pixels of an image of dy and of dy * (x - mean).
struct UpstreamSums {
  double total, moment;
};

template <class T>
struct SumUpstream {
  using Value = UpstreamSums;

  FastDivide batch;
  Index rows, channels;
  const T *x, *dy;
  const float *mean, *scale, *shift;
  bool rectify;
  UpstreamSums* sums;  ///< [images, channels]

  DVD_DEVICE Value identity() const { return {0, 0}; }
  template <int N>
  DVD_DEVICE void add(Index image, Index row, Index channel, Value (&values)[N]) const {
    const Index place = (image * rows + row) * channels + channel, coefficient = image * channels + channel;
    const Lanes<N> element = load<N>(x + place), upstream = load<N>(dy + place);
    const Lanes<N> center = load<N>(mean + (batch.quotient(image) * channels + channel));
    Lanes<N> a{}, b{};
    if (rectify) {
      a = load<N>(scale + coefficient);
      b = load<N>(shift + coefficient);
    }
    for (int k = 0; k < N; ++k) {
      if (rectify && !(a[k] * element[k] + b[k] > 0)) continue;
      values[k].total += static_cast<double>(upstream[k]);
      values[k].moment +=
          static_cast<double>(upstream[k]) * (static_cast<double>(element[k]) - static_cast<double>(center[k]));
    }
  }
  DVD_DEVICE void combine(Value& value, const Value& other) const {
    value.total += other.total;
    value.moment += other.moment;
  }
  DVD_DEVICE void finish(Index image, Index channel, const Value& value) const {
    write(sums + image * channels + channel, value);
  }
};

/// A row is a sample.
template <class T>
struct GainBiasGradient {
  Index frames, batch, channels;
  const UpstreamSums* sums;
  const float* variance;
  float epsilon;
  T *dgain, *dbias;

  template <int>
  DVD_DEVICE void operator()(Index sample, Index channel) const {
    double total = 0, moment = 0;
    for (Index t = 0; t < frames; ++t) {
      const UpstreamSums sum = read(sums + (t * batch + sample) * channels + channel);
      total += sum.total;
      moment += sum.moment / std::sqrt(static_cast<double>(read(variance + t * channels + channel) + epsilon));
    }
    write(dgain + sample * channels + channel, T(moment));
    write(dbias + sample * channels + channel, T(total));
  }
};

template <class T>
struct BatchNormBackward {
  FastDivide batch, rows;
  Index channels;
  const T *x, *dy;
  const float *mean, *scale, *shift, *slope, *offset;  ///< the last two null where statistics are constants
  bool rectify;
  T* dx;

  Index largest() const { return std::max(batch.value(), rows.value()); }

  template <int N, class I>
  DVD_DEVICE void operator()(I row, I channel) const {
    const I image = rows.quotient(row);
    const Index place = product(row, channels) + channel, coefficient = product(image, channels) + channel;
    const Lanes<N> a = load<N>(scale + coefficient), b = load<N>(shift + coefficient);
    const Lanes<N> value = load<N>(x + place);
    Lanes<N> upstream = load<N>(dy + place);
    for (int k = 0; k < N; ++k) upstream[k] = a[k] * (!rectify || a[k] * value[k] + b[k] > 0 ? upstream[k] : 0);
    if (slope) {
      const Index statistic = product(batch.quotient(image), channels) + channel;
      const Lanes<N> center = load<N>(mean + statistic);
      const Lanes<N> along = load<N>(slope + statistic), constant = load<N>(offset + statistic);
      for (int k = 0; k < N; ++k) upstream[k] -= along[k] * (value[k] - center[k]) + constant[k];
    }
    store(dx + place, upstream);
  }
};

/// Two launches as one: the rows of `first`, of which there are `rows`, then those of `second`.
template <class First, class Second>
struct OneAfterTheOther {
  First first;
  Index rows;
  Second second;

  template <int N>
  DVD_DEVICE void operator()(Index row, Index channel) const {
    if (row < rows)
      first.template operator()<N>(row, channel);
    else
      second.template operator()<N>(row - rows, channel);
  }
};

/// The sums over all images, in memory that is theirs.
template <class T>
std::shared_ptr<void> image_sums(Index frames, Index batch, Index rows, Index channels, const T* x, const T* dy,
                                 const float* mean, const float* scale, const float* shift, bool rectify) {
  const Index images = frames * batch;
  auto memory = Memory::allocate(static_cast<std::size_t>(images * channels) * sizeof(UpstreamSums));
  reduce_rows<T>(images, rows, channels, channels,
                 SumUpstream<T>{batch, rows, channels, x, dy, mean, scale, shift, rectify,
                                static_cast<UpstreamSums*>(memory.get())},
                 x, dy, mean, scale, shift);
  return memory;
}

/// A frame's slopes and offsets, each beginning where 16 bytes can be loaded.
struct FrameTerms {
  std::shared_ptr<void> memory;
  float *slope = nullptr, *offset = nullptr;

  FrameTerms() = default;
  explicit FrameTerms(Index count) {
    const Index size = (count + 3) / 4 * 4;
    memory = Memory::allocate(2 * static_cast<std::size_t>(size) * sizeof(float));
    slope = static_cast<float*>(memory.get());
    offset = slope + size;
  }
};

/// dx = scale * dy - slope * (x - mean) - offset, or only the first, without terms.
template <class T>
void input_gradient(Index frames, Index batch, Index rows, Index channels, const T* x, const T* dy, const float* mean,
                    const float* scale, const float* shift, const FrameTerms& terms, bool rectify, T* dx) {
  for_each_row_lanes<T>(
      frames * batch * rows, channels, channels,
      BatchNormBackward<T>{batch, rows, channels, x, dy, mean, scale, shift, terms.slope, terms.offset, rectify, dx}, x,
      dy, mean, scale, shift, terms.slope, terms.offset, dx);
}

}  // namespace detail

}  // namespace dvd::cuda

#include "dvd/core/macros_end.hpp"
