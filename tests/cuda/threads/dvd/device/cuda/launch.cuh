// What CUDA C++ adds to C++, on threads of the host: found before dvd/device/cuda/launch.cuh by the test of the
// launches. Every thread of a block is a thread here, with barriers where the kernel has them; blocks run one after the
// other.
#pragma once

#include <algorithm>
#include <atomic>
#include <barrier>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "dvd/device/cuda/context.cuh"

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
  dim3(unsigned width = 1, unsigned height = 1, unsigned depth = 1) : x(width), y(height), z(depth) {}
};

#define __global__
#define __device__
#define __forceinline__ inline
#define __launch_bounds__(threads)
#define __shared__ static  // one block at a time

namespace threads {

inline dim3 grid, block_size;
inline thread_local dim3 block, thread;
inline std::optional<std::barrier<>> whole_block;
inline std::vector<std::unique_ptr<std::barrier<>>> warps;
inline int exchanged[1024];

inline unsigned number() { return thread.x + block_size.x * (thread.y + block_size.y * thread.z); }

/// The value of the thread `distance` further on in the warp; its own beyond the end.
inline int shuffle_down(int value, int distance) {
  const unsigned own = number(), warp = own / 32;
  exchanged[own] = value;
  warps[warp]->arrive_and_wait();
  const int result =
      own % 32 + static_cast<unsigned>(distance) < 32 ? exchanged[own + static_cast<unsigned>(distance)] : value;
  warps[warp]->arrive_and_wait();
  return result;
}

}  // namespace threads

inline unsigned atomicAdd(unsigned* x, unsigned y) { return std::exchange(*x, *x + y); }  // one block at a time

#define threadIdx threads::thread
#define blockIdx threads::block
#define blockDim threads::block_size
#define gridDim threads::grid
#define __syncthreads() threads::whole_block->arrive_and_wait()
#define __threadfence() std::atomic_thread_fence(std::memory_order_seq_cst)
#define __shfl_down_sync(mask, value, distance) threads::shuffle_down(value, distance)

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, const Arguments&... arguments) {
  threads::grid = grid;
  threads::block_size = block;
  const unsigned count = block.x * block.y * block.z;
  threads::whole_block.emplace(count);
  threads::warps.clear();
  for (unsigned first = 0; first < count; first += 32)
    threads::warps.push_back(std::make_unique<std::barrier<>>(std::min(32u, count - first)));
  std::vector<std::thread> running;
  for (unsigned i = 0; i < count; ++i)
    running.emplace_back([&, i] {
      threads::thread = dim3(i % block.x, i / block.x % block.y, i / block.x / block.y);
      for (unsigned z = 0; z < grid.z; ++z)
        for (unsigned y = 0; y < grid.y; ++y)
          for (unsigned x = 0; x < grid.x; ++x) {
            threads::block = dim3(x, y, z);
            kernel(arguments...);
            threads::whole_block->arrive_and_wait();
          }
    });
  for (std::thread& each : running) each.join();
}

}  // namespace dvd::cuda
