// What cuDNN refuses of descriptors, and what it takes: asked of the real one and of the emulation, which must agree.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cuda/fused_convolution.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

enum class Verdict {
  taken,
  refused,
  careless  ///< taken, and nothing ours should do: the emulation refuses it
};

struct DescriptorCase {
  std::string words;
  Verdict verdict;
  std::function<void()> make;  ///< throws Error if it is refused
};

namespace detail {

using Extents = std::vector<std::int64_t>;

/// A tensor's descriptor without what `left_out` names, not finalized.
inline Descriptor tensor_without(int left_out, const Extents& extents = {2, 8, 3, 4},
                                 const Extents& strides = {96, 1, 32, 8}) {
  Descriptor tensor(CUDNN_BACKEND_TENSOR_DESCRIPTOR, "a test");
  if (left_out != CUDNN_ATTR_TENSOR_DATA_TYPE)
    tensor.set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT);
  if (left_out != CUDNN_ATTR_TENSOR_DIMENSIONS) tensor.set(CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, extents);
  if (left_out != CUDNN_ATTR_TENSOR_STRIDES) tensor.set(CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, strides);
  if (left_out != CUDNN_ATTR_TENSOR_UNIQUE_ID)
    tensor.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, std::int64_t{1});
  if (left_out != CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT)
    tensor.set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, std::int64_t{16});
  return tensor;
}

inline Descriptor convolution_with(std::int64_t axes, const Extents& strides, const Extents& paddings,
                                   bool all = true) {
  Descriptor convolution(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, "a test");
  convolution.set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT)
      .set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, CUDNN_CROSS_CORRELATION)
      .set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, axes)
      .set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, strides)
      .set(CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, Extents{1, 1})
      .set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, paddings);
  if (all) convolution.set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, Extents{1, 1});
  return convolution;
}

struct ForwardParts {
  std::int64_t x_channels = 8, y_channels = 16, y_height = 5, x_images = 2;
  float beta = 0;
  bool with_beta = true, y_virtual = false, weight_finalized = true;
};

/// A forward convolution alone, as a graph.
inline void forward_graph(const ForwardParts& is, bool graph) {
  const auto convolution = std::move(convolution_with(2, {1, 1}, {1, 1}).finalize());
  const Descriptor x = graph_tensor(1, CUDNN_DATA_FLOAT, {is.x_images, is.x_channels, 5, 6}, false, "a test"),
                   y = graph_tensor(2, CUDNN_DATA_FLOAT, {2, is.y_channels, is.y_height, 6}, is.y_virtual, "a test"),
                   finished = graph_tensor(3, CUDNN_DATA_FLOAT, {16, 8, 3, 3}, false, "a test"),
                   unfinished = tensor_without(-1);
  Descriptor operation(CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR, "a test");
  operation.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, convolution)
      .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, x)
      .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, y)
      .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, is.weight_finalized ? finished : unfinished)
      .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, CUDNN_TYPE_FLOAT, 1.0f);
  if (is.with_beta) operation.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, CUDNN_TYPE_FLOAT, is.beta);
  operation.finalize();
  if (!graph) return;
  Descriptor all(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, "a test");
  all.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, operation).finalize();
}

/// An addition of b to x, or a ReLU.
inline void pointwise(cudnnPointwiseMode_t mode, const Extents& x_extents, const Extents& b_extents) {
  const Descriptor x = graph_tensor(1, CUDNN_DATA_FLOAT, x_extents, false, "a test"),
                   y = graph_tensor(2, CUDNN_DATA_FLOAT, {2, 8, 3, 4}, false, "a test");
  Descriptor description(CUDNN_BACKEND_POINTWISE_DESCRIPTOR, "a test");
  description.set(CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, mode)
      .set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT)
      .finalize();
  Descriptor operation(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR, "a test");
  operation.set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, description)
      .set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, x)
      .set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, y);
  if (!b_extents.empty())
    operation.set(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, graph_tensor(3, CUDNN_DATA_FLOAT, b_extents, false, "a test"));
  operation.finalize();
}

}  // namespace detail

inline std::vector<DescriptorCase> descriptor_cases() {
  using namespace detail;
  const auto tensor = [](int left_out) { return [left_out] { tensor_without(left_out).finalize(); }; };
  const auto shape = [](const Extents& extents, const Extents& strides) {
    return [=] { tensor_without(-1, extents, strides).finalize(); };
  };
  const auto convolution = [](std::int64_t axes, const Extents& strides, const Extents& paddings, bool all = true) {
    return [=] { convolution_with(axes, strides, paddings, all).finalize(); };
  };
  const auto forward = [](const ForwardParts& is, bool graph = false) { return [=] { forward_graph(is, graph); }; };
  const auto points = [](cudnnPointwiseMode_t mode, const Extents& x, const Extents& b) {
    return [=] { pointwise(mode, x, b); };
  };
  return {
      {"a tensor", Verdict::taken, tensor(-1)},
      {"a tensor without a type", Verdict::careless, tensor(CUDNN_ATTR_TENSOR_DATA_TYPE)},
      {"a tensor without extents", Verdict::refused, tensor(CUDNN_ATTR_TENSOR_DIMENSIONS)},
      {"a tensor without strides", Verdict::refused, tensor(CUDNN_ATTR_TENSOR_STRIDES)},
      {"a tensor without a name", Verdict::careless, tensor(CUDNN_ATTR_TENSOR_UNIQUE_ID)},
      {"a tensor without an alignment", Verdict::refused, tensor(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT)},
      {"more extents than strides", Verdict::refused, shape({2, 8, 3, 4}, {96, 1, 32})},
      {"an extent of 0", Verdict::careless, shape({2, 0, 3, 4}, {96, 1, 32, 8})},
      {"nine extents", Verdict::refused, shape(Extents(9, 1), Extents(9, 1))},
      {"a tensor that is not packed", Verdict::taken, shape({2, 8, 3, 4}, {960, 1, 320, 80})},
      {"a name of another type", Verdict::refused,
       [] { tensor_without(CUDNN_ATTR_TENSOR_UNIQUE_ID).set(CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_FLOAT, 1.0f); }},
      {"an attribute of another descriptor", Verdict::refused,
       [] { tensor_without(-1).set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, std::int64_t{2}); }},
      {"a change of what is finalized", Verdict::refused,
       [] { tensor_without(-1).finalize().set(CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, std::int64_t{7}); }},
      {"a convolution", Verdict::taken, convolution(2, {1, 1}, {1, 1})},
      {"a convolution without paddings behind", Verdict::careless, convolution(2, {1, 1}, {1, 1}, false)},
      {"a convolution of three axes with two strides", Verdict::refused, convolution(3, {1, 1}, {1, 1})},
      {"a stride of 0", Verdict::refused, convolution(2, {0, 1}, {1, 1})},
      {"a negative padding", Verdict::refused, convolution(2, {1, 1}, {-1, 1})},
      {"a forward operation", Verdict::taken, forward({})},
      {"one without beta", Verdict::careless, forward({.with_beta = false})},
      {"one with beta", Verdict::taken, forward({.beta = 1})},
      {"other channels of x", Verdict::refused, forward({.x_channels = 12})},
      {"other channels of y", Verdict::refused, forward({.y_channels = 8})},
      {"another height of y", Verdict::refused, forward({.y_height = 4})},
      {"other images of x", Verdict::refused, forward({.x_images = 3})},
      {"a weight that is not finalized", Verdict::refused, forward({.weight_finalized = false})},
      {"a graph", Verdict::taken, forward({}, true)},
      {"a graph that accumulates", Verdict::taken, forward({.beta = 1}, true)},
      {"a graph whose result is virtual", Verdict::careless, forward({.y_virtual = true}, true)},
      {"a graph of nothing", Verdict::refused,
       [] { Descriptor(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, "a test").finalize(); }},
      {"an addition", Verdict::taken, points(CUDNN_POINTWISE_ADD, {2, 8, 3, 4}, {2, 8, 3, 4})},
      {"an addition to every channel", Verdict::taken, points(CUDNN_POINTWISE_ADD, {2, 8, 3, 4}, {1, 8, 1, 1})},
      {"an addition of nothing", Verdict::refused, points(CUDNN_POINTWISE_ADD, {2, 8, 3, 4}, {})},
      {"an addition of other channels", Verdict::careless, points(CUDNN_POINTWISE_ADD, {2, 8, 3, 4}, {1, 4, 1, 1})},
      {"a ReLU", Verdict::taken, points(CUDNN_POINTWISE_RELU_FWD, {2, 8, 3, 4}, {})},
      {"a ReLU of another size", Verdict::careless, points(CUDNN_POINTWISE_RELU_FWD, {2, 8, 3, 5}, {})},
      {"a ReLU of two arrays", Verdict::careless, points(CUDNN_POINTWISE_RELU_FWD, {2, 8, 3, 4}, {2, 8, 3, 4})},
  };
}

/// Whether it is taken; `refusal` is why not.
inline bool taken(const DescriptorCase& descriptor, std::string& refusal) {
  try {
    descriptor.make();
  } catch (const Error& error) {
    refusal = error.what();
    return false;
  }
  return true;
}

}  // namespace dvd::cuda
