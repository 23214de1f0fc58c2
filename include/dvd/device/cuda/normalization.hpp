// Batch statistics, the affine map of a class-conditional batch norm, sums over rows. All are bound by memory.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/core/arrays.hpp"
#include "dvd/device/cuda/scalar.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

/// Normalisation kernels of the contract; see core/device.hpp.
struct Normalization {
  template <CudaScalar T>
  static void moments(Index groups, Index rows, Index channels, const T* x, float* mean, float* variance);
  template <CudaScalar T>
  static void scale_shift(Index groups, Index rows, Index channels, const T* x, const float* scale, const float* shift,
                          bool rectify, T* y);
  static void follow_statistics(Index size, float decay, float unbias, const float* mean, const float* variance,
                                float* running_mean, float* running_variance);
  template <CudaScalar T>
  static void batch_norm_coefficients(Index frames, Index batch, Index channels, const float* mean,
                                      const float* variance, const T* gain, const T* bias, float epsilon, float* scale,
                                      float* shift);
  template <CudaScalar T>
  static void batch_norm_statistics(Index frames, Index batch, Index rows, Index channels, const T* x, const T* gain,
                                    const T* bias, float epsilon, float* mean, float* variance,
                                    const RunningStatistics<float>& running, float* scale, float* shift);
  template <CudaScalar T>
  static void batch_norm_backward(Index frames, Index batch, Index rows, Index channels, const T* x, const T* dy,
                                  const float* mean, const float* variance, const T* gain, const float* scale,
                                  const float* shift, float epsilon, bool rectify, bool batch_statistics, T* dgain,
                                  T* dbias, T* dx);
  template <CudaScalar From, CudaScalar To>
  static void sum_rows(Index groups, Index rows, Index channels, const From* x, Index x_row, To* y, bool accumulate);
  template <CudaScalar T>
  static void dot(Index size, const T* x, const T* y, float* result);
};

/// Kernels of batch norms over parts of a batch of the contract; see core/device.hpp.
struct SharedBatchNorm {
  static void moment_sums(Index size, Index count, const float* mean, const float* variance, const float* reference,
                          double* sums);
  static void moments_of_sums(Index size, Index count, const double* sums, const float* reference, float* mean,
                              float* variance);
  template <CudaScalar T, CudaScalar Gradient>
  static void batch_norm_gradient_sums(Index frames, Index batch, Index rows, Index channels, const T* x, const T* dy,
                                       const float* mean, const float* variance, const float* scale, const float* shift,
                                       float epsilon, bool rectify, Gradient* dgain, Gradient* dbias, double* sums);
  template <CudaScalar T>
  static void batch_norm_gradient(Index frames, Index batch, Index rows, Index channels, const T* x, const T* dy,
                                  const float* mean, const float* variance, const float* scale, const float* shift,
                                  float epsilon, bool rectify, Index count, const double* sums, T* dx);
};

/// Kernels of group, layer and batch norms of the contract; see core/device.hpp.
struct GroupNorm {
  template <CudaScalar T>
  static void group_moments(Index images, Index rows, Index groups, Index width, const T* x, float* mean,
                            float* variance);
  template <CudaScalar T>
  static void group_norm(Index images, Index rows, Index groups, Index width, const T* x, const float* mean,
                         const float* variance, const float* weight, const float* bias, float epsilon, T* y);
  template <CudaScalar T>
  static void group_norm_backward(Index images, Index rows, Index groups, Index width, const T* x, const T* dy,
                                  const float* mean, const float* variance, const float* weight, float epsilon,
                                  bool own_statistics, float* dweight, float* dbias, T* dx);
};

}  // namespace dvd::cuda

#include "dvd/core/macros_end.hpp"
