// Weights as the network uses them, and their gradients.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/device/cuda/weights.hpp"

#include <cmath>
#include <numbers>

#include "dvd/device/cuda/kernels/find_entry.cuh"
#include "dvd/device/cuda/kernels/list_table.cuh"
#include "dvd/device/cuda/kernels/pooled_kernel.cuh"
#include "dvd/device/cuda/parallel.cuh"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

namespace detail {

/// Rows are outputs, columns inputs and taps.
template <class T>
struct PackWeight {
  Index outputs, inputs;
  FastDivide taps;
  const float *weight, *sigma;
  T* packed;

  DVD_DEVICE float load(Index, Index output, Index column) const {
    const float factor = sigma ? 1 / *sigma : 1;
    return read(weight + output * inputs * taps.value() + column) * factor;
  }
  DVD_DEVICE void store(Index, Index output, Index column, float value) const {
    const auto [input, tap] = taps.divide(column);
    write(packed + (tap * inputs + input) * outputs + output, T(value));
  }
};

/// PackWeight of weights that one launch works on, cut into tiles, which are counted through all weights.
template <class T>
struct PackWeights {
  struct Entry {
    PackWeight<T> pack;
    Index first_tile;
  };
  static constexpr int capacity = (launch_bytes - 256) / static_cast<int>(sizeof(Entry));

  int count = 0;
  Index tiles = 0;
  Entry entry[std::size_t{capacity}];

  void add(const WeightToPack<T>& weight) {
    entry[count++] = {{weight.outputs, weight.inputs, weight.taps, weight.weight, weight.sigma, weight.packed}, tiles};
    tiles += tiles_of(weight.outputs) * tiles_of(weight.inputs * weight.taps);
  }

  DVD_DEVICE TransposedTile tile(Index i) const {
    const int low = find_entry(count, i, [this](int at) { return entry[at].first_tile; });
    const PackWeight<T>& pack = entry[low].pack;
    return tile_of(low, i - entry[low].first_tile, pack.outputs, pack.inputs * pack.taps.value());
  }
  DVD_DEVICE float load(Index i, Index output, Index column) const { return entry[i].pack.load(0, output, column); }
  DVD_DEVICE void store(Index i, Index output, Index column, float value) const {
    entry[i].pack.store(0, output, column, value);
  }
};

/// With spectral norm, d(W / sigma): u and v are constants and sigma = u^T W v, so dW = (dP - <dP, P> u v^T) / sigma,
/// where P = W / sigma (Miyato et al. 2018, section 2.1).
struct ThroughSigma {
  const float *along, *sigma, *u, *v;  ///< `along` is <dP, P>; all null without spectral norm

  DVD_DEVICE float operator()(float gradient, Index output, Index column) const {
    return sigma ? (gradient - *along * v[column] * u[output]) * (1 / *sigma) : gradient;
  }
};

/// Rows are inputs and taps, columns outputs.
template <class T>
struct UnpackWeight {
  Index outputs, inputs;
  FastDivide taps;
  const T* dpacked;
  ThroughSigma through;
  float* dweight;

  DVD_DEVICE float load(Index row, Index output) const {
    const auto [input, tap] = taps.divide(row);
    return through(static_cast<float>(read(dpacked + (tap * inputs + input) * outputs + output)), output, row);
  }
  DVD_DEVICE void store(Index row, Index output, float value) const {
    float* const to = dweight + output * inputs * taps.value() + row;
    write(to, read(to) + value);
  }
};

/// UnpackWeight of weights that one launch works on, cut into tiles, which are counted through all weights.
template <class T>
struct UnpackWeights {
  struct Entry {
    UnpackWeight<T> unpack;
    Index first_tile;
  };
  static constexpr int capacity = (launch_bytes - 256) / static_cast<int>(sizeof(Entry));

  int count = 0;
  Index tiles = 0;
  Entry entry[std::size_t{capacity}];

  void add(const UnpackWeight<T>& unpack) {
    entry[count++] = {unpack, tiles};
    tiles += tiles_of(unpack.inputs * unpack.taps.value()) * tiles_of(unpack.outputs);
  }

  DVD_DEVICE TransposedTile tile(Index i) const {
    const int low = find_entry(count, i, [this](int at) { return entry[at].first_tile; });
    const UnpackWeight<T>& unpack = entry[low].unpack;
    return tile_of(low, i - entry[low].first_tile, unpack.inputs * unpack.taps.value(), unpack.outputs);
  }
  DVD_DEVICE float load(Index i, Index row, Index output) const { return entry[i].unpack.load(row, output); }
  DVD_DEVICE void store(Index i, Index row, Index output, float value) const {
    entry[i].unpack.store(row, output, value);
  }
};

/// The same from a gradient that lies as a filter does, [outputs, library's taps, padded inputs]. An element is one of
/// dweight.
template <class T>
struct UnpackFilter {
  Index size;
  FastDivide row, taps;  ///< inputs and taps of an output; taps
  Index padded_inputs;
  bool pool;
  const T* dfilter;
  ThroughSigma through;
  float* dweight;

  DVD_DEVICE void operator()(Index i) const {
    const auto [output, column] = row.divide(i);
    const auto [input, tap] = taps.divide(column);
    const T* const from = dfilter + output * library_taps(taps.value(), pool) * padded_inputs + input;
    const float gradient =
        from_library_taps(tap, pool, [&](Index at) { return static_cast<float>(read(from + at * padded_inputs)); });
    write(dweight + i, read(dweight + i) + through(gradient, output, column));
  }
};

template <class T>
struct UnpackFilters {
  ListTable<UnpackFilter<T>> table;

  struct Step {
    DVD_DEVICE void operator()(const UnpackFilter<T>& unpack, Index i) const { unpack(i); }
  };

  DVD_DEVICE void operator()(Index thread) const { table.visit(thread, Step{}); }
};

// So many threads share the product of a gradient and its weight.
constexpr Index dot_threads = Index{1} << 14;

/// <dP, P> of weights that one launch works on; a row is a weight.
template <class T>
struct GradientDots {
  using Value = double;

  struct Entry {
    Index size, whole;  ///< elements, and those of them that are read `lanes` at a time
    const T *dpacked, *packed;
  };
  static constexpr int capacity = (launch_bytes - 256) / static_cast<int>(sizeof(Entry));
  static constexpr int lanes = lane_bytes / static_cast<int>(sizeof(T));

  int count = 0;
  float* along;  ///< of the first weight
  Entry entry[std::size_t{capacity}];

  void add(Index size, const T* dpacked, const T* packed) {
    const bool wide = aligned(dpacked) && aligned(packed);
    entry[count++] = {size, wide ? size / lanes * lanes : 0, dpacked, packed};
  }

  DVD_DEVICE double identity() const { return 0; }
  DVD_DEVICE void add(Index weight, Index thread, double& value) const {
    const Entry& here = entry[weight];
    for (Index i = thread * lanes; i < here.whole; i += dot_threads * lanes) add_products<lanes>(here, i, value);
    for (Index i = here.whole + thread; i < here.size; i += dot_threads) add_products<1>(here, i, value);
  }
  DVD_DEVICE void combine(double& value, double other) const { value += other; }
  DVD_DEVICE void finish(Index weight, double value) const { write(along + weight, static_cast<float>(value)); }

 private:
  template <int N>
  DVD_DEVICE static void add_products(const Entry& here, Index i, double& value) {
    const Lanes<N> a = load<N>(here.dpacked + i), b = load<N>(here.packed + i);
    for (int k = 0; k < N; ++k) value += static_cast<double>(a[k]) * static_cast<double>(b[k]);
  }
};

/// What is done for a weight does not depend on what it is listed with.
template <class T>
void unpack_gradients(const std::vector<WeightGradientToUnpack<T>>& gradients) {
  const auto memory = Memory::allocate(gradients.size() * sizeof(float));
  float* const along = static_cast<float*>(memory.get());
  for (std::size_t first = 0; first < gradients.size();) {
    GradientDots<T> dots;
    dots.along = along + first;
    for (; first < gradients.size() && dots.count < dots.capacity; ++first) {
      const WeightGradientToUnpack<T>& g = gradients[first];
      const Index row = g.filters ? library_taps(g.taps, g.pool) * padded(g.inputs) : g.taps * g.inputs;
      dots.add(g.sigma ? g.outputs * row : 0, g.dpacked, g.packed);
    }
    reduce(dots.count, dot_threads, dots);
  }
  const auto through = [&](std::size_t i) {
    const WeightGradientToUnpack<T>& g = gradients[i];
    return ThroughSigma{along + i, g.sigma, g.u, g.v};
  };
  std::vector<UnpackFilter<T>> filters;
  for (std::size_t next = 0; next < gradients.size();) {
    UnpackWeights<T> table;
    for (; next < gradients.size() && table.count < table.capacity; ++next) {
      const WeightGradientToUnpack<T>& g = gradients[next];
      if (g.filters)
        filters.push_back({g.outputs * g.inputs * g.taps, g.inputs * g.taps, g.taps, padded(g.inputs), g.pool,
                           g.dpacked, through(next), g.dweight});
      else
        table.add({g.outputs, g.inputs, g.taps, g.dpacked, through(next), g.dweight});
    }
    transpose_tiles(table.tiles, table);
  }
  by_tables(filters, [](const auto& table, Index threads, bool, bool) { for_each(threads, UnpackFilters<T>{table}); });
}

template <class T>
struct Transpose {
  Index rows, columns;
  const T* x;
  T* y;

  DVD_DEVICE float load(Index i, Index row, Index column) const {
    return static_cast<float>(read(x + (i * rows + row) * columns + column));
  }
  DVD_DEVICE void store(Index i, Index row, Index column, float value) const {
    write(y + (i * columns + column) * rows + row, T(value));
  }
};

/// Numbers 2i and 2i + 1, as Random::normal has them.
template <class T>
struct RandomNormal {
  Index size;
  Random random;
  float scale;
  T* y;

  DVD_DEVICE void operator()(Index i) const {
    const std::uint64_t pair = 2 * static_cast<std::uint64_t>(i);
    const double radius = std::sqrt(-2 * std::log(1 - random.uniform(pair)));
    const double angle = 2 * std::numbers::pi * random.uniform(pair + 1);
    write(y + 2 * i, T(scale * static_cast<float>(radius * std::cos(angle))));
    if (2 * i + 1 < size) write(y + 2 * i + 1, T(scale * static_cast<float>(radius * std::sin(angle))));
  }
};

template <class T>
struct RandomUniform {
  Random random;
  double low, high;
  T* y;

  DVD_DEVICE void operator()(Index i) const {
    write(y + i, T(random.uniform(static_cast<std::uint64_t>(i), low, high)));
  }
};

}  // namespace detail

template <CudaScalar T>
void Weights::pack_weight(Index outputs, Index inputs, Index taps, const float* weight, const float* sigma, T* packed) {
  cuda::transpose(1, outputs, inputs * taps, detail::PackWeight<T>{outputs, inputs, taps, weight, sigma, packed});
}

template <CudaScalar T>
void Weights::pack_weights(const std::vector<WeightToPack<T>>& weights) {
  static_assert(sizeof(detail::PackWeights<T>) <= launch_bytes);
  for (std::size_t next = 0; next < weights.size();) {
    detail::PackWeights<T> table;
    for (; next < weights.size() && table.count < table.capacity; ++next) table.add(weights[next]);
    transpose_tiles(table.tiles, table);
  }
}

template <CudaScalar T>
void Weights::unpack_weight_gradient(Index outputs, Index inputs, Index taps, const T* dpacked, const T* packed,
                                     const float* sigma, const float* u, const float* v, float* dweight) {
  unpack_weight_gradients<T>({{outputs, inputs, taps, dpacked, packed, sigma, u, v, dweight}});
}

template <CudaScalar T>
void Weights::unpack_weight_gradients(const std::vector<WeightGradientToUnpack<T>>& gradients) {
  static_assert(sizeof(detail::UnpackWeights<T>) <= launch_bytes && sizeof(detail::UnpackFilters<T>) <= launch_bytes &&
                sizeof(detail::GradientDots<T>) + 3 * sizeof(Index) <= launch_bytes);
  if (!gradients.empty()) detail::unpack_gradients(gradients);
}

template <CudaScalar T>
void Weights::transpose(Index count, Index rows, Index columns, const T* x, T* y) {
  constexpr Index most = 65535;  // of one launch
  for (Index first = 0; first < count; first += most) {
    const Index offset = first * rows * columns;
    cuda::transpose(std::min(most, count - first), rows, columns,
                    detail::Transpose<T>{rows, columns, x + offset, y + offset});
  }
}

template <CudaScalar T>
void Weights::random_normal(Index size, const Random& random, T scale, T* y) {
  for_each((size + 1) / 2, detail::RandomNormal<T>{size, random, static_cast<float>(scale), y});
}

template <CudaScalar T>
void Weights::random_uniform(Index size, const Random& random, T low, T high, T* y) {
  for_each(size, detail::RandomUniform<T>{random, static_cast<double>(low), static_cast<double>(high), y});
}

#define DVD_INSTANTIATE(T)                                                                                           \
  template void Weights::pack_weight(Index, Index, Index, const float*, const float*, T*);                           \
  template void Weights::pack_weights(const std::vector<WeightToPack<T>>&);                                          \
  template void Weights::unpack_weight_gradient(Index, Index, Index, const T*, const T*, const float*, const float*, \
                                                const float*, float*);                                               \
  template void Weights::unpack_weight_gradients(const std::vector<WeightGradientToUnpack<T>>&);                     \
  template void Weights::transpose(Index, Index, Index, const T*, T*);                                               \
  template void Weights::random_normal(Index, const Random&, T, T*);                                                 \
  template void Weights::random_uniform(Index, const Random&, T, T, T*);
DVD_INSTANTIATE(float)
DVD_INSTANTIATE(bfloat16)
#undef DVD_INSTANTIATE

}  // namespace dvd::cuda

#include "dvd/core/macros_end.hpp"
