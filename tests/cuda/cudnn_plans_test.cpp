// That cuDNN can do what it is asked, on GPUs that are only described: its heuristics find engines that keep the rules,
// and plans of them are possible, for the convolutions of models of all sizes. Needs no GPU.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/device/cuda/libraries/cudnn_convolution.cuh"

namespace {

using namespace dvd;
using namespace dvd::cuda;

// What cuDNN wants to know of a GPU.
struct Gpu {
  const char* name;
  int capability, processors, shared_memory, second_level_cache;
};
constexpr Gpu gpus[] = {{"NVIDIA H200", 900, 132, 232448, 62914560},
                        {"NVIDIA A100-SXM4-80GB", 800, 108, 166912, 41943040}};

#if CUDNN_VERSION >= 91000
std::string description(const Gpu& gpu) {
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

// Empty if this cuDNN describes GPUs otherwise.
std::unique_ptr<Descriptor> described(const Gpu& gpu) {
  const std::string text = description(gpu);
  auto device = std::make_unique<Descriptor>(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, gpu.name);
  try {
    device->set(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
                std::vector<char>(text.begin(), text.end()));
  } catch (const Error&) {
    return nullptr;
  }
  return device->try_finalize() ? std::move(device) : nullptr;
}
#else
std::unique_ptr<Descriptor> described(const Gpu&) { return nullptr; }
#endif

constexpr ConvolutionDirection directions[] = {ConvolutionDirection::forward, ConvolutionDirection::backward_input,
                                               ConvolutionDirection::backward_weight};

// Layers of models of ch = 64 and 128, odd sizes, the smallest.
std::vector<ConvolutionProblem> problems(NumberType type) {
  return {{type, 384, 1, 64, 64, 128, 64, 1}, {type, 384, 1, 64, 64, 64, 8, 1},   {type, 8, 1, 4, 4, 1024, 2048, 1},
          {type, 32, 1, 8, 8, 512, 1536, 1},  {type, 3, 1, 5, 7, 8, 16, 1},       {type, 1, 1, 1, 1, 8, 8, 1},
          {type, 32, 12, 32, 32, 8, 64, 3},   {type, 8, 24, 16, 16, 256, 512, 3}, {type, 3, 5, 5, 7, 8, 16, 3}};
}

TEST_CASE("the operations are ones that cuDNN knows") {
  for (const NumberType type : {NumberType::float32, NumberType::bfloat16})
    for (const ConvolutionProblem& problem : problems(type))
      for (const ConvolutionDirection direction : directions) {
        CHECK(ConvolutionGraph(problem, direction, ConvolutionSum::nothing, "a test").operations.size() == 1);
        if (direction == ConvolutionDirection::forward)
          CHECK(ConvolutionGraph(problem, direction, ConvolutionSum::bias, "a test").operations.size() == 2);
        if (direction == ConvolutionDirection::forward)
          CHECK(ConvolutionGraph(problem, direction, ConvolutionSum::rectified_bias, "a test").operations.size() == 3);
        if (direction != ConvolutionDirection::backward_weight)
          CHECK(ConvolutionGraph(problem, direction, ConvolutionSum::result, "a test").operations.size() == 1);
      }
}

TEST_CASE("there is a plan for every convolution") {
  for (const Gpu& gpu : gpus) {
    const auto device = described(gpu);
    if (!device) {
      MESSAGE("this cuDNN makes no plans for GPUs that are only described");
      continue;
    }
    for (const NumberType type : {NumberType::float32, NumberType::bfloat16})
      for (const ConvolutionProblem& problem : problems(type))
        for (const ConvolutionDirection direction : directions)
          for (const ConvolutionSum sum : {ConvolutionSum::nothing, ConvolutionSum::bias,
                                           ConvolutionSum::rectified_bias, ConvolutionSum::result}) {
            const bool with_bias = sum == ConvolutionSum::bias || sum == ConvolutionSum::rectified_bias;
            if (with_bias && direction != ConvolutionDirection::forward) continue;
            if (sum == ConvolutionSum::result && direction == ConvolutionDirection::backward_weight) continue;
            const bool coarse = type == NumberType::bfloat16;
            const std::string what =
                concat(gpu.name, ", ", coarse ? "bfloat16" : "float32", ", direction ", static_cast<int>(direction),
                       ", ", problem.images, "x", problem.frames, "x", problem.height, ", ", problem.inputs, " to ",
                       problem.outputs, ", sum ", static_cast<int>(sum));
            const ConvolutionGraph graph(problem, direction, sum, what);
            const GraphPlan plan =
                best_plan({.device = device.get()}, graph.operations,
                          {.tensor_cores = coarse, .rounded_inputs = coarse, .workspace = std::size_t{1} << 30}, what);
            CHECK_MESSAGE(plan.plan, what);
          }
  }
}

}  // namespace

int main(int argc, char** argv) { return doctest::Context(argc, argv).run(); }
