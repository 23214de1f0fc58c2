// cuDNN's backend descriptors: what an operation graph is put together from, and the plan that runs it.
#pragma once

#include <cudnn.h>

#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "dvd/core/shape.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

/// Throws Error, saying which `call` failed for what and why, unless `status` is success.
void check(cudnnStatus_t status, const char* call, const std::string& what);

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

  /// Throws if it is not one that cuDNN can use.
  Descriptor& finalize();
  /// The same, but returns whether it is one.
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
Descriptor graph_tensor(std::int64_t name, cudnnDataType_t type, const std::vector<std::int64_t>& extents,
                        bool is_virtual, const std::string& what);

/// What an engine must not do.
struct EngineRules {
  bool tensor_cores = true;    ///< it may use them
  bool rounded_inputs = true;  ///< it may round its inputs
  std::size_t workspace = 0;   ///< it may use this much
};

/// An operation graph made ready to run.
struct GraphPlan {
  std::shared_ptr<Descriptor> plan;
  std::size_t workspace = 0;
};

/// What a plan is made for: the GPU of a handle or, without a handle and without any GPU, one that is only described.
struct PlanTarget {
  cudnnHandle_t handle = nullptr;
  const Descriptor* device = nullptr;
};

/// Whether cuDNN can make plans for a GPU that is only described.
constexpr bool plans_without_gpu = CUDNN_VERSION >= 91000;

/// The plan that cuDNN's heuristics think best among those that keep the rules and compute the same bits every time;
/// empty if there is none.
GraphPlan best_plan(const PlanTarget& target, const std::vector<const Descriptor*>& operations,
                    const EngineRules& rules, const std::string& what);

/// Runs a plan on arrays, each under its tensor's name.
void execute(cudnnHandle_t handle, const GraphPlan& plan, const std::vector<std::int64_t>& names,
             const std::vector<void*>& arrays, const std::string& what);

}  // namespace dvd::cuda
