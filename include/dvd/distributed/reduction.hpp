// How the ranks of a run, and the parts of a batch within a rank, add up what belongs together.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "dvd/core/batch_exchange.hpp"
#include "dvd/distributed/communicator.hpp"
#include "dvd/layers/layer.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// What an update asks of the ranks that share its batch. The batch is cut into shards, of which each rank has one or
/// more; whatever is summed is summed over the shards of all ranks.
template <Scalar P, Device D>
class Reduction {
 public:
  virtual ~Reduction() = default;

  /// Of all ranks, and which of them this rank works on.
  virtual Index total_shards() const = 0;
  virtual Share own_shards() const = 0;

  /// Calls `work(shard)` for 0, 1, ... own_shards().count - 1, at the same time. What one of them throws ends the
  /// others and is thrown.
  virtual void run(const std::function<void(Index shard)>& work) = 0;

  /// The statistics of a shard's passes, to be used within `run`.
  virtual const BatchExchange& exchange(Index shard) = 0;

  /// Whether sums may be started while passes go on. All ranks must start them in the same order, which they do if each
  /// works on one shard.
  virtual bool overlaps() const = 0;

  /// Begins to add up values `[own shards, n]` of all ranks; they are not to be touched before `finish_sums`, when the
  /// first row is the sum. Keeps them as long as it takes, whatever becomes of `values`.
  virtual void start_sum(Tensor<P, D>& values) = 0;
  virtual void finish_sums() = 0;

  /// The message of the lowest rank that has one; empty if none has.
  virtual std::string first_message(const std::string& message) = 0;
};

/// The message of the lowest rank that has one, on all ranks; empty if none has. `from` becomes that rank.
template <Communicator C>
std::string first_message(C& ranks, const std::string& message, Index* from = nullptr) {
  std::vector<std::int64_t> lengths(static_cast<std::size_t>(ranks.size()));
  lengths[static_cast<std::size_t>(ranks.rank())] = static_cast<std::int64_t>(message.size());
  ranks.sum_counts(lengths);
  for (Index rank = 0; rank < ranks.size(); ++rank) {
    const std::int64_t length = lengths[static_cast<std::size_t>(rank)];
    if (length == 0) continue;
    std::string told = rank == ranks.rank() ? message : std::string(static_cast<std::size_t>(length), '\0');
    ranks.broadcast(std::as_writable_bytes(std::span(told)), rank);
    if (from) *from = rank;
    return told;
  }
  return {};
}

/// One shard a rank, summed as the communicator does it, gradients while the backward pass still runs. The bits depend
/// on the number of ranks.
template <Scalar P, Device D, Communicator C>
class FastReduction final : public Reduction<P, D> {
 public:
  explicit FastReduction(C& ranks) : ranks_(ranks), exchange_(ranks) {}

  Index total_shards() const override { return ranks_.size(); }
  Share own_shards() const override { return {ranks_.rank(), 1}; }
  void run(const std::function<void(Index)>& work) override { work(0); }
  const BatchExchange& exchange(Index) override { return exchange_; }
  bool overlaps() const override { return true; }
  void start_sum(Tensor<P, D>& values) override {
    kept_.push_back(values.view().keeper());
    ranks_.start_sum(values.size(), values.data());
  }
  void finish_sums() override {
    ranks_.finish_sums();
    kept_.clear();
  }
  std::string first_message(const std::string& message) override { return dvd::first_message(ranks_, message); }

 private:
  struct Exchange final : BatchExchange {
    explicit Exchange(C& all) : ranks(all) {}
    void sum(Index size, double* values) const override { ranks.sum(size, values); }
    C& ranks;
  };

  C& ranks_;
  Exchange exchange_;
  std::vector<std::shared_ptr<void>> kept_;  ///< what is being added up: an update may end in an exception meanwhile
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
