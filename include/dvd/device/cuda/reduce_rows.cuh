// Sums over the rows of channels-last arrays: neighbouring threads take neighbouring channels, rows go in chunks.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <numeric>

#include "dvd/device/cuda/divide.hpp"
#include "dvd/device/cuda/parallel.cuh"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

namespace detail {

template <class Body>
struct RowChunks {
  Index rows, length;
  FastDivide chunks;  ///< of a group
  Body body;
  typename Body::Value* partial;  ///< [groups * chunks, channels]
  Index channels;

  template <int N>
  DVD_DEVICE void operator()(Index chunk, Index channel) const {
    const auto [group, own] = chunks.divide(chunk);
    const Index first = own * length, last = first + length < rows ? first + length : rows;
    typename Body::Value values[N];
    for (int k = 0; k < N; ++k) values[k] = body.identity();
    for (Index row = first; row < last; ++row) body.template add<N>(group, row, channel, values);
    for (int k = 0; k < N; ++k) write(partial + (chunk * channels + channel + k), values[k]);
  }
};

template <class Body>
struct CombineChunks {
  Index chunks, channels;
  Body body;
  const typename Body::Value* partial;

  template <int>
  DVD_DEVICE void operator()(Index group, Index channel) const {
    typename Body::Value value = body.identity();
    for (Index chunk = 0; chunk < chunks; ++chunk)
      body.combine(value, read(partial + (group * chunks + chunk) * channels + channel));
    body.finish(group, channel, value);
  }
};

}  // namespace detail

/// For every group and channel: value = body.identity(); body.add(group, row, channel, value) for all rows;
/// body.combine(value, other) joins chunks of rows, in their order; body.finish(group, channel, value). Rows are added
/// to the values of N neighbouring channels at a time, body.add<N>(group, row, channel, values), N as in
/// for_each_row_lanes, of `arrays` of T: how many does not change the order of a channel's additions.
template <class T, class Body, class... Arrays>
void reduce_rows(Index groups, Index rows, Index channels, Index step, const Body& body, const Arrays*... arrays) {
  using Value = typename Body::Value;
  // Chunks short enough that there are threads for the whole GPU, long enough that partial results do not matter.
  Index length = std::clamp<Index>(groups * rows * channels / (Index{1} << 18), 16, 256);
  length = std::max<Index>(1, std::min(length, rows));
  const Index chunks = std::max<Index>(1, (rows + length - 1) / length);
  const auto partial = Memory::allocate(static_cast<std::size_t>(groups * chunks * channels) * sizeof(Value));
  Value* const values = static_cast<Value*>(partial.get());
  for_each_row_lanes<T>(groups * chunks, channels, std::gcd(step, channels),
                        detail::RowChunks<Body>{rows, length, chunks, body, values, channels}, arrays...);
  for_each_row_lanes<float>(groups, channels, 1, detail::CombineChunks<Body>{chunks, channels, body, values});
}

}  // namespace dvd::cuda

#include "dvd/core/macros_end.hpp"
