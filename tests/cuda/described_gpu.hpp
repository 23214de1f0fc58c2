// GPUs that are only described, for which cuDNN makes plans where there is none.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/device/cuda/libraries/cudnn_graph.cuh"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

/// What cuDNN wants to know of a GPU.
struct DescribedGpu {
  const char* name;
  int capability, processors, shared_memory, second_level_cache;
};
inline constexpr DescribedGpu gpus[] = {{"NVIDIA H200", 900, 132, 232448, 62914560},
                                        {"NVIDIA A100-SXM4-80GB", 800, 108, 166912, 41943040}};

#if CUDNN_VERSION >= 91000
inline std::string description(const DescribedGpu& gpu) {
  return concat(
      R"({"maxGridSize": [2147483647, 65535, 65535], "maxBlockSize": [1024, 1024, 64], "regsPerBlock": 65536, )",
      R"("multiProcessorCount": )", gpu.processors, R"(, "warpSize": 32, "maxSharedMemoryPerBlock": 49152, )",
      R"("maxSharedMemoryPerBlockOptin": )", gpu.shared_memory, R"(, "reservedSharedMemoryPerBlock": 1024, )",
      R"("maxRegistersPerSM": 65536, "maxCtasPerSM": 32, "maxThreadsPerBlock": 1024, "maxThreadsPerSM": 2048, )",
      R"("pciDeviceId": 0, "supportCoopLaunch": 1, "totalGlobalMem": 80000000000, "smClockRateKHz": 1400000, )",
      R"("memClockRateKHz": 2600000, "l2CacheSize": )", gpu.second_level_cache, R"(, "deviceName": ")", gpu.name,
      R"(", "deviceVer": )", gpu.capability,
      R"(, "driverVer": 13000, "cudartVer": 13000, "isTccDriver": 0, "cudaDeviceId": 0})");
}

/// Empty if this cuDNN describes GPUs otherwise.
inline std::unique_ptr<Descriptor> described(const DescribedGpu& gpu) {
  const std::string text = description(gpu);
  auto device = std::make_unique<Descriptor>(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, gpu.name);
  try {
    device->set(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, std::vector<char>(text.begin(), text.end()))
        .finalize();
  } catch (const Error&) {
    return nullptr;
  }
  return device;
}
#else
inline std::unique_ptr<Descriptor> described(const DescribedGpu&) { return nullptr; }
#endif

}  // namespace dvd::cuda
