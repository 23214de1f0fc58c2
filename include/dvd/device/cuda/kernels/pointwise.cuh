// Pointwise kernels, copies of rows, the gates of a ConvGRU's step.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/device/cuda/pointwise.hpp"

#include <cmath>
#include <numeric>

#include "dvd/device/cuda/map.cuh"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

namespace detail {

// A NaN stays one.
DVD_DEVICE float pointwise_rectified(float value) { return value < 0 ? 0 : value; }
DVD_DEVICE float pointwise_logistic(float value) { return 1 / (1 + std::exp(-value)); }
/// The value that an array of T holds after it was stored.
template <class T>
DVD_DEVICE float pointwise_rounded(float value) {
  return static_cast<float>(T(value));
}

struct Same {
  DVD_DEVICE float operator()(float x) const { return x; }
};
struct Times {
  float factor;
  DVD_DEVICE float operator()(float x) const { return factor * x; }
};
struct Rectify {
  DVD_DEVICE float operator()(float x) const { return pointwise_rectified(x); }
};
struct Logistic {
  DVD_DEVICE float operator()(float x) const { return pointwise_logistic(x); }
};
struct HyperbolicTangent {
  DVD_DEVICE float operator()(float x) const { return std::tanh(x); }
};
struct Sum {
  DVD_DEVICE float operator()(float x, float y) const { return x + y; }
};
struct RectifyBackward {
  DVD_DEVICE float operator()(float y, float dy) const { return y > 0 ? dy : 0; }
};
struct LogisticBackward {
  DVD_DEVICE float operator()(float y, float dy) const { return dy * y * (1 - y); }
};
struct HyperbolicTangentBackward {
  DVD_DEVICE float operator()(float y, float dy) const { return dy * (1 - y * y); }
};
struct MovingAverage {
  float decay;
  DVD_DEVICE float operator()(float x, float average) const { return decay * average + (1 - decay) * x; }
};

template <class T>
struct Fill {
  float value;
  T* y;

  template <int N>
  DVD_DEVICE void operator()(Index i) const {
    Lanes<N> a;
    for (int k = 0; k < N; ++k) a[k] = value;
    store(y + i, a);
  }
};

template <class T>
struct Blend {
  const T *gate, *x, *y;
  T* z;

  template <int N>
  DVD_DEVICE void operator()(Index i) const {
    const Lanes<N> share = load<N>(gate + i), a = load<N>(x + i), b = load<N>(y + i);
    Lanes<N> mixed;
    for (int k = 0; k < N; ++k) mixed[k] = share[k] * a[k] + (1 - share[k]) * b[k];
    store(z + i, mixed);
  }
};

template <class T>
struct BlendBackward {
  const T *gate, *x, *y, *dz;
  T *dgate, *dx, *dy;

  template <int N>
  DVD_DEVICE void operator()(Index i) const {
    const Lanes<N> share = load<N>(gate + i), a = load<N>(x + i), b = load<N>(y + i), gradient = load<N>(dz + i);
    Lanes<N> dshare, da, db;
    for (int k = 0; k < N; ++k) {
      dshare[k] = gradient[k] * (a[k] - b[k]);
      da[k] = gradient[k] * share[k];
      db[k] = gradient[k] * (1 - share[k]);
    }
    store(dgate + i, dshare);
    store(dx + i, da);
    store(dy + i, db);
  }
};

template <class T>
struct CopyRows {
  FastDivide rows;
  const T* x;
  Index x_block, x_row;
  T* y;
  Index y_block, y_row;

  template <int N>
  DVD_DEVICE void operator()(Index line, Index column) const {
    const auto [block, row] = rows.divide(line);
    store(y + block * y_block + row * y_row + column, load<N>(x + block * x_block + row * x_row + column));
  }
};

template <class T>
struct GruReset {
  Index width;
  GruGates<T> gates;
  const T* state;
  T* reset_state;
  bool keep;  ///< else the gates stay as they are

  template <int N>
  DVD_DEVICE void operator()(Index row, Index column) const {
    T* gate = gates.reset + row * gates.reset_row + column;
    Lanes<N> reset = load<N>(gate), product = load<N>(state + row * width + column);
    for (int k = 0; k < N; ++k) {
      reset[k] = pointwise_rounded<T>(pointwise_logistic(reset[k]));  // what multiply_columns will see
      product[k] *= reset[k];
    }
    if (keep) {
      Lanes<N> update = load<N>(gate + width);
      for (int k = 0; k < N; ++k) update[k] = pointwise_logistic(update[k]);
      store(gate, reset);
      store(gate + width, update);
    }
    store(reset_state + row * width + column, product);
  }
};

template <class T>
struct GruOutput {
  Index width;
  GruGates<T> gates;
  const T* state;
  T* output;
  bool tanh_candidate, keep;

  template <int N>
  DVD_DEVICE void operator()(Index row, Index column) const {
    T *to_update = gates.reset + row * gates.reset_row + width + column,
      *to_candidate = gates.candidate + row * gates.candidate_row + column;
    const Index place = row * width + column;
    Lanes<N> update = load<N>(to_update), candidate = load<N>(to_candidate), result;
    if (!state || !keep)
      for (int k = 0; k < N; ++k) update[k] = pointwise_rounded<T>(pointwise_logistic(update[k]));
    if (state) {
      const Lanes<N> before = load<N>(state + place);
      for (int k = 0; k < N; ++k) {
        candidate[k] = activated(candidate[k]);
        result[k] = candidate[k] + update[k] * (before[k] - candidate[k]);
      }
    } else {
      for (int k = 0; k < N; ++k) {
        candidate[k] = activated(candidate[k]);
        result[k] = candidate[k] - update[k] * candidate[k];
      }
      if (keep) store(to_update, update);
    }
    if (keep) store(to_candidate, candidate);
    store(output + place, result);
  }

  DVD_DEVICE float activated(float candidate) const {
    return tanh_candidate ? std::tanh(candidate) : pointwise_rectified(candidate);
  }
};

template <class T>
struct GruOutputBackward {
  Index width;
  GruGates<const T> gates;
  const T *state, *doutput, *added;
  GruGates<T> dgates;
  T* dstate;
  bool tanh_candidate;

  template <int N>
  DVD_DEVICE void operator()(Index row, Index column) const {
    T* dreset = dgates.reset + row * dgates.reset_row + column;
    const Index place = row * width + column;
    const Lanes<N> update = load<N>(gates.reset + row * gates.reset_row + width + column),
                   candidate = load<N>(gates.candidate + row * gates.candidate_row + column);
    Lanes<N> upstream = load<N>(doutput + place);
    if (added) {
      const Lanes<N> more = load<N>(added + place);
      for (int k = 0; k < N; ++k) upstream[k] = pointwise_rounded<T>(upstream[k] + more[k]);  // as `add` would store it
    }
    Lanes<N> dupdate, dcandidate, dbefore, before;
    for (int k = 0; k < N; ++k) before[k] = 0;
    if (state) before = load<N>(state + place);
    for (int k = 0; k < N; ++k) {
      dupdate[k] = upstream[k] * (before[k] - candidate[k]) * update[k] * (1 - update[k]);
      const float through = upstream[k] * (1 - update[k]);
      dcandidate[k] = tanh_candidate ? through * (1 - candidate[k] * candidate[k]) : candidate[k] > 0 ? through : 0;
      dbefore[k] = upstream[k] * update[k];
    }
    store(dreset + width, dupdate);
    store(dgates.candidate + row * dgates.candidate_row + column, dcandidate);
    if (state) {
      store(dstate + place, dbefore);
    } else {
      for (int k = 0; k < N; ++k) before[k] = 0;
      store(dreset, before);  // a zero state hides the reset gate
    }
  }
};

template <class T>
struct GruResetBackward {
  Index width;
  GruGates<const T> gates;
  const T *state, *dreset_state;
  GruGates<T> dgates;
  T* dstate;

  template <int N>
  DVD_DEVICE void operator()(Index row, Index column) const {
    const Index place = row * width + column;
    const Lanes<N> reset = load<N>(gates.reset + row * gates.reset_row + column),
                   upstream = load<N>(dreset_state + place), before = load<N>(state + place);
    Lanes<N> dreset, dbefore = load<N>(dstate + place);
    for (int k = 0; k < N; ++k) {
      dreset[k] = upstream[k] * before[k] * reset[k] * (1 - reset[k]);
      dbefore[k] += upstream[k] * reset[k];
    }
    store(dgates.reset + row * dgates.reset_row + column, dreset);
    store(dstate + place, dbefore);
  }
};

template <class T>
struct MultiplyColumns {
  Index width;
  const T* x;
  Index x_row;
  const T* y;
  T* z;

  template <int N>
  DVD_DEVICE void operator()(Index row, Index column) const {
    Lanes<N> a = load<N>(x + row * x_row + column);
    const Lanes<N> b = load<N>(y + row * width + column);
    for (int k = 0; k < N; ++k) a[k] *= b[k];
    store(z + row * width + column, a);
  }
};

/// What all places of gates are multiples of, but for the arrays' first.
template <class T>
Index gru_step(Index width, const GruGates<T>& gates) {
  return std::gcd(width, std::gcd(gates.reset_row, gates.candidate_row));
}

template <class Function, class T>
void map_one(Index size, const Function& function, const T* x, T* y) {
  for_each_lanes<T>(size, MapOne<T, T, Function>{x, y, function}, x, y);
}

template <class Function, class T>
void map_two(Index size, const Function& function, const T* x, const T* y, T* z) {
  for_each_lanes<T>(size, MapTwo<T, Function>{x, y, z, function}, x, y, z);
}

}  // namespace detail

template <CudaScalar T>
void Pointwise::fill(Index size, T value, T* y) {
  for_each_lanes<T>(size, detail::Fill<T>{static_cast<float>(value), y}, y);
}

template <CudaScalar T>
void Pointwise::add(Index size, const T* x, T* y) {
  detail::map_two<detail::Sum, T>(size, {}, x, y, y);
}

template <CudaScalar T>
void Pointwise::scale(Index size, T factor, const T* x, T* y) {
  detail::map_one(size, detail::Times{static_cast<float>(factor)}, x, y);
}

template <CudaScalar T>
void Pointwise::relu(Index size, const T* x, T* y) {
  detail::map_one<detail::Rectify, T>(size, {}, x, y);
}

template <CudaScalar T>
void Pointwise::relu_backward(Index size, const T* y, const T* dy, T* dx) {
  detail::map_two<detail::RectifyBackward, T>(size, {}, y, dy, dx);
}

template <CudaScalar T>
void Pointwise::sigmoid(Index size, const T* x, T* y) {
  detail::map_one<detail::Logistic, T>(size, {}, x, y);
}

template <CudaScalar T>
void Pointwise::sigmoid_backward(Index size, const T* y, const T* dy, T* dx) {
  detail::map_two<detail::LogisticBackward, T>(size, {}, y, dy, dx);
}

template <CudaScalar T>
void Pointwise::tanh(Index size, const T* x, T* y) {
  detail::map_one<detail::HyperbolicTangent, T>(size, {}, x, y);
}

template <CudaScalar T>
void Pointwise::tanh_backward(Index size, const T* y, const T* dy, T* dx) {
  detail::map_two<detail::HyperbolicTangentBackward, T>(size, {}, y, dy, dx);
}

template <CudaScalar T>
void Pointwise::blend(Index size, const T* gate, const T* x, const T* y, T* z) {
  for_each_lanes<T>(size, detail::Blend<T>{gate, x, y, z}, gate, x, y, z);
}

template <CudaScalar T>
void Pointwise::blend_backward(Index size, const T* gate, const T* x, const T* y, const T* dz, T* dgate, T* dx, T* dy) {
  for_each_lanes<T>(size, detail::BlendBackward<T>{gate, x, y, dz, dgate, dx, dy}, gate, x, y, dz, dgate, dx, dy);
}

template <CudaScalar From, CudaScalar To>
void Pointwise::convert(Index size, const From* x, To* y) {
  using Narrower = std::conditional_t<sizeof(From) < sizeof(To), From, To>;
  for_each_lanes<Narrower>(size, detail::MapOne<From, To, detail::Same>{x, y, {}}, x, y);
}

template <CudaScalar T>
void Pointwise::copy_rows(Index blocks, Index rows, Index width, const T* x, Index x_block, Index x_row, T* y,
                          Index y_block, Index y_row) {
  if (blocks <= 0 || rows <= 0) return;
  if (rows > 1 && x_row == width && y_row == width) {  // a block is one long row
    width *= rows;
    rows = 1;
  }
  if (blocks == 1 && rows == 1) return detail::map_one<detail::Same, T>(width, {}, x, y);
  // A distance that is never gone does not matter.
  const Index x_step = std::gcd(blocks > 1 ? x_block : 0, rows > 1 ? x_row : 0);
  const Index y_step = std::gcd(blocks > 1 ? y_block : 0, rows > 1 ? y_row : 0);
  for_each_row_lanes<T>(blocks * rows, width, std::gcd(width, std::gcd(x_step, y_step)),
                        detail::CopyRows<T>{rows, x, x_block, x_row, y, y_block, y_row}, x, y);
}

template <CudaScalar T>
void Pointwise::gru_reset(Index rows, Index width, const GruGates<T>& gates, const T* state, T* reset_state,
                          bool keep) {
  for_each_row_lanes<T>(rows, width, std::gcd(width, gates.reset_row),
                        detail::GruReset<T>{width, gates, state, reset_state, keep}, gates.reset, state, reset_state);
}

template <CudaScalar T>
void Pointwise::gru_output(Index rows, Index width, const GruGates<T>& gates, const T* state, T* output,
                           bool tanh_candidate, bool keep) {
  for_each_row_lanes<T>(rows, width, detail::gru_step(width, gates),
                        detail::GruOutput<T>{width, gates, state, output, tanh_candidate, keep}, gates.reset,
                        gates.candidate, state, output);
}

template <CudaScalar T>
void Pointwise::gru_output_backward(Index rows, Index width, const GruGates<const T>& gates, const T* state,
                                    const T* doutput, const T* added, const GruGates<T>& dgates, T* dstate,
                                    bool tanh_candidate) {
  const detail::GruOutputBackward<T> body{width, gates, state, doutput, added, dgates, dstate, tanh_candidate};
  for_each_row_lanes<T>(rows, width, std::gcd(detail::gru_step(width, gates), detail::gru_step(width, dgates)), body,
                        gates.reset, gates.candidate, state, doutput, added, dgates.reset, dgates.candidate, dstate);
}

template <CudaScalar T>
void Pointwise::gru_reset_backward(Index rows, Index width, const GruGates<const T>& gates, const T* state,
                                   const T* dreset_state, const GruGates<T>& dgates, T* dstate) {
  for_each_row_lanes<T>(rows, width, std::gcd(width, std::gcd(gates.reset_row, dgates.reset_row)),
                        detail::GruResetBackward<T>{width, gates, state, dreset_state, dgates, dstate}, gates.reset,
                        state, dreset_state, dgates.reset, dstate);
}

template <CudaScalar T>
void Pointwise::multiply_columns(Index rows, Index width, const T* x, Index x_row, const T* y, T* z) {
  for_each_row_lanes<T>(rows, width, std::gcd(width, x_row), detail::MultiplyColumns<T>{width, x, x_row, y, z}, x, y,
                        z);
}

template <CudaScalar T>
void Pointwise::moving_average(Index size, T decay, const T* x, T* average) {
  detail::map_two<detail::MovingAverage, T>(size, {static_cast<float>(decay)}, x, average, average);
}

#define DVD_INSTANTIATE(T)                                                                                           \
  template void Pointwise::fill(Index, T, T*);                                                                       \
  template void Pointwise::add(Index, const T*, T*);                                                                 \
  template void Pointwise::scale(Index, T, const T*, T*);                                                            \
  template void Pointwise::relu(Index, const T*, T*);                                                                \
  template void Pointwise::relu_backward(Index, const T*, const T*, T*);                                             \
  template void Pointwise::sigmoid(Index, const T*, T*);                                                             \
  template void Pointwise::sigmoid_backward(Index, const T*, const T*, T*);                                          \
  template void Pointwise::tanh(Index, const T*, T*);                                                                \
  template void Pointwise::tanh_backward(Index, const T*, const T*, T*);                                             \
  template void Pointwise::blend(Index, const T*, const T*, const T*, T*);                                           \
  template void Pointwise::blend_backward(Index, const T*, const T*, const T*, const T*, T*, T*, T*);                \
  template void Pointwise::convert(Index, const T*, float*);                                                         \
  template void Pointwise::convert(Index, const T*, bfloat16*);                                                      \
  template void Pointwise::copy_rows(Index, Index, Index, const T*, Index, Index, T*, Index, Index);                 \
  template void Pointwise::gru_reset(Index, Index, const GruGates<T>&, const T*, T*, bool);                          \
  template void Pointwise::gru_output(Index, Index, const GruGates<T>&, const T*, T*, bool, bool);                   \
  template void Pointwise::gru_output_backward(Index, Index, const GruGates<const T>&, const T*, const T*, const T*, \
                                               const GruGates<T>&, T*, bool);                                        \
  template void Pointwise::gru_reset_backward(Index, Index, const GruGates<const T>&, const T*, const T*,            \
                                              const GruGates<T>&, T*);                                               \
  template void Pointwise::multiply_columns(Index, Index, const T*, Index, const T*, T*);                            \
  template void Pointwise::moving_average(Index, T, const T*, T*);
DVD_INSTANTIATE(float)
DVD_INSTANTIATE(bfloat16)
#undef DVD_INSTANTIATE

}  // namespace dvd::cuda

#include "dvd/core/macros_end.hpp"
