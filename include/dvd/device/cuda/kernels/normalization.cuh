// Batch normalisation, with statistics of every frame.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/device/cuda/normalization.hpp"

#include <cmath>
#include <numeric>

#include "dvd/device/cuda/definition.hpp"
#include "dvd/device/cuda/kernels/batch_norm_gradient.cuh"
#include "dvd/device/cuda/reduce_rows.cuh"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

namespace detail {

template <class T>
struct Moments {
  struct Value {
    double sum, squares;
  };

  Index rows, channels;
  const T* x;
  float *mean, *variance;

  DVD_DEVICE Value identity() const { return {0, 0}; }
  template <int N>
  DVD_DEVICE void add(Index group, Index row, Index channel, Value (&values)[N]) const {
    const Lanes<N> elements = load<N>(x + (group * rows + row) * channels + channel);
    for (int k = 0; k < N; ++k) {
      const double element = static_cast<double>(elements[k]);
      values[k].sum += element;
      values[k].squares += element * element;
    }
  }
  DVD_DEVICE void combine(Value& value, const Value& other) const {
    value.sum += other.sum;
    value.squares += other.squares;
  }
  DVD_DEVICE void finish(Index group, Index channel, const Value& value) const {
    const double count = static_cast<double>(rows), center = value.sum / count;
    const double spread = value.squares / count - center * center;
    write(mean + group * channels + channel, static_cast<float>(center));
    write(variance + group * channels + channel, spread < 0 ? 0 : static_cast<float>(spread));  // a NaN stays one
  }
};

template <class T>
struct ScaleShift {
  FastDivide rows;
  Index channels;
  const T* x;
  const float *scale, *shift;
  bool rectify;
  T* y;

  Index largest() const { return rows.value(); }

  template <int N, class I>
  DVD_DEVICE void operator()(I row, I channel) const {
    const Index place = product(row, channels) + channel, coefficient = product(rows.quotient(row), channels) + channel;
    const Lanes<N> a = load<N>(scale + coefficient), b = load<N>(shift + coefficient);
    Lanes<N> value = load<N>(x + place);
    for (int k = 0; k < N; ++k) {
      value[k] = a[k] * value[k] + b[k];
      if (rectify && value[k] < 0) value[k] = 0;
    }
    store(y + place, value);
  }
};

struct FollowStatistics {
  float decay, unbias;
  const float *mean, *variance;
  float *running_mean, *running_variance;

  DVD_DEVICE void operator()(Index i) const {
    write(running_mean + i, decay * read(running_mean + i) + (1 - decay) * read(mean + i));
    write(running_variance + i, decay * read(running_variance + i) + (1 - decay) * (unbias * read(variance + i)));
  }
};

/// The affine map that a channel of an image is normalised by.
struct BatchNormMap {
  float scale, shift;

  DVD_DEVICE BatchNormMap(float mean, float variance, float gain, float bias, float epsilon)
      : scale((1 + gain) / std::sqrt(variance + epsilon)), shift(bias - mean * scale) {}
};

template <class T>
struct BatchNormCoefficients {
  FastDivide batch;
  Index channels;
  const float *mean, *variance;
  const T *gain, *bias;
  float epsilon;
  float *scale, *shift;

  Index largest() const { return batch.value(); }

  template <int N, class I>
  DVD_DEVICE void operator()(I image, I channel) const {
    const auto [frame, own] = batch.divide(image);
    const Index statistic = product(frame, channels) + channel, sample = product(own, channels) + channel;
    const Lanes<N> center = load<N>(mean + statistic), spread = load<N>(variance + statistic);
    const Lanes<N> factor = load<N>(gain + sample), offset = load<N>(bias + sample);
    Lanes<N> a, b;
    for (int k = 0; k < N; ++k) {
      const BatchNormMap map(center[k], spread[k], factor[k], offset[k], epsilon);
      a[k] = map.scale;
      b[k] = map.shift;
    }
    store(scale + (product(image, channels) + channel), a);
    store(shift + (product(image, channels) + channel), b);
  }
};

/// Moments of a frame, and what follows from them for running statistics and for the frame's images.
template <class T>
struct BatchNormStatistics : Moments<T> {
  FollowStatistics follow;
  BatchNormCoefficients<T> coefficients;

  DVD_DEVICE void finish(Index frame, Index channel, const typename Moments<T>::Value& value) const {
    Moments<T>::finish(frame, channel, value);
    const Index statistic = frame * this->channels + channel, batch = coefficients.batch.value();
    follow(statistic);
    const float center = read(this->mean + statistic), spread = read(this->variance + statistic);
    // Some at a time: what a thread reads after it has written waits for that, for all that a compiler knows.
    constexpr int most = 8;
    for (Index first = 0; first < batch; first += most) {
      const int count = static_cast<int>(batch - first < most ? batch - first : most);
      float gain[most], bias[most];
      for (int k = 0; k < count; ++k) {
        gain[k] = static_cast<float>(read(coefficients.gain + (first + k) * this->channels + channel));
        bias[k] = static_cast<float>(read(coefficients.bias + (first + k) * this->channels + channel));
      }
      for (int k = 0; k < count; ++k) {
        const BatchNormMap map(center, spread, gain[k], bias[k], coefficients.epsilon);
        const Index image = (frame * batch + first + k) * this->channels + channel;
        write(coefficients.scale + image, map.scale);
        write(coefficients.shift + image, map.shift);
      }
    }
  }
};

/// How a frame's pixels move its mean and variance: dx = scale * dy - slope * (x - mean) - offset. A row is a frame.
template <class T>
struct StatisticsGradient {
  Index batch, rows, channels;
  const UpstreamSums* sums;
  const float* variance;
  const T* gain;
  float epsilon;
  float *slope, *offset;  ///< [frames, channels]

  template <int>
  DVD_DEVICE void operator()(Index frame, Index channel) const {
    double total = 0, moment = 0;
    for (Index n = 0; n < batch; ++n) {
      const UpstreamSums sum = read(sums + (frame * batch + n) * channels + channel);
      const double factor = 1 + static_cast<double>(static_cast<float>(read(gain + n * channels + channel)));
      total += factor * sum.total;
      moment += factor * sum.moment;
    }
    const Index place = frame * channels + channel;
    const double count = static_cast<double>(batch * rows);
    const float inverse = 1 / std::sqrt(read(variance + place) + epsilon);
    write(slope + place, static_cast<float>(moment / count) * inverse * inverse * inverse);
    write(offset + place, static_cast<float>(total / count) * inverse);
  }
};

template <class From, class To>
struct SumRows {
  using Value = double;

  Index rows, channels;
  const From* x;
  Index x_row;
  To* y;
  bool accumulate;

  DVD_DEVICE double identity() const { return 0; }
  template <int N>
  DVD_DEVICE void add(Index group, Index row, Index channel, double (&values)[N]) const {
    const Lanes<N> elements = load<N>(x + (group * rows + row) * x_row + channel);
    for (int k = 0; k < N; ++k) values[k] += static_cast<double>(elements[k]);
  }
  DVD_DEVICE void combine(double& value, double other) const { value += other; }
  DVD_DEVICE void finish(Index group, Index channel, double value) const {
    To* const target = y + group * channels + channel;
    write(target, To(accumulate ? static_cast<double>(static_cast<float>(read(target))) + value : value));
  }
};

/// Columns of the reduction are N elements each, and last those that are left.
template <class T, int N>
struct Dot {
  using Value = double;

  Index whole;
  const T *x, *y;
  float* result;

  DVD_DEVICE double identity() const { return 0; }
  DVD_DEVICE void add(Index, Index piece, double& value) const {
    if (piece < whole)
      add_products<N>(piece * N, value);
    else
      add_products<1>(whole * N + piece - whole, value);
  }
  DVD_DEVICE void combine(double& value, double other) const { value += other; }
  DVD_DEVICE void finish(Index, double value) const { *result = static_cast<float>(value); }

  template <int Count>
  DVD_DEVICE void add_products(Index i, double& value) const {
    const Lanes<Count> a = load<Count>(x + i), b = load<Count>(y + i);
    for (int k = 0; k < Count; ++k) value += static_cast<double>(a[k]) * static_cast<double>(b[k]);
  }
};

}  // namespace detail

template <CudaScalar T>
void Normalization::moments(Index groups, Index rows, Index channels, const T* x, float* mean, float* variance) {
  reduce_rows<T>(groups, rows, channels, channels, detail::Moments<T>{rows, channels, x, mean, variance}, x);
}

template <CudaScalar T>
void Normalization::scale_shift(Index groups, Index rows, Index channels, const T* x, const float* scale,
                                const float* shift, bool rectify, T* y) {
  for_each_row_lanes<T>(groups * rows, channels, channels,
                        detail::ScaleShift<T>{rows, channels, x, scale, shift, rectify, y}, x, scale, shift, y);
}

DVD_CUDA_DEFINITION void Normalization::follow_statistics(Index size, float decay, float unbias, const float* mean,
                                                          const float* variance, float* running_mean,
                                                          float* running_variance) {
  for_each(size, detail::FollowStatistics{decay, unbias, mean, variance, running_mean, running_variance});
}

template <CudaScalar T>
void Normalization::batch_norm_coefficients(Index frames, Index batch, Index channels, const float* mean,
                                            const float* variance, const T* gain, const T* bias, float epsilon,
                                            float* scale, float* shift) {
  for_each_row_lanes<T>(
      frames * batch, channels, channels,
      detail::BatchNormCoefficients<T>{batch, channels, mean, variance, gain, bias, epsilon, scale, shift}, mean,
      variance, gain, bias, scale, shift);
}

template <CudaScalar T>
void Normalization::batch_norm_statistics(Index frames, Index batch, Index rows, Index channels, const T* x,
                                          const T* gain, const T* bias, float epsilon, float* mean, float* variance,
                                          const RunningStatistics<float>& running, float* scale, float* shift) {
  reduce_rows<T>(
      frames, batch * rows, channels, channels,
      detail::BatchNormStatistics<T>{{batch * rows, channels, x, mean, variance},
                                     {running.decay, running.unbias, mean, variance, running.mean, running.variance},
                                     {batch, channels, mean, variance, gain, bias, epsilon, scale, shift}},
      x);
}

template <CudaScalar T>
void Normalization::batch_norm_backward(Index frames, Index batch, Index rows, Index channels, const T* x, const T* dy,
                                        const float* mean, const float* variance, const T* gain, const float* scale,
                                        const float* shift, float epsilon, bool rectify, bool batch_statistics,
                                        T* dgain, T* dbias, T* dx) {
  const auto memory = detail::image_sums(frames, batch, rows, channels, x, dy, mean, scale, shift, rectify);
  const auto* const sums = static_cast<const detail::UpstreamSums*>(memory.get());
  detail::FrameTerms terms;
  if (dx && batch_statistics) terms = detail::FrameTerms(frames * channels);
  // One element at a time: these arrays are small.
  using Affine = detail::GainBiasGradient<T>;
  using Statistics = detail::StatisticsGradient<T>;
  for_each_row_lanes<T>(terms.slope ? batch + frames : batch, channels, 1,
                        detail::OneAfterTheOther<Affine, Statistics>{
                            {frames, batch, channels, sums, variance, epsilon, dgain, dbias},
                            batch,
                            {batch, rows, channels, sums, variance, gain, epsilon, terms.slope, terms.offset}});
  if (dx) detail::input_gradient(frames, batch, rows, channels, x, dy, mean, scale, shift, terms, rectify, dx);
}

template <CudaScalar From, CudaScalar To>
void Normalization::sum_rows(Index groups, Index rows, Index channels, const From* x, Index x_row, To* y,
                             bool accumulate) {
  reduce_rows<From>(groups, rows, channels, std::gcd(channels, x_row),
                    detail::SumRows<From, To>{rows, channels, x, x_row, y, accumulate}, x);
}

template <CudaScalar T>
void Normalization::dot(Index size, const T* x, const T* y, float* result) {
  constexpr int lanes = lane_bytes / static_cast<int>(sizeof(T));
  if (detail::aligned(x) && detail::aligned(y))
    reduce(1, size / lanes + size % lanes, detail::Dot<T, lanes>{size / lanes, x, y, result});
  else
    reduce(1, size, detail::Dot<T, 1>{size, x, y, result});
}

#define DVD_INSTANTIATE(T)                                                                                             \
  template void Normalization::moments(Index, Index, Index, const T*, float*, float*);                                 \
  template void Normalization::scale_shift(Index, Index, Index, const T*, const float*, const float*, bool, T*);       \
  template void Normalization::batch_norm_coefficients(Index, Index, Index, const float*, const float*, const T*,      \
                                                       const T*, float, float*, float*);                               \
  template void Normalization::batch_norm_statistics(Index, Index, Index, Index, const T*, const T*, const T*, float,  \
                                                     float*, float*, const RunningStatistics<float>&, float*, float*); \
  template void Normalization::batch_norm_backward(Index, Index, Index, Index, const T*, const T*, const float*,       \
                                                   const float*, const T*, const float*, const float*, float, bool,    \
                                                   bool, T*, T*, T*);                                                  \
  template void Normalization::sum_rows(Index, Index, Index, const T*, Index, float*, bool);                           \
  template void Normalization::sum_rows(Index, Index, Index, const T*, Index, bfloat16*, bool);                        \
  template void Normalization::dot(Index, const T*, const T*, float*);
DVD_INSTANTIATE(float)
DVD_INSTANTIATE(bfloat16)
#undef DVD_INSTANTIATE

}  // namespace dvd::cuda

#include "dvd/core/macros_end.hpp"
