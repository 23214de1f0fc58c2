// Kernels that treat every element alone, the copies, and the gates of the ConvGRU. All are bound by memory. Vectors
// do the arithmetic, and Eigen the exponentials: its expressions take long to compile.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <concepts>
#include <cstring>
#include <vector>

#include "dvd/core/arrays.hpp"
#include "dvd/core/gru_gates.hpp"
#include "dvd/device/cpu/eigen_arrays.hpp"
#include "dvd/device/cpu/parallel.hpp"
#include "dvd/device/cpu/simd.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cpu {

namespace detail {

/// y = 1 / (1 + exp(-x)), by Eigen's vectorised exponential.
template <class T>
[[gnu::noinline]] void logistic(Index size, const T* x, T* y) {
  Values<T>(y, size) = ConstValues<T>(x, size).logistic();
}

/// y = tanh(x). Flattened, or Eigen's function for single elements would not be inlined, and its name does not tell the
/// instruction set (cpu/eigen_arrays.hpp).
template <class T>
[[gnu::noinline, gnu::flatten]] void hyperbolic_tangent(Index size, const T* x, T* y) {
  Values<T>(y, size) = ConstValues<T>(x, size).tanh();
}

}  // namespace detail

/// Pointwise kernels of the contract; see core/device.hpp.
struct Pointwise {
  template <class T>
  static void fill(Index size, T value, T* y);
  template <class T>
  static void add(Index size, const T* x, T* y);
  template <class T>
  static void scale(Index size, T factor, const T* x, T* y);
  template <class From, class To>
  static void convert(Index size, const From* x, To* y);
  template <class T>
  static void relu(Index size, const T* x, T* y);
  template <class T>
  static void relu_backward(Index size, const T* y, const T* dy, T* dx);
  template <class T>
  static void sigmoid(Index size, const T* x, T* y);
  template <class T>
  static void sigmoid_backward(Index size, const T* y, const T* dy, T* dx);
  template <class T>
  static void blend(Index size, const T* gate, const T* x, const T* y, T* z);
  template <class T>
  static void blend_backward(Index size, const T* gate, const T* x, const T* y, const T* dz, T* dgate, T* dx, T* dy);
  template <class T>
  static void tanh(Index size, const T* x, T* y);
  template <class T>
  static void tanh_backward(Index size, const T* y, const T* dy, T* dx);
  template <class T>
  static void copy_rows(Index blocks, Index rows, Index width, const T* x, Index x_block, Index x_row, T* y,
                        Index y_block, Index y_row);
  template <class T>
  static void copy_rows(const std::vector<RowsToCopy<T>>& list) {
    for (const RowsToCopy<T>& c : list)
      copy_rows(c.blocks, c.rows, c.width, c.x, c.x_block, c.x_row, c.y, c.y_block, c.y_row);
  }

  // A convolution reads its input once for all gates of one array, and writes it at any distance of pixels.
  static constexpr bool gru_gates_apart = false;
  template <class T>
  static void gru_reset(Index rows, Index width, const GruGates<T>& gates, const T* state, T* reset_state,
                        bool keep = true);
  template <class T>
  static void gru_output(Index rows, Index width, const GruGates<T>& gates, const T* state, T* output,
                         bool tanh_candidate = false, bool keep = true);
  template <class T>
  static void gru_output_backward(Index rows, Index width, const GruGates<const T>& gates, const T* state,
                                  const T* doutput, const T* added, const GruGates<T>& dgates, T* dstate,
                                  bool tanh_candidate = false);
  template <class T>
  static void gru_reset_backward(Index rows, Index width, const GruGates<const T>& gates, const T* state,
                                 const T* dreset_state, const GruGates<T>& dgates, T* dstate);
  template <class T>
  static void multiply_columns(Index rows, Index width, const T* x, Index x_row, const T* y, T* z);
  template <class T>
  static void moving_average(Index size, T decay, const T* x, T* average);

 private:
  /// Calls `f(offset, lanes)` for pieces of 0 .. size - 1, as `for_lanes` does, on all threads.
  template <class T, class F>
  static void parallel_lanes(Index size, const F& f) {
    parallel_chunks(size, pointwise_grain, [&](Index begin, Index end) { for_lanes<T>(end, f, begin); });
  }

  template <class Row>
  static void parallel_rows(Index rows, Index width, const Row& row) {
    parallel_chunks(rows, std::max<Index>(1, pointwise_grain / (4 * width)), [&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i) row(i);
    });
  }
};

template <class T>
void Pointwise::fill(Index size, T value, T* y) {
  parallel_chunks(size, pointwise_grain, [=](Index begin, Index end) { std::fill(y + begin, y + end, value); });
}

template <class T>
void Pointwise::add(Index size, const T* x, T* y) {
  parallel_lanes<T>(size, [=](Index i, auto lanes) {
    using V = Vector<T, lanes>;
    store(y + i, load<V>(y + i) + load<V>(x + i));
  });
}

template <class T>
void Pointwise::scale(Index size, T factor, const T* x, T* y) {
  parallel_lanes<T>(size, [=](Index i, auto lanes) {
    using V = Vector<T, lanes>;
    store(y + i, factor * load<V>(x + i));
  });
}

template <class From, class To>
void Pointwise::convert(Index size, const From* x, To* y) {
  parallel_chunks(size, pointwise_grain, [=](Index begin, Index end) {
    if constexpr (std::same_as<From, To>) {
      std::copy(x + begin, x + end, y + begin);
    } else {
      for (Index i = begin; i < end; ++i) y[i] = static_cast<To>(x[i]);
    }
  });
}

template <class T>
void Pointwise::relu(Index size, const T* x, T* y) {
  parallel_lanes<T>(size, [=](Index i, auto lanes) {
    using V = Vector<T, lanes>;
    store(y + i, rectified(load<V>(x + i)));
  });
}

template <class T>
void Pointwise::relu_backward(Index size, const T* y, const T* dy, T* dx) {
  parallel_lanes<T>(size, [=](Index i, auto lanes) {
    using V = Vector<T, lanes>;
    store(dx + i, load<V>(y + i) > 0 ? load<V>(dy + i) : V{});
  });
}

template <class T>
void Pointwise::sigmoid(Index size, const T* x, T* y) {
  parallel_chunks(size, pointwise_grain,
                  [=](Index begin, Index end) { detail::logistic(end - begin, x + begin, y + begin); });
}

template <class T>
void Pointwise::sigmoid_backward(Index size, const T* y, const T* dy, T* dx) {
  parallel_lanes<T>(size, [=](Index i, auto lanes) {
    using V = Vector<T, lanes>;
    const V value = load<V>(y + i);
    store(dx + i, load<V>(dy + i) * value * (1 - value));
  });
}

template <class T>
void Pointwise::blend(Index size, const T* gate, const T* x, const T* y, T* z) {
  parallel_lanes<T>(size, [=](Index i, auto lanes) {
    using V = Vector<T, lanes>;
    const V share = load<V>(gate + i);
    const V rest = (1 - share) * load<V>(y + i);  // in this order, which says what product is fused with the sum
    const V most = share * load<V>(x + i);
    store(z + i, most + rest);
  });
}

template <class T>
void Pointwise::blend_backward(Index size, const T* gate, const T* x, const T* y, const T* dz, T* dgate, T* dx, T* dy) {
  parallel_lanes<T>(size, [=](Index i, auto lanes) {
    using V = Vector<T, lanes>;
    const V share = load<V>(gate + i), gradient = load<V>(dz + i);
    store(dgate + i, gradient * (load<V>(x + i) - load<V>(y + i)));
    store(dx + i, gradient * share);
    store(dy + i, gradient * (1 - share));
  });
}

template <class T>
void Pointwise::tanh(Index size, const T* x, T* y) {
  parallel_chunks(size, pointwise_grain,
                  [=](Index begin, Index end) { detail::hyperbolic_tangent(end - begin, x + begin, y + begin); });
}

template <class T>
void Pointwise::tanh_backward(Index size, const T* y, const T* dy, T* dx) {
  parallel_lanes<T>(size, [=](Index i, auto lanes) {
    using V = Vector<T, lanes>;
    const V value = load<V>(y + i), square = value * value;
    store(dx + i, load<V>(dy + i) * (1 - square));
  });
}

template <class T>
void Pointwise::copy_rows(Index blocks, Index rows, Index width, const T* x, Index x_block, Index x_row, T* y,
                          Index y_block, Index y_row) {
  if (blocks * rows == 1) {
    parallel_chunks(width, pointwise_grain, [=](Index begin, Index end) {
      std::memcpy(y + begin, x + begin, static_cast<std::size_t>(end - begin) * sizeof(T));
    });
    return;
  }
  const Index grain = std::max<Index>(1, pointwise_grain / std::max<Index>(width, 1));
  parallel_chunks(blocks * rows, grain, [=](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      const Index block = i / rows, row = i % rows;
      std::memcpy(y + block * y_block + row * y_row, x + block * x_block + row * x_row,
                  static_cast<std::size_t>(width) * sizeof(T));
    }
  });
}

template <class T>
void Pointwise::gru_reset(Index rows, Index width, const GruGates<T>& gates, const T* state, T* reset_state, bool) {
  parallel_rows(rows, width, [=](Index row) {
    T* gate = gates.reset + row * gates.reset_row;
    detail::logistic(2 * width, gate, gate);
    for_lanes<T>(width, [=](Index i, auto lanes) {
      using V = Vector<T, lanes>;
      store(reset_state + row * width + i, load<V>(gate + i) * load<V>(state + row * width + i));
    });
  });
}

template <class T>
void Pointwise::gru_output(Index rows, Index width, const GruGates<T>& gates, const T* state, T* output,
                           bool tanh_candidate, bool) {
  parallel_rows(rows, width, [=](Index row) {
    T *update = gates.reset + row * gates.reset_row + width, *candidate = gates.candidate + row * gates.candidate_row;
    if (!state) detail::logistic(width, update, update);
    if (tanh_candidate) detail::hyperbolic_tangent(width, candidate, candidate);
    for_lanes<T>(width, [=](Index i, auto lanes) {
      using V = Vector<T, lanes>;
      const V given = load<V>(candidate + i), here = tanh_candidate ? given : rectified(given);
      store(candidate + i, here);
      const V change = load<V>(update + i) * (state ? load<V>(state + row * width + i) - here : -here);
      store(output + row * width + i, here + change);
    });
  });
}

template <class T>
void Pointwise::gru_output_backward(Index rows, Index width, const GruGates<const T>& gates, const T* state,
                                    const T* doutput, const T* added, const GruGates<T>& dgates, T* dstate,
                                    bool tanh_candidate) {
  parallel_rows(rows, width, [=](Index row) {
    const T *update = gates.reset + row * gates.reset_row + width,
            *candidate = gates.candidate + row * gates.candidate_row;
    T *dreset = dgates.reset + row * dgates.reset_row, *dcandidate = dgates.candidate + row * dgates.candidate_row;
    if (!state) std::fill(dreset, dreset + width, T{0});  // a zero state hides the reset gate
    for_lanes<T>(width, [=](Index i, auto lanes) {
      using V = Vector<T, lanes>;
      const Index at = row * width + i;
      const V share = load<V>(update + i), here = load<V>(candidate + i);
      V upstream = load<V>(doutput + at);
      if (added) upstream += load<V>(added + at);
      const V change = state ? upstream * (load<V>(state + at) - here) : -upstream * here;
      store(dreset + width + i, change * share * (1 - share));
      if (state) store(dstate + at, upstream * share);
      const V through = upstream * (1 - share);
      store(dcandidate + i, tanh_candidate ? through * (1 - here * here) : here > 0 ? through : V{});
    });
  });
}

template <class T>
void Pointwise::gru_reset_backward(Index rows, Index width, const GruGates<const T>& gates, const T* state,
                                   const T* dreset_state, const GruGates<T>& dgates, T* dstate) {
  parallel_rows(rows, width, [=](Index row) {
    for_lanes<T>(width, [=](Index i, auto lanes) {
      using V = Vector<T, lanes>;
      const Index at = row * width + i;
      const V reset = load<V>(gates.reset + row * gates.reset_row + i), upstream = load<V>(dreset_state + at);
      store(dgates.reset + row * dgates.reset_row + i, upstream * load<V>(state + at) * reset * (1 - reset));
      const V change = upstream * reset;
      store(dstate + at, load<V>(dstate + at) + change);
    });
  });
}

template <class T>
void Pointwise::multiply_columns(Index rows, Index width, const T* x, Index x_row, const T* y, T* z) {
  parallel_rows(rows, width, [=](Index row) {
    for_lanes<T>(width, [=](Index i, auto lanes) {
      using V = Vector<T, lanes>;
      store(z + row * width + i, load<V>(x + row * x_row + i) * load<V>(y + row * width + i));
    });
  });
}

template <class T>
void Pointwise::moving_average(Index size, T decay, const T* x, T* average) {
  parallel_lanes<T>(size, [=](Index i, auto lanes) {
    using V = Vector<T, lanes>;
    const V now = (1 - decay) * load<V>(x + i);  // in this order, as above
    const V before = decay * load<V>(average + i);
    store(average + i, before + now);
  });
}

}  // namespace dvd::cpu

#include "dvd/core/macros_end.hpp"
