// From weights as checkpoints hold them, `[outputs, inputs, taps]`, to weights as convolutions read them,
// `[taps, inputs, outputs]`, and back for gradients; with the power iteration of spectral normalisation.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "dvd/core/arrays.hpp"
#include "dvd/core/random.hpp"
#include "dvd/device/cpu/normalization.hpp"
#include "dvd/device/cpu/transpose.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cpu {

/// Weight kernels of the contract; see core/device.hpp.
struct Weights {
  template <class T>
  static void power_iterations(const std::vector<SpectralArrays<T>>& weights, bool update);
  template <class T>
  static void pack_weight(Index outputs, Index inputs, Index taps, const T* weight,
                          const std::type_identity_t<T>* sigma, T* packed);
  template <class T>
  static void pack_weights(const std::vector<WeightToPack<T>>& weights);
  static constexpr bool unpacks_together = false;
  template <class T>
  static void unpack_weight_gradient(Index outputs, Index inputs, Index taps, const T* dpacked, const T* packed,
                                     const std::type_identity_t<T>* sigma, const T* u, const T* v, T* dweight);
  template <class T>
  static void transpose(Index count, Index rows, Index columns, const T* x, T* y);
  template <class T>
  static void random_normal(Index size, const Random& random, T scale, T* y);
  template <class T>
  static void random_uniform(Index size, const Random& random, T low, T high, T* y);

 private:
  template <class T>
  static void power_iteration(Index rows, Index columns, const T* weight, T* u, T* v, T* sigma, bool update) {
    // v = norm(W^T u): columns are split, rows added in order.
    parallel_chunks(columns, std::max<Index>(256, 65536 / rows), [=](Index begin, Index end) {
      for_lanes<T>(end - begin, [&](Index c, auto lanes) {
        using V = Vector<T, lanes>;
        V sum{};
        for (Index r = 0; r < rows; ++r) sum += u[r] * load<V>(weight + r * columns + begin + c);
        store(v + begin + c, sum);
      });
    });
    normalize(columns, v);
    // W v, from which both u and sigma follow.
    std::vector<T> product(static_cast<std::size_t>(rows));
    parallel_chunks(rows, std::max<Index>(1, 65536 / columns), [&](Index begin, Index end) {
      for (Index r = begin; r < end; ++r) {
        constexpr int lanes = native_lanes<T>;
        using V = Vector<T, lanes>;
        const T* row = weight + r * columns;
        V sum[4] = {};
        Index c = 0;
        for (; c + 4 * lanes <= columns; c += 4 * lanes)
          unroll<4>([&](int i) __attribute__((always_inline)) {
            sum[i] += load<V>(row + c + i * lanes) * load<V>(v + c + i * lanes);
          });
        const V all = (sum[0] + sum[1]) + (sum[2] + sum[3]);
        double total = 0;
        for (int lane = 0; lane < lanes; ++lane) total += static_cast<double>(all[lane]);
        for (; c < columns; ++c) total += static_cast<double>(row[c]) * static_cast<double>(v[c]);
        product[static_cast<std::size_t>(r)] = static_cast<T>(total);
      }
    });
    if (update) {
      std::copy(product.begin(), product.end(), u);
      normalize(rows, u);
    }
    double total = 0;
    for (Index r = 0; r < rows; ++r)
      total += static_cast<double>(u[r]) * static_cast<double>(product[static_cast<std::size_t>(r)]);
    *sigma = static_cast<T>(total);
  }

  template <class T>
  static void normalize(Index size, T* x) {
    double squares = 0;
    for (Index i = 0; i < size; ++i) squares += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    const double inverse = 1 / std::max(std::sqrt(squares), 1e-12);
    for (Index i = 0; i < size; ++i) x[i] = static_cast<T>(static_cast<double>(x[i]) * inverse);
  }

  /// Where the outputs of a weight's input and tap begin when packed, for all inputs and taps.
  static std::vector<Index> packed_places(Index outputs, Index inputs, Index taps) {
    std::vector<Index> places;
    places.reserve(static_cast<std::size_t>(inputs * taps));
    for (Index i = 0; i < inputs; ++i)
      for (Index t = 0; t < taps; ++t) places.push_back((t * inputs + i) * outputs);
    return places;
  }

  template <class Range>
  static void by_inputs(Index inputs, Index work, const Range& range) {
    parallel_chunks(inputs, std::max<Index>(1, 4 * pointwise_grain / work), range);
  }
};

template <class T>
void Weights::power_iterations(const std::vector<SpectralArrays<T>>& weights, bool update) {
  for (const SpectralArrays<T>& w : weights) power_iteration(w.rows, w.columns, w.weight, w.u, w.v, w.sigma, update);
}

template <class T>
void Weights::pack_weight(Index outputs, Index inputs, Index taps, const T* weight,
                          const std::type_identity_t<T>* sigma, T* packed) {
  const T factor = sigma ? T{1} / *sigma : T{1};
  const std::vector<Index> places = packed_places(outputs, inputs, taps);
  by_inputs(inputs, taps * outputs, [&](Index begin, Index end) {
    const Index* const place = places.data() + begin * taps;
    for_columns<T>(
        outputs, (end - begin) * taps, [=](Index output) { return weight + (output * inputs + begin) * taps; },
        [=](Index i, Index output, const auto& values)
            __attribute__((always_inline)) { store(packed + place[i] + output, values * factor); });
  });
}

template <class T>
void Weights::pack_weights(const std::vector<WeightToPack<T>>& weights) {
  for (const WeightToPack<T>& w : weights) pack_weight(w.outputs, w.inputs, w.taps, w.weight, w.sigma, w.packed);
}

template <class T>
void Weights::unpack_weight_gradient(Index outputs, Index inputs, Index taps, const T* dpacked, const T* packed,
                                     const std::type_identity_t<T>* sigma, const T* u, const T* v, T* dweight) {
  // With spectral norm, d(W / sigma): u and v are constants and sigma = u^T W v, so
  // dW = (dP - <dP, P> u v^T) / sigma, where P = W / sigma (Miyato et al. 2018, section 2.1).
  T along = 0;
  if (sigma) Normalization::dot(outputs * inputs * taps, dpacked, packed, &along);
  const T factor = sigma ? T{1} / *sigma : T{1};
  const std::vector<Index> places = packed_places(outputs, inputs, taps);
  by_inputs(inputs, taps * outputs, [&](Index begin, Index end) {
    const Index* const place = places.data() + begin * taps;
    for_columns<T>((end - begin) * taps, outputs, [=](Index i) { return dpacked + place[i]; },
                   [=](Index output, Index i, auto values) __attribute__((always_inline)) {
                     using V = decltype(values);
                     const Index first = begin * taps + i;
                     if (sigma) values -= along * u[output] * load<V>(v + first);
                     T* const to = dweight + output * inputs * taps + first;
                     store(to, load<V>(to) + values * factor);
                   });
  });
}

template <class T>
void Weights::transpose(Index count, Index rows, Index columns, const T* x, T* y) {
  for (Index i = 0; i < count; ++i)
    pack_weight(rows, columns, 1, x + i * rows * columns, nullptr, y + i * rows * columns);
}

template <class T>
void Weights::random_normal(Index size, const Random& random, T scale, T* y) {
  // The numbers of Random::normal, but what the two of a pair share is computed once. Cosines and sines keep apart: a
  // library may round otherwise where it computes both at once.
  constexpr Index chunk = 1024;
  parallel_chunks(size, chunk, [=](Index begin, Index end) {
    Random::NormalPair pairs[chunk / 2];
    for (Index i = begin; i < end; i += 2) pairs[(i - begin) / 2] = random.normal_pair(static_cast<std::uint64_t>(i));
    for (Index i = begin; i < end; i += 2) {
      const Random::NormalPair pair = pairs[(i - begin) / 2];
      y[i] = scale * static_cast<T>(pair.radius * std::cos(pair.angle));
    }
    for (Index i = begin + 1; i < end; i += 2) {
      const Random::NormalPair pair = pairs[(i - begin) / 2];
      y[i] = scale * static_cast<T>(pair.radius * std::sin(pair.angle));
    }
  });
}

template <class T>
void Weights::random_uniform(Index size, const Random& random, T low, T high, T* y) {
  parallel_chunks(size, 1024, [=](Index begin, Index end) {
    for (Index i = begin; i < end; ++i)
      y[i] = static_cast<T>(
          random.uniform(static_cast<std::uint64_t>(i), static_cast<double>(low), static_cast<double>(high)));
  });
}

}  // namespace dvd::cpu

#include "dvd/core/macros_end.hpp"
