// 3. A layer with kernels of its own: what they are on each device.
#pragma once

#include <dvd/device/cuda.hpp>  // declarations alone: it needs nothing of CUDA

namespace examples {

/// The kernels of PixelNorm, over `pixels` rows of `channels`.
template <class D>
struct PixelNormKernels;

template <>
struct PixelNormKernels<dvd::Cuda> {  // defined in kernels.cu
  template <class T>
  static void forward(dvd::Index pixels, dvd::Index channels, const T* x, T* y);
  template <class T>
  static void backward(dvd::Index pixels, dvd::Index channels, const T* x, const T* dy, T* dx);
};

}  // namespace examples
