// What the emulated libraries share.
#pragma once

#include <cuda_runtime_api.h>

#include "dvd/device/cuda/context.cuh"
#include "dvd/device/cuda/libraries/libraries.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

namespace detail {

/// Calls `work` with a null pointer of the type of numbers.
template <class Work>
void with_type(NumberType type, const Work& work) {
  if (type == NumberType::float32)
    work(static_cast<float*>(nullptr));
  else
    work(static_cast<bfloat16*>(nullptr));
}

template <class Work>
void submit(const Work& work) {
  const Turn turn;
  EmulatedGpu::instance().submit(stream(), work);
}

}  // namespace detail

}  // namespace dvd::cuda
