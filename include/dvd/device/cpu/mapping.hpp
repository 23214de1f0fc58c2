// Pointwise kernels of somebody else's functions, and dropout.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <concepts>

#include "dvd/core/bfloat16.hpp"
#include "dvd/core/random.hpp"
#include "dvd/device/cpu/parallel.hpp"
#include "dvd/device/cpu/simd.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cpu {

namespace detail {

/// A function that is written for vectors, too: it takes and returns them.
template <class Function, class T, class... Arguments>
concept OfVectors = requires(const Function& function, const Vector<T, native_lanes<T>>& x, const Arguments&... more) {
  { function(x, more...)[0] } -> std::convertible_to<T>;
};

}  // namespace detail

/// Pointwise kernels of the contract that take a function or random numbers; see core/device.hpp.
struct Mapping {
  template <class Function, class T>
  static void map(Index size, const Function& function, const T* x, T* y) {
    parallel_chunks(size, pointwise_grain, [=](Index begin, Index end) {
      if constexpr (detail::OfVectors<Function, T>) {
        for_lanes<T>(
            end,
            [=](Index i, auto lanes) {
              using V = Vector<T, lanes>;
              store(y + i, V(function(load<V>(x + i))));
            },
            begin);
      } else {
        using P = FullPrecision<T>;
        for (Index i = begin; i < end; ++i) y[i] = static_cast<T>(function(static_cast<P>(x[i])));
      }
    });
  }

  template <class Function, class T>
  static void map(Index size, const Function& function, const T* x, const T* y, T* z) {
    parallel_chunks(size, pointwise_grain, [=](Index begin, Index end) {
      if constexpr (detail::OfVectors<Function, T, Vector<T, native_lanes<T>>>) {
        for_lanes<T>(
            end,
            [=](Index i, auto lanes) {
              using V = Vector<T, lanes>;
              store(z + i, V(function(load<V>(x + i), load<V>(y + i))));
            },
            begin);
      } else {
        using P = FullPrecision<T>;
        for (Index i = begin; i < end; ++i) z[i] = static_cast<T>(function(static_cast<P>(x[i]), static_cast<P>(y[i])));
      }
    });
  }

  template <class T>
  static void dropout(Index size, const Random& random, double probability, const T* x, T* y);
};

template <class T>
void Mapping::dropout(Index size, const Random& random, double probability, const T* x, T* y) {
  const T factor = static_cast<T>(1 / (1 - probability));
  parallel_chunks(size, 1024, [=](Index begin, Index end) {
    for (Index i = begin; i < end; ++i)
      y[i] = random.uniform(static_cast<std::uint64_t>(i)) < probability ? T{0} : x[i] * factor;
  });
}

}  // namespace dvd::cpu

#include "dvd/core/macros_end.hpp"
