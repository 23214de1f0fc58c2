// Operation graphs of cuDNN and the choice of an engine for them.
#include "cuda/cudnn_graph.hpp"

#include <algorithm>
#include <utility>

#include "dvd/core/error.hpp"
#include "dvd/device/cuda/context.cuh"
#include "dvd/device/cuda/memory.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

void check(cudnnStatus_t status, const char* call, const std::string& what) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  char reason[512] = "";
  cudnnGetLastErrorString(reason, sizeof(reason));
  std::string line(reason);
  std::replace(line.begin(), line.end(), '\n', ' ');
  throw Error(concat(call, " failed for ", what, ": ", cudnnGetErrorString(status), line.empty() ? "" : " (", line,
                     line.empty() ? "" : ")"));
}

Descriptor::Descriptor(cudnnBackendDescriptorType_t type, std::string what) : what_(std::move(what)) {
  cudnnBackendDescriptor_t created = nullptr;
  check(cudnnBackendCreateDescriptor(type, &created), "cudnnBackendCreateDescriptor", what_);
  handle_.reset(created);
}

Descriptor& Descriptor::finalize() {
  check(cudnnBackendFinalize(get()), "cudnnBackendFinalize", what_);
  return *this;
}

bool Descriptor::try_finalize() {
  const cudnnStatus_t status = cudnnBackendFinalize(get());
  // Not what cuDNN cannot do, but what is wrong at the moment or with this installation: another engine in its place
  // would give other bits, and would be remembered.
  if (status == CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED ||
      status == CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED || (status >= 1000 && status < 2000))
    check(status, "cudnnBackendFinalize", what_);
  return status == CUDNN_STATUS_SUCCESS;
}

Descriptor graph_tensor(std::int64_t name, cudnnDataType_t type, const std::vector<std::int64_t>& extents,
                        bool is_virtual, const std::string& what) {
  // Channels, the second extent, lie side by side; all others as they are named, the last one next.
  std::vector<std::int64_t> strides(extents.size());
  strides[1] = 1;
  std::int64_t stride = extents[1];
  for (std::size_t axis = extents.size(); axis-- > 2;) {
    strides[axis] = stride;
    stride *= extents[axis];
  }
  strides[0] = stride;
  Descriptor tensor(CUDNN_BACKEND_TENSOR_DESCRIPTOR, what);
  tensor.set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, type)
      .set(CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, extents)
      .set(CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, strides)
      .set(CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, name)
      .set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, std::int64_t{16});
  if (is_virtual) {
    const bool yes = true;
    check(cudnnBackendSetAttribute(tensor.get(), CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1, &yes),
          "cudnnBackendSetAttribute", what);
  }
  tensor.finalize();
  return tensor;
}

namespace {

bool keeps_rules(const Descriptor& config, const EngineRules& rules, const std::string& what) {
  const Descriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR, what);
  cudnnBackendDescriptor_t place = engine.get();
  std::int64_t count = 0;
  check(cudnnBackendGetAttribute(config.get(), CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &count,
                                 &place),
        "cudnnBackendGetAttribute", what);
  const auto notes = engine.values<cudnnBackendNumericalNote_t>(
      CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE, CUDNN_NUMERICAL_NOTE_TYPE_COUNT);
  return std::none_of(notes.begin(), notes.end(), [&](cudnnBackendNumericalNote_t note) {
    return note == CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC ||
           (note == CUDNN_NUMERICAL_NOTE_TENSOR_CORE && !rules.tensor_cores) ||
           (note == CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS && !rules.rounded_inputs);
  });
}

/// The engines that a heuristic proposes, the best first.
std::vector<std::unique_ptr<Descriptor>> proposals(const Descriptor& graph, const PlanTarget& target,
                                                   cudnnBackendHeurMode_t mode, const std::string& what) {
  Descriptor heuristic(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, what);
  heuristic.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph)
      .set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, mode);
#if CUDNN_VERSION >= 91000
  if (target.device) heuristic.set(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, *target.device);
#endif
  if (!heuristic.try_finalize()) return {};
  std::int64_t count = 0;
  check(cudnnBackendGetAttribute(heuristic.get(), CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 0,
                                 &count, nullptr),
        "cudnnBackendGetAttribute", what);
  std::vector<std::unique_ptr<Descriptor>> configs;
  std::vector<cudnnBackendDescriptor_t> places;
  for (std::int64_t i = 0; i < count; ++i) {
    configs.push_back(std::make_unique<Descriptor>(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, what));
    places.push_back(configs.back()->get());
  }
  std::int64_t given = 0;
  if (count > 0)
    check(cudnnBackendGetAttribute(heuristic.get(), CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, count,
                                   &given, places.data()),
          "cudnnBackendGetAttribute", what);
  configs.resize(static_cast<std::size_t>(std::min(count, given)));
  return configs;
}

}  // namespace

GraphPlan best_plan(const PlanTarget& target, const std::vector<const Descriptor*>& operations,
                    const EngineRules& rules, const std::string& what) {
  std::vector<cudnnBackendDescriptor_t> parts;
  for (const Descriptor* operation : operations) parts.push_back(operation->get());
  Descriptor graph(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, what);
  graph.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, parts);
  if (target.handle) graph.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, target.handle);
  if (!graph.try_finalize()) return {};
  for (const cudnnBackendHeurMode_t mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK})
    for (const auto& config : proposals(graph, target, mode, what)) {
      if (!keeps_rules(*config, rules, what)) continue;
      auto plan = std::make_shared<Descriptor>(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, what);
      plan->set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, *config);
      if (target.handle) plan->set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, target.handle);
#if CUDNN_VERSION >= 91000
      if (target.device) plan->set(CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, *target.device);
#endif
      if (!plan->try_finalize()) continue;  // a proposal need not be possible
      const auto bytes =
          plan->values<std::int64_t>(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1).at(0);
      if (static_cast<std::size_t>(bytes) <= rules.workspace) return {plan, static_cast<std::size_t>(bytes)};
    }
  return {};
}

void execute(cudnnHandle_t handle, const GraphPlan& plan, const std::vector<std::int64_t>& names,
             const std::vector<void*>& arrays, const std::string& what) {
  const auto workspace = Memory::allocate(plan.workspace);
  Descriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, what);
  pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, names)
      .set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, arrays)
      .set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, workspace.get())
      .finalize();
  check(cudnnBackendExecute(handle, plan.plan->get(), pack.get()), "cudnnBackendExecute", what);
}

}  // namespace dvd::cuda
