// Sums over the rows of channels-last arrays: neighbouring threads take neighbouring channels, rows go in chunks.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/device/cuda/parallel.cuh"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

namespace detail {

template <class Body>
struct RowChunks {
  Index rows, length, chunks;
  Body body;
  typename Body::Value* partial;  ///< [groups * chunks, channels]
  Index channels;

  template <int>
  DVD_DEVICE void operator()(Index chunk, Index channel) const {
    const Index group = chunk / chunks, first = chunk % chunks * length;
    const Index last = first + length < rows ? first + length : rows;
    typename Body::Value value = body.identity();
    for (Index row = first; row < last; ++row) body.add(group, row, channel, value);
    write(partial + chunk * channels + channel, value);
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
/// body.combine(value, other) joins chunks of rows, in their order; body.finish(group, channel, value).
template <class Body>
void reduce_rows(Index groups, Index rows, Index channels, const Body& body) {
  using Value = typename Body::Value;
  // Chunks short enough that there are threads for the whole GPU, long enough that partial results do not matter.
  Index length = std::clamp<Index>(groups * rows * channels / (Index{1} << 18), 16, 256);
  length = std::max<Index>(1, std::min(length, rows));
  const Index chunks = std::max<Index>(1, (rows + length - 1) / length);
  const auto partial = Memory::allocate(static_cast<std::size_t>(groups * chunks * channels) * sizeof(Value));
  Value* const values = static_cast<Value*>(partial.get());
  // One element at a time: the step of 1 keeps N at 1.
  for_each_row_lanes<float>(groups * chunks, channels, 1,
                            detail::RowChunks<Body>{rows, length, chunks, body, values, channels});
  for_each_row_lanes<float>(groups, channels, 1, detail::CombineChunks<Body>{chunks, channels, body, values});
}

}  // namespace dvd::cuda

#include "dvd/core/macros_end.hpp"
