// The settings of training.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <cmath>

#include "dvd/layers/augmentation_options.hpp"
#include "dvd/training/adam.hpp"
#include "dvd/training/moving_average.hpp"
#include "dvd/training/schedule.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

namespace detail {
/// An optimizer's settings with a learning rate, where they have one of that name.
template <class Options>
Options with_learning_rate(double rate) {
  Options options{};
  if constexpr (requires { options.learning_rate = rate; }) options.learning_rate = rate;
  return options;
}
}  // namespace detail

/// How ranks add up their gradients and the statistics of their batch norms.
enum class Reduce {
  fast,     ///< as the library that connects them does it best: bits depend on the number of ranks
  ordered,  ///< in an order of its own: the same bits on any number of ranks, from one on, at a price in memory and
            ///< time; see OrderedReduction
};

/// Settings of training with given optimizers; the defaults are the paper's but for the batch, which is 512 there.
template <class GeneratorOptimizerOptions, class DiscriminatorOptimizerOptions>
struct TrainerOptionsFor {
  Index batch = 8;
  std::uint64_t seed = 0;
  Index d_steps = 2;  ///< updates of the discriminators in a step
  /// A batch goes through the networks in parts of this many videos, whose gradients are added: the memory of a small
  /// batch for the update of a large one. Batch norms see the statistics of a part, not of the batch, and sigmas
  /// come from the u before and after the first part, so it is not the same training: keep parts as large as memory
  /// allows. 0: the whole batch at once.
  Index micro_batch = 0;
  GeneratorOptimizerOptions generator_optimizer = detail::with_learning_rate<GeneratorOptimizerOptions>(1e-4);
  DiscriminatorOptimizerOptions discriminator_optimizer =
      detail::with_learning_rate<DiscriminatorOptimizerOptions>(5e-4);
  Schedule schedule = {};  ///< of both learning rates: ConstantRate, LinearFall, CosineFall, WarmUp or any function
  MovingAverageOptions average = {};
  /// What real and generated videos go through before all discriminators, which see the same: see Augmentation.
  /// Off by default; AugmentationOptions::all() is all of it. With it, a device records nothing (see `record`).
  AugmentationOptions augment = {};
  /// Of the videos that discriminators are to tell from the real ones, the share that is not generated: real videos of
  /// the batch, which also stand there under a class drawn from the others. So they learn what a class is from the
  /// first step on, not only once generated videos look real, and the generator heeds its labels sooner (Reed et al.,
  /// "Generative Adversarial Text to Image Synthesis", ICML 2016: GAN-CLS). From 0, as in the paper, to below 1,
  /// rounded down to whole videos; for models of two classes and more.
  double mismatched = 0;
  /// How the ranks of a run add up what they have in common: see Reduce. To a process that trains alone it matters only
  /// if its bits are to be those of several: `fast` is quicker.
  Reduce reduce = Reduce::fast;
  /// With Reduce::ordered, the shards that a batch is cut into, at least one a rank, by which the bits are determined;
  /// 0: a shard for each video of a batch, or of the smallest of its micro-batches.
  Index shards = 0;
  /// Let the device record its work and replay it, where it can: what a GPU needs to be kept busy. Not for layers whose
  /// work differs from pass to pass, such as RandomHalfCrop, Dropout and Augmentation, for which it is off by itself.
  bool record = true;

  /// Throws ArgumentError, naming the field, unless all settings make sense.
  void validate() const {
    require(batch >= 1 && batch <= 65536, "batch must be between 1 and 65536, not ", batch);
    require(micro_batch >= 0, "micro_batch must be at least 1, or 0 for whole batches, not ", micro_batch);
    require(d_steps >= 1 && d_steps <= 1000, "d_steps must be between 1 and 1000, not ", d_steps);
    if (schedule) schedule(0);  // throws if it makes no sense
    require(shards >= 0 && (shards == 0 || reduce == Reduce::ordered), "shards goes with reduce = Reduce::ordered and ",
            "is at least 1, or 0 for one a video, not ", shards);
    require(average.decay >= 0 && average.decay < 1, "the average's decay must be at least 0 and below 1, not ",
            average.decay);
    require(average.start >= 0, "the average's start must not be negative, as ", average.start, " is");
    augment.validate();
    require(mismatched >= 0 && mismatched < 1, "mismatched is a share of a batch, from 0 to below 1, not ", mismatched);
  }

  /// Real videos of a batch that discriminators see under another class, too.
  Index mismatched_videos() const { return static_cast<Index>(std::floor(mismatched * static_cast<double>(batch))); }
};

/// Settings of training with Adam.
using TrainerOptions = TrainerOptionsFor<AdamOptions, AdamOptions>;

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
