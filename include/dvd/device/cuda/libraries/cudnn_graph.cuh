// cuDNN's operation graphs: the descriptors that they are put together from, the choice of an engine for them, and the
// plan that runs it.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <cudnn.h>

#include <algorithm>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/core/shape.hpp"
#include "dvd/device/cuda/libraries/cudnn_status.cuh"
#include "dvd/device/cuda/memory.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

/// A backend descriptor. `what` is what it serves, for messages.
class Descriptor {
 public:
  Descriptor(cudnnBackendDescriptorType_t type, std::string what);

  template <class Value>
  Descriptor& set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                  const std::vector<Value>& values) {
    check(cudnnBackendSetAttribute(get(), name, type, static_cast<std::int64_t>(values.size()), values.data()),
          "cudnnBackendSetAttribute", what_);
    return *this;
  }
  template <class Value>
  Descriptor& set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, const Value& value) {
    return set(name, type, std::vector<Value>{value});
  }
  Descriptor& set(cudnnBackendAttributeName_t name, const Descriptor& other) {
    return set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, other.get());
  }

  /// Up to `most` values of an attribute.
  template <class Value>
  std::vector<Value> values(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, Index most) const {
    std::vector<Value> result(static_cast<std::size_t>(most));
    std::int64_t count = 0;
    check(cudnnBackendGetAttribute(get(), name, type, most, &count, result.data()), "cudnnBackendGetAttribute", what_);
    result.resize(static_cast<std::size_t>(std::min<std::int64_t>(count, most)));
    return result;
  }

  /// Puts what an attribute consists of into descriptors made for it. Returns how many were filled.
  std::int64_t get_parts(cudnnBackendAttributeName_t name, std::vector<cudnnBackendDescriptor_t> places) const {
    const auto room = static_cast<std::int64_t>(places.size());
    std::int64_t count = 0;
    if (room > 0)
      check(cudnnBackendGetAttribute(get(), name, CUDNN_TYPE_BACKEND_DESCRIPTOR, room, &count, places.data()),
            "cudnnBackendGetAttribute", what_);
    return std::min(count, room);
  }

  /// Throws if it is not one that cuDNN can use.
  Descriptor& finalize();
  /// Returns false if it is merely beyond this cuDNN; throws for every other reason.
  bool try_finalize();

  cudnnBackendDescriptor_t get() const { return handle_.get(); }

 private:
  struct Destroyer {
    void operator()(void* handle) const { cudnnBackendDestroyDescriptor(handle); }
  };

  std::string what_;
  std::unique_ptr<std::remove_pointer_t<cudnnBackendDescriptor_t>, Destroyer> handle_;
};

/// A tensor of a graph under a name of its own, channels last in memory: `extents` are [images, channels, frames...,
/// height, width], as are those of a weight with its outputs in the place of images.
inline Descriptor graph_tensor(std::int64_t name, cudnnDataType_t type, const std::vector<std::int64_t>& extents,
                               bool is_virtual, const std::string& what);

/// What an engine must not do. None computes other bits from run to run, none compiles its kernels at run time.
struct EngineRules {
  bool tensor_cores = true;    ///< it may use them
  bool rounded_inputs = true;  ///< it may round its inputs
  std::size_t workspace = 0;   ///< it may use this much
};

/// An operation graph made ready to run.
struct GraphPlan {
  std::shared_ptr<Descriptor> plan, config;  ///< both null if there is none
  std::size_t workspace = 0;
  std::string words;  ///< "a 3x3 convolution of ... -> engine 5 (knobs 2=1), tensor cores, 0 bytes of workspace"
};

/// What a plan is made for: the GPU of a handle or, without a handle and without any GPU, one that is only described.
struct PlanTarget {
  cudnnHandle_t handle = nullptr;
  const Descriptor* device = nullptr;
};

/// Whether cuDNN can make plans for a GPU that is only described.
constexpr bool plans_without_gpu = CUDNN_VERSION >= 91000;

/// The plan that cuDNN's heuristics think best among those that keep the rules; empty if there is none.
inline GraphPlan best_plan(const PlanTarget& target, const std::vector<const Descriptor*>& operations,
                           const EngineRules& rules, const std::string& what);

/// Runs a plan on arrays, each under its tensor's name.
inline void execute(cudnnHandle_t handle, const GraphPlan& plan, const std::vector<std::int64_t>& names,
                    const std::vector<void*>& arrays, const std::string& what);

inline Descriptor::Descriptor(cudnnBackendDescriptorType_t type, std::string what) : what_(std::move(what)) {
  cudnnBackendDescriptor_t created = nullptr;
  check(cudnnBackendCreateDescriptor(type, &created), "cudnnBackendCreateDescriptor", what_);
  handle_.reset(created);
}

inline Descriptor& Descriptor::finalize() {
  check(cudnnBackendFinalize(get()), "cudnnBackendFinalize", what_);
  return *this;
}

inline bool Descriptor::try_finalize() {
  const cudnnStatus_t status = cudnnBackendFinalize(get());
  if (merely_unsupported(status)) return false;
  check(status, "cudnnBackendFinalize", what_);
  return true;
}

inline Descriptor graph_tensor(std::int64_t name, cudnnDataType_t type, const std::vector<std::int64_t>& extents,
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

namespace detail {

/// What an engine is set to: "2=1, 17=4".
inline std::string knobs(const Descriptor& config, const std::string& what) {
  std::vector<std::unique_ptr<Descriptor>> choices;
  std::vector<cudnnBackendDescriptor_t> places;
  for (int i = 0; i < CUDNN_KNOB_TYPE_COUNTS; ++i) {
    choices.push_back(std::make_unique<Descriptor>(CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR, what));
    places.push_back(choices.back()->get());
  }
  choices.resize(static_cast<std::size_t>(config.get_parts(CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, places)));
  std::string words;
  for (const auto& choice : choices) {
    const auto type =
        choice->values<cudnnBackendKnobType_t>(CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, CUDNN_TYPE_KNOB_TYPE, 1).at(0);
    words += concat(words.empty() ? "" : ", ", static_cast<int>(type), "=",
                    choice->values<std::int64_t>(CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, CUDNN_TYPE_INT64, 1).at(0));
  }
  return words;
}

/// An engine that was proposed, and what it says of itself.
struct Engine {
  std::int64_t index;  ///< its number among all engines for such a graph
  std::vector<cudnnBackendNumericalNote_t> numerical;
  std::vector<cudnnBackendBehaviorNote_t> behavior;

  Engine(const Descriptor& config, const std::string& what) {
    const Descriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR, what);
    config.get_parts(CUDNN_ATTR_ENGINECFG_ENGINE, {engine.get()});
    index = engine.values<std::int64_t>(CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1).at(0);
    numerical = engine.values<cudnnBackendNumericalNote_t>(CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
                                                           CUDNN_NUMERICAL_NOTE_TYPE_COUNT);
    behavior = engine.values<cudnnBackendBehaviorNote_t>(CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE, CUDNN_TYPE_BEHAVIOR_NOTE,
                                                         CUDNN_BEHAVIOR_NOTE_TYPE_COUNT);
  }

  bool has(cudnnBackendNumericalNote_t note) const {
    return std::find(numerical.begin(), numerical.end(), note) != numerical.end();
  }
  bool has(cudnnBackendBehaviorNote_t note) const {
    return std::find(behavior.begin(), behavior.end(), note) != behavior.end();
  }

  bool keeps(const EngineRules& rules) const {
    // Whether an engine that compiles its kernels at run time can be used depends on what else is installed, and so
    // would the bits.
    return !has(CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION) && !has(CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC) &&
           (rules.tensor_cores || !has(CUDNN_NUMERICAL_NOTE_TENSOR_CORE)) &&
           (rules.rounded_inputs || !has(CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS));
  }

  /// ", tensor cores"
  std::string notes() const {
    std::string notes;
    const auto add = [&](auto note, const char* name) {
      if (has(note)) notes += concat(", ", name);
    };
    add(CUDNN_NUMERICAL_NOTE_TENSOR_CORE, "tensor cores");
    add(CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS, "rounded inputs");
    add(CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION, "rounded sums");
    add(CUDNN_NUMERICAL_NOTE_FFT, "FFT");
    add(CUDNN_NUMERICAL_NOTE_WINOGRAD, "Winograd");
    add(CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC, "nondeterministic");
    add(CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION, "compiled at run time");
    return notes;
  }
};

/// The engines that a heuristic proposes, the best first.
inline std::vector<std::shared_ptr<Descriptor>> proposals(const Descriptor& graph, const PlanTarget& target,
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
  std::vector<std::shared_ptr<Descriptor>> configs;
  std::vector<cudnnBackendDescriptor_t> places;
  for (std::int64_t i = 0; i < count; ++i) {
    configs.push_back(std::make_shared<Descriptor>(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, what));
    places.push_back(configs.back()->get());
  }
  configs.resize(static_cast<std::size_t>(heuristic.get_parts(CUDNN_ATTR_ENGINEHEUR_RESULTS, places)));
  return configs;
}

}  // namespace detail

inline GraphPlan best_plan(const PlanTarget& target, const std::vector<const Descriptor*>& operations,
                           const EngineRules& rules, const std::string& what) {
  std::vector<cudnnBackendDescriptor_t> parts;
  for (const Descriptor* operation : operations) parts.push_back(operation->get());
  Descriptor graph(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, what);
  graph.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, parts);
  if (target.handle) graph.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, target.handle);
  const GraphPlan none{.plan = nullptr, .config = nullptr, .workspace = 0, .words = concat(what, " -> no engine")};
  if (!graph.try_finalize()) return none;
  for (const cudnnBackendHeurMode_t mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK})
    for (const auto& config : detail::proposals(graph, target, mode, what)) {
      const detail::Engine engine(*config, what);
      if (!engine.keeps(rules)) continue;
      auto plan = std::make_shared<Descriptor>(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, what);
      plan->set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, *config);
      if (target.handle) plan->set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, target.handle);
#if CUDNN_VERSION >= 91000
      if (target.device) plan->set(CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, *target.device);
#endif
      if (!plan->try_finalize()) continue;  // a proposal need not be possible
      const auto bytes =
          plan->values<std::int64_t>(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1).at(0);
      if (static_cast<std::size_t>(bytes) <= rules.workspace)
        return {plan, config, static_cast<std::size_t>(bytes),
                concat(what, " -> engine ", engine.index, " (knobs ", detail::knobs(*config, what), ")", engine.notes(),
                       ", ", bytes, " bytes of workspace")};
    }
  return none;
}

inline void execute(cudnnHandle_t handle, const GraphPlan& plan, const std::vector<std::int64_t>& names,
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

#include "dvd/core/macros_end.hpp"
