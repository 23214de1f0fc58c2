// The gates of a ConvLSTM's step.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <cmath>

#include "dvd/device/cuda/parallel.cuh"
#include "dvd/device/cuda/pointwise.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

namespace detail {

/// The value that an array of T holds after it was stored, which the backward pass will see.
template <class T>
DVD_DEVICE float lstm_rounded(float value) {
  return static_cast<float>(T(value));
}
template <class T>
DVD_DEVICE float lstm_logistic(float value) {
  return lstm_rounded<T>(1 / (1 + std::exp(-value)));
}

template <class T>
struct LstmOutput {
  Index width;
  T* gates;
  const float* before;
  float* cell;
  T* y;

  template <int N>
  DVD_DEVICE void operator()(Index row, Index column) const {
    T* gate = gates + row * 4 * width + column;
    const Index place = row * width + column;
    Lanes<N> write = load<N>(gate), keep = load<N>(gate + width), show = load<N>(gate + 2 * width),
             candidate = load<N>(gate + 3 * width), last, now, result;
    for (int k = 0; k < N; ++k) last[k] = 0;
    if (before) last = load<N>(before + place);
    for (int k = 0; k < N; ++k) {
      write[k] = lstm_logistic<T>(write[k]);
      keep[k] = lstm_logistic<T>(keep[k]);
      show[k] = lstm_logistic<T>(show[k]);
      candidate[k] = lstm_rounded<T>(std::tanh(candidate[k]));
      now[k] = keep[k] * last[k] + write[k] * candidate[k];
      result[k] = show[k] * std::tanh(now[k]);
    }
    store(gate, write);
    store(gate + width, keep);
    store(gate + 2 * width, show);
    store(gate + 3 * width, candidate);
    store(cell + place, now);
    store(y + place, result);
  }
};

template <class T>
struct LstmOutputBackward {
  Index width;
  const T* gates;
  const float *before, *cell;
  const T *dy, *added;
  float* dcell;
  T* dgates;

  template <int N>
  DVD_DEVICE void operator()(Index row, Index column) const {
    const T* gate = gates + row * 4 * width + column;
    T* dgate = dgates + row * 4 * width + column;
    const Index place = row * width + column;
    const Lanes<N> write = load<N>(gate), keep = load<N>(gate + width), show = load<N>(gate + 2 * width),
                   candidate = load<N>(gate + 3 * width), now = load<N>(cell + place);
    Lanes<N> upstream = load<N>(dy + place);
    if (added) {
      const Lanes<N> more = load<N>(added + place);
      for (int k = 0; k < N; ++k) upstream[k] = lstm_rounded<T>(upstream[k] + more[k]);
    }
    Lanes<N> through = load<N>(dcell + place), last, dwrite, dkeep, dshow, dcandidate;
    for (int k = 0; k < N; ++k) last[k] = 0;
    if (before) last = load<N>(before + place);
    for (int k = 0; k < N; ++k) {
      const float value = std::tanh(now[k]);
      through[k] += upstream[k] * show[k] * (1 - value * value);
      dwrite[k] = through[k] * candidate[k] * write[k] * (1 - write[k]);
      dkeep[k] = through[k] * last[k] * keep[k] * (1 - keep[k]);
      dshow[k] = upstream[k] * value * show[k] * (1 - show[k]);
      dcandidate[k] = through[k] * write[k] * (1 - candidate[k] * candidate[k]);
      through[k] *= keep[k];
    }
    store(dgate, dwrite);
    store(dgate + width, dkeep);
    store(dgate + 2 * width, dshow);
    store(dgate + 3 * width, dcandidate);
    store(dcell + place, through);
  }
};

}  // namespace detail

template <CudaScalar T>
void Lstm::lstm_output(Index rows, Index width, T* gates, const float* before, float* cell, T* y) {
  for_each_row_lanes<T>(rows, width, width, detail::LstmOutput<T>{width, gates, before, cell, y}, gates, before, cell,
                        y);
}

template <CudaScalar T>
void Lstm::lstm_output_backward(Index rows, Index width, const T* gates, const float* before, const float* cell,
                                const T* dy, const T* added, float* dcell, T* dgates) {
  for_each_row_lanes<T>(rows, width, width,
                        detail::LstmOutputBackward<T>{width, gates, before, cell, dy, added, dcell, dgates}, gates,
                        before, cell, dy, added, dcell, dgates);
}

#define DVD_INSTANTIATE(T)                                                                                         \
  template void Lstm::lstm_output(Index, Index, T*, const float*, float*, T*);                                     \
  template void Lstm::lstm_output_backward(Index, Index, const T*, const float*, const float*, const T*, const T*, \
                                           float*, T*);
DVD_INSTANTIATE(float)
DVD_INSTANTIATE(bfloat16)
#undef DVD_INSTANTIATE

}  // namespace dvd::cuda

#include "dvd/core/macros_end.hpp"
