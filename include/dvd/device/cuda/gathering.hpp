// Kernels that pick, combine and scatter rows, and the loss of a row of scores.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/device/cuda/scalar.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

/// Row kernels of the contract; see core/device.hpp.
struct Gathering {
  template <CudaScalar T>
  static void gather_rows(Index count, Index width, const T* table, const Index* rows, T* y);
  template <CudaScalar From, CudaScalar To>
  static void scatter_add_rows(Index count, Index width, const From* dy, const Index* rows, To* dtable);
  template <CudaScalar T>
  static void broadcast_rows(Index groups, Index rows, Index channels, const T* x, T* y);
  template <CudaScalar T>
  static void row_dots(Index rows, Index width, const T* x, const T* y, float* result);
  template <CudaScalar T>
  static void scale_rows(Index rows, Index width, const float* factors, const T* x, T* y);
  /// Compiled for the terms of training/losses.hpp. A program with a loss of its own compiles this kernel for it: see
  /// device/cuda/loss.cuh.
  template <class Term>
  static void mean_loss(Index size, const float* scores, Term term, float* loss, float* dscores);
};

}  // namespace dvd::cuda

#include "dvd/core/macros_end.hpp"
