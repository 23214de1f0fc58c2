// Upsampling by two, pooling, warping and their gradients, on channels-last images. Bound by memory.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/device/cuda/scalar.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

/// Resampling kernels of the contract; see core/device.hpp.
struct Resampling {
  template <CudaScalar T>
  static void upsample_nearest(Index images, Index height, Index width, Index channels, const T* x, T* y);
  template <CudaScalar T>
  static void upsample_nearest_backward(Index images, Index height, Index width, Index channels, const T* dy, T* dx);
  template <CudaScalar T>
  static void upsample_bilinear(Index images, Index height, Index width, Index channels, const T* x, T* y);
  template <CudaScalar T>
  static void upsample_bilinear_backward(Index images, Index height, Index width, Index channels, const T* dy, T* dx);
  template <CudaScalar T>
  static void average_pool(Index frames, Index batch, Index height, Index width, Index channels, Index pool_frames,
                           const T* x, T* y);
  template <CudaScalar T>
  static void average_pool_backward(Index frames, Index batch, Index height, Index width, Index channels,
                                    Index pool_frames, const T* dy, T* dx);
  template <CudaScalar T>
  static void max_pool(Index images, Index height, Index width, Index channels, const T* x, T* y);
  template <CudaScalar T>
  static void max_pool_backward(Index images, Index height, Index width, Index channels, const T* x, const T* dy,
                                T* dx);
  template <CudaScalar T>
  static void warp(Index images, Index height, Index width, Index channels, const T* x, const T* offsets, T* y);
  template <CudaScalar T>
  static void warp_backward(Index images, Index height, Index width, Index channels, const T* x, const T* offsets,
                            const T* dy, T* dx, T* doffsets);
};

}  // namespace dvd::cuda

#include "dvd/core/macros_end.hpp"
