// Weights as the network uses them, and their gradients.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/device/cuda/weights.hpp"

#include <cmath>
#include <numbers>

#include "dvd/device/cuda/kernels/launch_bytes.cuh"
#include "dvd/device/cuda/normalization.hpp"
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
    int low = 0, high = count;  // the last entry that begins no later
    while (high - low > 1) {
      const int middle = (low + high) / 2;
      if (entry[middle].first_tile <= i)
        low = middle;
      else
        high = middle;
    }
    const PackWeight<T>& pack = entry[low].pack;
    return tile_of(low, i - entry[low].first_tile, pack.outputs, pack.inputs * pack.taps.value());
  }
  DVD_DEVICE float load(Index i, Index output, Index column) const { return entry[i].pack.load(0, output, column); }
  DVD_DEVICE void store(Index i, Index output, Index column, float value) const {
    entry[i].pack.store(0, output, column, value);
  }
};

/// Rows are inputs and taps, columns outputs. With spectral norm, d(W / sigma): u and v are constants and
/// sigma = u^T W v, so dW = (dP - <dP, P> u v^T) / sigma, where P = W / sigma (Miyato et al. 2018, section 2.1).
template <class T>
struct UnpackWeightGradient {
  Index outputs, inputs;
  FastDivide taps;
  const T* dpacked;
  const float *along, *sigma, *u, *v;
  float* dweight;

  DVD_DEVICE float load(Index, Index row, Index output) const {
    const auto [input, tap] = taps.divide(row);
    const float gradient = static_cast<float>(read(dpacked + (tap * inputs + input) * outputs + output));
    return sigma ? (gradient - *along * v[row] * u[output]) * (1 / *sigma) : gradient;
  }
  DVD_DEVICE void store(Index, Index row, Index output, float value) const {
    float* const to = dweight + output * inputs * taps.value() + row;
    write(to, read(to) + value);
  }
};

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
  std::shared_ptr<void> memory;
  if (sigma) {
    memory = Memory::allocate(sizeof(float));
    Normalization::dot(outputs * inputs * taps, dpacked, packed, static_cast<float*>(memory.get()));
  }
  const float* const along = static_cast<const float*>(memory.get());
  cuda::transpose(1, inputs * taps, outputs,
                  detail::UnpackWeightGradient<T>{outputs, inputs, taps, dpacked, along, sigma, u, v, dweight});
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
  template void Weights::transpose(Index, Index, Index, const T*, T*);                                               \
  template void Weights::random_normal(Index, const Random&, T, T*);                                                 \
  template void Weights::random_uniform(Index, const Random&, T, T, T*);
DVD_INSTANTIATE(float)
DVD_INSTANTIATE(bfloat16)
#undef DVD_INSTANTIATE

}  // namespace dvd::cuda

#include "dvd/core/macros_end.hpp"
