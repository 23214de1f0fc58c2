// Normalisation by the moments of groups of channels, with weight and bias: batch, group and layer norms without a
// condition. Activations are `[images, rows, groups * width]`.
//
// Where an image has many rows, sums are first taken over rows, for every channel: lanes in T within a chunk of rows,
// chunks in double and in order. Where it has one, as in a layer norm, a group lies in one piece and is summed as it
// lies.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <cmath>

#include "dvd/device/cpu/memory.hpp"
#include "dvd/device/cpu/normalization.hpp"
#include "dvd/device/cpu/parallel.hpp"
#include "dvd/device/cpu/simd.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cpu {

/// Kernels of group, layer and batch norms of the contract; see core/device.hpp.
struct GroupNorm {
  template <class T>
  static void group_moments(Index images, Index rows, Index groups, Index width, const T* x, T* mean, T* variance);
  template <class T>
  static void group_norm(Index images, Index rows, Index groups, Index width, const T* x, const T* mean,
                         const T* variance, const T* weight, const T* bias, T epsilon, T* y);
  template <class T>
  static void group_norm_backward(Index images, Index rows, Index groups, Index width, const T* x, const T* dy,
                                  const T* mean, const T* variance, const T* weight, T epsilon, bool own_statistics,
                                  T* dweight, T* dbias, T* dx);

 private:
  /// The sum in double of `f(i, lanes)`, a vector of as many doubles, for pieces of 0 .. size - 1.
  template <class F>
  static double sum(Index size, const F& f) {
    constexpr int lanes = native_lanes<double>;
    Vector<double, lanes> all{};
    Index i = 0;
    for (; i + lanes <= size; i += lanes) all += f(i, std::integral_constant<int, lanes>{});
    double total = 0;
    for (int lane = 0; lane < lanes; ++lane) total += all[lane];
    for (; i < size; ++i) total += f(i, std::integral_constant<int, 1>{})[0];
    return total;
  }

  template <int Lanes, class T>
  static Vector<double, Lanes> doubles(const T* x) {
    return __builtin_convertvector(load<Vector<T, Lanes>>(x), Vector<double, Lanes>);
  }

  /// How a group's elements move its moments: dx = inverse * weight * dy - slope * (x - mean) - offset.
  template <class T>
  struct Terms {
    T inverse, slope, offset;
  };
  /// From the sums over the group of weight * dy and of weight * dy * (x - mean).
  template <class T>
  static Terms<T> terms(double total, double moment, double count, T variance, T epsilon, bool own_statistics) {
    const double inverse = 1 / std::sqrt(static_cast<double>(variance) + static_cast<double>(epsilon));
    if (!own_statistics) return {static_cast<T>(inverse), T{0}, T{0}};
    return {static_cast<T>(inverse), static_cast<T>(moment / count * inverse * inverse * inverse),
            static_cast<T>(total / count * inverse)};
  }

  template <class T>
  static void one_row_backward(Index images, Index groups, Index width, const T* x, const T* dy, const T* mean,
                               const T* variance, const T* weight, T epsilon, bool own_statistics, T* dweight, T* dbias,
                               T* dx);
  template <class T>
  static void many_rows_backward(Index images, Index rows, Index groups, Index width, const T* x, const T* dy,
                                 const T* mean, const T* variance, const T* weight, T epsilon, bool own_statistics,
                                 T* dweight, T* dbias, T* dx);

  /// Images of one row that a task takes.
  static Index images_per_task(Index channels) { return std::max<Index>(1, pointwise_grain / channels); }
};

template <class T>
void GroupNorm::group_moments(Index images, Index rows, Index groups, Index width, const T* x, T* mean, T* variance) {
  if (width == 1) return Normalization::moments(images, rows, groups, x, mean, variance);
  if (rows == 1) {
    const double count = static_cast<double>(width);
    parallel_chunks(images * groups, images_per_task(width), [=](Index begin, Index end) {
      for (Index i = begin; i < end; ++i) {
        const T* from = x + i * width;
        const double center = sum(width, [=](Index c, auto lanes) { return doubles<lanes>(from + c); }) / count;
        const double squares = sum(width, [=](Index c, auto lanes) {
          const Vector<double, lanes> distance = doubles<lanes>(from + c) - center;
          return distance * distance;
        });
        mean[i] = static_cast<T>(center);
        variance[i] = static_cast<T>(squares / count);
      }
    });
    return;
  }
  // Of channels first, then those of groups of equally long ones.
  const Scratch<T> means(images * groups * width), variances(images * groups * width);
  Normalization::moments(images, rows, groups * width, x, means.data(), variances.data());
  for (Index i = 0; i < images * groups; ++i) {
    const T *m = means.data() + i * width, *v = variances.data() + i * width;
    double center = 0, spread = 0;
    for (Index c = 0; c < width; ++c) center += static_cast<double>(m[c]) / static_cast<double>(width);
    for (Index c = 0; c < width; ++c) {
      const double distance = static_cast<double>(m[c]) - center;
      spread += (static_cast<double>(v[c]) + distance * distance) / static_cast<double>(width);
    }
    mean[i] = static_cast<T>(center);
    variance[i] = static_cast<T>(spread);
  }
}

template <class T>
void GroupNorm::group_norm(Index images, Index rows, Index groups, Index width, const T* x, const T* mean,
                           const T* variance, const T* weight, const T* bias, T epsilon, T* y) {
  const Index channels = groups * width;
  if (rows == 1) {
    parallel_chunks(images, images_per_task(channels), [=](Index begin, Index end) {
      for (Index i = begin * groups; i < end * groups; ++i) {
        const T inverse = T{1} / std::sqrt(variance[i] + epsilon), center = mean[i];
        const Index first = i % groups * width;
        for_lanes<T>(width, [&](Index c, auto lanes) {
          using V = Vector<T, lanes>;
          V value = (load<V>(x + i * width + c) - center) * inverse;
          if (weight) value *= load<V>(weight + first + c);
          if (bias) value += load<V>(bias + first + c);
          store(y + i * width + c, value);
        });
      }
    });
    return;
  }
  const Scratch<T> scale(images * channels), shift(images * channels);
  for (Index i = 0; i < images * channels; ++i) {
    const Index c = i % channels, group = i / width;
    const T inverse = T{1} / std::sqrt(variance[group] + epsilon);
    scale.data()[i] = weight ? weight[c] * inverse : inverse;
    shift.data()[i] = (bias ? bias[c] : T{0}) - mean[group] * scale.data()[i];
  }
  Normalization::scale_shift(images, rows, channels, x, scale.data(), shift.data(), false, y);
}

template <class T>
void GroupNorm::group_norm_backward(Index images, Index rows, Index groups, Index width, const T* x, const T* dy,
                                    const T* mean, const T* variance, const T* weight, T epsilon, bool own_statistics,
                                    T* dweight, T* dbias, T* dx) {
  if (rows == 1)
    one_row_backward(images, groups, width, x, dy, mean, variance, weight, epsilon, own_statistics, dweight, dbias, dx);
  else
    many_rows_backward(images, rows, groups, width, x, dy, mean, variance, weight, epsilon, own_statistics, dweight,
                       dbias, dx);
}

template <class T>
void GroupNorm::one_row_backward(Index images, Index groups, Index width, const T* x, const T* dy, const T* mean,
                                 const T* variance, const T* weight, T epsilon, bool own_statistics, T* dweight,
                                 T* dbias, T* dx) {
  const Index channels = groups * width, length = images_per_task(channels), chunks = (images + length - 1) / length;
  const Scratch<double> parts(chunks * 2 * channels);  // of the gradients of weight and bias
  parallel_for(chunks, [&](Index chunk) {
    double *slopes = parts.data() + chunk * 2 * channels, *offsets = slopes + channels;
    std::fill(slopes, slopes + 2 * channels, 0.0);
    for (Index i = chunk * length * groups; i < std::min(images, (chunk + 1) * length) * groups; ++i) {
      const T *from = x + i * width, *upstream = dy + i * width, *w = weight ? weight + i % groups * width : nullptr;
      const double center = static_cast<double>(mean[i]);
      const auto weighted = [=](Index c, auto lanes) {
        Vector<double, lanes> value = doubles<lanes>(upstream + c);
        if (w) value *= doubles<lanes>(w + c);
        return value;
      };
      double total = 0, moment = 0;
      if (own_statistics && dx) {
        total = sum(width, weighted);
        moment = sum(width, [=](Index c, auto lanes) {
          const Vector<double, lanes> distance = doubles<lanes>(from + c) - center;
          return weighted(c, lanes) * distance;
        });
      }
      const Terms<T> term = terms(total, moment, static_cast<double>(width), variance[i], epsilon, own_statistics);
      for_lanes<T, native_lanes<double>>(width, [&](Index c, auto lanes) {
        using W = Vector<double, lanes>;
        double *slope = slopes + i % groups * width + c, *offset = offsets + i % groups * width + c;
        const W gradient = doubles<lanes>(upstream + c), distance = doubles<lanes>(from + c) - center;
        store(slope, load<W>(slope) + gradient * distance * static_cast<double>(term.inverse));
        store(offset, load<W>(offset) + gradient);
      });
      if (!dx) continue;
      for_lanes<T>(width, [&](Index c, auto lanes) {
        using V = Vector<T, lanes>;
        V gradient = load<V>(upstream + c) * term.inverse;
        if (w) gradient *= load<V>(w + c);
        store(dx + i * width + c, gradient - term.slope * (load<V>(from + c) - mean[i]) - term.offset);
      });
    }
  });
  for (Index c = 0; c < channels; ++c) {
    double slope = 0, offset = 0;
    for (Index chunk = 0; chunk < chunks; ++chunk) {
      slope += parts.data()[chunk * 2 * channels + c];
      offset += parts.data()[(chunk * 2 + 1) * channels + c];
    }
    if (dweight) dweight[c] += static_cast<T>(slope);
    if (dbias) dbias[c] += static_cast<T>(offset);
  }
}

template <class T>
void GroupNorm::many_rows_backward(Index images, Index rows, Index groups, Index width, const T* x, const T* dy,
                                   const T* mean, const T* variance, const T* weight, T epsilon, bool own_statistics,
                                   T* dweight, T* dbias, T* dx) {
  // Sums over chunks of rows of dy and of dy * (x - mean).
  const Index channels = groups * width, length = std::clamp<Index>(4096 / channels, 16, 256),
              chunks = (rows + length - 1) / length;
  const Scratch<T> centers(images * channels), parts(images * chunks * 2 * channels);
  for (Index i = 0; i < images * channels; ++i) centers.data()[i] = mean[i / width];
  parallel_for(images * chunks, [&](Index i) {
    const Index image = i / chunks, first = i % chunks * length, last = std::min(rows, first + length);
    for_lanes<T>(channels, [&](Index c, auto lanes) {
      using V = Vector<T, lanes>;
      const V center = load<V>(centers.data() + image * channels + c);
      V total{}, moment{};
      for (Index r = first; r < last; ++r) {
        const Index at = (image * rows + r) * channels + c;
        const V upstream = load<V>(dy + at);
        total += upstream;
        moment += upstream * (load<V>(x + at) - center);
      }
      store(parts.data() + i * 2 * channels + c, total);
      store(parts.data() + (i * 2 + 1) * channels + c, moment);
    });
  });

  const Scratch<T> factors(images * 3 * channels);  // of dx: scale, slope, offset
  const Scratch<double> slopes(channels), offsets(channels);
  std::fill(slopes.data(), slopes.data() + channels, 0.0);
  std::fill(offsets.data(), offsets.data() + channels, 0.0);
  for (Index g = 0; g < images * groups; ++g) {
    const Index image = g / groups, first = g % groups * width;
    const double inverse = 1 / std::sqrt(static_cast<double>(variance[g]) + static_cast<double>(epsilon));
    double total = 0, moment = 0;
    for (Index c = first; c < first + width; ++c) {
      double channel_total = 0, channel_moment = 0;
      for (Index i = image * chunks; i < (image + 1) * chunks; ++i) {
        channel_total += static_cast<double>(parts.data()[i * 2 * channels + c]);
        channel_moment += static_cast<double>(parts.data()[(i * 2 + 1) * channels + c]);
      }
      const double factor = weight ? static_cast<double>(weight[c]) : 1;
      total += factor * channel_total;
      moment += factor * channel_moment;
      slopes.data()[c] += channel_moment * inverse;
      offsets.data()[c] += channel_total;
    }
    const Terms<T> term = terms(total, moment, static_cast<double>(rows * width), variance[g], epsilon, own_statistics);
    T* to = factors.data() + image * 3 * channels;
    for (Index c = first; c < first + width; ++c) {
      to[c] = weight ? weight[c] * term.inverse : term.inverse;
      to[channels + c] = term.slope;
      to[2 * channels + c] = term.offset;
    }
  }
  for (Index c = 0; c < channels; ++c) {
    if (dweight) dweight[c] += static_cast<T>(slopes.data()[c]);
    if (dbias) dbias[c] += static_cast<T>(offsets.data()[c]);
  }
  if (!dx) return;

  parallel_chunks(images * rows, images_per_task(channels), [&](Index begin, Index end) {
    for (Index row = begin; row < end; ++row) {
      const Index image = row / rows;
      const T *factor = factors.data() + image * 3 * channels, *center = centers.data() + image * channels;
      for_lanes<T>(channels, [&](Index c, auto lanes) {
        using V = Vector<T, lanes>;
        const Index at = row * channels + c;
        const V gradient = load<V>(factor + c) * load<V>(dy + at);
        const V along = load<V>(factor + channels + c) * (load<V>(x + at) - load<V>(center + c));
        store(dx + at, gradient - along - load<V>(factor + 2 * channels + c));
      });
    }
  });
}

}  // namespace dvd::cpu

#include "dvd/core/macros_end.hpp"
