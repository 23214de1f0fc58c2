// How kernels are written here: as a struct that holds what one thread needs, with a call operator for one element, row
// or piece. The launches below are the only code that knows of threads and blocks. The tests compile the same structs
// for the host, against launches that are loops.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "dvd/device/cuda/launch.cuh"
#include "dvd/device/cuda/launch_sizes.hpp"
#include "dvd/device/cuda/memory.hpp"
#include "dvd/device/cuda/scalar.hpp"

#define DVD_DEVICE __device__ __forceinline__

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

/// Bytes that a thread reads at a time where it can.
constexpr int lane_bytes = 16;

/// Some neighbouring elements, in float.
template <int N>
struct Lanes {
  float value[N];

  DVD_DEVICE float& operator[](int i) { return value[i]; }
  DVD_DEVICE float operator[](int i) const { return value[i]; }
};

/// N elements from `x` on; for N > 1, x is aligned to as many of them, up to 16 bytes.
template <int N, class T>
DVD_DEVICE Lanes<N> load(const T* x) {
  constexpr int bytes = N * static_cast<int>(sizeof(T)), whole = bytes < lane_bytes ? bytes : lane_bytes;
  constexpr int count = whole / static_cast<int>(sizeof(T));
  struct alignas(whole) Raw {
    T value[count];
  };
  Lanes<N> lanes;
  for (int first = 0; first < N; first += count) {
    const Raw raw = *reinterpret_cast<const Raw*>(x + first);
    for (int i = 0; i < count; ++i) lanes.value[first + i] = static_cast<float>(raw.value[i]);
  }
  return lanes;
}

namespace detail {

/// Some numbers as an array of T holds them, where one access takes them all.
template <class T, int Count>
struct alignas(Count * sizeof(T)) Rounded {
  T value[Count];

  DVD_DEVICE explicit Rounded(const float* from) {
    for (int i = 0; i < Count; ++i) value[i] = T(from[i]);
  }
};

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
/// GPUs have an instruction that rounds a pair, to the bits of bfloat16(float) but for what is no number: that stays
/// none, as 0x7FFF whatever it was.
template <int Count>
requires(Count % 2 == 0) struct alignas(Count * sizeof(bfloat16)) Rounded<bfloat16, Count> {
  std::uint32_t pair[Count / 2];  ///< the first in the lower half

  DVD_DEVICE explicit Rounded(const float* from) {
    for (int i = 0; i < Count / 2; ++i)
      asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair[i]) : "f"(from[2 * i + 1]), "f"(from[2 * i]));
  }
};
#endif

}  // namespace detail

template <int N, class T>
DVD_DEVICE void store(T* y, const Lanes<N>& lanes) {
  constexpr int bytes = N * static_cast<int>(sizeof(T)), whole = bytes < lane_bytes ? bytes : lane_bytes;
  constexpr int count = whole / static_cast<int>(sizeof(T));
  using Access = detail::Rounded<T, count>;
  for (int first = 0; first < N; first += count) *reinterpret_cast<Access*>(y + first) = Access(lanes.value + first);
}

/// One element of any type. Like `load` and `store`, these are what the emulation counts bytes by.
template <class T>
DVD_DEVICE T read(const T* x) {
  return *x;
}
template <class T>
DVD_DEVICE void write(T* y, std::type_identity_t<T> value) {
  *y = value;
}

namespace detail {

template <class Body>
__global__ void __launch_bounds__(block_threads) each_kernel(Index size, const Body body) {
  for (Index i = blockIdx.x * Index{block_threads} + threadIdx.x; i < size; i += gridDim.x * Index{block_threads})
    body(i);
}

template <int N, class Body>
__global__ void __launch_bounds__(block_threads) lanes_kernel(Index size, const Body body) {
  const Index whole = size / N, pieces = whole + size % N;
  for (Index i = blockIdx.x * Index{block_threads} + threadIdx.x; i < pieces; i += gridDim.x * Index{block_threads}) {
    if (i < whole)
      body.template operator()<N>(i * N);
    else
      body.template operator()<1>(whole * N + (i - whole));
  }
}

/// Positions go to the body as an I; they are counted without a sign, so that the last step beyond the end fits.
template <int N, class I, class Body>
__global__ void __launch_bounds__(block_threads) row_lanes_kernel(Index rows, Index columns, const Body body) {
  using Count = std::make_unsigned_t<I>;
  const Count row_end = static_cast<Count>(rows), column_end = static_cast<Count>(columns);
  for (Count row = Count{blockIdx.y} * blockDim.y + threadIdx.y; row < row_end; row += gridDim.y * blockDim.y)
    for (Count column = (Count{blockIdx.x} * blockDim.x + threadIdx.x) * N; column < column_end;
         column += Count{gridDim.x} * blockDim.x * N)
      body.template operator()<N>(static_cast<I>(row), static_cast<I>(column));
}

/// Of every sum that blocks of a launch share, how many have left their part; 0 between launches, which run one after
/// the other.
[[maybe_unused]] static __device__ unsigned int parts_left[most_shared_sums];

/// Whether this block is the last of `parts` to have left its part of a sum, and sees what the others have left. All of
/// its threads ask.
__device__ __forceinline__ bool last_of(unsigned int parts, Index sum) {
  __shared__ bool last;
  __syncthreads();
  if (threadIdx.x == 0 && threadIdx.y == 0) {
    __threadfence();
    last = atomicAdd(&parts_left[sum], 1u) + 1 == parts;
    if (last) parts_left[sum] = 0;
    __threadfence();
  }
  __syncthreads();
  return last;
}

/// The values of a block's threads, joined: that of thread 0 is.
template <class Body>
__device__ __forceinline__ void join_block(const Body& body, typename Body::Value& value) {
  using Value = typename Body::Value;
  __shared__ Value shared[block_threads / 32];
  for (int distance = 16; distance > 0; distance /= 2) {
    Value other;
    constexpr int words = sizeof(Value) / sizeof(int);
    static_assert(sizeof(Value) % sizeof(int) == 0);
    for (int w = 0; w < words; ++w)
      reinterpret_cast<int*>(&other)[w] =
          __shfl_down_sync(0xFFFFFFFF, reinterpret_cast<const int*>(&value)[w], distance);
    body.combine(value, other);
  }
  if (threadIdx.x % 32 == 0) shared[threadIdx.x / 32] = value;
  __syncthreads();
  if (threadIdx.x == 0)
    for (int warp = 1; warp < block_threads / 32; ++warp) body.combine(value, shared[warp]);
  __syncthreads();
}

/// Piece blockIdx.y of each row. The last block to come to its end joins the pieces, in their order.
template <class Body>
__global__ void __launch_bounds__(block_threads)
    reduce_kernel(Index rows, Index columns, const Body body, typename Body::Value* partial) {
  using Value = typename Body::Value;
  const Index pieces = gridDim.y, piece = (columns + pieces - 1) / pieces, first = blockIdx.y * piece,
              last = first + piece < columns ? first + piece : columns;
  for (Index row = blockIdx.x; row < rows; row += gridDim.x) {
    Value value = body.identity();
    for (Index column = first + threadIdx.x; column < last; column += block_threads) body.add(row, column, value);
    join_block(body, value);
    if (pieces > 1) {
      if (threadIdx.x == 0) partial[row * pieces + blockIdx.y] = value;
      if (!last_of(gridDim.y, row)) continue;
      value = threadIdx.x < pieces ? partial[row * pieces + threadIdx.x] : body.identity();
      join_block(body, value);
    }
    if (threadIdx.x == 0) body.finish(row, value);
  }
}

constexpr int tile = transposed_tile, tile_rows = 8;

template <class Body>
__device__ __forceinline__ void transpose_tile(const TransposedTile& place, const Body& body) {
  __shared__ float values[tile][tile + 1];  // one more: columns then lie in different banks
  const auto [batch, first_row, first_column, rows, columns] = place;
  for (int r = static_cast<int>(threadIdx.y); r < tile; r += tile_rows)
    if (first_row + r < rows && first_column + threadIdx.x < columns)
      values[r][threadIdx.x] = body.load(batch, first_row + r, first_column + threadIdx.x);
  __syncthreads();
  for (int c = static_cast<int>(threadIdx.y); c < tile; c += tile_rows)
    if (first_column + c < columns && first_row + threadIdx.x < rows)
      body.store(batch, first_row + threadIdx.x, first_column + c, values[threadIdx.x][c]);
}

template <class Body>
__global__ void __launch_bounds__(tile* tile_rows) transpose_kernel(Index rows, Index columns, const Body body) {
  const unsigned column_tiles = static_cast<unsigned>((columns + tile - 1) / tile);  // as all tiles, fewer than 2^31
  transpose_tile(
      {blockIdx.z, Index{blockIdx.x / column_tiles} * tile, Index{blockIdx.x % column_tiles} * tile, rows, columns},
      body);
}

template <class Body>
__global__ void __launch_bounds__(tile* tile_rows) transpose_tiles_kernel(const Body body) {
  transpose_tile(body.tile(blockIdx.x), body);
}

inline unsigned blocks_for(Index pieces) {
  return static_cast<unsigned>(std::clamp<Index>((pieces + block_threads - 1) / block_threads, 1, 1 << 20));
}

inline bool aligned(const void* array) { return reinterpret_cast<std::uintptr_t>(array) % lane_bytes == 0; }

}  // namespace detail

/// body(i) for all i < size.
template <class Body>
void for_each(Index size, const Body& body) {
  if (size <= 0) return;
  launch(detail::each_kernel<Body>, detail::blocks_for(size), block_threads, size, body);
}

/// body.operator()<N>(i) for i = 0, N, 2N, ..., with N elements of T at a time while that many are left and N being 1
/// for the rest. All `arrays` that the body touches at places i are named: where one is not aligned, N is always 1.
template <class T, class Body, class... Arrays>
void for_each_lanes(Index size, const Body& body, const Arrays*... arrays) {
  if (size <= 0) return;
  constexpr int lanes = lane_bytes / static_cast<int>(sizeof(T));
  if ((detail::aligned(arrays) && ...))
    launch(detail::lanes_kernel<lanes, Body>, detail::blocks_for(size / lanes + size % lanes), block_threads, size,
           body);
  else
    launch(detail::lanes_kernel<1, Body>, detail::blocks_for(size), block_threads, size, body);
}

/// body.operator()<N>(row, column) for all rows and for columns 0, N, 2N, ... N is more than 1 where `step`, of which
/// columns and all distances between rows are multiples, is a multiple of it and all `arrays` are aligned. A body that
/// CountsSmall gets positions of 32 bits; where it counts further, N is 1.
template <class T, class Body, class... Arrays>
void for_each_row_lanes(Index rows, Index columns, Index step, const Body& body, const Arrays*... arrays) {
  if (rows <= 0 || columns <= 0) return;
  constexpr int lanes = lane_bytes / static_cast<int>(sizeof(T));
  const bool small = counts_small(rows, columns, body);
  const bool wide = (small || !CountsSmall<Body>)&&step % lanes == 0 && (detail::aligned(arrays) && ...);
  const Index pieces = wide ? columns / lanes : columns;
  unsigned across = 1;
  while (across < block_threads && across < pieces) across *= 2;
  const dim3 block(across, block_threads / across);
  const dim3 grid(static_cast<unsigned>(std::clamp<Index>((pieces + across - 1) / across, 1, 1 << 20)),
                  static_cast<unsigned>(std::clamp<Index>((rows + block.y - 1) / block.y, 1, 65535)));
  using I = std::conditional_t<CountsSmall<Body>, std::int32_t, Index>;
  if (wide)
    launch(detail::row_lanes_kernel<lanes, I, Body>, grid, block, rows, columns, body);
  else if (small)
    launch(detail::row_lanes_kernel<1, I, Body>, grid, block, rows, columns, body);
  else
    launch(detail::row_lanes_kernel<1, Index, Body>, grid, block, rows, columns, body);
}

/// For every row: value = body.identity(); body.add(row, column, value) for all columns; values of parts are joined by
/// body.combine(value, other); body.finish(row, value). Neighbouring threads take neighbouring columns. The order of
/// additions depends on rows and columns alone.
template <class Body>
void reduce(Index rows, Index columns, const Body& body) {
  using Value = typename Body::Value;
  if (rows <= 0) return;
  const Index pieces = reduction_pieces(rows, columns);
  static_assert(reduction_pieces(1, Index{1} << 40) <= block_threads);
  const dim3 grid(static_cast<unsigned>(std::min<Index>(rows, 1 << 20)), static_cast<unsigned>(pieces));
  std::shared_ptr<void> partial;
  if (pieces > 1) partial = Memory::allocate(static_cast<std::size_t>(rows * pieces) * sizeof(Value));
  launch(detail::reduce_kernel<Body>, grid, block_threads, rows, columns, body, static_cast<Value*>(partial.get()));
}

/// body.store(batch, row, column, body.load(batch, row, column)) for all, where neighbouring threads load neighbouring
/// columns and store neighbouring rows. At most 65535 batches.
template <class Body>
void transpose(Index batches, Index rows, Index columns, const Body& body) {
  if (batches <= 0 || rows <= 0 || columns <= 0) return;
  const Index tiles = ((rows + detail::tile - 1) / detail::tile) * ((columns + detail::tile - 1) / detail::tile);
  const dim3 grid(static_cast<unsigned>(tiles), 1, static_cast<unsigned>(batches));
  launch(detail::transpose_kernel<Body>, grid, dim3(detail::tile, detail::tile_rows), rows, columns, body);
}

/// The same for arrays of several sizes: tile i, of fewer than 2^31, is where body.tile(i) says.
template <class Body>
void transpose_tiles(Index tiles, const Body& body) {
  if (tiles <= 0) return;
  launch(detail::transpose_tiles_kernel<Body>, static_cast<unsigned>(tiles), dim3(detail::tile, detail::tile_rows),
         body);
}

}  // namespace dvd::cuda

#include "dvd/core/macros_end.hpp"
