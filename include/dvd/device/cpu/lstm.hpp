// The gates of a ConvLSTM. Bound by memory.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>

#include "dvd/device/cpu/parallel.hpp"
#include "dvd/device/cpu/pointwise.hpp"
#include "dvd/device/cpu/simd.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cpu {

/// Kernels of a ConvLSTM's gates of the contract; see core/device.hpp. They lie side by side in a row of `gates`:
/// [input | forget | output | candidate], `width` each.
struct Lstm {
  template <class T>
  static void lstm_output(Index rows, Index width, T* gates, const T* before, T* cell, T* y);
  template <class T>
  static void lstm_output_backward(Index rows, Index width, const T* gates, const T* before, const T* cell, const T* dy,
                                   const T* added, T* dcell, T* dgates);

 private:
  static Index rows_per_task(Index width) { return std::max<Index>(1, pointwise_grain / (4 * width)); }
};

template <class T>
void Lstm::lstm_output(Index rows, Index width, T* gates, const T* before, T* cell, T* y) {
  parallel_chunks(rows, rows_per_task(width), [=](Index begin, Index end) {
    for (Index row = begin; row < end; ++row) {
      T *gate = gates + row * 4 * width, *here = cell + row * width, *out = y + row * width;
      detail::logistic(3 * width, gate, gate);
      detail::hyperbolic_tangent(width, gate + 3 * width, gate + 3 * width);
      for_lanes<T>(width, [=](Index i, auto lanes) {
        using V = Vector<T, lanes>;
        V value = load<V>(gate + i) * load<V>(gate + 3 * width + i);
        if (before) value += load<V>(gate + width + i) * load<V>(before + row * width + i);
        store(here + i, value);
      });
      detail::hyperbolic_tangent(width, here, out);
      for_lanes<T>(width, [=](Index i, auto lanes) {
        using V = Vector<T, lanes>;
        store(out + i, load<V>(out + i) * load<V>(gate + 2 * width + i));
      });
    }
  });
}

template <class T>
void Lstm::lstm_output_backward(Index rows, Index width, const T* gates, const T* before, const T* cell, const T* dy,
                                const T* added, T* dcell, T* dgates) {
  parallel_chunks(rows, rows_per_task(width), [=](Index begin, Index end) {
    for (Index row = begin; row < end; ++row) {
      const T* gate = gates + row * 4 * width;
      T *dgate = dgates + row * 4 * width, *shown = dgate + 2 * width;
      detail::hyperbolic_tangent(width, cell + row * width, shown);  // where the output's gradient will stand
      for_lanes<T>(width, [=](Index i, auto lanes) {
        using V = Vector<T, lanes>;
        const Index at = row * width + i;
        const V write = load<V>(gate + i), keep = load<V>(gate + width + i), show = load<V>(gate + 2 * width + i),
                candidate = load<V>(gate + 3 * width + i), value = load<V>(shown + i);
        V upstream = load<V>(dy + at);
        if (added) upstream += load<V>(added + at);
        const V through = load<V>(dcell + at) + upstream * show * (1 - value * value);
        store(dgate + i, through * candidate * write * (1 - write));
        store(dgate + width + i, before ? through * load<V>(before + at) * keep * (1 - keep) : V{});
        store(dgate + 2 * width + i, upstream * value * show * (1 - show));
        store(dgate + 3 * width + i, through * write * (1 - candidate * candidate));
        store(dcell + at, through * keep);
      });
    }
  });
}

}  // namespace dvd::cpu

#include "dvd/core/macros_end.hpp"
