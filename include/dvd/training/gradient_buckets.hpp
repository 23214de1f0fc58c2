// Gradients on their way to their sums over all ranks.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "dvd/distributed/reduction.hpp"
#include "dvd/layers/finished_gradients.hpp"
#include "dvd/layers/weight_gradients.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Adds up the gradients of some parameters over all ranks, in buckets of a few megabytes: a message costs time,
/// however short it is. A bucket sets off as soon as its gradients are complete, while the backward pass goes on with
/// others; parameters themselves are never sent.
template <Scalar P, Device D>
class GradientBuckets {
 public:
  static constexpr Index bucket_size = 1 << 20;  ///< of a bucket, in numbers, but for the last array in it

  /// Of `contents`, gradients of which are completed from the last to the first, and of `numbers`, completed last.
  GradientBuckets(Reduction<P, D>& reduction, const std::vector<const Contents<P, D>*>& contents, Tensor<P, D>& numbers)
      : reduction_(reduction) {
    for (const Contents<P, D>* each : contents)
      for (auto entry = each->parameters.rbegin(); entry != each->parameters.rend(); ++entry)
        add({entry->parameter, &entry->parameter->gradient, entry->parameter->value.size()});
    add({&numbers, &numbers, numbers.size()});
  }

  // Backward passes point to it.
  GradientBuckets(const GradientBuckets&) = delete;
  GradientBuckets& operator=(const GradientBuckets&) = delete;

  /// Who is to listen to a backward pass, the last one that adds to these gradients, whose weights may be left in
  /// `together`. This and `together` must outlive the pass.
  class Listener final : public FinishedGradients {
   public:
    Listener(GradientBuckets& buckets, WeightGradients& together) : buckets_(buckets), together_(together) {}

    void finished(const void* parameter) override {
      const auto place = buckets_.bucket_of_.find(parameter);
      if (place == buckets_.bucket_of_.end()) return;
      Bucket& bucket = buckets_.buckets_[place->second];
      buckets_.bucket_of_.erase(place);
      if (--bucket.missing > 0) return;
      together_.finish();
      buckets_.start(bucket);
    }

   private:
    GradientBuckets& buckets_;
    WeightGradients& together_;
  };

  /// Starts what has not been started, waits for all, and puts the sums where the gradients were.
  void finish() {
    for (Bucket& bucket : buckets_)
      if (!bucket.started) start(bucket);
    reduction_.finish_sums();
    for (Bucket& bucket : buckets_) {
      Index at = 0;
      for (const Part& part : bucket.parts) {
        if (*part.gradient) copy(part.size, bucket.values.data() + at, part.gradient->data());
        at += part.size;
      }
    }
  }

  /// The same for the shards of this rank, once their passes have ended: `of_shards[i]` are the arrays of the i-th
  /// shard behind the first, in the order of this object's, empty tensors where there is no gradient.
  void finish(const std::vector<std::vector<const Tensor<P, D>*>>& of_shards) {
    const Index shards = static_cast<Index>(of_shards.size()) + 1;
    std::size_t first = 0;
    for (Bucket& bucket : buckets_) {
      Tensor<P, D> values(Shape{shards, bucket.size});
      for (Index shard = 0; shard < shards; ++shard) {
        P* to = values[shard].data();
        for (std::size_t i = 0; i < bucket.parts.size(); ++i) {
          const Tensor<P, D>& from =
              shard == 0 ? *bucket.parts[i].gradient : *of_shards[static_cast<std::size_t>(shard - 1)][first + i];
          put(from, bucket.parts[i].size, to);
          to += bucket.parts[i].size;
        }
      }
      reduction_.start_sum(values);
      reduction_.finish_sums();
      const P* sum = values.data();
      for (const Part& part : bucket.parts) {
        if (*part.gradient) copy(part.size, sum, part.gradient->data());
        sum += part.size;
      }
      first += bucket.parts.size();
    }
  }

  /// The arrays that `finish` takes of another shard, whose contents are these.
  static std::vector<const Tensor<P, D>*> arrays(const std::vector<const Contents<P, D>*>& contents,
                                                 const Tensor<P, D>& numbers) {
    std::vector<const Tensor<P, D>*> all;
    for (const Contents<P, D>* each : contents)
      for (auto entry = each->parameters.rbegin(); entry != each->parameters.rend(); ++entry)
        all.push_back(&entry->parameter->gradient);
    all.push_back(&numbers);
    return all;
  }

 private:
  struct Part {
    const void* parameter;
    Tensor<P, D>* gradient;
    Index size;
  };

  struct Bucket {
    std::vector<Part> parts{};
    Index size = 0;
    std::size_t missing = 0;  ///< gradients that are not yet complete
    bool started = false;
    Tensor<P, D> values{};
  };

  void add(const Part& part) {
    if (buckets_.empty() || buckets_.back().size >= bucket_size) buckets_.emplace_back();
    Bucket& bucket = buckets_.back();
    bucket.parts.push_back(part);
    bucket.size += part.size;
    ++bucket.missing;
    bucket_of_[part.parameter] = buckets_.size() - 1;
  }

  void start(Bucket& bucket) {
    bucket.started = true;
    bucket.values = Tensor<P, D>(Shape{1, bucket.size});
    P* to = bucket.values.data();
    for (const Part& part : bucket.parts) {
      put(*part.gradient, part.size, to);
      to += part.size;
    }
    reduction_.start_sum(bucket.values);
  }

  /// A gradient that nothing was added to is none, on all ranks alike.
  static void put(const Tensor<P, D>& gradient, Index size, P* to) {
    if (gradient)
      copy(size, gradient.data(), to);
    else
      D::fill(size, P{0}, to);
  }

  static void copy(Index size, const P* x, P* y) { D::copy_rows(1, 1, size, x, 0, 0, y, 0, 0); }

  Reduction<P, D>& reduction_;
  std::vector<Bucket> buckets_;
  std::map<const void*, std::size_t> bucket_of_;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
