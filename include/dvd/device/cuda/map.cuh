// The kernels of a function of one's own. A program that gives one to dvd::Cuda, as a PointwiseFunction does, includes
// this in a .cu file, and there instantiates `dvd::cuda::Mapping::map` for it, compiled with --expt-relaxed-constexpr:
//
//     template void dvd::cuda::Mapping::map(dvd::Index, const MyFunction<float>&, const float*, float*);
//     template void dvd::cuda::Mapping::map(dvd::Index, const MyFunction<float>&, const float*, const float*, float*);
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/device/cuda/parallel.cuh"
#include "dvd/device/cuda/pointwise.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

namespace detail {

/// y = function(x).
template <class From, class To, class Function>
struct MapOne {
  const From* x;
  To* y;
  Function function;

  template <int N>
  DVD_DEVICE void operator()(Index i) const {
    Lanes<N> a = load<N>(x + i);
    for (int k = 0; k < N; ++k) a[k] = function(a[k]);
    store(y + i, a);
  }
};

/// z = function(x, y).
template <class T, class Function>
struct MapTwo {
  const T *x, *y;
  T* z;
  Function function;

  template <int N>
  DVD_DEVICE void operator()(Index i) const {
    Lanes<N> a = load<N>(x + i);
    const Lanes<N> b = load<N>(y + i);
    for (int k = 0; k < N; ++k) a[k] = function(a[k], b[k]);
    store(z + i, a);
  }
};

}  // namespace detail

template <class Function, CudaScalar T>
void Mapping::map(Index size, const Function& function, const T* x, T* y) {
  for_each_lanes<T>(size, detail::MapOne<T, T, Function>{x, y, function}, x, y);
}

template <class Function, CudaScalar T>
void Mapping::map(Index size, const Function& function, const T* x, const T* y, T* z) {
  for_each_lanes<T>(size, detail::MapTwo<T, Function>{x, y, z, function}, x, y, z);
}

}  // namespace dvd::cuda

#include "dvd/core/macros_end.hpp"
