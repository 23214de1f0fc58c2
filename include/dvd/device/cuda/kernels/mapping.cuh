// The library's own pointwise functions, and dropout.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/device/cuda/map.cuh"
#include "dvd/layers/cell_weights.hpp"
#include "dvd/layers/functions.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

namespace detail {

template <class T>
struct DropoutKernel {
  Random random;
  std::uint64_t first;
  double probability;
  float factor;
  const T* x;
  T* y;

  DVD_DEVICE void operator()(Index i) const {
    const bool dropped = random.uniform(first + static_cast<std::uint64_t>(i)) < probability;
    y[i] = T(dropped ? 0 : static_cast<float>(x[i]) * factor);
  }
};

}  // namespace detail

template <CudaScalar T>
void Mapping::dropout(Index size, const Random& random, std::uint64_t first, double probability, const T* x, T* y) {
  for_each(size, detail::DropoutKernel<T>{random, first, probability, static_cast<float>(1 / (1 - probability)), x, y});
}

#define DVD_INSTANTIATE(T)                                                                          \
  template void Mapping::map(Index, const LeakyReLUFunction<float>&, const T*, T*);                 \
  template void Mapping::map(Index, const LeakyReLUFunction<float>&, const T*, const T*, T*);       \
  template void Mapping::map(Index, const ELUFunction<float>&, const T*, T*);                       \
  template void Mapping::map(Index, const ELUFunction<float>&, const T*, const T*, T*);             \
  template void Mapping::map(Index, const GELUFunction<float>&, const T*, T*);                      \
  template void Mapping::map(Index, const GELUFunction<float>&, const T*, const T*, T*);            \
  template void Mapping::map(Index, const SoftplusFunction<float>&, const T*, T*);                  \
  template void Mapping::map(Index, const SoftplusFunction<float>&, const T*, const T*, T*);        \
  template void Mapping::map(Index, const DifferenceFunction&, const T*, const T*, T*);             \
  template void Mapping::map(Index, const WeightedSign<LinearCellWeight>&, const T*, const T*, T*); \
  template void Mapping::map(Index, const SignFunction&, const T*, T*);                             \
  template void Mapping::dropout(Index, const Random&, std::uint64_t, double, const T*, T*);
DVD_INSTANTIATE(float)
DVD_INSTANTIATE(bfloat16)
#undef DVD_INSTANTIATE
template void Mapping::map(Index, const LengthFactor&, const float*, float*);

}  // namespace dvd::cuda

#include "dvd/core/macros_end.hpp"
