// Attention: its products by cuBLASLt, the softmax between them a kernel of its own.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/core/attention.hpp"
#include "dvd/device/cuda/scalar.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

/// Attention kernels of the contract; see core/device.hpp.
struct Attention {
  template <CudaScalar T>
  static void attend(const AttentionSize& size, const T* query, const T* key, const T* value, T* y);
  template <CudaScalar T>
  static void attend_backward(const AttentionSize& size, const T* query, const T* key, const T* value, const T* dy,
                              T* dquery, T* dkey, T* dvalue);
};

}  // namespace dvd::cuda

#include "dvd/core/macros_end.hpp"
