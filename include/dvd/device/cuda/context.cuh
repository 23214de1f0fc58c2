// What the library knows of the GPU in use: the stream that kernels run on, and how errors become words.
#pragma once

#include <cuda_runtime_api.h>

#include <string>

#include "dvd/core/error.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

/// The stream of all kernels. The first call chooses a GPU if none is chosen. Throws NoDevice.
cudaStream_t stream();

/// "GPU 0 (NVIDIA H200)".
std::string device_words();

/// Throws Error, saying which `call` failed, on what and why, unless `status` is success.
void check(cudaError_t status, const char* call, const std::string& what = "");

/// Throws Error if the kernel launched last could not be.
void check_launch();

}  // namespace dvd::cuda
