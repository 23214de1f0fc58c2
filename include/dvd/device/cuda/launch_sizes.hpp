// What launches decide by sizes alone: how sums are cut into pieces, so that the same sum is added in the same order
// every time, into which tiles arrays are cut that are transposed, and in how many bits positions are counted.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <type_traits>

#include "dvd/device/cuda/divide.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

constexpr int block_threads = 256;

/// Sums of one launch that several blocks may share: at most this many.
constexpr Index most_shared_sums = 1024;

/// Blocks that share a row of `reduce`; more than one where rows are too few to fill a GPU.
constexpr Index reduction_pieces(Index rows, Index columns) {
  return rows >= 512 ? 1 : std::clamp<Index>(columns / 4096, 1, 256);
}

/// How `reduce_rows` sums. A block has `across` threads for neighbouring channels, `lanes` of them each, and for the
/// rows of a group `down` of them; what is left of a block's threads is for further groups.
struct RowSums {
  int lanes = 1, across = 1, down = 1;
  Index groups_of_block = 1, pieces = 1;  ///< `pieces`: blocks that share a group; then that is all they have
};

constexpr RowSums row_sums(Index groups, Index rows, Index channels, int most_lanes) {
  RowSums sums;
  if (channels % most_lanes == 0) sums.lanes = most_lanes;
  const Index columns = channels / sums.lanes;
  while (sums.across < block_threads && sums.across < columns) sums.across *= 2;
  while (sums.down < block_threads / sums.across && sums.down < rows) sums.down *= 2;
  sums.groups_of_block = block_threads / sums.across / sums.down;
  // Enough blocks for the whole GPU, enough rows for every thread that what its block does beside does not matter.
  const Index blocks =
      (groups + sums.groups_of_block - 1) / sums.groups_of_block * ((columns + sums.across - 1) / sums.across);
  sums.pieces = std::max<Index>(1, std::min(most_shared_sums / std::max<Index>(blocks, 1), rows / (16 * sums.down)));
  return sums;
}

/// A body of `for_each_row_lanes` that can count in 32 bits: its call operator takes positions of any integral type,
/// and `largest()` tells how far it counts, beside its rows and columns.
template <class Body>
concept CountsSmall = requires(const Body& body) {
  body.largest();
};

/// Whether a launch counts in 32 bits.
template <class Body>
constexpr bool counts_small(Index rows, Index columns, const Body& body) {
  if constexpr (CountsSmall<Body>)
    return std::max({rows, columns, static_cast<Index>(body.largest())}) <= largest_small_index;
  else
    return false;
}

/// Tensor cores want channels in eights; others are padded with zeros.
constexpr Index channel_step = 8;
constexpr Index padded(Index channels) { return (channels + channel_step - 1) / channel_step * channel_step; }

/// Rows and columns of the square that a block transposes.
constexpr int transposed_tile = 32;

constexpr Index tiles_of(Index extent) { return (extent + transposed_tile - 1) / transposed_tile; }

/// A square of array number `array`, of so many rows and columns, which may end within it.
struct TransposedTile {
  Index array, first_row, first_column, rows, columns;
};

/// Tile number i of an array.
constexpr TransposedTile tile_of(Index array, Index i, Index rows, Index columns) {
  const Index across = tiles_of(columns);
  return {array, i / across * transposed_tile, i % across * transposed_tile, rows, columns};
}

}  // namespace dvd::cuda

#include "dvd/core/macros_end.hpp"
