// Which numbers the GPU kernels know.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <concepts>

#include "dvd/core/bfloat16.hpp"
#include "dvd/core/shape.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

/// Elements of arrays on a GPU: float, and bfloat16, whose sums, statistics and weights as they are learned are float.
template <class T>
concept CudaScalar = std::same_as<T, float> || std::same_as<T, bfloat16>;

}  // namespace dvd::cuda

#include "dvd/core/macros_end.hpp"
