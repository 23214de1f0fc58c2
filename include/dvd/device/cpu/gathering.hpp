// Kernels that pick, combine and scatter rows, and the loss of a row of scores.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <cstring>

#include "dvd/device/cpu/parallel.hpp"
#include "dvd/device/cpu/simd.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cpu {

/// Row kernels of the contract; see core/device.hpp.
struct Gathering {
  template <class T>
  static void gather_rows(Index count, Index width, const T* table, const Index* rows, T* y);
  template <class T>
  static void scatter_add_rows(Index count, Index width, const T* dy, const Index* rows, T* dtable);
  template <class T>
  static void broadcast_rows(Index groups, Index rows, Index channels, const T* x, T* y);
  template <class T>
  static void row_dots(Index rows, Index width, const T* x, const T* y, T* result);
  template <class T>
  static void scale_rows(Index rows, Index width, const T* factors, const T* x, T* y);
  template <class T, class Term>
  static void mean_loss(Index size, const T* scores, Term term, T* loss, T* dscores) {
    double sum = 0;
    for (Index i = 0; i < size; ++i) {
      const auto [value, slope] = term(scores[i]);
      sum += static_cast<double>(value);
      if (dscores) dscores[i] = slope / static_cast<T>(size);
    }
    *loss += static_cast<T>(sum / static_cast<double>(size));
  }
};

template <class T>
void Gathering::gather_rows(Index count, Index width, const T* table, const Index* rows, T* y) {
  parallel_for(count, [=](Index i) {
    std::memcpy(y + i * width, table + rows[i] * width, static_cast<std::size_t>(width) * sizeof(T));
  });
}

template <class T>
void Gathering::scatter_add_rows(Index count, Index width, const T* dy, const Index* rows, T* dtable) {
  // A row may be named twice, so the split goes across columns, and rows are added in their order.
  parallel_chunks(width, std::max<Index>(64, pointwise_grain / std::max<Index>(count, 1)), [=](Index begin, Index end) {
    for (Index i = 0; i < count; ++i)
      for_lanes<T>(end - begin, [&](Index c, auto lanes) {
        using V = Vector<T, lanes>;
        T* to = dtable + rows[i] * width + begin + c;
        store(to, load<V>(to) + load<V>(dy + i * width + begin + c));
      });
  });
}

template <class T>
void Gathering::broadcast_rows(Index groups, Index rows, Index channels, const T* x, T* y) {
  parallel_for(groups, [=](Index group) {
    for (Index r = 0; r < rows; ++r)
      std::memcpy(y + (group * rows + r) * channels, x + group * channels,
                  static_cast<std::size_t>(channels) * sizeof(T));
  });
}

template <class T>
void Gathering::row_dots(Index rows, Index width, const T* x, const T* y, T* result) {
  for (Index r = 0; r < rows; ++r) {
    double sum = 0;
    for (Index c = 0; c < width; ++c)
      sum += static_cast<double>(x[r * width + c]) * static_cast<double>(y[r * width + c]);
    result[r] = static_cast<T>(sum);
  }
}

template <class T>
void Gathering::scale_rows(Index rows, Index width, const T* factors, const T* x, T* y) {
  for (Index r = 0; r < rows; ++r)
    for (Index c = 0; c < width; ++c) y[r * width + c] = factors[r] * x[r * width + c];
}

}  // namespace dvd::cpu

#include "dvd/core/macros_end.hpp"
