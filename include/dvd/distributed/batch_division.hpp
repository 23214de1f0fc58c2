// Which rank works on which videos of a batch.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <vector>

#include "dvd/core/batch_exchange.hpp"
#include "dvd/core/error.hpp"
#include "dvd/distributed/communicator.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// What a rank works on apart from the rest: `place.count` videos of a part of the batch that begins with video number
/// `first` and has `place.total` videos.
struct BatchSlice {
  Index first;       ///< number of the part's first video in the batch
  BatchPlace place;  ///< within the part

  /// The number of this slice's first video in the batch.
  Index begin() const { return first + place.first; }
};

/// The slices of a rank, of `batch` videos that go through the networks in parts of `micro_batch`, each cut into
/// `shards` of which the rank has some, side by side: all of a part before the next part. Throws ArgumentError if a
/// part has fewer videos than there are shards.
inline std::vector<BatchSlice> slices_of(Index batch, Index micro_batch, Index shards, const Share& own) {
  std::vector<BatchSlice> slices;
  for (Index first = 0; first < batch; first += micro_batch) {
    const Index total = std::min(micro_batch, batch - first);
    require(total >= shards, "a ", micro_batch < batch ? "part of a batch, of " : "batch of ", total,
            total == 1 ? " video" : " videos", " cannot be shared by ", shards,
            ": take larger batches, or fewer ranks or shards");
    for (Index shard = own.first; shard < own.first + own.count; ++shard) {
      const Share share = Share::of(total, shard, shards);
      slices.push_back({first, {share.first, share.count, total}});
    }
  }
  return slices;
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
