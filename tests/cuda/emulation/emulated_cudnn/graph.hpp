// Tensors, convolutions and operations as they are read from descriptors, and what finalize demands of each.
#pragma once

#include <algorithm>
#include <cstdint>
#include <set>
#include <vector>

#include "descriptors.hpp"

namespace emulated_cudnn {

using Extents = std::vector<std::int64_t>;

struct Tensor {
  std::int64_t name = 0;
  cudnnDataType_t type = CUDNN_DATA_FLOAT;
  Extents extents, strides;
  std::int64_t alignment = 1;
  bool is_virtual = false;

  explicit Tensor(const Descriptor& from)
      : name(from.value<std::int64_t>(CUDNN_ATTR_TENSOR_UNIQUE_ID)),
        type(from.value<cudnnDataType_t>(CUDNN_ATTR_TENSOR_DATA_TYPE)),
        extents(from.values<std::int64_t>(CUDNN_ATTR_TENSOR_DIMENSIONS)),
        strides(from.values<std::int64_t>(CUDNN_ATTR_TENSOR_STRIDES)),
        alignment(from.value<std::int64_t>(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT)),
        is_virtual(from.value<unsigned char>(CUDNN_ATTR_TENSOR_IS_VIRTUAL) != 0) {}

  std::int64_t size() const {
    std::int64_t product = 1;
    for (const std::int64_t extent : extents) product *= extent;
    return product;
  }
  /// Dense, and channels, the second extent, last in memory.
  bool channels_last() const {
    std::int64_t stride = 1;
    const auto lies = [&](std::size_t axis) {
      const bool right = extents[axis] == 1 || strides[axis] == stride;
      stride *= extents[axis];
      return right;
    };
    bool dense = lies(1);
    for (std::size_t axis = extents.size(); axis-- > 2;) dense = lies(axis) && dense;
    return lies(0) && dense;
  }
  /// One number for every channel.
  bool per_channel() const { return size() == extents[1]; }
};

enum class Kind { forward, backward_data, backward_filter, add, relu };

/// What a graph does: y = alpha * (x * w) + beta * y, or the gradients of x or w in its place; y = alpha * x + beta *
/// b; or y = max(0, x).
struct Operation {
  Kind kind;
  DescriptorPointer x, other, y;  ///< x, w or b, y; null if not given
  float alpha = 1, beta = 0;
  bool keeps_nan = false;  ///< of a ReLU
  DescriptorPointer convolution = nullptr;

  explicit Operation(const Descriptor& from) : kind(Kind::forward) {
    const auto convolves = [&](Kind of, cudnnBackendAttributeName_t first) {
      // alpha, beta, description, weight, x and y have consecutive numbers.
      const auto name = [&](int i) { return static_cast<cudnnBackendAttributeName_t>(first + i); };
      kind = of;
      alpha = from.value<float>(name(0));
      beta = from.value<float>(name(1));
      convolution = from.part(name(2));
      other = from.part(name(3));
      x = from.part(name(4));
      y = from.part(name(5));
    };
    if (from.type == CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR)
      convolves(Kind::forward, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA);
    else if (from.type == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR)
      convolves(Kind::backward_data, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA);
    else if (from.type == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR)
      convolves(Kind::backward_filter, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA);
    else {
      const DescriptorPointer& description = from.part(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR);
      const auto mode = description->value<cudnnPointwiseMode_t>(CUDNN_ATTR_POINTWISE_MODE);
      keeps_nan = description->value<cudnnNanPropagation_t>(CUDNN_ATTR_POINTWISE_NAN_PROPAGATION,
                                                            CUDNN_NOT_PROPAGATE_NAN) == CUDNN_PROPAGATE_NAN;
      kind = mode == CUDNN_POINTWISE_ADD ? Kind::add : Kind::relu;
      alpha = from.value<float>(CUDNN_ATTR_OPERATION_POINTWISE_ALPHA1, 1.0f);
      beta = from.value<float>(CUDNN_ATTR_OPERATION_POINTWISE_ALPHA2, 1.0f);
      x = from.part(CUDNN_ATTR_OPERATION_POINTWISE_XDESC);
      other = from.part(CUDNN_ATTR_OPERATION_POINTWISE_BDESC);
      y = from.part(CUDNN_ATTR_OPERATION_POINTWISE_YDESC);
    }
  }

  bool convolves() const { return kind != Kind::add && kind != Kind::relu; }
  const DescriptorPointer& result() const {
    return kind == Kind::backward_data ? x : kind == Kind::backward_filter ? other : y;
  }
  std::vector<DescriptorPointer> inputs() const {
    switch (kind) {
      case Kind::forward:
        return {x, other};
      case Kind::backward_data:
        return {other, y};
      case Kind::backward_filter:
        return {x, y};
      case Kind::add:
        return {x, other};
      default:
        return {x};
    }
  }
};

inline std::vector<Operation> operations_of(const Descriptor& graph) {
  std::vector<Operation> operations;
  for (const auto& part : graph.attributes.at(CUDNN_ATTR_OPERATIONGRAPH_OPS).descriptors)
    operations.emplace_back(*part);
  return operations;
}

inline bool all_positive(const Extents& extents) {
  return std::all_of(extents.begin(), extents.end(), [](std::int64_t extent) { return extent > 0; });
}

inline cudnnStatus_t check_tensor(const Descriptor& descriptor) {
  const Tensor tensor(descriptor);
  if (tensor.extents.size() != tensor.strides.size() || tensor.extents.size() < 3 || tensor.extents.size() > 8)
    return CUDNN_STATUS_BAD_PARAM;
  if (!all_positive(tensor.extents) || !all_positive(tensor.strides)) return CUDNN_STATUS_BAD_PARAM;
  if (tensor.alignment <= 0 || (tensor.alignment & (tensor.alignment - 1)) != 0) return CUDNN_STATUS_BAD_PARAM;
  return CUDNN_STATUS_SUCCESS;
}

inline cudnnStatus_t check_convolution(const Descriptor& descriptor) {
  const auto axes = descriptor.value<std::int64_t>(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS);
  for (const auto name : {CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES,
                          CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS}) {
    const auto values = descriptor.values<std::int64_t>(name);
    if (static_cast<std::int64_t>(values.size()) != axes) return CUDNN_STATUS_BAD_PARAM;
    const bool padding = name == CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS || name == CUDNN_ATTR_CONVOLUTION_POST_PADDINGS;
    for (const std::int64_t value : values)
      if (value < (padding ? 0 : 1)) return CUDNN_STATUS_BAD_PARAM;
  }
  return CUDNN_STATUS_SUCCESS;
}

inline cudnnStatus_t check_operation(const Operation& operation) {
  for (const auto& part : {operation.x, operation.y})
    if (part->type != CUDNN_BACKEND_TENSOR_DESCRIPTOR) return CUDNN_STATUS_BAD_PARAM_DESCRIPTOR_TYPE;
  if (operation.other && operation.other->type != CUDNN_BACKEND_TENSOR_DESCRIPTOR)
    return CUDNN_STATUS_BAD_PARAM_DESCRIPTOR_TYPE;
  const Tensor x(*operation.x), y(*operation.y);
  if (!operation.convolves()) {
    if (x.extents != y.extents) return CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH;
    if ((operation.kind == Kind::add) != (operation.other != nullptr)) return CUDNN_STATUS_BAD_PARAM;
    if (!operation.other) return CUDNN_STATUS_SUCCESS;
    const Tensor b(*operation.other);
    if (b.extents.size() != y.extents.size()) return CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH;
    for (std::size_t axis = 0; axis < y.extents.size(); ++axis)
      if (b.extents[axis] != 1 && b.extents[axis] != y.extents[axis]) return CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH;
    return CUDNN_STATUS_SUCCESS;
  }
  if (operation.convolution->type != CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR)
    return CUDNN_STATUS_BAD_PARAM_DESCRIPTOR_TYPE;
  const Tensor weight(*operation.other);
  const Descriptor& convolution = *operation.convolution;
  const std::size_t axes =
      static_cast<std::size_t>(convolution.value<std::int64_t>(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS));
  if (x.extents.size() != axes + 2 || y.extents.size() != axes + 2 || weight.extents.size() != axes + 2)
    return CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH;
  if (x.extents[0] != y.extents[0] || y.extents[1] != weight.extents[0] || x.extents[1] % weight.extents[1] != 0)
    return CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH;
  const auto before = convolution.values<std::int64_t>(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS),
             after = convolution.values<std::int64_t>(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS),
             strides = convolution.values<std::int64_t>(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES),
             dilations = convolution.values<std::int64_t>(CUDNN_ATTR_CONVOLUTION_DILATIONS);
  for (std::size_t axis = 0; axis < axes; ++axis) {
    const std::int64_t seen = (weight.extents[axis + 2] - 1) * dilations[axis] + 1,
                       room = x.extents[axis + 2] + before[axis] + after[axis] - seen;
    if (room < 0 || y.extents[axis + 2] != room / strides[axis] + 1) return CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH;
  }
  return CUDNN_STATUS_SUCCESS;
}

/// Names are of one tensor each; what is virtual is made by an operation and read by a later one.
inline cudnnStatus_t check_graph(const Descriptor& graph) {
  std::map<std::int64_t, DescriptorPointer> tensors;
  std::set<std::int64_t> made, read;
  for (const auto& part : graph.attributes.at(CUDNN_ATTR_OPERATIONGRAPH_OPS).descriptors)
    if (part->type != CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR &&
        (part->type < CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR ||
         part->type > CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR))
      return CUDNN_STATUS_BAD_PARAM_DESCRIPTOR_TYPE;
  for (const Operation& operation : operations_of(graph)) {
    auto all = operation.inputs();
    all.push_back(operation.result());
    for (const auto& part : all) {
      const auto [place, is_new] = tensors.emplace(Tensor(*part).name, part);
      if (!is_new && place->second != part) return CUDNN_STATUS_BAD_PARAM_DUPLICATED_ENTRIES;
    }
    for (const auto& part : operation.inputs()) {
      const Tensor input(*part);
      if (input.is_virtual && !made.contains(input.name)) return CUDNN_STATUS_BAD_PARAM;
      read.insert(input.name);
    }
    const Tensor result(*operation.result());
    if (!made.insert(result.name).second) return CUDNN_STATUS_BAD_PARAM_DUPLICATED_ENTRIES;
  }
  for (const auto& [name, tensor] : tensors)
    if (Tensor(*tensor).is_virtual && !read.contains(name)) return CUDNN_STATUS_BAD_PARAM;
  return CUDNN_STATUS_SUCCESS;
}

}  // namespace emulated_cudnn
