// Weights made ready for kernels, the power iteration of spectral normalisation, transposition, random numbers.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <type_traits>
#include <vector>

#include "dvd/core/arrays.hpp"
#include "dvd/core/random.hpp"
#include "dvd/device/cuda/scalar.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

/// Weight kernels of the contract; see core/device.hpp.
struct Weights {
  static void power_iterations(const std::vector<SpectralArrays<float>>& weights, bool update);
  template <CudaScalar T>
  static void pack_weight(Index outputs, Index inputs, Index taps, const float* weight, const float* sigma, T* packed);
  template <CudaScalar T>
  static void pack_weights(const std::vector<WeightToPack<T>>& weights);
  template <CudaScalar T>
  static void unpack_weight_gradient(Index outputs, Index inputs, Index taps, const T* dpacked, const T* packed,
                                     const float* sigma, const float* u, const float* v, float* dweight);
  static constexpr bool unpacks_together = true;
  template <CudaScalar T>
  static void unpack_weight_gradients(const std::vector<WeightGradientToUnpack<T>>& gradients);
  template <CudaScalar T>
  static void transpose(Index count, Index rows, Index columns, const T* x, T* y);
  template <CudaScalar T>
  static void random_normal(Index size, const Random& random, T scale, T* y);
  template <CudaScalar T>
  static void random_uniform(Index size, const Random& random, T low, T high, T* y);
};

}  // namespace dvd::cuda

#include "dvd/core/macros_end.hpp"
