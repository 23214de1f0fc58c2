// The power iterations of spectral normalisation, over all weights of a network together.
//
// Both products read every weight once; the rest is small. A weight's parts are cut by its own size alone, so that its
// numbers do not depend on what it is listed with.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <cmath>

#include "dvd/device/cuda/definition.hpp"
#include "dvd/device/cuda/kernels/find_entry.cuh"
#include "dvd/device/cuda/kernels/launch_bytes.cuh"
#include "dvd/device/cuda/parallel.cuh"
#include "dvd/device/cuda/weights.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

namespace detail {

// So many rows of a column are summed by one thread.
constexpr Index spectral_rows = 64;

// So many threads share the sum over a row, or over all of a weight's u or v.
constexpr Index spectral_threads = 256;

/// A weight, and what comes before it in the table: the parts of columns, the columns, the rows.
struct SpectralEntry {
  SpectralArrays<float> matrix;
  Index first_part, first_column, first_row;
};

/// Weights that one launch works on.
struct SpectralTable {
  static constexpr int capacity = (launch_bytes - 256) / static_cast<int>(sizeof(SpectralEntry));

  int count = 0;
  Index parts = 0, columns = 0, rows = 0;
  SpectralEntry entry[capacity];

  void add(const SpectralArrays<float>& matrix) {
    entry[count++] = {matrix, parts, columns, rows};
    parts += (matrix.rows + spectral_rows - 1) / spectral_rows * matrix.columns;
    columns += matrix.columns;
    rows += matrix.rows;
  }

  /// The number of the last entry that begins no later than at i.
  DVD_DEVICE int find(Index SpectralEntry::*first, Index i) const {
    return find_entry(count, i, [this, first](int at) { return entry[at].*first; });
  }
};

/// W^T u, of a part of the rows.
struct SpectralColumnParts {
  SpectralTable table;
  double* parts;

  DVD_DEVICE void operator()(Index i) const {
    const SpectralEntry& entry = table.entry[table.find(&SpectralEntry::first_part, i)];
    const SpectralArrays<float>& w = entry.matrix;
    const Index part = (i - entry.first_part) / w.columns, column = (i - entry.first_part) % w.columns;
    const Index first = part * spectral_rows, last = first + spectral_rows < w.rows ? first + spectral_rows : w.rows;
    double value = 0;
    for (Index row = first; row < last; ++row)
      value += static_cast<double>(read(w.u + row)) * static_cast<double>(read(w.weight + row * w.columns + column));
    write(parts + i, value);
  }
};

/// v = W^T u, which is normalised at last.
struct SpectralColumns {
  SpectralTable table;
  const double* parts;

  DVD_DEVICE void operator()(Index i) const {
    const SpectralEntry& entry = table.entry[table.find(&SpectralEntry::first_column, i)];
    const SpectralArrays<float>& w = entry.matrix;
    const Index column = i - entry.first_column;
    double value = 0;
    for (Index part = 0; part * spectral_rows < w.rows; ++part)
      value += read(parts + entry.first_part + part * w.columns + column);
    write(w.v + column, static_cast<float>(value));
  }
};

DVD_DEVICE double inverse_norm(double squares) {
  const double norm = std::sqrt(squares);
  return 1 / (norm < 1e-12 ? 1e-12 : norm);  // a NaN stays one
}

/// 1 / |v|; a row is a weight.
struct SpectralNormOfV {
  using Value = double;

  SpectralTable table;
  double* inverse;

  DVD_DEVICE double identity() const { return 0; }
  DVD_DEVICE void add(Index entry, Index thread, double& value) const {
    const SpectralArrays<float>& w = table.entry[entry].matrix;
    for (Index column = thread; column < w.columns; column += spectral_threads)
      value += static_cast<double>(read(w.v + column)) * static_cast<double>(w.v[column]);
  }
  DVD_DEVICE void combine(double& value, double other) const { value += other; }
  DVD_DEVICE void finish(Index entry, double value) const { write(inverse + entry, inverse_norm(value)); }
};

DVD_DEVICE float normalized(float value, double inverse) {
  return static_cast<float>(static_cast<double>(value) * inverse);
}

/// W v.
struct SpectralRows {
  using Value = double;

  SpectralTable table;
  const double* inverse_v;
  float* product;

  DVD_DEVICE double identity() const { return 0; }
  DVD_DEVICE void add(Index i, Index thread, double& value) const {
    const int found = table.find(&SpectralEntry::first_row, i);
    const SpectralEntry& entry = table.entry[found];
    const SpectralArrays<float>& w = entry.matrix;
    const float* const row = w.weight + (i - entry.first_row) * w.columns;
    const double inverse = inverse_v[found];
    for (Index column = thread; column < w.columns; column += spectral_threads)
      value += static_cast<double>(read(row + column)) * static_cast<double>(normalized(read(w.v + column), inverse));
  }
  DVD_DEVICE void combine(double& value, double other) const { value += other; }
  DVD_DEVICE void finish(Index i, double value) const { write(product + i, static_cast<float>(value)); }
};

/// sigma = u^T W v, with u being norm(W v) if `update`, and then 1 / |W v|; a row is a weight.
struct SpectralSigma {
  using Value = double;

  SpectralTable table;
  const float* product;
  double* inverse;
  bool update;

  DVD_DEVICE double identity() const { return 0; }
  DVD_DEVICE void add(Index entry, Index thread, double& value) const {
    const SpectralArrays<float>& w = table.entry[entry].matrix;
    const float* const x = product + table.entry[entry].first_row;
    const float* const along = update ? x : w.u;
    for (Index row = thread; row < w.rows; row += spectral_threads)
      value += static_cast<double>(read(along + row)) * static_cast<double>(read(x + row));
  }
  DVD_DEVICE void combine(double& value, double other) const { value += other; }
  DVD_DEVICE void finish(Index entry, double value) const {
    if (update) {
      const double factor = inverse_norm(value);
      write(inverse + entry, factor);
      value *= factor;
    }
    write(table.entry[entry].matrix.sigma, static_cast<float>(value));
  }
};

/// v, and u = norm(W v), normalised: first all of v, then as much of u as is asked for.
struct SpectralNormalize {
  SpectralTable table;
  const float* product;
  const double *inverse_v, *inverse_u;

  DVD_DEVICE void operator()(Index i) const {
    if (i < table.columns) {
      const int found = table.find(&SpectralEntry::first_column, i);
      float* const v = table.entry[found].matrix.v + (i - table.entry[found].first_column);
      write(v, normalized(read(v), inverse_v[found]));
    } else {
      const Index row = i - table.columns;
      const int found = table.find(&SpectralEntry::first_row, row);
      write(table.entry[found].matrix.u + (row - table.entry[found].first_row),
            normalized(read(product + row), inverse_u[found]));
    }
  }
};

static_assert(sizeof(SpectralSigma) + 4 * sizeof(Index) <= launch_bytes &&
              sizeof(SpectralNormalize) + sizeof(Index) <= launch_bytes);

inline void power_iterations(const SpectralTable& table, bool update) {
  const auto array = [](Index size, std::size_t bytes) {
    return Memory::allocate(static_cast<std::size_t>(size) * bytes);
  };
  const auto parts_memory = array(table.parts, sizeof(double)), inverse_memory = array(2 * table.count, sizeof(double)),
             product_memory = array(table.rows, sizeof(float));
  double* const parts = static_cast<double*>(parts_memory.get());
  double *const inverse_v = static_cast<double*>(inverse_memory.get()), *const inverse_u = inverse_v + table.count;
  float* const product = static_cast<float*>(product_memory.get());
  for_each(table.parts, SpectralColumnParts{table, parts});
  for_each(table.columns, SpectralColumns{table, parts});
  reduce(table.count, spectral_threads, SpectralNormOfV{table, inverse_v});
  reduce(table.rows, spectral_threads, SpectralRows{table, inverse_v, product});
  reduce(table.count, spectral_threads, SpectralSigma{table, product, inverse_u, update});
  for_each(table.columns + (update ? table.rows : 0), SpectralNormalize{table, product, inverse_v, inverse_u});
}

}  // namespace detail

DVD_CUDA_DEFINITION void Weights::power_iterations(const std::vector<SpectralArrays<float>>& weights, bool update) {
  for (std::size_t next = 0; next < weights.size();) {
    detail::SpectralTable table;
    for (; next < weights.size() && table.count < table.capacity; ++next) table.add(weights[next]);
    detail::power_iterations(table, update);
  }
}

}  // namespace dvd::cuda

#include "dvd/core/macros_end.hpp"
