// Group normalisation.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <cmath>

#include "dvd/device/cuda/normalization.hpp"
#include "dvd/device/cuda/reduce_rows.cuh"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

namespace detail {

/// Where an element of [images, rows, groups * width] stands: `place` counts elements of a group of an image, whose
/// number is `set`.
struct GroupPlaces {
  FastDivide rows, groups, width;

  DVD_DEVICE Index of(Index set, Index place) const {
    const auto [image, group] = groups.divide(set);
    const auto [row, column] = width.divide(place);
    return ((image * rows.value() + row) * groups.value() + group) * width.value() + column;
  }
  DVD_DEVICE Index set_of(Index row, Index channel) const {
    return rows.quotient(row) * groups.value() + width.quotient(channel);
  }
};

/// Sums are taken about the group's first element, which keeps their digits where the mean is large.
template <class T>
struct GroupMoments {
  struct Value {
    double sum, squares;
  };

  GroupPlaces places;
  const T* x;
  float *mean, *variance;

  DVD_DEVICE double first(Index set) const { return static_cast<double>(static_cast<float>(x[places.of(set, 0)])); }
  DVD_DEVICE Value identity() const { return {0, 0}; }
  DVD_DEVICE void add(Index set, Index place, Value& value) const {
    const double distance = static_cast<double>(static_cast<float>(read(x + places.of(set, place)))) - first(set);
    value.sum += distance;
    value.squares += distance * distance;
  }
  DVD_DEVICE void combine(Value& value, const Value& other) const {
    value.sum += other.sum;
    value.squares += other.squares;
  }
  DVD_DEVICE void finish(Index set, const Value& value) const {
    const double count = static_cast<double>(places.rows.value() * places.width.value()), center = value.sum / count;
    const double spread = value.squares / count - center * center;
    mean[set] = static_cast<float>(first(set) + center);
    variance[set] = spread < 0 ? 0 : static_cast<float>(spread);  // a NaN stays one
  }
};

template <class T>
struct GroupNormForward {
  GroupPlaces places;
  Index channels;
  const T* x;
  const float *mean, *variance, *weight, *bias;
  float epsilon;
  T* y;

  template <int N>
  DVD_DEVICE void operator()(Index row, Index channel) const {
    Lanes<N> value = load<N>(x + row * channels + channel);
    for (int k = 0; k < N; ++k) {
      const Index set = places.set_of(row, channel + k);
      value[k] = (value[k] - mean[set]) / std::sqrt(variance[set] + epsilon);
      if (weight) value[k] *= weight[channel + k];
      if (bias) value[k] += bias[channel + k];
    }
    store(y + row * channels + channel, value);
  }
};

/// Of a group: sums of weight * dy and of weight * dy * (x - mean).
struct GroupSums {
  double total, moment;
};

template <class T>
struct SumGroup {
  using Value = GroupSums;

  GroupPlaces places;
  const T *x, *dy;
  const float *mean, *weight;
  GroupSums* sums;

  DVD_DEVICE Value identity() const { return {0, 0}; }
  DVD_DEVICE void add(Index set, Index place, Value& value) const {
    const Index i = places.of(set, place), channel = places.groups.divide(set).remainder * places.width.value() +
                                                     places.width.divide(place).remainder;
    const double upstream =
        static_cast<double>(static_cast<float>(read(dy + i))) * static_cast<double>(weight ? weight[channel] : 1);
    value.total += upstream;
    value.moment += upstream * (static_cast<double>(static_cast<float>(read(x + i))) - static_cast<double>(mean[set]));
  }
  DVD_DEVICE void combine(Value& value, const Value& other) const {
    value.total += other.total;
    value.moment += other.moment;
  }
  DVD_DEVICE void finish(Index set, const Value& value) const { sums[set] = value; }
};

/// The same where a group is a channel: then neighbouring threads take neighbouring groups.
template <class T>
struct SumChannel : SumGroup<T> {
  using Value = GroupSums;

  template <int N>
  DVD_DEVICE void add(Index image, Index row, Index channel, Value (&values)[N]) const {
    for (int k = 0; k < N; ++k) SumGroup<T>::add(image * this->places.groups.value() + channel + k, row, values[k]);
  }
  DVD_DEVICE void finish(Index image, Index channel, const Value& value) const {
    this->sums[image * this->places.groups.value() + channel] = value;
  }
};

/// Gradients of weight and bias: the images' rows as one.
template <class T>
struct SumAffine {
  using Value = GroupSums;

  GroupPlaces places;
  Index channels;
  const T *x, *dy;
  const float *mean, *variance;
  float epsilon;
  float *dweight, *dbias;

  DVD_DEVICE Value identity() const { return {0, 0}; }
  template <int N>
  DVD_DEVICE void add(Index, Index row, Index channel, Value (&values)[N]) const {
    const Index i = row * channels + channel;
    const Lanes<N> element = load<N>(x + i), gradient = load<N>(dy + i);
    for (int k = 0; k < N; ++k) {
      const Index set = places.set_of(row, channel + k);
      const double upstream = static_cast<double>(gradient[k]);
      values[k].total += upstream;
      values[k].moment += upstream * (static_cast<double>(element[k]) - static_cast<double>(read(mean + set))) /
                          std::sqrt(static_cast<double>(read(variance + set) + epsilon));
    }
  }
  DVD_DEVICE void combine(Value& value, const Value& other) const {
    value.total += other.total;
    value.moment += other.moment;
  }
  DVD_DEVICE void finish(Index, Index channel, const Value& value) const {
    if (dweight) dweight[channel] += static_cast<float>(value.moment);
    if (dbias) dbias[channel] += static_cast<float>(value.total);
  }
};

template <class T>
struct GroupNormBackward {
  GroupPlaces places;
  Index channels;
  const T *x, *dy;
  const float *mean, *variance, *weight;
  float epsilon;
  const GroupSums* sums;  ///< null where statistics are constants
  T* dx;

  template <int N>
  DVD_DEVICE void operator()(Index row, Index channel) const {
    const Index i = row * channels + channel;
    const double count = static_cast<double>(places.rows.value() * places.width.value());
    const Lanes<N> value = load<N>(x + i);
    Lanes<N> gradient = load<N>(dy + i);
    for (int k = 0; k < N; ++k) {
      const Index set = places.set_of(row, channel + k);
      const float inverse = 1 / std::sqrt(variance[set] + epsilon);
      if (weight) gradient[k] *= weight[channel + k];
      if (sums)
        gradient[k] -= static_cast<float>(sums[set].total / count) +
                       static_cast<float>(sums[set].moment / count) * inverse * inverse * (value[k] - mean[set]);
      gradient[k] *= inverse;
    }
    store(dx + i, gradient);
  }
};

}  // namespace detail

template <CudaScalar T>
void GroupNorm::group_moments(Index images, Index rows, Index groups, Index width, const T* x, float* mean,
                              float* variance) {
  if (width == 1) return Normalization::moments(images, rows, groups, x, mean, variance);
  reduce(images * groups, rows * width, detail::GroupMoments<T>{{rows, groups, width}, x, mean, variance});
}

template <CudaScalar T>
void GroupNorm::group_norm(Index images, Index rows, Index groups, Index width, const T* x, const float* mean,
                           const float* variance, const float* weight, const float* bias, float epsilon, T* y) {
  const Index channels = groups * width;
  for_each_row_lanes<T>(
      images * rows, channels, channels,
      detail::GroupNormForward<T>{{rows, groups, width}, channels, x, mean, variance, weight, bias, epsilon, y}, x, y);
}

template <CudaScalar T>
void GroupNorm::group_norm_backward(Index images, Index rows, Index groups, Index width, const T* x, const T* dy,
                                    const float* mean, const float* variance, const float* weight, float epsilon,
                                    bool own_statistics, float* dweight, float* dbias, T* dx) {
  const Index channels = groups * width;
  const detail::GroupPlaces places{rows, groups, width};
  if (dweight || dbias)
    reduce_rows<T>(1, images * rows, channels, channels,
                   detail::SumAffine<T>{places, channels, x, dy, mean, variance, epsilon, dweight, dbias}, x, dy);
  if (!dx) return;
  std::shared_ptr<void> memory;
  if (own_statistics) {
    memory = Memory::allocate(static_cast<std::size_t>(images * groups) * sizeof(detail::GroupSums));
    const detail::SumGroup<T> body{places, x, dy, mean, weight, static_cast<detail::GroupSums*>(memory.get())};
    if (width == 1)
      reduce_rows<T>(images, rows, groups, 1, detail::SumChannel<T>{body});
    else
      reduce(images * groups, rows * width, body);
  }
  const auto* const sums = static_cast<const detail::GroupSums*>(memory.get());
  for_each_row_lanes<T>(
      images * rows, channels, channels,
      detail::GroupNormBackward<T>{places, channels, x, dy, mean, variance, weight, epsilon, sums, dx}, x, dy, dx);
}

#define DVD_INSTANTIATE(T)                                                                                            \
  template void GroupNorm::group_moments(Index, Index, Index, Index, const T*, float*, float*);                       \
  template void GroupNorm::group_norm(Index, Index, Index, Index, const T*, const float*, const float*, const float*, \
                                      const float*, float, T*);                                                       \
  template void GroupNorm::group_norm_backward(Index, Index, Index, Index, const T*, const T*, const float*,          \
                                               const float*, const float*, float, bool, float*, float*, T*);
DVD_INSTANTIATE(float)
DVD_INSTANTIATE(bfloat16)
#undef DVD_INSTANTIATE

}  // namespace dvd::cuda

#include "dvd/core/macros_end.hpp"
