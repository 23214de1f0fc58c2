// Convolutions by cuDNN, channels-last, and 1x1 ones by cuBLASLt as the matrix products that they are.
//
// What the contract wants done on the way in (affine map, ReLU, upsampling; frames brought from [T, N] to [N, T] for a
// kernel over frames; channels padded to a multiple of 8, which tensor cores want) is one pass by a kernel of our own,
// and what it wants done on the way out beyond what cuDNN does itself (ReLU's mask, the gradient of an upsampling,
// averages over frames) another. Averages over pixels are part of the kernel: see kernels/pooled_kernel.cuh.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <array>
#include <memory>
#include <type_traits>
#include <vector>

#include "dvd/core/arrays.hpp"
#include "dvd/core/convolution.hpp"
#include "dvd/device/cuda/scalar.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

/// A convolution's weight as the libraries read it: [outputs, taps, inputs] with channels padded for a kernel of 3, or
/// of the 4 that it is where outputs are averaged, and the packed weight itself, which must outlive this, for a kernel
/// of 1. With it may come the bias in the same type.
template <class T>
struct Filter {
  std::shared_ptr<void> memory;
  const T* weight = nullptr;
  const T* bias = nullptr;
};

/// Convolution kernels of the contract; see core/device.hpp.
struct Convolution {
  // A ReLU on the way in would be a pass over memory, before the convolution and before its weight's gradient.
  static constexpr bool stores_rectified = true;

  static constexpr bool prepares_inputs = true;
  template <CudaScalar T>
  static std::shared_ptr<void> prepare(const ConvolutionSize& size, const ConvolutionInput<T>& input);
  template <CudaScalar T>
  static Filter<T> filter(const ConvolutionSize& size, const T* weight);
  template <CudaScalar T>
  static Filter<T> backward_filter(const ConvolutionSize& size, const T* weight);
  static constexpr bool filters_fit_all_sizes = true;
  template <CudaScalar T>
  static std::vector<Filter<T>> filters(const std::vector<PackedWeight<T>>& weights);
  template <CudaScalar T>
  static void convolve(const ConvolutionSize& size, const ConvolutionInput<T>& input, const Filter<T>& filter,
                       const float* bias, std::type_identity_t<T>* y, Index y_pixel, bool accumulate);
  template <CudaScalar T>
  static void convolve_backward_input(const ConvolutionSize& size, const ConvolutionInput<T>& input,
                                      const std::type_identity_t<T>* dy, Index dy_pixel, const Filter<T>& filter,
                                      std::type_identity_t<T>* dx, bool accumulate);
  template <CudaScalar T>
  static void convolve_backward_weight(const ConvolutionSize& size, const ConvolutionInput<T>& input,
                                       const std::type_identity_t<T>* dy, Index dy_pixel,
                                       std::type_identity_t<T>* dweight);
  template <CudaScalar T>
  static Filter<T> weight_gradient(const ConvolutionSize& size, const ConvolutionInput<T>& input,
                                   const std::type_identity_t<T>* dy, Index dy_pixel);
  static constexpr bool pairs_products = true;
  template <CudaScalar T>
  static void linear_pair(Index vectors, Index inputs, Index outputs, const T* x,
                          const std::array<const T*, 2>& weights, T* y);
  template <CudaScalar T>
  static void linear_pair_backward_weight(Index vectors, Index inputs, Index outputs, const T* x, const T* dy,
                                          T* dweight);
};

}  // namespace dvd::cuda

#include "dvd/core/macros_end.hpp"
