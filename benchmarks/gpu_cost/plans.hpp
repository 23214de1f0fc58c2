// What cuDNN would choose for a convolution, on a GPU that is only described.
#pragma once

#include <array>
#include <cstddef>
#include <string>

namespace benchmarks {

/// A convolution as the emulation notes it (EmulatedWork::asked): type, images, frames, height, width, inputs, outputs,
/// kernel_frames, halved, direction, sum.
using AskedConvolution = std::array<long, 11>;

struct ChosenPlan {
  long engine = -1;  ///< its number in cuDNN; -1: there is none
  std::size_t workspace = 0;
  bool tensor_cores = false;
};

/// The GPU that plans are made for; empty if this cuDNN makes none without a GPU.
std::string planned_gpu();

/// Throws dvd::Error.
ChosenPlan choose_plan(const AskedConvolution& asked, bool tf32);

}  // namespace benchmarks
