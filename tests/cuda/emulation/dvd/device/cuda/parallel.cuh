// The launches of dvd/device/cuda/parallel.cuh as loops: found before them where the tests compile kernels for the
// host.
#pragma once

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "dvd/device/cpu/parallel.hpp"
#include "dvd/device/cuda/context.cuh"
#include "dvd/device/cuda/launch_sizes.hpp"
#include "dvd/device/cuda/memory.hpp"
#include "dvd/device/cuda/scalar.hpp"
#include "measuring.hpp"

#define DVD_DEVICE inline

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

constexpr int lane_bytes = 16;

template <int N>
struct Lanes {
  float value[static_cast<std::size_t>(N)];

  float& operator[](int i) { return value[i]; }
  float operator[](int i) const { return value[i]; }
};

namespace detail {

/// Ends the process where a GPU would end the kernel: N elements are read and written up to 16 bytes at a time.
template <int N, class T>
void check_alignment(const T* x) {
  constexpr int bytes = N * static_cast<int>(sizeof(T)), whole = bytes < lane_bytes ? bytes : lane_bytes;
  if (reinterpret_cast<std::uintptr_t>(x) % whole == 0) return;
  std::fprintf(stderr, "a kernel reads or writes %d bytes at a time at %p, which is no multiple of that\n", whole,
               static_cast<const void*>(x));
  std::abort();
}

}  // namespace detail

template <int N, class T>
Lanes<N> load(const T* x) {
  if (emulated_footprint) emulated_footprint->touch(x, N * sizeof(T), false);
  detail::check_alignment<N>(x);
  Lanes<N> lanes;
  for (int i = 0; i < N; ++i) lanes.value[i] = static_cast<float>(x[i]);
  return lanes;
}

template <int N, class T>
void store(T* y, const Lanes<N>& lanes) {
  detail::check_alignment<N>(y);
  if (emulated_footprint) return emulated_footprint->touch(y, N * sizeof(T), true);
  for (int i = 0; i < N; ++i) y[i] = T(lanes.value[i]);
}

template <class T>
T read(const T* x) {
  if (emulated_footprint) emulated_footprint->touch(x, sizeof(T), false);
  return *x;
}

template <class T>
void write(T* y, std::type_identity_t<T> value) {
  if (emulated_footprint) return emulated_footprint->touch(y, sizeof(T), true);
  *y = value;
}

namespace detail {

inline bool aligned(const void* array) { return reinterpret_cast<std::uintptr_t>(array) % lane_bytes == 0; }

/// A launch that does this work, of which `describe` tells.
template <class Work, class Describe>
void launch(const Work& work, const Describe& describe) {
  const Turn turn;
  const cudaStream_t here = stream();
  if (emulated_begin("the launch of a kernel") == cudaSuccess) EmulatedGpu::instance().submit(here, work, describe);
  check_launch();
}

/// A launch of Body, `piece` being what a thread does, in an order that is none: threads have none either.
template <class Body, class F>
void emulate(Index size, const F& piece) {
  if (size <= 0) return;
  const auto work = [=] {
    cpu::parallel_chunks(size, 4096, [&](Index begin, Index end) {
      for (Index i = end; i-- > begin;) piece(i);
    });
  };
  launch(work, [&] {
    EmulatedWork described{EmulatedWork::kernel, emulated_name<Body>()};
    if (EmulatedCounting::instance().dry) measure_pieces(size, piece, described);
    return described;
  });
}

}  // namespace detail

template <class Body>
void for_each(Index size, const Body& body) {
  detail::emulate<Body>(size, [=](Index i) { body(i); });
}

template <class T, class Body, class... Arrays>
void for_each_lanes(Index size, const Body& body, const Arrays*... arrays) {
  constexpr int lanes = lane_bytes / static_cast<int>(sizeof(T));
  if (!(detail::aligned(arrays) && ...)) {
    detail::emulate<Body>(size, [=](Index i) { body.template operator()<1>(i); });
    return;
  }
  const Index whole = size / lanes;
  detail::emulate<Body>(whole + size % lanes, [=](Index i) {
    if (i < whole)
      body.template operator()<lanes>(i * lanes);
    else
      body.template operator()<1>(whole * lanes + (i - whole));
  });
}

template <class T, class Body, class... Arrays>
void for_each_row_lanes(Index rows, Index columns, Index step, const Body& body, const Arrays*... arrays) {
  constexpr int lanes = lane_bytes / static_cast<int>(sizeof(T));
  if (rows <= 0 || columns <= 0) return;
  const bool small = counts_small(rows, columns, body);
  const bool wide = (small || !CountsSmall<Body>)&&step % lanes == 0 && (detail::aligned(arrays) && ...);
  const auto run = [&]<int N, class I>(std::integral_constant<int, N>, I) {
    detail::emulate<Body>(rows * (columns / N), [=](Index i) {
      body.template operator()<N>(static_cast<I>(i / (columns / N)), static_cast<I>(i % (columns / N) * N));
    });
  };
  using I = std::conditional_t<CountsSmall<Body>, std::int32_t, Index>;
  if (wide)
    run(std::integral_constant<int, lanes>(), I());
  else if (small)
    run(std::integral_constant<int, 1>(), I());
  else
    run(std::integral_constant<int, 1>(), Index());
}

namespace detail {

/// What blocks leave of a sum that they share, and the last of them reads.
template <class Value>
void count_parts(Index count, EmulatedWork& work) {
  const double bytes = static_cast<double>(count) * sizeof(Value);
  work.read += bytes;
  work.written += bytes;
}

}  // namespace detail

template <class Body>
void reduce(Index rows, Index columns, const Body& body) {
  using Value = typename Body::Value;
  if (rows <= 0) return;
  const Index pieces = reduction_pieces(rows, columns);
  std::shared_ptr<void> partial;
  if (pieces > 1) partial = Memory::allocate(static_cast<std::size_t>(rows * pieces) * sizeof(Value));
  const auto work = [=] {
    cpu::parallel_for(rows, [&](Index row) {
      Value parts[8];
      for (int part = 0; part < 8; ++part) {
        parts[part] = body.identity();
        for (Index column = part; column < columns; column += 8) body.add(row, column, parts[part]);
      }
      for (int part = 1; part < 8; ++part) body.combine(parts[0], parts[part]);
      body.finish(row, parts[0]);
    });
  };
  detail::launch(work, [&] {
    EmulatedWork described{EmulatedWork::kernel, emulated_name<Body>()};
    if (!EmulatedCounting::instance().dry) return described;
    Value value = body.identity();
    const auto add = [&](Index i) { body.add(i / columns, i % columns, value); };
    measure_pieces(rows * columns, add, described);
    measure_pieces(
        rows, [&](Index row) { body.finish(row, value); }, described);
    if (pieces > 1) detail::count_parts<Value>(rows * pieces, described);
    return described;
  });
}

namespace detail {

template <class Body>
void transpose_tile(const TransposedTile& place, const Body& body) {
  const auto& [batch, first_row, first_column, rows, columns] = place;
  for (Index row = first_row; row < std::min(rows, first_row + transposed_tile); ++row)
    for (Index column = first_column; column < std::min(columns, first_column + transposed_tile); ++column)
      body.store(batch, row, column, body.load(batch, row, column));
}

}  // namespace detail

template <class Body>
void transpose(Index batches, Index rows, Index columns, const Body& body) {
  if (batches <= 0 || rows <= 0 || columns <= 0) return;
  const Index tiles = tiles_of(rows) * tiles_of(columns);
  detail::emulate<Body>(batches * tiles,
                        [=](Index i) { detail::transpose_tile(tile_of(i / tiles, i % tiles, rows, columns), body); });
}

template <class Body>
void transpose_tiles(Index tiles, const Body& body) {
  detail::emulate<Body>(tiles, [=](Index i) { detail::transpose_tile(body.tile(i), body); });
}

}  // namespace dvd::cuda
