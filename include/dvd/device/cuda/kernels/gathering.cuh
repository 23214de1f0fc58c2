// Rows of tables, frames of videos, means of losses.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/device/cuda/gathering.hpp"

#include "dvd/device/cuda/loss.cuh"
#include "dvd/device/cuda/parallel.cuh"
#include "dvd/training/loss_terms.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

namespace detail {

template <class T>
struct GatherRows {
  Index width;
  const T* table;
  const Index* rows;
  T* y;

  template <int N>
  DVD_DEVICE void operator()(Index i, Index column) const {
    store(y + i * width + column, load<N>(table + rows[i] * width + column));
  }
};

/// The first of those that name a row adds for all of them, in their order: no two threads change one place.
template <class From, class To>
struct ScatterAddRows {
  Index count, width;
  const From* dy;
  const Index* rows;
  To* dtable;

  template <int N>
  DVD_DEVICE void operator()(Index first, Index column) const {
    const Index row = rows[first];
    for (Index i = 0; i < first; ++i)
      if (rows[i] == row) return;
    To* target = dtable + row * width + column;
    Lanes<N> sum = load<N>(target);
    for (Index i = first; i < count; ++i) {
      if (rows[i] != row) continue;
      const Lanes<N> gradient = load<N>(dy + i * width + column);
      for (int k = 0; k < N; ++k) sum[k] += gradient[k];
    }
    store(target, sum);
  }
};

template <class T>
struct BroadcastRows {
  FastDivide rows;
  Index channels;
  const T* x;
  T* y;

  Index largest() const { return rows.value(); }

  template <int N, class I>
  DVD_DEVICE void operator()(I row, I channel) const {
    store(y + (product(row, channels) + channel), load<N>(x + (product(rows.quotient(row), channels) + channel)));
  }
};

template <class T>
struct RowDots {
  using Value = double;

  Index width;
  const T *x, *y;
  float* result;

  DVD_DEVICE double identity() const { return 0; }
  DVD_DEVICE void add(Index row, Index column, double& value) const {
    const Index place = row * width + column;
    value += static_cast<double>(static_cast<float>(read(x + place))) *
             static_cast<double>(static_cast<float>(read(y + place)));
  }
  DVD_DEVICE void combine(double& value, double other) const { value += other; }
  DVD_DEVICE void finish(Index row, double value) const { write(result + row, static_cast<float>(value)); }
};

template <class T>
struct ScaleRows {
  Index width;
  const float* factors;
  const T* x;
  T* y;

  template <int N>
  DVD_DEVICE void operator()(Index row, Index column) const {
    const float factor = factors[row];
    Lanes<N> value = load<N>(x + row * width + column);
    for (int k = 0; k < N; ++k) value[k] *= factor;
    store(y + row * width + column, value);
  }
};

}  // namespace detail

template <CudaScalar T>
void Gathering::gather_rows(Index count, Index width, const T* table, const Index* rows, T* y) {
  for_each_row_lanes<T>(count, width, width, detail::GatherRows<T>{width, table, rows, y}, table, y);
}

template <CudaScalar From, CudaScalar To>
void Gathering::scatter_add_rows(Index count, Index width, const From* dy, const Index* rows, To* dtable) {
  using Narrower = std::conditional_t<sizeof(From) < sizeof(To), From, To>;
  for_each_row_lanes<Narrower>(count, width, width, detail::ScatterAddRows<From, To>{count, width, dy, rows, dtable},
                               dy, dtable);
}

template <CudaScalar T>
void Gathering::broadcast_rows(Index groups, Index rows, Index channels, const T* x, T* y) {
  for_each_row_lanes<T>(groups * rows, channels, channels, detail::BroadcastRows<T>{rows, channels, x, y}, x, y);
}

template <CudaScalar T>
void Gathering::row_dots(Index rows, Index width, const T* x, const T* y, float* result) {
  reduce(rows, width, detail::RowDots<T>{width, x, y, result});
}

template <CudaScalar T>
void Gathering::scale_rows(Index rows, Index width, const float* factors, const T* x, T* y) {
  for_each_row_lanes<T>(rows, width, width, detail::ScaleRows<T>{width, factors, x, y}, x, y);
}

#define DVD_INSTANTIATE(T)                                                                    \
  template void Gathering::gather_rows(Index, Index, const T*, const Index*, T*);             \
  template void Gathering::scatter_add_rows(Index, Index, const T*, const Index*, float*);    \
  template void Gathering::scatter_add_rows(Index, Index, const T*, const Index*, bfloat16*); \
  template void Gathering::broadcast_rows(Index, Index, Index, const T*, T*);                 \
  template void Gathering::row_dots(Index, Index, const T*, const T*, float*);                \
  template void Gathering::scale_rows(Index, Index, const float*, const T*, T*);
DVD_INSTANTIATE(float)
DVD_INSTANTIATE(bfloat16)
#undef DVD_INSTANTIATE

#define DVD_INSTANTIATE(Loss)                                                              \
  template void Gathering::mean_loss(Index, const float*, RealTerm<Loss>, float*, float*); \
  template void Gathering::mean_loss(Index, const float*, FakeTerm<Loss>, float*, float*); \
  template void Gathering::mean_loss(Index, const float*, GeneratorTerm<Loss>, float*, float*);
DVD_INSTANTIATE(HingeLoss)
DVD_INSTANTIATE(NonSaturatingLoss)
DVD_INSTANTIATE(LeastSquaresLoss)
DVD_INSTANTIATE(WassersteinLoss)
#undef DVD_INSTANTIATE

}  // namespace dvd::cuda

#include "dvd/core/macros_end.hpp"
