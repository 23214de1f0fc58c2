// The networks that the shards of a rank's part of a batch go through, all at the same time.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <vector>

#include "dvd/distributed/reduction.hpp"
#include "dvd/training/gan_networks.hpp"
#include "dvd/training/gradient_buckets.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Pointers to each.
template <class T, class D>
std::vector<const Contents<T, D>*> pointers_to(const std::vector<Contents<T, D>>& all) {
  std::vector<const Contents<T, D>*> result;
  result.reserve(all.size());
  for (const Contents<T, D>& each : all) result.push_back(&each);
  return result;
}

/// The first shard goes through the GAN's own networks, each other one through copies of them as they are then: what
/// passes change, gradients and buffers, must not be shared.
template <VideoGan Gan>
class ShardNetworks {
 public:
  using D = typename Gan::device_type;
  using P = FullPrecision<typename Gan::scalar_type>;

  /// `numbers` are those of an update, which the first shard adds to. All must outlive this; `reduction` is null for a
  /// process that trains alone.
  ShardNetworks(Gan& gan, Reduction<P, D>* reduction, Tensor<P, D>& numbers)
      : gan_(gan), reduction_(reduction), numbers_(numbers) {}

  GanNetworks<Gan>& own() { return own_; }

  /// Calls `work(shard, networks, numbers)` for all shards of this rank at the same time.
  template <class Work>
  void run(const Work& work) {
    forget_copies();
    for (Index shard = 1; shard < reduction_->own_shards().count; ++shard)
      copies_.push_back({GanNetworks<Gan>::copy(gan_), Tensor<P, D>::zeros(numbers_.shape()), {}});
    try {
      reduction_->run([&](Index shard) {
        if (shard == 0) return work(shard, own_, numbers_);
        Copy& copy = copies_[static_cast<std::size_t>(shard - 1)];
        work(shard, copy.networks, copy.numbers);
      });
    } catch (...) {
      forget_copies();
      throw;
    }
  }

  /// After a run: of each shard but the first, the arrays that GradientBuckets adds up, of the generator or of all
  /// discriminators.
  std::vector<std::vector<const Tensor<P, D>*>> gradients_of_copies(bool generator) {
    std::vector<std::vector<const Tensor<P, D>*>> arrays;
    for (Copy& copy : copies_) {
      copy.contents = copy.networks.contents_of_each();
      std::vector<const Contents<P, D>*> updated = pointers_to(copy.contents);  // the generator, then discriminators
      if (generator)
        updated.resize(1);
      else
        updated.erase(updated.begin());
      arrays.push_back(GradientBuckets<P, D>::arrays(updated, copy.numbers));
    }
    return arrays;
  }

  void forget_copies() { copies_.clear(); }

 private:
  struct Copy {
    GanNetworks<Gan> networks;
    Tensor<P, D> numbers;
    std::vector<Contents<P, D>> contents;
  };

  Gan& gan_;
  GanNetworks<Gan> own_{gan_};
  Reduction<P, D>* reduction_;
  Tensor<P, D>& numbers_;
  std::vector<Copy> copies_;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
