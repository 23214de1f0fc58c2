// Sums over the shards of all ranks in an order that does not depend on who has which.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "dvd/core/tensor.hpp"
#include "dvd/distributed/communicator.hpp"
#include "dvd/layers/layer.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Adds up one array of every shard, in pairs: shards first .. last - 1 are the sum of their first half, the largest
/// power of two that is less than their number, and of the rest. Ranks have shards side by side, so a rank can add up
/// whole branches of that tree itself and sends those alone.
template <Device D, Communicator C>
class OrderedSum {
 public:
  /// Of `total` shards, at least one a rank.
  OrderedSum(C& ranks, Index total) : ranks_(ranks), total_(total) {
    for (Index rank = 0; rank < ranks.size(); ++rank) {
      const Share share = Share::of(total, rank, ranks.size());
      branches_.push_back({});
      collect(0, total, share.first, share.first + share.count, branches_.back());
      most_ = std::max(most_, static_cast<Index>(branches_.back().size()));
    }
  }

  Share own_shards() const { return Share::of(total_, ranks_.rank(), ranks_.size()); }

  /// x `[own shards, n]` becomes in its first row the sum over the shards of all ranks; the other rows are of no use
  /// then.
  template <class P>
  void operator()(Index n, P* x) const {
    const std::vector<Branch>& own = branches_[static_cast<std::size_t>(ranks_.rank())];
    const Index first = own_shards().first;
    const auto shard = [&](Index number) { return x + (number - first) * n; };
    for (const Branch& branch : own) add_up(branch.first, branch.last, n, shard);
    if (ranks_.size() == 1) return;
    // Short arrays all ranks add up themselves, in one message; of long ones each rank adds up a stretch.
    if (n <= short_array) {
      Tensor<P, D> sent(Shape{most_, n}), got(Shape{ranks_.size() * most_, n});
      for (std::size_t i = 0; i < own.size(); ++i)
        copy(n, shard(own[i].first), sent.data() + static_cast<Index>(i) * n);
      ranks_.all_gather(most_ * n, sent.data(), got.data());
      copy(n, add_up_all(n, got.data()), x);
      return;
    }
    const Index stretch = (n + ranks_.size() - 1) / ranks_.size();
    auto sent = Tensor<P, D>::zeros(Shape{ranks_.size(), most_, stretch});
    Tensor<P, D> got(sent.shape()), whole(Shape{ranks_.size() * stretch});
    for (Index rank = 0; rank < ranks_.size(); ++rank)
      for (std::size_t i = 0; i < own.size(); ++i)
        if (const Index at = rank * stretch; at < n)
          copy(std::min(stretch, n - at), shard(own[i].first) + at,
               sent.data() + (rank * most_ + static_cast<Index>(i)) * stretch);
    ranks_.all_to_all(most_ * stretch, sent.data(), got.data());
    ranks_.all_gather(stretch, add_up_all(stretch, got.data()), whole.data());
    copy(n, whole.data(), x);
  }

 private:
  static constexpr Index short_array = 16384;

  struct Branch {
    Index first, last;
  };

  static Index middle(Index first, Index last) {
    Index half = 1;
    while (half * 2 < last - first) half *= 2;
    return first + half;
  }

  /// The largest branches below first .. last - 1 that lie within from .. to - 1.
  static void collect(Index first, Index last, Index from, Index to, std::vector<Branch>& found) {
    if (last <= from || first >= to) return;
    if (first >= from && last <= to) {
      found.push_back({first, last});
      return;
    }
    collect(first, middle(first, last), from, to, found);
    collect(middle(first, last), last, from, to, found);
  }

  template <class P>
  static void copy(Index n, const P* x, P* y) {
    D::copy_rows(1, 1, n, x, 0, 0, y, 0, 0);
  }

  /// Adds up shards first .. last - 1 at `place(number)`, in place of the first of them.
  template <class Place>
  static void add_up(Index first, Index last, Index n, const Place& place) {
    if (last - first == 1) return;
    const Index half = middle(first, last);
    add_up(first, half, n, place);
    add_up(half, last, n, place);
    D::add(n, place(half), place(first));
  }

  /// Adds up the branches of all ranks, `[ranks, most_, n]`, in place; returns where the sum is.
  template <class P>
  P* add_up_all(Index n, P* x) const {
    return add_up_branches(0, total_, n, x);
  }
  template <class P>
  P* add_up_branches(Index first, Index last, Index n, P* x) const {
    for (std::size_t rank = 0; rank < branches_.size(); ++rank)
      for (std::size_t i = 0; i < branches_[rank].size(); ++i)
        if (branches_[rank][i].first == first && branches_[rank][i].last == last)
          return x + (static_cast<Index>(rank) * most_ + static_cast<Index>(i)) * n;
    const Index half = middle(first, last);
    P* const sum = add_up_branches(first, half, n, x);
    D::add(n, add_up_branches(half, last, n, x), sum);
    return sum;
  }

  C& ranks_;
  Index total_, most_ = 0;
  std::vector<std::vector<Branch>> branches_;  ///< of each rank
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
