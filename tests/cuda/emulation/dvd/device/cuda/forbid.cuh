// What of the pool is free: known to the emulated GPU, and poisoned for the address sanitizer.
#pragma once

#include <cuda_runtime_api.h>
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

#include "dvd/core/instruction_set.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

namespace detail {

inline void forbid(void* begin, std::size_t bytes, bool forbidden) {
  EmulatedGpu::instance().note_array(begin, bytes, !forbidden);
#if defined(__SANITIZE_ADDRESS__)
  if (forbidden)
    ASAN_POISON_MEMORY_REGION(begin, bytes);
  else
    ASAN_UNPOISON_MEMORY_REGION(begin, bytes);
#endif
}

}  // namespace detail

}  // namespace dvd::cuda
