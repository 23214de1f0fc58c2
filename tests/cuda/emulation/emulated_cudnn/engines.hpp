// The engines of the emulation: what they say of themselves, and what they do. Most of those that are proposed first
// break a rule that ours are asked to keep, and show it in their results.
#pragma once

#include <set>

#include "graph.hpp"

namespace emulated_cudnn {

struct Engine {
  std::int64_t index;
  std::vector<cudnnBackendNumericalNote_t> numerical;
  std::vector<cudnnBackendBehaviorNote_t> behavior;
  std::size_t workspace;
  cudnnStatus_t possible;  ///< what a plan's finalize says
  int fraction;            ///< bits that it keeps of its inputs' fractions
  bool steady;             ///< the same bits every time
};

inline const std::vector<Engine>& engines() {
  static const auto& all = *new std::vector<Engine>{
      {11,
       {CUDNN_NUMERICAL_NOTE_TENSOR_CORE, CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC},
       {},
       0,
       CUDNN_STATUS_SUCCESS,
       10,
       false},
      {57,
       {CUDNN_NUMERICAL_NOTE_TENSOR_CORE},
       {CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION},
       0,
       CUDNN_STATUS_SUCCESS,
       9,
       true},
      {58, {}, {CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION}, 0, CUDNN_STATUS_SUCCESS, 9, true},
      {12, {CUDNN_NUMERICAL_NOTE_TENSOR_CORE}, {}, std::size_t{3} << 30, CUDNN_STATUS_SUCCESS, 10, true},
      {13, {CUDNN_NUMERICAL_NOTE_TENSOR_CORE}, {}, 0, CUDNN_STATUS_NOT_SUPPORTED_SHAPE, 10, true},
      {14, {CUDNN_NUMERICAL_NOTE_TENSOR_CORE}, {}, 65536, CUDNN_STATUS_SUCCESS, 10, true},
      {15, {CUDNN_NUMERICAL_NOTE_TENSOR_CORE}, {}, 0, CUDNN_STATUS_SUCCESS, 10, true},
      {21, {CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS}, {}, 0, CUDNN_STATUS_SUCCESS, 7, true},
      {22, {CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC}, {}, 0, CUDNN_STATUS_SUCCESS, 23, false},
      {23, {}, {}, 0, CUDNN_STATUS_NOT_SUPPORTED_ARCH_MISMATCH, 23, true},
      {24, {CUDNN_NUMERICAL_NOTE_STRICT_NAN_PROP}, {}, 1024, CUDNN_STATUS_SUCCESS, 23, true},
      {1, {}, {}, 0, CUDNN_STATUS_SUCCESS, 23, true},
  };
  return all;
}

/// What a test may change: engines that are not there, and whether there is a compiler for those that need one.
struct Installation {
  std::set<std::int64_t> missing;
  bool compiler = true;

  static Installation& instance() {
    static auto& installation = *new Installation;
    return installation;
  }
};

/// Whether a graph is a convolution, followed by additions and rectifications, as engines can do them.
inline cudnnStatus_t check_pattern(const Descriptor& graph) {
  const auto operations = operations_of(graph);
  if (!operations.front().convolves()) return CUDNN_STATUS_NOT_SUPPORTED_GRAPH_PATTERN;
  const Tensor result(*operations.front().result());
  const cudnnDataType_t type = Tensor(*operations.front().inputs().front()).type;
  for (const Operation& operation : operations) {
    if (operation.convolves() && &operation != &operations.front()) return CUDNN_STATUS_NOT_SUPPORTED_GRAPH_PATTERN;
    if (Tensor(*operation.result()).extents != result.extents) return CUDNN_STATUS_NOT_SUPPORTED_GRAPH_PATTERN;
    auto tensors = operation.inputs();
    tensors.push_back(operation.result());
    for (const auto& part : tensors) {
      const Tensor tensor(*part);
      if (!tensor.channels_last()) return CUDNN_STATUS_NOT_SUPPORTED_LAYOUT;
      if (tensor.type != type && !(tensor.is_virtual && tensor.type == CUDNN_DATA_FLOAT))
        return CUDNN_STATUS_NOT_SUPPORTED_DATA_TYPE;
      if (!operation.convolves() && tensor.extents != result.extents && !tensor.per_channel())
        return CUDNN_STATUS_NOT_SUPPORTED_SHAPE;
    }
    if (!operation.convolves()) continue;
    if (result.is_virtual && operation.beta != 0) return CUDNN_STATUS_NOT_SUPPORTED_GRAPH_PATTERN;
    const auto strides = operation.convolution->values<std::int64_t>(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES),
               dilations = operation.convolution->values<std::int64_t>(CUDNN_ATTR_CONVOLUTION_DILATIONS);
    for (std::size_t axis = 0; axis < strides.size(); ++axis)
      if (strides[axis] > 2 || dilations[axis] != 1) return CUDNN_STATUS_NOT_SUPPORTED_SHAPE;
    if (strides.size() < 2 || strides.size() > 3 ||
        Tensor(*operation.other).extents[1] != Tensor(*operation.x).extents[1])
      return CUDNN_STATUS_NOT_SUPPORTED_SHAPE;
    if (operation.convolution->value<cudnnConvolutionMode_t>(CUDNN_ATTR_CONVOLUTION_CONV_MODE) !=
        CUDNN_CROSS_CORRELATION)
      return CUDNN_STATUS_NOT_SUPPORTED;
  }
  return CUDNN_STATUS_SUCCESS;
}

/// Whether there are compiled kernels for a graph, as cuDNN 9.19 has them: for a convolution alone and, forward, for
/// one with a bias, which an array may be added before and a ReLU may follow.
inline bool precompiled(const Descriptor& graph) {
  const auto operations = operations_of(graph);
  if (operations.size() == 1) return true;
  if (operations.front().kind != Kind::forward) return false;
  const auto adds = [&](std::size_t i, bool per_channel) {
    return i < operations.size() && operations[i].kind == Kind::add &&
           Tensor(*operations[i].other).per_channel() == per_channel;
  };
  std::size_t next = adds(1, false) ? 2 : 1;
  if (!adds(next++, true)) return false;
  if (next < operations.size() && operations[next].kind == Kind::relu) ++next;
  return next == operations.size();
}

/// Whether an engine compiles its kernels when a plan is made.
inline bool compiles(const Engine& engine) {
  return !engine.behavior.empty() && engine.behavior.front() == CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION;
}

/// The engines that a heuristic proposes, the best first.
inline std::vector<const Engine*> proposals(cudnnBackendHeurMode_t mode, const Descriptor& graph) {
  std::vector<const Engine*> proposed;
  for (const Engine& engine : engines())
    if (!Installation::instance().missing.contains(engine.index) && (precompiled(graph) || compiles(engine)) &&
        (mode == CUDNN_HEUR_MODE_A ? engine.index != 1 : engine.index == 1))
      proposed.push_back(&engine);
  return proposed;
}

inline cudnnStatus_t check_plan(const Engine& engine) {
  if (compiles(engine) && !Installation::instance().compiler)
    return CUDNN_STATUS_NOT_SUPPORTED_RUNTIME_PREREQUISITE_MISSING;
  return engine.possible;
}

}  // namespace emulated_cudnn
