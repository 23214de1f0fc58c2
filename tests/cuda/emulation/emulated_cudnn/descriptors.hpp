// What an emulated backend descriptor holds: attributes, of the types and counts that cuDNN has for them.
#pragma once

#include <cudnn.h>

#include <cstddef>
#include <cstring>
#include <map>
#include <memory>
#include <vector>

namespace emulated_cudnn {

struct Engine;
struct Descriptor;
using DescriptorPointer = std::shared_ptr<const Descriptor>;

struct Attribute {
  std::vector<std::byte> bytes;                ///< values
  std::vector<DescriptorPointer> descriptors;  ///< or descriptors, which live on here when the caller destroys his
};

struct Descriptor {
  cudnnBackendDescriptorType_t type;
  bool finalized = false;
  std::map<cudnnBackendAttributeName_t, Attribute> attributes{};
  // Of an engine, its configuration and its plan: which one, and what for.
  const Engine* engine = nullptr;
  DescriptorPointer graph = nullptr;

  bool has(cudnnBackendAttributeName_t name) const { return attributes.contains(name); }

  template <class Value>
  std::vector<Value> values(cudnnBackendAttributeName_t name) const {
    const auto found = attributes.find(name);
    if (found == attributes.end()) return {};
    std::vector<Value> result(found->second.bytes.size() / sizeof(Value));
    if (!result.empty()) std::memcpy(result.data(), found->second.bytes.data(), result.size() * sizeof(Value));
    return result;
  }
  template <class Value>
  Value value(cudnnBackendAttributeName_t name, Value otherwise = {}) const {
    const auto all = values<Value>(name);
    return all.empty() ? otherwise : all.front();
  }
  DescriptorPointer part(cudnnBackendAttributeName_t name) const {
    const auto found = attributes.find(name);
    return found == attributes.end() ? nullptr : found->second.descriptors.front();
  }
};

/// What cudnnBackendDescriptor_t points to.
struct Holder {
  std::shared_ptr<Descriptor> descriptor;
};
inline std::shared_ptr<Descriptor>& held(cudnnBackendDescriptor_t handle) {
  return static_cast<Holder*>(handle)->descriptor;
}

/// An attribute that can be set: of what, of which type, and whether finalize wants it.
struct Rule {
  cudnnBackendAttributeName_t name;
  cudnnBackendDescriptorType_t owner;
  cudnnBackendAttributeType_t type;
  bool required;
};

#define DVD_TENSOR CUDNN_BACKEND_TENSOR_DESCRIPTOR
#define DVD_CONVOLUTION CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR
#define DVD_FORWARD CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR
#define DVD_BACKWARD_DATA CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR
#define DVD_BACKWARD_FILTER CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR
#define DVD_POINTWISE CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR
constexpr Rule rules[] = {
    {CUDNN_ATTR_TENSOR_DATA_TYPE, DVD_TENSOR, CUDNN_TYPE_DATA_TYPE, true},
    {CUDNN_ATTR_TENSOR_DIMENSIONS, DVD_TENSOR, CUDNN_TYPE_INT64, true},
    {CUDNN_ATTR_TENSOR_STRIDES, DVD_TENSOR, CUDNN_TYPE_INT64, true},
    {CUDNN_ATTR_TENSOR_UNIQUE_ID, DVD_TENSOR, CUDNN_TYPE_INT64, true},
    {CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, DVD_TENSOR, CUDNN_TYPE_INT64, true},
    {CUDNN_ATTR_TENSOR_IS_VIRTUAL, DVD_TENSOR, CUDNN_TYPE_BOOLEAN, false},
    {CUDNN_ATTR_CONVOLUTION_COMP_TYPE, DVD_CONVOLUTION, CUDNN_TYPE_DATA_TYPE, true},
    {CUDNN_ATTR_CONVOLUTION_CONV_MODE, DVD_CONVOLUTION, CUDNN_TYPE_CONVOLUTION_MODE, true},
    {CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, DVD_CONVOLUTION, CUDNN_TYPE_INT64, true},
    {CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, DVD_CONVOLUTION, CUDNN_TYPE_INT64, true},
    {CUDNN_ATTR_CONVOLUTION_DILATIONS, DVD_CONVOLUTION, CUDNN_TYPE_INT64, true},
    {CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, DVD_CONVOLUTION, CUDNN_TYPE_INT64, true},
    {CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, DVD_CONVOLUTION, CUDNN_TYPE_INT64, true},
    {CUDNN_ATTR_POINTWISE_MODE, CUDNN_BACKEND_POINTWISE_DESCRIPTOR, CUDNN_TYPE_POINTWISE_MODE, true},
    {CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_BACKEND_POINTWISE_DESCRIPTOR, CUDNN_TYPE_DATA_TYPE, true},
    {CUDNN_ATTR_POINTWISE_NAN_PROPAGATION, CUDNN_BACKEND_POINTWISE_DESCRIPTOR, CUDNN_TYPE_NAN_PROPOGATION, false},
    {CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, DVD_FORWARD, CUDNN_TYPE_FLOAT, true},
    {CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, DVD_FORWARD, CUDNN_TYPE_FLOAT, true},
    {CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, DVD_FORWARD, CUDNN_TYPE_BACKEND_DESCRIPTOR, true},
    {CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, DVD_FORWARD, CUDNN_TYPE_BACKEND_DESCRIPTOR, true},
    {CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, DVD_FORWARD, CUDNN_TYPE_BACKEND_DESCRIPTOR, true},
    {CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, DVD_FORWARD, CUDNN_TYPE_BACKEND_DESCRIPTOR, true},
    {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA, DVD_BACKWARD_DATA, CUDNN_TYPE_FLOAT, true},
    {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA, DVD_BACKWARD_DATA, CUDNN_TYPE_FLOAT, true},
    {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC, DVD_BACKWARD_DATA, CUDNN_TYPE_BACKEND_DESCRIPTOR, true},
    {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, DVD_BACKWARD_DATA, CUDNN_TYPE_BACKEND_DESCRIPTOR, true},
    {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W, DVD_BACKWARD_DATA, CUDNN_TYPE_BACKEND_DESCRIPTOR, true},
    {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY, DVD_BACKWARD_DATA, CUDNN_TYPE_BACKEND_DESCRIPTOR, true},
    {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA, DVD_BACKWARD_FILTER, CUDNN_TYPE_FLOAT, true},
    {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA, DVD_BACKWARD_FILTER, CUDNN_TYPE_FLOAT, true},
    {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC, DVD_BACKWARD_FILTER, CUDNN_TYPE_BACKEND_DESCRIPTOR, true},
    {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X, DVD_BACKWARD_FILTER, CUDNN_TYPE_BACKEND_DESCRIPTOR, true},
    {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW, DVD_BACKWARD_FILTER, CUDNN_TYPE_BACKEND_DESCRIPTOR, true},
    {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY, DVD_BACKWARD_FILTER, CUDNN_TYPE_BACKEND_DESCRIPTOR, true},
    {CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, DVD_POINTWISE, CUDNN_TYPE_BACKEND_DESCRIPTOR, true},
    {CUDNN_ATTR_OPERATION_POINTWISE_XDESC, DVD_POINTWISE, CUDNN_TYPE_BACKEND_DESCRIPTOR, true},
    {CUDNN_ATTR_OPERATION_POINTWISE_BDESC, DVD_POINTWISE, CUDNN_TYPE_BACKEND_DESCRIPTOR, false},
    {CUDNN_ATTR_OPERATION_POINTWISE_YDESC, DVD_POINTWISE, CUDNN_TYPE_BACKEND_DESCRIPTOR, true},
    {CUDNN_ATTR_OPERATION_POINTWISE_ALPHA1, DVD_POINTWISE, CUDNN_TYPE_FLOAT, false},
    {CUDNN_ATTR_OPERATION_POINTWISE_ALPHA2, DVD_POINTWISE, CUDNN_TYPE_FLOAT, false},
    {CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, CUDNN_TYPE_BACKEND_DESCRIPTOR, true},
    {CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, CUDNN_TYPE_HANDLE, false},
    {CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, CUDNN_TYPE_BACKEND_DESCRIPTOR, true},
    {CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, CUDNN_TYPE_HEUR_MODE, true},
    {CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, CUDNN_TYPE_BACKEND_DESCRIPTOR, false},
    {CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, CUDNN_TYPE_BACKEND_DESCRIPTOR,
     true},
    {CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, CUDNN_TYPE_HANDLE, false},
    {CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, CUDNN_TYPE_BACKEND_DESCRIPTOR,
     false},
    {CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, CUDNN_TYPE_INT64, true},
    {CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, CUDNN_TYPE_VOID_PTR, true},
    {CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, CUDNN_TYPE_VOID_PTR, false},
    {CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, CUDNN_TYPE_CHAR, true},
};
#undef DVD_TENSOR
#undef DVD_CONVOLUTION
#undef DVD_FORWARD
#undef DVD_BACKWARD_DATA
#undef DVD_BACKWARD_FILTER
#undef DVD_POINTWISE

inline std::size_t size_of(cudnnBackendAttributeType_t type) {
  switch (type) {
    case CUDNN_TYPE_CHAR:
      return sizeof(char);
    case CUDNN_TYPE_BOOLEAN:
      return sizeof(bool);
    case CUDNN_TYPE_INT64:
      return sizeof(std::int64_t);
    case CUDNN_TYPE_HANDLE:
    case CUDNN_TYPE_VOID_PTR:
    case CUDNN_TYPE_BACKEND_DESCRIPTOR:
      return sizeof(void*);
    default:
      return 4;  // float and the enumerations
  }
}

inline cudnnStatus_t set(Descriptor& descriptor, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                         std::int64_t count, const void* values) {
  if (descriptor.finalized) return CUDNN_STATUS_BAD_PARAM;
  if (!values || count <= 0) return CUDNN_STATUS_BAD_PARAM_NULL_POINTER;
  for (const Rule& rule : rules) {
    if (rule.name != name) continue;
    if (rule.owner != descriptor.type) return CUDNN_STATUS_BAD_PARAM_DESCRIPTOR_TYPE;
    if (rule.type != type) return CUDNN_STATUS_BAD_PARAM_ATTRIBUTE_TYPE;
    Attribute attribute;
    if (type == CUDNN_TYPE_BACKEND_DESCRIPTOR) {
      for (std::int64_t i = 0; i < count; ++i) {
        const auto part = static_cast<const cudnnBackendDescriptor_t*>(values)[i];
        if (!part) return CUDNN_STATUS_BAD_PARAM_NULL_POINTER;
        if (!held(part)->finalized) return CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED;
        attribute.descriptors.push_back(held(part));
      }
    } else {
      attribute.bytes.resize(static_cast<std::size_t>(count) * size_of(type));
      std::memcpy(attribute.bytes.data(), values, attribute.bytes.size());
    }
    descriptor.attributes[name] = std::move(attribute);
    return CUDNN_STATUS_SUCCESS;
  }
  return CUDNN_STATUS_BAD_PARAM;
}

inline bool complete(const Descriptor& descriptor) {
  for (const Rule& rule : rules)
    if (rule.owner == descriptor.type && rule.required && !descriptor.has(rule.name)) return false;
  return true;
}

}  // namespace emulated_cudnn
