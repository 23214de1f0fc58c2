// Convolutions with everything that a graph may add to them: what was in the result before, an array of its size, a
// bias and a ReLU.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "dvd/device/cuda/libraries/cudnn_convolution.cuh"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

struct Fusion {
  bool accumulate = false, addend = false, bias = false, relu = false;
};

inline std::string words(const Fusion& fusion) {
  return concat(fusion.accumulate ? ", accumulated" : "", fusion.addend ? ", + z" : "", fusion.bias ? ", + bias" : "",
                fusion.relu ? ", ReLU" : "");
}

/// The graph of a convolution, then + z, + bias, ReLU, of those asked for. Its tensors are named x, y, weight, bias, z;
/// the result is y or, backward, x or the weight.
class FusedConvolution {
 public:
  enum Name : std::int64_t { x = 1, y = 2, weight = 3, bias = 4, z = 5, first_virtual = 10 };

  FusedConvolution(const ConvolutionProblem& problem, ConvolutionDirection direction, const Fusion& fusion,
                   const std::string& what)
      : type_(detail::cudnn_type(problem.type)), what_(what) {
    const bool over_frames = problem.kernel_frames > 1;
    const std::int64_t axes = over_frames ? 3 : 2;
    const auto extents = [&](Index first, Index channels, Index frames, Index height, Index width) {
      return detail::extents(over_frames, first, channels, frames, height, width);
    };
    const auto x_extents = extents(problem.images, problem.inputs, problem.frames, problem.height, problem.width),
               y_extents =
                   extents(problem.images, problem.outputs, problem.frames, problem.y_height(), problem.y_width()),
               weight_extents =
                   extents(problem.outputs, problem.inputs, problem.kernel_frames, problem.kernel(), problem.kernel());
    const bool forward = direction == ConvolutionDirection::forward,
               backward_input = direction == ConvolutionDirection::backward_input;
    result_name_ = forward ? y : backward_input ? x : weight;
    result_extents_ = forward ? y_extents : backward_input ? x_extents : weight_extents;
    left_ = fusion.addend + fusion.bias + fusion.relu;

    const std::vector<std::int64_t> ones(static_cast<std::size_t>(axes), 1);
    std::vector<std::int64_t> strides(static_cast<std::size_t>(axes), problem.stride());
    if (over_frames) strides[0] = 1;
    Descriptor description(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, what);
    description.set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT)
        .set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, CUDNN_CROSS_CORRELATION)
        .set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, axes)
        .set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, strides)
        .set(CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, ones)
        .set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, ones)
        .set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, ones)
        .finalize();
    const Descriptor& described = add(std::move(description));
    // Of every direction, alpha, beta, the description, the weight, x and y have consecutive numbers.
    const auto first = forward          ? CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA
                       : backward_input ? CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA
                                        : CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA;
    const auto attribute = [&](int i) { return static_cast<cudnnBackendAttributeName_t>(first + i); };
    const Descriptor& result = next_result();
    const auto tensor = [&](Name name, const std::vector<std::int64_t>& all) -> const Descriptor& {
      return name == result_name_ ? result : add(graph_tensor(name, type_, all, false, what));
    };
    Descriptor operation(forward          ? CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR
                         : backward_input ? CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR
                                          : CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
                         what);
    operation.set(attribute(0), CUDNN_TYPE_FLOAT, 1.0f)
        .set(attribute(1), CUDNN_TYPE_FLOAT, fusion.accumulate ? 1.0f : 0.0f)
        .set(attribute(2), described)
        .set(attribute(3), tensor(weight, weight_extents))
        .set(attribute(4), tensor(x, x_extents))
        .set(attribute(5), tensor(y, y_extents))
        .finalize();
    operations.push_back(&add(std::move(operation)));
    const Descriptor* last = &result;
    const std::vector<std::int64_t> bias_extents = [&] {
      std::vector<std::int64_t> all(result_extents_.size(), 1);
      all[1] = result_extents_[1];
      return all;
    }();
    if (fusion.addend)
      last = &then(CUDNN_POINTWISE_ADD, *last, &add(graph_tensor(z, type_, result_extents_, false, what)));
    if (fusion.bias)
      last = &then(CUDNN_POINTWISE_ADD, *last, &add(graph_tensor(bias, type_, bias_extents, false, what)));
    if (fusion.relu) then(CUDNN_POINTWISE_RELU_FWD, *last, nullptr);
  }

  std::vector<const Descriptor*> operations;

 private:
  const Descriptor& add(Descriptor&& part) {
    parts_.push_back(std::make_unique<Descriptor>(std::move(part)));
    return *parts_.back();
  }

  /// The tensor that the next operation writes: a virtual one, in float, unless none follows.
  const Descriptor& next_result() {
    if (left_-- == 0) return add(graph_tensor(result_name_, type_, result_extents_, false, what_));
    return add(graph_tensor(first_virtual + left_, CUDNN_DATA_FLOAT, result_extents_, true, what_));
  }

  const Descriptor& then(cudnnPointwiseMode_t mode, const Descriptor& from, const Descriptor* other) {
    Descriptor description(CUDNN_BACKEND_POINTWISE_DESCRIPTOR, what_);
    description.set(CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, mode)
        .set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT)
        .finalize();
    const Descriptor& result = next_result();
    Descriptor operation(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR, what_);
    operation.set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, add(std::move(description)))
        .set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, from)
        .set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, result);
    if (other) operation.set(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, *other);
    operation.finalize();
    operations.push_back(&add(std::move(operation)));
    return result;
  }

  cudnnDataType_t type_;
  std::string what_;
  std::int64_t result_name_ = 0;
  std::vector<std::int64_t> result_extents_;
  int left_ = 0;
  std::vector<std::unique_ptr<Descriptor>> parts_;
};

}  // namespace dvd::cuda
