// The pool that all arrays on the GPU come from, and the recordings' share in it.
#pragma once

#include <cuda_runtime_api.h>

#include "dvd/device/arena.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

Arena& pool();

/// The stream that copies from the host run on.
cudaStream_t copy_stream();

/// Whether the stream of kernels records just now. What would wait for the GPU throws then.
bool is_recording();
void set_recording(bool recording);

}  // namespace dvd::cuda
