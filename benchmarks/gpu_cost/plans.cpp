// Compiled against CUDA's and cuDNN's own headers, with names that do not meet those of the emulation.
#include "plans.hpp"

#include "cuda/described_gpu.hpp"
#include "dvd/device/cuda/libraries/cudnn_convolution.cuh"

namespace benchmarks {

namespace {

using namespace dvd;
using namespace dvd::cuda;

const Descriptor* device() {
  static const std::unique_ptr<Descriptor> device = described(gpus[0]);
  return device.get();
}

/// What cuDNN tells of the engine of a plan.
ChosenPlan described_plan(const GraphPlan& plan, const std::string& what) {
  const Descriptor config(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, what), engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR, what);
  const auto get = [&](const Descriptor& from, cudnnBackendAttributeName_t name, const Descriptor& to) {
    cudnnBackendDescriptor_t place = to.get();
    std::int64_t count = 0;
    check(cudnnBackendGetAttribute(from.get(), name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &count, &place),
          "cudnnBackendGetAttribute", what);
  };
  get(*plan.plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, config);
  get(config, CUDNN_ATTR_ENGINECFG_ENGINE, engine);
  ChosenPlan chosen{.workspace = plan.workspace};
  chosen.engine = engine.values<std::int64_t>(CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1).at(0);
  const auto notes = engine.values<cudnnBackendNumericalNote_t>(
      CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE, CUDNN_NUMERICAL_NOTE_TYPE_COUNT);
  chosen.tensor_cores = std::count(notes.begin(), notes.end(), CUDNN_NUMERICAL_NOTE_TENSOR_CORE) > 0;
  return chosen;
}

}  // namespace

std::string planned_gpu() { return device() ? gpus[0].name : ""; }

ChosenPlan choose_plan(const AskedConvolution& asked, bool tf32) {
  const ConvolutionProblem problem{static_cast<NumberType>(asked[0]),
                                   asked[1],
                                   asked[2],
                                   asked[3],
                                   asked[4],
                                   asked[5],
                                   asked[6],
                                   asked[7],
                                   asked[8] != 0};
  const bool coarse = problem.type == NumberType::bfloat16;
  const std::string what = "a convolution";
  const ConvolutionGraph graph(problem, static_cast<ConvolutionDirection>(asked[9]),
                               static_cast<ConvolutionSum>(asked[10]), what);
  const GraphPlan plan =
      best_plan({.device = device()}, graph.operations,
                {.tensor_cores = coarse || tf32, .rounded_inputs = coarse, .workspace = std::size_t{1} << 30}, what);
  return plan.plan ? described_plan(plan, what) : ChosenPlan{};
}

}  // namespace benchmarks
