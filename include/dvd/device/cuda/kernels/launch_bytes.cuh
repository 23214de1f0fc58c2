// How much a launch may be given by value: tables of arrays travel that way.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <cuda_runtime_api.h>

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

// 4 KiB before CUDA 12.1, nearly 32 from then on.
#if defined(CUDART_VERSION) && CUDART_VERSION < 12010
constexpr int launch_bytes = 4096;
#else
constexpr int launch_bytes = 32764;
#endif

}  // namespace dvd::cuda

#include "dvd/core/macros_end.hpp"
