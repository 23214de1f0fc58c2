// cuDNN's functions.
#pragma once

#include <cstdio>

#include "../emulated_failures.hpp"
#include "count.hpp"
#include "execution.hpp"

// What a test wants to fail does so here, at the beginning of every function that returns a status.
#define DVD_EMULATED_CALL \
  if (const int planned = EmulatedFailures::instance().of(__func__); planned) return static_cast<cudnnStatus_t>(planned)

inline std::size_t cudnnGetVersion() { return CUDNN_VERSION; }

inline const char* cudnnGetErrorString(cudnnStatus_t status) {
  switch (status) {
    case CUDNN_STATUS_SUCCESS:
      return "CUDNN_STATUS_SUCCESS";
    case CUDNN_STATUS_NOT_INITIALIZED:
      return "CUDNN_STATUS_NOT_INITIALIZED";
    case CUDNN_STATUS_SUBLIBRARY_VERSION_MISMATCH:
      return "CUDNN_STATUS_SUBLIBRARY_VERSION_MISMATCH";
    case CUDNN_STATUS_SUBLIBRARY_LOADING_FAILED:
      return "CUDNN_STATUS_SUBLIBRARY_LOADING_FAILED";
    case CUDNN_STATUS_NOT_SUPPORTED:
      return "CUDNN_STATUS_NOT_SUPPORTED";
    case CUDNN_STATUS_INTERNAL_ERROR:
      return "CUDNN_STATUS_INTERNAL_ERROR";
    case CUDNN_STATUS_EXECUTION_FAILED:
      return "CUDNN_STATUS_EXECUTION_FAILED";
    default:
      return "CUDNN_STATUS_OF_ANOTHER_KIND";
  }
}
inline void cudnnGetLastErrorString(char* message, std::size_t size) {
  std::snprintf(message, size, "%s", "the emulation's\nreason");
}

inline cudnnStatus_t cudnnCreate(cudnnHandle_t* handle) {
  DVD_EMULATED_CALL;
  *handle = new cudnnContext;
  return CUDNN_STATUS_SUCCESS;
}
inline cudnnStatus_t cudnnDestroy(cudnnHandle_t handle) {
  DVD_EMULATED_CALL;
  delete handle;
  return CUDNN_STATUS_SUCCESS;
}
inline cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream) {
  DVD_EMULATED_CALL;
  handle->stream = stream;
  return CUDNN_STATUS_SUCCESS;
}

inline cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type,
                                                  cudnnBackendDescriptor_t* descriptor) {
  DVD_EMULATED_CALL;
  auto made = std::make_shared<emulated_cudnn::Descriptor>();
  made->type = type;
  *descriptor = new emulated_cudnn::Holder{std::move(made)};
  return CUDNN_STATUS_SUCCESS;
}
inline cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t descriptor) {
  DVD_EMULATED_CALL;
  delete static_cast<emulated_cudnn::Holder*>(descriptor);
  return CUDNN_STATUS_SUCCESS;
}
inline cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name,
                                              cudnnBackendAttributeType_t type, std::int64_t count,
                                              const void* values) {
  DVD_EMULATED_CALL;
  if (!descriptor) return CUDNN_STATUS_BAD_PARAM_NULL_POINTER;
  return emulated_cudnn::set(*emulated_cudnn::held(descriptor), name, type, count, values);
}

inline cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t handle) {
  DVD_EMULATED_CALL;
  using namespace emulated_cudnn;
  if (!handle) return CUDNN_STATUS_BAD_PARAM_NULL_POINTER;
  Descriptor& descriptor = *held(handle);
  if (descriptor.finalized || !complete(descriptor)) return CUDNN_STATUS_BAD_PARAM;
  cudnnStatus_t status = CUDNN_STATUS_SUCCESS;
  switch (descriptor.type) {
    case CUDNN_BACKEND_TENSOR_DESCRIPTOR:
      status = check_tensor(descriptor);
      break;
    case CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR:
      status = check_convolution(descriptor);
      break;
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR:
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR:
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR:
    case CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR:
      status = check_operation(Operation(descriptor));
      break;
    case CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR:
      status = check_graph(descriptor);
      break;
    case CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR: {
      const DescriptorPointer graph = descriptor.part(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH);
      if (!graph->has(CUDNN_ATTR_OPERATIONGRAPH_HANDLE) && !descriptor.has(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP))
        return CUDNN_STATUS_BAD_PARAM;
      status = check_pattern(*graph);
      break;
    }
    case CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR: {
      const DescriptorPointer config = descriptor.part(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG);
      descriptor.engine = config->engine;
      descriptor.graph = config->graph;
      status = check_plan(*config->engine);
      break;
    }
    case CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR:
      if (descriptor.values<std::int64_t>(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS).size() !=
          descriptor.values<void*>(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS).size())
        status = CUDNN_STATUS_BAD_PARAM_SIZE_INSUFFICIENT;
      break;
    default:
      break;
  }
  descriptor.finalized = status == CUDNN_STATUS_SUCCESS;
  return status;
}

inline cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t handle, cudnnBackendAttributeName_t name,
                                              cudnnBackendAttributeType_t type, std::int64_t requested,
                                              std::int64_t* count, void* values) {
  DVD_EMULATED_CALL;
  using namespace emulated_cudnn;
  if (!handle || !count) return CUDNN_STATUS_BAD_PARAM_NULL_POINTER;
  const std::shared_ptr<const emulated_cudnn::Descriptor> descriptor = held(handle);
  if (!descriptor->finalized) return CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED;
  // Writes as many values as there is room for, and says how many there are.
  const auto give = [&](cudnnBackendAttributeType_t of, const auto& all) {
    if (type != of) return CUDNN_STATUS_BAD_PARAM_ATTRIBUTE_TYPE;
    *count = static_cast<std::int64_t>(all.size());
    const std::size_t written = std::min(all.size(), static_cast<std::size_t>(requested));
    if (written > 0) std::memcpy(values, all.data(), written * sizeof(all[0]));
    return CUDNN_STATUS_SUCCESS;
  };
  // The same of descriptors that the caller has made: what they stand for is put into them.
  const auto give_descriptors = [&](cudnnBackendDescriptorType_t of, const std::vector<Descriptor>& all) {
    if (type != CUDNN_TYPE_BACKEND_DESCRIPTOR) return CUDNN_STATUS_BAD_PARAM_ATTRIBUTE_TYPE;
    *count = static_cast<std::int64_t>(all.size());
    for (std::size_t i = 0; i < std::min(all.size(), static_cast<std::size_t>(requested)); ++i) {
      Descriptor& place = *held(static_cast<cudnnBackendDescriptor_t*>(values)[i]);
      if (place.type != of) return CUDNN_STATUS_BAD_PARAM_DESCRIPTOR_TYPE;
      place = all[i];
    }
    return CUDNN_STATUS_SUCCESS;
  };
  switch (name) {
    case CUDNN_ATTR_ENGINEHEUR_RESULTS: {
      std::vector<Descriptor> configs;
      for (const Engine* engine : proposals(descriptor->value<cudnnBackendHeurMode_t>(CUDNN_ATTR_ENGINEHEUR_MODE),
                                            *descriptor->part(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH)))
        configs.push_back({CUDNN_BACKEND_ENGINECFG_DESCRIPTOR,
                           true,
                           {},
                           engine,
                           descriptor->part(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH)});
      return give_descriptors(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, configs);
    }
    case CUDNN_ATTR_ENGINECFG_ENGINE:
      return give_descriptors(CUDNN_BACKEND_ENGINE_DESCRIPTOR,
                              {{CUDNN_BACKEND_ENGINE_DESCRIPTOR, true, {}, descriptor->engine, descriptor->graph}});
    case CUDNN_ATTR_ENGINECFG_KNOB_CHOICES: {
      Descriptor knob{CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR, true, {}, descriptor->engine};
      return give_descriptors(CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR, {knob});
    }
    case CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE:
      return give(CUDNN_TYPE_KNOB_TYPE, std::vector<cudnnBackendKnobType_t>{CUDNN_KNOB_TYPE_TILE_SIZE});
    case CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE:
      return give(CUDNN_TYPE_INT64, std::vector<std::int64_t>{descriptor->engine->index % 3});
    case CUDNN_ATTR_ENGINE_GLOBAL_INDEX:
      return give(CUDNN_TYPE_INT64, std::vector<std::int64_t>{descriptor->engine->index});
    case CUDNN_ATTR_ENGINE_NUMERICAL_NOTE:
      return give(CUDNN_TYPE_NUMERICAL_NOTE, descriptor->engine->numerical);
    case CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE:
      return give(CUDNN_TYPE_BEHAVIOR_NOTE, descriptor->engine->behavior);
    case CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE:
      return give(CUDNN_TYPE_INT64,
                  std::vector<std::int64_t>{static_cast<std::int64_t>(descriptor->engine->workspace)});
    default:
      return CUDNN_STATUS_BAD_PARAM;
  }
}

inline cudnnStatus_t cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t plan_handle,
                                         cudnnBackendDescriptor_t pack_handle) {
  DVD_EMULATED_CALL;
  using namespace emulated_cudnn;
  if (!handle || !plan_handle || !pack_handle) return CUDNN_STATUS_BAD_PARAM_NULL_POINTER;
  const Descriptor &plan = *held(plan_handle), &pack = *held(pack_handle);
  if (!plan.finalized || !pack.finalized) return CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED;
  const auto names = pack.values<std::int64_t>(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS);
  const auto arrays = pack.values<void*>(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS);
  Run run{plan.engine, plan.graph, {}};
  for (std::size_t i = 0; i < names.size(); ++i) run.arrays[names[i]] = arrays[i];
  for (const Operation& operation : operations_of(*plan.graph)) {
    auto tensors = operation.inputs();
    tensors.push_back(operation.result());
    for (const DescriptorPointer& part : tensors) {
      const Tensor tensor(*part);
      if (tensor.is_virtual) continue;
      if (!run.arrays.contains(tensor.name) || !run.arrays[tensor.name]) return CUDNN_STATUS_BAD_PARAM_NULL_POINTER;
      if (reinterpret_cast<std::uintptr_t>(run.arrays[tensor.name]) % static_cast<std::uintptr_t>(tensor.alignment))
        return CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER;
    }
  }
  void* const workspace = pack.value<void*>(CUDNN_ATTR_VARIANT_PACK_WORKSPACE);
  const std::size_t bytes = plan.engine->workspace;
  if (bytes > 0 && !workspace) return CUDNN_STATUS_BAD_PARAM_NULL_POINTER;
  EmulatedGpu::instance().submit(
      handle->stream,
      [=] {
        if (bytes > 0) std::memset(workspace, 0xA5, bytes);
        run();
      },
      [&] { return described(run); });
  return CUDNN_STATUS_SUCCESS;
}

#undef DVD_EMULATED_CALL
