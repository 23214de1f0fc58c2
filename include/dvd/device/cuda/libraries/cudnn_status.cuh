// What cuDNN's functions return: which of it means that something else may be tried, and which is an error, in words
// that say what to do.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <cudnn.h>

#include <algorithm>
#include <string>

#include "dvd/core/error.hpp"
#include "dvd/device/cuda/context.cuh"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

/// Throws Error, saying which `call` failed for what, why, and what to do, unless `status` is success.
inline void check(cudnnStatus_t status, const char* call, const std::string& what);

/// Whether something is beyond this cuDNN on this GPU, wherever it is installed. All else is wrong at the moment or
/// with the installation: another engine in the place of one that fails so would give other bits there.
inline bool merely_unsupported(cudnnStatus_t status) {
  switch (status) {
    case CUDNN_STATUS_NOT_SUPPORTED_INCOMPATIBLE_CUDA_DRIVER:
    case CUDNN_STATUS_NOT_SUPPORTED_INCOMPATIBLE_CUDART:
    case CUDNN_STATUS_NOT_SUPPORTED_RUNTIME_PREREQUISITE_MISSING:
    case CUDNN_STATUS_NOT_SUPPORTED_SUBLIBRARY_UNAVAILABLE:
      return false;
    default:
      return status >= 3000 && status < 4000;
  }
}

namespace detail {

/// What can be done about a status; empty where no more is known than its name says.
inline std::string remedy(cudnnStatus_t status) {
  int runtime = 0;
  cudaRuntimeGetVersion(&runtime);
  const std::string package = concat("cudnn9-cuda-", runtime / 1000);
  switch (status) {
    case CUDNN_STATUS_NOT_INITIALIZED:
      return concat("cuDNN cannot start: see that nvidia-smi finds the GPU, and that all of cuDNN (libcudnn*.so.9) is ",
                    "from one package, ", package);
    case CUDNN_STATUS_SUBLIBRARY_VERSION_MISMATCH:
    case CUDNN_STATUS_SERIALIZATION_VERSION_MISMATCH:
      return concat("cuDNN's parts (libcudnn*.so.9) are of different versions; install all of them from one package, ",
                    package);
    case CUDNN_STATUS_SUBLIBRARY_LOADING_FAILED:
    case CUDNN_STATUS_NOT_SUPPORTED_SUBLIBRARY_UNAVAILABLE:
      return concat("a part of cuDNN (libcudnn_*.so.9) is missing or cannot be loaded; install all of it, the package ",
                    package);
    case CUDNN_STATUS_NOT_SUPPORTED_INCOMPATIBLE_CUDA_DRIVER:
      return "the NVIDIA driver is too old for this cuDNN; install a newer driver";
    case CUDNN_STATUS_NOT_SUPPORTED_INCOMPATIBLE_CUDART:
      return concat("this cuDNN was made for another version of CUDA; install the package ", package);
    case CUDNN_STATUS_NOT_SUPPORTED_RUNTIME_PREREQUISITE_MISSING:
    case CUDNN_STATUS_INTERNAL_ERROR_COMPILATION_FAILED:
      return concat("what cuDNN compiles kernels with is missing or does not fit; install CUDA's NVRTC (cuda-nvrtc-",
                    runtime / 1000, "-", runtime % 1000 / 10, ") and the NVIDIA driver (libcuda.so.1)");
    case CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED:
      return "the host's memory does not suffice";
    case CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED:
      return "the GPU's memory does not suffice; use a smaller batch, or see what else uses the GPU";
    default:
      return "";
  }
}

}  // namespace detail

inline void check(cudnnStatus_t status, const char* call, const std::string& what) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  char reason[512] = "";
  cudnnGetLastErrorString(reason, sizeof(reason));
  std::string line(reason);
  std::replace(line.begin(), line.end(), '\n', ' ');
  const std::string advice = detail::remedy(status);
  throw Error(concat(call, " failed for ", what, ": ", cudnnGetErrorString(status), line.empty() ? "" : " (", line,
                     line.empty() ? "" : ")", advice.empty() ? "" : "; ", advice));
}

}  // namespace dvd::cuda

#include "dvd/core/macros_end.hpp"
