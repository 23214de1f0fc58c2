// Windows over images and videos: brought into the rows of a matrix and back, which with matrix products makes
// convolutions of any kernel, and pooled.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/core/windows.hpp"
#include "dvd/device/cuda/scalar.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

/// Window kernels of the contract; see core/device.hpp.
struct Windows {
  /// Enough for a product to fill a GPU, and little of its memory.
  static constexpr Index columns_bytes = Index{256} << 20;

  /// cuDNN's convolutions are those of the contract; the others are products.
  static constexpr bool convolves_windows = false;

  template <CudaScalar T>
  static void unfold(const WindowSize& size, Index first, Index count, const T* x, Index x_pixel, T* columns);
  template <CudaScalar T>
  static void fold(const WindowSize& size, Index first, Index count, const T* columns, T* x, Index x_pixel);
  template <CudaScalar T>
  static void max_windows(const WindowSize& size, const T* x, T* y);
  template <CudaScalar T>
  static void max_windows_backward(const WindowSize& size, const T* x, const T* dy, T* dx);
  template <CudaScalar T>
  static void average_windows(const WindowSize& size, bool count_padding, const T* x, T* y);
  template <CudaScalar T>
  static void average_windows_backward(const WindowSize& size, bool count_padding, const T* dy, T* dx);
};

}  // namespace dvd::cuda

#include "dvd/core/macros_end.hpp"
