// Kernels that treat every element alone, the copies, and the gates of the ConvGRU. All are bound by memory; Eigen's
// array expressions vectorise them, exponentials included.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <Eigen/Core>
#include <cstring>

#include "dvd/device/cpu/parallel.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cpu {

template <class T>
using Values = Eigen::Map<Eigen::Array<T, Eigen::Dynamic, 1>>;
template <class T>
using ConstValues = Eigen::Map<const Eigen::Array<T, Eigen::Dynamic, 1>>;

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

  // The gates of a ConvGRU step lie side by side in a row of `gates`: [reset | update | candidate], `width` each.
  template <class T>
  static void gru_reset(Index rows, Index width, T* gates, const T* state, T* reset_state);
  template <class T>
  static void gru_output(Index rows, Index width, T* gates, const T* state, T* output);
  template <class T>
  static void gru_output_backward(Index rows, Index width, const T* gates, const T* state, const T* doutput, T* dgates,
                                  T* dstate);
  template <class T>
  static void gru_reset_backward(Index rows, Index width, const T* gates, const T* state, const T* dreset_state,
                                 T* dgates, T* dstate);
  template <class T>
  static void multiply_columns(Index rows, Index width, const T* x, Index x_row, const T* y, T* z);
  template <class T>
  static void moving_average(Index size, T decay, const T* x, T* average);

 private:
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
  parallel_chunks(size, pointwise_grain, [=](Index begin, Index end) {
    Values<T>(y + begin, end - begin) += ConstValues<T>(x + begin, end - begin);
  });
}

template <class T>
void Pointwise::scale(Index size, T factor, const T* x, T* y) {
  parallel_chunks(size, pointwise_grain, [=](Index begin, Index end) {
    Values<T>(y + begin, end - begin) = factor * ConstValues<T>(x + begin, end - begin);
  });
}

template <class From, class To>
void Pointwise::convert(Index size, const From* x, To* y) {
  parallel_chunks(size, pointwise_grain, [=](Index begin, Index end) {
    Values<To>(y + begin, end - begin) = ConstValues<From>(x + begin, end - begin).template cast<To>();
  });
}

template <class T>
void Pointwise::relu(Index size, const T* x, T* y) {
  parallel_chunks(size, pointwise_grain, [=](Index begin, Index end) {
    Values<T>(y + begin, end - begin) = ConstValues<T>(x + begin, end - begin).max(T{0});
  });
}

template <class T>
void Pointwise::relu_backward(Index size, const T* y, const T* dy, T* dx) {
  parallel_chunks(size, pointwise_grain, [=](Index begin, Index end) {
    const Index count = end - begin;
    Values<T>(dx + begin, count) =
        (ConstValues<T>(y + begin, count) > T{0}).select(ConstValues<T>(dy + begin, count), T{0});
  });
}

template <class T>
void Pointwise::sigmoid(Index size, const T* x, T* y) {
  parallel_chunks(size, pointwise_grain, [=](Index begin, Index end) {
    Values<T>(y + begin, end - begin) = ConstValues<T>(x + begin, end - begin).logistic();
  });
}

template <class T>
void Pointwise::sigmoid_backward(Index size, const T* y, const T* dy, T* dx) {
  parallel_chunks(size, pointwise_grain, [=](Index begin, Index end) {
    const ConstValues<T> value(y + begin, end - begin);
    Values<T>(dx + begin, end - begin) = ConstValues<T>(dy + begin, end - begin) * value * (T{1} - value);
  });
}

template <class T>
void Pointwise::blend(Index size, const T* gate, const T* x, const T* y, T* z) {
  parallel_chunks(size, pointwise_grain, [=](Index begin, Index end) {
    const Index count = end - begin;
    const ConstValues<T> share(gate + begin, count);
    Values<T>(z + begin, count) =
        share * ConstValues<T>(x + begin, count) + (T{1} - share) * ConstValues<T>(y + begin, count);
  });
}

template <class T>
void Pointwise::blend_backward(Index size, const T* gate, const T* x, const T* y, const T* dz, T* dgate, T* dx, T* dy) {
  parallel_chunks(size, pointwise_grain, [=](Index begin, Index end) {
    const Index count = end - begin;
    const ConstValues<T> share(gate + begin, count), gradient(dz + begin, count);
    Values<T>(dgate + begin, count) = gradient * (ConstValues<T>(x + begin, count) - ConstValues<T>(y + begin, count));
    Values<T>(dx + begin, count) = gradient * share;
    Values<T>(dy + begin, count) = gradient * (T{1} - share);
  });
}

template <class T>
void Pointwise::tanh(Index size, const T* x, T* y) {
  parallel_chunks(size, pointwise_grain, [=](Index begin, Index end) {
    Values<T>(y + begin, end - begin) = ConstValues<T>(x + begin, end - begin).tanh();
  });
}

template <class T>
void Pointwise::tanh_backward(Index size, const T* y, const T* dy, T* dx) {
  parallel_chunks(size, pointwise_grain, [=](Index begin, Index end) {
    const ConstValues<T> value(y + begin, end - begin);
    Values<T>(dx + begin, end - begin) = ConstValues<T>(dy + begin, end - begin) * (T{1} - value * value);
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
void Pointwise::gru_reset(Index rows, Index width, T* gates, const T* state, T* reset_state) {
  parallel_rows(rows, width, [=](Index row) {
    Values<T> both(gates + row * 3 * width, 2 * width);
    both = both.logistic();
    Values<T>(reset_state + row * width, width) = both.head(width) * ConstValues<T>(state + row * width, width);
  });
}

template <class T>
void Pointwise::gru_output(Index rows, Index width, T* gates, const T* state, T* output) {
  parallel_rows(rows, width, [=](Index row) {
    T* gate = gates + row * 3 * width;
    Values<T> update(gate + width, width), candidate(gate + 2 * width, width);
    candidate = candidate.max(T{0});
    if (state) {
      Values<T>(output + row * width, width) =
          candidate + update * (ConstValues<T>(state + row * width, width) - candidate);
    } else {
      update = update.logistic();
      Values<T>(output + row * width, width) = candidate - update * candidate;
    }
  });
}

template <class T>
void Pointwise::gru_output_backward(Index rows, Index width, const T* gates, const T* state, const T* doutput,
                                    T* dgates, T* dstate) {
  parallel_rows(rows, width, [=](Index row) {
    const T* gate = gates + row * 3 * width;
    T* dgate = dgates + row * 3 * width;
    const ConstValues<T> update(gate + width, width), candidate(gate + 2 * width, width);
    const ConstValues<T> upstream(doutput + row * width, width);
    Values<T> dupdate(dgate + width, width), dcandidate(dgate + 2 * width, width);
    if (state) {
      dupdate = upstream * (ConstValues<T>(state + row * width, width) - candidate) * update * (T{1} - update);
      Values<T>(dstate + row * width, width) = upstream * update;
    } else {
      Values<T>(dgate, width).setZero();  // a zero state hides the reset gate
      dupdate = -upstream * candidate * update * (T{1} - update);
    }
    dcandidate = (candidate > T{0}).select(upstream * (T{1} - update), T{0});
  });
}

template <class T>
void Pointwise::gru_reset_backward(Index rows, Index width, const T* gates, const T* state, const T* dreset_state,
                                   T* dgates, T* dstate) {
  parallel_rows(rows, width, [=](Index row) {
    const ConstValues<T> reset(gates + row * 3 * width, width), upstream(dreset_state + row * width, width);
    Values<T>(dgates + row * 3 * width, width) =
        upstream * ConstValues<T>(state + row * width, width) * reset * (T{1} - reset);
    Values<T>(dstate + row * width, width) += upstream * reset;
  });
}

template <class T>
void Pointwise::multiply_columns(Index rows, Index width, const T* x, Index x_row, const T* y, T* z) {
  parallel_rows(rows, width, [=](Index row) {
    Values<T>(z + row * width, width) = ConstValues<T>(x + row * x_row, width) * ConstValues<T>(y + row * width, width);
  });
}

template <class T>
void Pointwise::moving_average(Index size, T decay, const T* x, T* average) {
  parallel_chunks(size, pointwise_grain, [=](Index begin, Index end) {
    Values<T> a(average + begin, end - begin);
    a = decay * a + (T{1} - decay) * ConstValues<T>(x + begin, end - begin);
  });
}

}  // namespace dvd::inline DVD_INSTRUCTION_SET::cpu

#include "dvd/core/macros_end.hpp"
