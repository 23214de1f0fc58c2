// What a call of a library is to the count of work: its name, its operations, and the bytes of its arrays, each once.
#pragma once

#include <cuda_runtime_api.h>

#include "dvd/core/error.hpp"
#include "dvd/device/cuda/libraries/libraries.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

namespace detail {

inline double bytes_of(NumberType type, Index elements) {
  return static_cast<double>(elements) * (type == NumberType::float32 ? 4 : 2);
}

/// `direction` counts as ConvolutionDirection does: forward, backward to the input, backward to the weight.
inline EmulatedWork described(const ConvolutionProblem& p, int direction, bool with_bias) {
  static constexpr const char* names[] = {"forward", "backward input", "backward weight"};
  const Index positions = p.images * p.frames * p.height * p.width, taps = p.kernel_frames * 9;
  const double x = bytes_of(p.type, positions * p.inputs), y = bytes_of(p.type, positions * p.outputs),
               weight = bytes_of(p.type, taps * p.inputs * p.outputs);
  EmulatedWork work{EmulatedWork::convolution,
                    concat("convolution ", p.kernel_frames > 1 ? "3x3x3 " : "3x3 ", names[direction])};
  work.written = direction == 0 ? y : direction == 1 ? x : weight;
  work.read = x + y + weight - work.written;
  work.flop = 2.0 * static_cast<double>(positions) * static_cast<double>(taps * p.inputs * p.outputs);
  work.asked = {static_cast<long>(p.type), p.images,  p.frames, p.height, p.width, p.inputs, p.outputs,
                p.kernel_frames,           direction, with_bias};
  return work;
}

inline EmulatedWork described(const ProductProblem& p) {
  EmulatedWork work{EmulatedWork::product, "product"};
  const double result = bytes_of(p.result_type, p.batches * p.rows * p.columns);
  work.read = bytes_of(p.type, p.batches * (p.rows + p.columns) * p.depth) + (p.accumulate ? result : 0);
  work.written = result;
  work.flop = 2.0 * static_cast<double>(p.batches * p.rows) * static_cast<double>(p.columns * p.depth);
  return work;
}

}  // namespace detail

}  // namespace dvd::cuda
