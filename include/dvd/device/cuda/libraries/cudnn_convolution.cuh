// The operation graphs of convolutions.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <memory>

#include "dvd/device/cuda/libraries/cudnn_graph.cuh"
#include "dvd/device/cuda/libraries/libraries.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

enum class ConvolutionDirection { forward, backward_input, backward_weight };

/// What a convolution adds to its result before that is rounded.
enum class ConvolutionSum {
  nothing,
  bias,            ///< forward only
  rectified_bias,  ///< the same, then max(., 0)
  result,          ///< what is there
  biased_result    ///< forward only: what is there and a bias
};

/// A convolution as a graph of operations. Its tensors are named x, y, weight, bias and before, what is
/// there: the array of y.
struct ConvolutionGraph {
  enum Name : std::int64_t { x = 1, y = 2, weight = 3, bias = 4, unbiased = 5, unrectified = 6, before = 7, alone = 8 };

  /// Throws Error where cuDNN knows no such operation. Needs no GPU.
  ConvolutionGraph(const ConvolutionProblem& problem, ConvolutionDirection direction, ConvolutionSum sum,
                   const std::string& what);

  std::vector<std::unique_ptr<Descriptor>> parts;  ///< tensors and descriptions
  std::vector<const Descriptor*> operations;
};

namespace detail {

inline cudnnDataType_t cudnn_type(NumberType type) {
  return type == NumberType::float32 ? CUDNN_DATA_FLOAT : CUDNN_DATA_BFLOAT16;
}

/// [first, channels, (frames,) height, width]
inline std::vector<std::int64_t> extents(bool over_frames, Index first, Index channels, Index frames, Index height,
                                         Index width) {
  if (over_frames) return {first, channels, frames, height, width};
  return {first, channels, height, width};
}

}  // namespace detail

inline ConvolutionGraph::ConvolutionGraph(const ConvolutionProblem& problem, ConvolutionDirection direction,
                                          ConvolutionSum sum, const std::string& what) {
  const bool over_frames = problem.kernel_frames > 1;
  const std::int64_t axes = over_frames ? 3 : 2;
  const auto add = [this](Descriptor&& part) -> const Descriptor& {
    parts.push_back(std::make_unique<Descriptor>(std::move(part)));
    return *parts.back();
  };
  const auto type = detail::cudnn_type(problem.type);
  const auto y_extents = detail::extents(over_frames, problem.images, problem.outputs, problem.frames,
                                         problem.y_height(), problem.y_width());
  const Descriptor& x_tensor = add(graph_tensor(
      x, type,
      detail::extents(over_frames, problem.images, problem.inputs, problem.frames, problem.height, problem.width),
      false, what));
  const Descriptor& y_tensor = add(graph_tensor(y, type, y_extents, false, what));
  const Descriptor& weight_tensor =
      add(graph_tensor(weight, type,
                       detail::extents(over_frames, problem.outputs, problem.inputs, problem.kernel_frames,
                                       problem.kernel(), problem.kernel()),
                       false, what));

  const std::vector<std::int64_t> ones(static_cast<std::size_t>(axes), 1);
  std::vector<std::int64_t> strides(static_cast<std::size_t>(axes), problem.stride());
  if (over_frames) strides[0] = 1;
  Descriptor convolution(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, what);
  convolution.set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT)
      .set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, CUDNN_CROSS_CORRELATION)
      .set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, axes)
      .set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, strides)
      .set(CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, ones)
      .set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, ones)
      .set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, ones)
      .finalize();
  const Descriptor& described = add(std::move(convolution));

  const float alpha = 1, beta = sum == ConvolutionSum::result ? 1 : 0;
  if (direction == ConvolutionDirection::backward_input) {
    Descriptor operation(CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR, what);
    operation.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC, described)
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, x_tensor)
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY, y_tensor)
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W, weight_tensor)
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA, CUDNN_TYPE_FLOAT, alpha)
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA, CUDNN_TYPE_FLOAT, beta)
        .finalize();
    operations = {&add(std::move(operation))};
    return;
  }
  if (direction == ConvolutionDirection::backward_weight) {
    Descriptor operation(CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR, what);
    operation.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC, described)
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X, x_tensor)
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY, y_tensor)
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW, weight_tensor)
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA, CUDNN_TYPE_FLOAT, alpha)
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA, CUDNN_TYPE_FLOAT, beta)
        .finalize();
    operations = {&add(std::move(operation))};
    return;
  }
  const bool rectify = sum == ConvolutionSum::rectified_bias, onto = sum == ConvolutionSum::biased_result,
             with_bias = rectify || onto || sum == ConvolutionSum::bias;
  const auto between = [&](Name name) -> const Descriptor& {
    return add(graph_tensor(name, CUDNN_DATA_FLOAT, y_extents, true, what));
  };
  const Descriptor& unbiased_tensor = with_bias ? between(unbiased) : y_tensor;
  const Descriptor& result = onto ? between(alone) : unbiased_tensor;
  Descriptor operation(CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR, what);
  operation.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, described)
      .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, x_tensor)
      .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, weight_tensor)
      .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, result)
      .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, CUDNN_TYPE_FLOAT, alpha)
      .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, CUDNN_TYPE_FLOAT, beta)
      .finalize();
  operations = {&add(std::move(operation))};
  if (!with_bias) return;

  const Descriptor& bias_tensor =
      add(graph_tensor(bias, type, detail::extents(over_frames, 1, problem.outputs, 1, 1, 1), false, what));
  Descriptor addition(CUDNN_BACKEND_POINTWISE_DESCRIPTOR, what);
  addition.set(CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, CUDNN_POINTWISE_ADD)
      .set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT)
      .finalize();
  const Descriptor& adding = add(std::move(addition));
  const auto plus = [&](const Descriptor& from, const Descriptor& other, const Descriptor& to) {
    Descriptor added(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR, what);
    added.set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, adding)
        .set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, from)
        .set(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, other)
        .set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, to)
        .finalize();
    operations.push_back(&add(std::move(added)));
  };
  if (onto) plus(result, add(graph_tensor(before, type, y_extents, false, what)), unbiased_tensor);
  const Descriptor& sums = rectify ? between(unrectified) : y_tensor;
  plus(unbiased_tensor, bias_tensor, sums);
  if (!rectify) return;

  Descriptor relu(CUDNN_BACKEND_POINTWISE_DESCRIPTOR, what);
  relu.set(CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, CUDNN_POINTWISE_RELU_FWD)
      .set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT)
      .set(CUDNN_ATTR_POINTWISE_NAN_PROPAGATION, CUDNN_TYPE_NAN_PROPOGATION, CUDNN_PROPAGATE_NAN)
      .finalize();
  const Descriptor& rectifying = add(std::move(relu));
  Descriptor rectified(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR, what);
  rectified.set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, rectifying)
      .set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, sums)
      .set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, y_tensor)
      .finalize();
  operations.push_back(&add(std::move(rectified)));
}

}  // namespace dvd::cuda

#include "dvd/core/macros_end.hpp"
