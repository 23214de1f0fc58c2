// What a plan's work is to the count: its name, its operations, and the bytes of its arrays, each once.
#pragma once

#include <set>
#include <string>

#include "../counting.hpp"
#include "execution.hpp"

namespace emulated_cudnn {

inline EmulatedWork described(const Run& run) {
  const auto operations = operations_of(*run.graph);
  const Operation& convolution = operations.front();
  const Geometry g(convolution);
  const bool backward_data = convolution.kind == Kind::backward_data,
             bfloat16 = [&] { return Tensor(*convolution.inputs()[0]).type == CUDNN_DATA_BFLOAT16; }();
  const int direction = convolution.kind == Kind::forward ? 0 : backward_data ? 1 : 2;
  static constexpr const char* names[] = {"forward", "backward input", "backward weight"};
  EmulatedWork work{EmulatedWork::convolution, "convolution " + std::string(g.kernel[0] > 1 ? "3x" : "") +
                                                   (g.stride[2] == 2 ? "4x4 " : "3x3 ") + names[direction]};
  std::set<std::int64_t> seen;
  const auto read = [&](const DescriptorPointer& part) {
    const Tensor tensor(*part);
    if (!tensor.is_virtual && seen.insert(tensor.name).second)
      work.read += static_cast<double>(tensor.size()) * (tensor.type == CUDNN_DATA_FLOAT ? 4 : 2);
  };
  for (const Operation& operation : operations) {
    for (const DescriptorPointer& part : operation.inputs()) read(part);
    if (operation.convolves() && operation.beta != 0) read(operation.result());
  }
  const Tensor result(*operations.back().result());
  work.written = static_cast<double>(result.size()) * (result.type == CUDNN_DATA_FLOAT ? 4 : 2);
  const Index positions = g.y_lines() * g.y[2];
  work.flop = 2.0 * static_cast<double>(positions) * static_cast<double>(g.taps() * g.inputs * g.outputs);
  // As ConvolutionSum counts.
  const long sum = operations.size() == 1                 ? (convolution.beta != 0 ? 3 : 0)
                   : operations.back().kind == Kind::relu ? 2
                   : operations.size() == 3               ? 4
                                                          : 1;
  work.asked = {bfloat16,  g.images,    g.x[0],           g.x[1],    g.x[2], g.inputs,
                g.outputs, g.kernel[0], g.stride[2] == 2, direction, sum};
  return work;
}

}  // namespace emulated_cudnn
