// Sums over the rows of channels-last arrays: neighbouring threads take neighbouring channels.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>

#include "dvd/device/cuda/parallel.cuh"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

namespace detail {

/// Joins the values of the threads of a block that have the same channels of the same group, in the first of them:
/// those of the `down` threads that lie across apart.
template <int N, class Body>
__device__ __forceinline__ void join_rows(const Body& body, int down, typename Body::Value (&values)[N],
                                          typename Body::Value* shared) {
  const int own = static_cast<int>(threadIdx.y) % down, across = static_cast<int>(blockDim.x),
            thread = static_cast<int>(threadIdx.y * blockDim.x + threadIdx.x);
  for (int distance = down / 2; distance > 0; distance /= 2) {
    if (own >= distance && own < 2 * distance)
      for (int k = 0; k < N; ++k) shared[k * block_threads + thread] = values[k];
    __syncthreads();
    if (own < distance)
      for (int k = 0; k < N; ++k) body.combine(values[k], shared[k * block_threads + thread + distance * across]);
    __syncthreads();
  }
}

/// Piece blockIdx.y of the rows of some groups, N channels a thread, which are read together if `Wide`. The last block
/// to come to its end joins a group's pieces, in their order.
template <int N, bool Wide, class Body>
__global__ void __launch_bounds__(block_threads) reduce_rows_kernel(Index groups, Index rows, Index channels, int down,
                                                                    const Body body, typename Body::Value* partial) {
  using Value = typename Body::Value;
  __shared__ Value shared[N * block_threads];
  const Index pieces = gridDim.y, length = (rows + pieces - 1) / pieces, first = blockIdx.y * length,
              last = first + length < rows ? first + length : rows;
  const Index channel = (Index{blockIdx.x} * blockDim.x + threadIdx.x) * N, together = blockDim.y / down,
              own = threadIdx.y % down;
  for (Index before = blockIdx.z * together; before < groups; before += gridDim.z * together) {
    const Index group = before + threadIdx.y / down;
    const bool within = group < groups && channel < channels;
    Value values[N];
    for (int k = 0; k < N; ++k) values[k] = body.identity();
    for (Index row = first + own; within && row < last; row += down) {
      if constexpr (Wide) {
        body.template add<N>(group, row, channel, values);
      } else {
        for (int k = 0; k < N; ++k)
          body.template add<1>(group, row, channel + k, reinterpret_cast<Value(&)[1]>(values[k]));
      }
    }
    join_rows(body, down, values, shared);
    if (pieces > 1) {
      Value* const parts = partial + group * pieces * channels + channel;
      for (int k = 0; within && own == 0 && k < N; ++k) parts[blockIdx.y * channels + k] = values[k];
      if (!last_of(gridDim.y, before * gridDim.x + blockIdx.x)) continue;
      for (int k = 0; k < N; ++k) values[k] = body.identity();
      for (Index piece = own; within && piece < pieces; piece += down)
        for (int k = 0; k < N; ++k) body.combine(values[k], parts[piece * channels + k]);
      join_rows(body, down, values, shared);
    }
    for (int k = 0; within && own == 0 && k < N; ++k) body.finish(group, channel + k, values[k]);
  }
}

}  // namespace detail

/// For every group and channel: value = body.identity(); body.add(group, row, channel, value) for all rows;
/// body.combine(value, other) joins the values of parts of them; body.finish(group, channel, value). Rows are added to
/// the values of N neighbouring channels at a time, body.add<N>(group, row, channel, values), if `step`, of which all
/// distances between rows are multiples, is a multiple of N and all `arrays` of T are aligned; else to one at a time.
/// The order of additions depends on groups, rows and channels alone.
template <class T, class Body, class... Arrays>
void reduce_rows(Index groups, Index rows, Index channels, Index step, const Body& body, const Arrays*... arrays) {
  using Value = typename Body::Value;
  if (groups <= 0 || channels <= 0) return;
  constexpr int lanes = lane_bytes / static_cast<int>(sizeof(T));
  const RowSums sums = row_sums(groups, rows, channels, lanes);
  const unsigned across = static_cast<unsigned>(sums.across);
  const Index columns = channels / sums.lanes;
  const dim3 block(across, block_threads / across);
  const dim3 grid(
      static_cast<unsigned>((columns + sums.across - 1) / sums.across), static_cast<unsigned>(sums.pieces),
      static_cast<unsigned>(std::min<Index>((groups + sums.groups_of_block - 1) / sums.groups_of_block, 65535)));
  std::shared_ptr<void> partial;
  if (sums.pieces > 1)
    partial = Memory::allocate(static_cast<std::size_t>(groups * sums.pieces * channels) * sizeof(Value));
  const auto start = [&](auto* kernel) {
    launch(kernel, grid, block, groups, rows, channels, sums.down, body, static_cast<Value*>(partial.get()));
  };
  if (sums.lanes == 1)
    start(detail::reduce_rows_kernel<1, false, Body>);
  else if (step % lanes == 0 && (detail::aligned(arrays) && ...))
    start(detail::reduce_rows_kernel<lanes, true, Body>);
  else
    start(detail::reduce_rows_kernel<lanes, false, Body>);
}

}  // namespace dvd::cuda

#include "dvd/core/macros_end.hpp"
