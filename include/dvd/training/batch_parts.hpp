// The parts that a batch goes through the networks in.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <cstddef>
#include <vector>

#include "dvd/training/update_batch.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// A batch in parts that go through the networks one after the other, each in shards that do so at the same time.
template <Scalar T, Device D = Cpu>
class BatchParts {
 public:
  /// Of a part, its shards side by side.
  std::vector<UpdateBatch<T, D>> all;
  Index shards = 1;

  Index parts() const { return static_cast<Index>(all.size()) / shards; }
  const UpdateBatch<T, D>& at(Index part, Index shard) const {
    return all[static_cast<std::size_t>(part * shards + shard)];
  }

  /// What the mean loss of a part's shard counts.
  double weight(Index part, Index shard) const {
    Index total = 0;
    for (Index each = 0; each < parts(); ++each) total += at(each, shard).fake_count_of_all();
    return static_cast<double>(at(part, shard).fake_count()) / static_cast<double>(total);
  }

  /// How a part's shard goes through the networks: u advances once a batch. Refers to the shard.
  Pass pass(Index part, Index shard, const BatchExchange* exchange) const {
    Pass pass = part == 0 ? Pass::train() : Pass::train_further();
    pass.random = &at(part, shard).random;
    pass.place = at(part, shard).place;
    pass.exchange = exchange;
    return pass;
  }
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
