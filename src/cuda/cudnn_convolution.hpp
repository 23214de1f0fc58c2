// The operation graphs of convolutions.
#pragma once

#include <memory>

#include "cuda/cudnn_graph.hpp"
#include "cuda/libraries.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

enum class ConvolutionDirection { forward, backward_input, backward_weight };

/// A convolution as a graph of operations: the convolution and, if asked for, a bias that is added to its result before
/// that is rounded. Its tensors are named x, y, weight and bias.
struct ConvolutionGraph {
  enum Name : std::int64_t { x = 1, y = 2, weight = 3, bias = 4, unbiased = 5 };

  /// Throws Error where cuDNN knows no such operation. Needs no GPU.
  ConvolutionGraph(const ConvolutionProblem& problem, ConvolutionDirection direction, bool with_bias,
                   const std::string& what);

  std::vector<std::unique_ptr<Descriptor>> parts;  ///< tensors and descriptions
  std::vector<const Descriptor*> operations;
};

}  // namespace dvd::cuda
