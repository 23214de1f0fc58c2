// The GPU device policy. What is declared here is compiled once, in the library dvd::cuda; this header needs nothing of
// CUDA.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/core/device.hpp"
#include "dvd/device/cuda/attention.hpp"
#include "dvd/device/cuda/convolution.hpp"
#include "dvd/device/cuda/gathering.hpp"
#include "dvd/device/cuda/memory.hpp"
#include "dvd/device/cuda/normalization.hpp"
#include "dvd/device/cuda/pointwise.hpp"
#include "dvd/device/cuda/recording.hpp"
#include "dvd/device/cuda/resampling.hpp"
#include "dvd/device/cuda/weights.hpp"
#include "dvd/device/cuda/windows.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Computes on an NVIDIA GPU, with elements of type float or bfloat16. One GPU a process, the first unless `use`
/// chooses another. The same bits every time on one kind of GPU. Link dvd::cuda.
struct Cuda : cuda::Memory,
              cuda::Pointwise,
              cuda::Mapping,
              cuda::Lstm,
              cuda::Lists,
              cuda::Convolution,
              cuda::Normalization,
              cuda::SharedBatchNorm,
              cuda::GroupNorm,
              cuda::Resampling,
              cuda::Windows,
              cuda::Attention,
              cuda::Gathering,
              cuda::Weights {
  static constexpr const char* name = "cuda";

  using Recording = cuda::Recording;

  /// A convolution's weight made ready.
  template <class T>
  using Filter = cuda::Filter<T>;
};

static_assert(Device<Cuda> && DeviceFor<Cuda, bfloat16>);

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
