// The pool that all arrays on the GPU come from.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <cuda_runtime_api.h>

#include <memory>

#include "dvd/device/arena.hpp"
#include "dvd/device/cuda/context.cuh"
#include "dvd/device/cuda/definition.hpp"
#include "dvd/device/cuda/forbid.cuh"
#include "dvd/device/cuda/memory.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

namespace detail {

inline void* map_region(std::size_t bytes) {
  void* memory = nullptr;
  stream();  // chooses the GPU
  std::size_t free = 0, total = 0;
  check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
  if (free < bytes + reserve_of(total)) return nullptr;
  const cudaError_t status = cudaMalloc(&memory, bytes);
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    return nullptr;
  }
  check(status, "cudaMalloc", gibibytes(bytes));
  return memory;
}

inline void unmap_region(void* region, std::size_t) {
  // Kernels may still work on what the host has let go. An error of theirs will be met again by whoever waits for them.
  wait_regardless(stream());
  if (cudaFree(region) != cudaSuccess) cudaGetLastError();
}

inline void out_of_memory(std::size_t bytes, std::size_t used, std::size_t reserved) {
  std::size_t free = 0, total = 0;
  if (cudaMemGetInfo(&free, &total) != cudaSuccess) cudaGetLastError();
  throw OutOfMemory(concat("out of memory: ", device_words(), " has ", gibibytes(total), ", this program holds ",
                           gibibytes(reserved), " and needs ", gibibytes(bytes), " more at a stretch; ", smaller),
                    used + bytes, reserved + free);
}

}  // namespace detail

inline Arena& pool() {
  static auto& pool = *new Arena({.step = 512,
                                  .slack = 64,
                                  .largest_region = std::size_t{1} << 30,
                                  .map = detail::map_region,
                                  .unmap = detail::unmap_region,
                                  .forbid = detail::forbid,
                                  .out_of_memory = detail::out_of_memory});
  return pool;
}

DVD_CUDA_DEFINITION std::shared_ptr<void> Memory::allocate(std::size_t bytes) {
  const Turn turn;  // what another thread records would hold this array's memory
  return {pool().take(bytes), [bytes](void* array) { pool().give(array, bytes); }};
}

DVD_CUDA_DEFINITION std::size_t Memory::peak_memory() { return pool().peak(); }

}  // namespace dvd::cuda

#include "dvd/core/macros_end.hpp"
