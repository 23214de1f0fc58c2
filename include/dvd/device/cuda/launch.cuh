// Starting a kernel on the library's stream.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <cuda_runtime.h>

#include "dvd/device/cuda/context.cuh"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, const Arguments&... arguments) {
  const Turn turn;
  kernel<<<grid, block, 0, stream()>>>(arguments...);
  check_launch();
}

}  // namespace dvd::cuda

#include "dvd/core/macros_end.hpp"
