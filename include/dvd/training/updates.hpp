// The updates of a training step, queued on the device.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "dvd/layers/recording_key.hpp"
#include "dvd/layers/replay.hpp"
#include "dvd/training/fault.hpp"
#include "dvd/training/input_checks.hpp"
#include "dvd/training/moving_average.hpp"
#include "dvd/training/optimizer.hpp"
#include "dvd/training/report.hpp"
#include "dvd/training/shard_networks.hpp"
#include "dvd/training/trainer_options.hpp"
#include "dvd/training/update_gradients.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// What a Trainer's steps are made of. An update is queued: nothing in it waits for the device or depends on what only
/// the device knows, so a device may record it once and replay it; but not where ranks share a batch. Whether all has
/// been finite so far is a number on the device; once it is 0, no update changes a weight, moment or statistic any
/// more, until the next `begin`.
///
/// `queue` throws ArgumentError for inputs that do not fit the model. Whatever it throws, that update has changed and
/// counted nothing. Where there is a `reduction`, a batch is the own part of one that is shared: gradients and numbers
/// are those of all of it, so that all ranks make the same update.
template <VideoGan Gan, AnyGanLoss Loss, class GeneratorOptimizer, class DiscriminatorOptimizer>
class Updates {
 public:
  using T = typename Gan::scalar_type;
  using D = typename Gan::device_type;
  using P = FullPrecision<T>;
  using Networks = std::remove_cvref_t<decltype(std::declval<Gan&>().networks())>;
  using Options = TrainerOptionsFor<typename GeneratorOptimizer::Options, typename DiscriminatorOptimizer::Options>;

  /// `gan` must outlive this, and so must `reduction`, which is null for a process that trains alone.
  Updates(Gan& gan, const Options& options, Reduction<P, D>* reduction = nullptr);
  ~Updates();

  // It points to parameters and holds their moments.
  Updates(const Updates&) = delete;
  Updates& operator=(const Updates&) = delete;

  /// To be called before the first update of a step.
  void begin() {
    queued_discriminator_.clear();
    queued_generator_.clear();
    steps_before_ = {generator_optimizer_.steps(), discriminator_optimizer_.steps()};
    D::fill(1, P{1}, sound_.data());
  }

  /// What inputs must fit.
  const ExpectedInputs& expected() const { return expected_; }

  /// One update of all discriminators, each by its own loss on real and generated videos as one batch, in parts. Where
  /// a rank has several shards, they are given one by one, all of a part before the next part.
  void queue(std::vector<DiscriminatorInputs<T, D>> parts);

  /// One update of the generator by the sum of the discriminators' losses, and of its average: number `update` (1, 2,
  /// ...) of the run.
  void queue(std::vector<GeneratorInputs<T, D>> parts, Index update);

  /// Waits for the updates queued since `begin` and tells of them, up to the first that was left out. Returns whether
  /// none was; if one was, the optimizers' counts are those of the updates before it.
  bool finish(StepReport& report);

  GeneratorOptimizer& generator_optimizer() { return generator_optimizer_; }
  DiscriminatorOptimizer& discriminator_optimizer() { return discriminator_optimizer_; }

 private:
  struct Discriminator {
    std::string name;
    Contents<P, D> contents;
  };

  static constexpr Index squared_norm = UpdateNumbers::squared_norm;
  static Index first_number(std::size_t discriminator) { return UpdateNumbers::first(discriminator); }
  Index numbers_count() const { return first_number(discriminators_.size()); }

  static bool draws_at_random(Gan& gan) {
    bool any = detail::draws_at_random<Networks>;
    gan.for_each_discriminator([&]<class X>(const std::string&, X&) { any |= detail::draws_at_random<X>; });
    return any;
  }

  static std::vector<Discriminator> discriminators_of(Gan& gan) {
    std::vector<Discriminator> all;
    gan.for_each_discriminator([&]<class X>(const std::string& name, X& discriminator) {
      static_assert(AnyGanLoss<LossOf<X, Loss>>, "a discriminator's own Loss is neither a GanLoss nor a PairedGanLoss");
      const double share = share_of(discriminator);
      require(is_finite(share) && share >= 0, "the discriminator \"", name, "\" has a share of ", share,
              " in the generator's loss (expected 0 or more)");
      all.push_back({name, contents(discriminator, name + ".")});
    });
    require(!all.empty(), "a GAN needs at least one discriminator");
    return all;
  }

  static Contents<P, D> joined(const std::vector<Discriminator>& discriminators) {
    Contents<P, D> all;
    for (const Discriminator& each : discriminators)
      all.parameters.insert(all.parameters.end(), each.contents.parameters.begin(), each.contents.parameters.end());
    return all;
  }

  /// Generator, then discriminators.
  std::vector<const Contents<P, D>*> networks() const {
    std::vector<const Contents<P, D>*> all{&generator_};
    for (const Discriminator& each : discriminators_) all.push_back(&each.contents);
    return all;
  }

  template <class Inputs>
  void place(const std::vector<Inputs>& parts, BatchParts<T, D>& batch, typename D::Recording& recording) {
    bool fits = parts.size() == batch.all.size();
    for (std::size_t i = 0; fits && i < parts.size(); ++i) fits = batch.all[i].fits(parts[i]);
    if (!fits) {
      batch.shards = shards();
      batch.all = std::vector<UpdateBatch<T, D>>(parts.size());
      recording.reset();
    }
    assign(parts, batch);
  }

  template <class Inputs>
  void assign(const std::vector<Inputs>& parts, BatchParts<T, D>& batch) const {
    const Index given = expected_.sizes.condition_frames;
    for (std::size_t i = 0; i < parts.size(); ++i)
      if constexpr (std::same_as<Inputs, DiscriminatorInputs<T, D>>)
        batch.all[i].assign(parts[i], given, expected_.real_videos_apart);
      else
        batch.all[i].assign(parts[i], given);
  }

  /// Parts of a batch that are worked on at the same time.
  Index shards() const { return reduction_ ? reduction_->own_shards().count : 1; }

  template <class Network>
  static void add_settings(RecordingKey& key, const Network& network) {
    key.add(settings_of(network));
    detail::with_regularizer(network, [&](const auto& regularizer) { key.add(settings_of(regularizer)); });
  }

  /// What an update depends on besides its inputs: that of the generator, or of the discriminators.
  template <class Optimizer>
  RecordingKey key_of(bool generator, Optimizer& optimizer) {
    RecordingKey key;
    for (const Contents<P, D>* network : networks()) key.add(*network, (network == &generator_) == generator);
    average_.add_to(key);
    const auto add = [&](const std::string&, const Tensor<P, D>& remembered) { key.add(remembered); };
    optimizer.visit(add);
    add_settings(key, gan_.networks());
    gan_.for_each_discriminator([&]<class X>(const std::string&, X& discriminator) {
      add_settings(key, discriminator);
      key.add({share_of(discriminator)});
    });
    return key;
  }

  /// Does or replays an update, which `optimizer` counts unless it throws. `key` is that of the update before.
  template <class Optimizer, class Work>
  void run(typename D::Recording& recording, RecordingKey& key, Optimizer& optimizer, const Work& work) {
    const Index steps = optimizer.steps();
    try {
      optimizer.advance();
      if (record_ && D::Recording::replays) {
        const bool generator = &recording == &generator_recording_;
        if (key_of(generator, optimizer) != key) recording.reset();
        recording.run(work);
        key = key_of(generator, optimizer);  // of now: the first update makes the gradients' arrays
      } else {
        work();
      }
    } catch (...) {
      optimizer.set_steps(steps);
      recording.reset();
      throw;
    }
  }

  /// Calls `work`; if it throws, the buffers become what they were `before`.
  template <class Work>
  void or_undo(const Replay<T, D>& before, const Work& work) {
    try {
      work();
    } catch (...) {
      before.undo(gan_);
      throw;
    }
  }

  /// Keeps the numbers of the update queued last.
  void note(Index update) {
    D::copy_rows(1, 1, numbers_count(), numbers_.data(), 0, 0, history_[update].data(), 0, 0);
    D::copy_rows(1, 1, 1, sound_.data(), 0, 0, history_[update].data() + numbers_count(), 0, 0);
  }

  /// Where an update went wrong. Does it once more for the gradients it had, as those that came after it have theirs;
  /// as nothing is sound any more, that changes nothing else.
  template <class Inputs, class Work>
  std::string fault_of(const std::vector<Inputs>& parts, BatchParts<T, D>& batch, const Work& work) {
    assign(parts, batch);
    work();
    // What one rank has found all are told, before any goes another way than the others.
    std::string fault = told_to_all(find_weight_fault(networks()));
    if (!fault.empty()) return fault;
    const Replay<T, D> before(gan_);
    if (!reduction_) {
      fault = find_fault(shard_networks_.own(), networks(), augmentation_, batch, 0, nullptr);
    } else {
      std::vector<std::string> of_shards(static_cast<std::size_t>(shards()));
      shard_networks_.run([&](Index shard, GanNetworks<Gan>& side, Tensor<P, D>&) {
        const std::vector<Contents<P, D>> own = side.contents_of_each();
        of_shards[static_cast<std::size_t>(shard)] =
            find_fault(side, pointers_to(own), augmentation_, batch, shard, &reduction_->exchange(shard));
      });
      shard_networks_.forget_copies();
      for (const std::string& each : of_shards)
        if (fault.empty()) fault = each;
      fault = told_to_all(fault);
    }
    before.undo(gan_);
    return fault.empty() ? find_gradient_fault(networks()) : fault;
  }

  std::string told_to_all(const std::string& message) const {
    return reduction_ ? reduction_->first_message(message) : message;
  }

  void update_discriminators() {
    const Replay<T, D> before(gan_);
    for (Discriminator& each : discriminators_) each.contents.clear_gradients();
    numbers_.fill(P{0});
    or_undo(before, [&] {
      std::vector<const Contents<P, D>*> updated;
      for (const Discriminator& each : discriminators_) updated.push_back(&each.contents);
      add_gradients(discriminator_batch_, updated,
                    [](auto& gradients, auto&&... part) { gradients.of_discriminators(part...); });
      for (std::size_t i = 0; i < discriminators_.size(); ++i)
        D::sum_squares(gradients_of(discriminators_[i].contents), numbers_.data() + first_number(i) + squared_norm);
      keep_if_finite(before);
      discriminator_optimizer_.step(sound_);
    });
  }

  void update_generator() {
    const Replay<T, D> before(gan_);
    generator_.clear_gradients();
    numbers_.fill(P{0});
    or_undo(before, [&] {
      add_gradients(generator_batch_, {&generator_},
                    [](auto& gradients, auto&&... part) { gradients.of_generator(part...); });
      D::sum_squares(gradients_of(generator_), numbers_.data() + squared_norm);
      keep_if_finite(before);
      generator_optimizer_.step(sound_);
    });
    average_.step(sound_);
  }

  /// The gradients of `updated` by a batch, of all ranks: `add(gradients, part, weight, pass)` adds those of a part.
  template <class Add>
  void add_gradients(const BatchParts<T, D>& batch, const std::vector<const Contents<P, D>*>& updated, const Add& add) {
    if (!reduction_) {
      UpdateGradients<Gan, Loss> gradients(shard_networks_.own(), expected_, augmentation_, numbers_);
      for (Index part = 0; part < batch.parts(); ++part)
        add(gradients, batch.at(part, 0), batch.weight(part, 0), batch.pass(part, 0, nullptr));
      return;
    }
    GradientBuckets<P, D> buckets(*reduction_, updated, numbers_);
    const bool overlaps = reduction_->overlaps();  // then gradients can set off while the pass goes on
    shard_networks_.run([&](Index shard, GanNetworks<Gan>& side, Tensor<P, D>& numbers) {
      for (Index part = 0; part < batch.parts(); ++part) {
        const bool last = part + 1 == batch.parts();
        UpdateGradients<Gan, Loss> gradients(side, expected_, augmentation_, numbers,
                                             overlaps && last ? &buckets : nullptr);
        add(gradients, batch.at(part, shard), batch.weight(part, shard),
            batch.pass(part, shard, &reduction_->exchange(shard)));
      }
    });
    if (overlaps)
      buckets.finish();
    else
      buckets.finish(shard_networks_.gradients_of_copies(updated.front() == &generator_));
    shard_networks_.forget_copies();
  }

  /// Notes whether losses, scores, gradients and statistics are finite (a variance can be infinite where what it
  /// normalises is not). If they are not, the buffers go back to what they were before the update.
  void keep_if_finite(const Replay<T, D>& before) {
    std::vector<ArrayView<P>> arrays{{numbers_.size(), numbers_.data()}};
    for (const Contents<P, D>* network : networks()) {
      for (const auto& [name, buffer] : network->buffers)
        arrays.push_back({buffer->value.size(), buffer->value.data()});
      if constexpr (compiled_for_finite_numbers)  // then a weight that is not finite may show in nothing else
        for (const auto& [name, parameter] : network->parameters)
          arrays.push_back({parameter->value.size(), parameter->value.data()});
    }
    D::check_finite(arrays, sound_.data());
    before.undo(gan_, sound_.data());
  }

  static std::vector<ArrayView<P>> gradients_of(const Contents<P, D>& network) {
    std::vector<ArrayView<P>> result;
    for (const auto& [name, parameter] : network.parameters)
      if (parameter->gradient) result.push_back({parameter->gradient.size(), parameter->gradient.data()});
    return result;
  }

  Gan& gan_;
  Reduction<P, D>* reduction_;  ///< null for a process that trains alone
  ExpectedInputs expected_;
  Augmentation<T, D> augmentation_;
  bool record_;
  Contents<P, D> generator_;
  std::vector<Discriminator> discriminators_;
  GeneratorOptimizer generator_optimizer_;
  DiscriminatorOptimizer discriminator_optimizer_;
  MovingAverage<P, D> average_;

  BatchParts<T, D> discriminator_batch_, generator_batch_;
  typename D::Recording discriminator_recording_, generator_recording_;
  RecordingKey discriminator_key_, generator_key_;
  Tensor<P, D> sound_{Shape{1}};  ///< 1 as long as all was finite since `begin`, then 0
  Tensor<P, D> numbers_;          ///< of an update
  ShardNetworks<Gan> shard_networks_{gan_, reduction_, numbers_};
  Tensor<P, D> history_;  ///< [updates of a step, numbers and sound_]
  std::vector<std::vector<DiscriminatorInputs<T, D>>> queued_discriminator_;
  std::vector<std::vector<GeneratorInputs<T, D>>> queued_generator_;
  struct {
    Index generator = 0, discriminator = 0;
  } steps_before_;
};

// What a trainer calls is defined outside the class: a program that has it compiled in a library (dvd::compiled) then
// compiles none of it.

template <VideoGan Gan, AnyGanLoss Loss, class GeneratorOptimizer, class DiscriminatorOptimizer>
Updates<Gan, Loss, GeneratorOptimizer, DiscriminatorOptimizer>::Updates(Gan& gan, const Options& options,
                                                                        Reduction<P, D>* reduction)
    : gan_(gan),
      reduction_(reduction),
      expected_(expected_inputs<Gan, Loss>(gan)),
      augmentation_(options.augment),
      record_(options.record && !reduction && !draws_at_random(gan) && !options.augment.any()),
      generator_(contents(gan.networks())),
      discriminators_(discriminators_of(gan)),
      generator_optimizer_(generator_, options.generator_optimizer),
      discriminator_optimizer_(joined(discriminators_), options.discriminator_optimizer),
      average_(generator_, contents(gan.average, "ema."), options.average),
      numbers_(Shape{numbers_count()}),
      history_(Shape{options.d_steps + 1, numbers_count() + 1}) {
  if (reduction) expected_.shards = reduction->own_shards().count;
}

template <VideoGan Gan, AnyGanLoss Loss, class GeneratorOptimizer, class DiscriminatorOptimizer>
Updates<Gan, Loss, GeneratorOptimizer, DiscriminatorOptimizer>::~Updates() = default;

template <VideoGan Gan, AnyGanLoss Loss, class GeneratorOptimizer, class DiscriminatorOptimizer>
void Updates<Gan, Loss, GeneratorOptimizer, DiscriminatorOptimizer>::queue(
    std::vector<DiscriminatorInputs<T, D>> parts) {
  check_inputs(expected_, parts);
  require(static_cast<Index>(queued_discriminator_.size()) + 1 < history_.extent(0), "a step has ",
          history_.extent(0) - 1, " updates of the discriminators, not more");
  place(parts, discriminator_batch_, discriminator_recording_);
  run(discriminator_recording_, discriminator_key_, discriminator_optimizer_, [this] { update_discriminators(); });
  note(static_cast<Index>(queued_discriminator_.size()));
  queued_discriminator_.push_back(std::move(parts));
}

template <VideoGan Gan, AnyGanLoss Loss, class GeneratorOptimizer, class DiscriminatorOptimizer>
void Updates<Gan, Loss, GeneratorOptimizer, DiscriminatorOptimizer>::queue(std::vector<GeneratorInputs<T, D>> parts,
                                                                           Index update) {
  check_inputs(expected_, parts);
  place(parts, generator_batch_, generator_recording_);
  average_.advance(update);
  run(generator_recording_, generator_key_, generator_optimizer_, [this] { update_generator(); });
  note(static_cast<Index>(queued_discriminator_.size()));
  queued_generator_.push_back(std::move(parts));
}

template <VideoGan Gan, AnyGanLoss Loss, class GeneratorOptimizer, class DiscriminatorOptimizer>
bool Updates<Gan, Loss, GeneratorOptimizer, DiscriminatorOptimizer>::finish(StepReport& report) {
  const std::vector<P> history = history_.to_vector();
  const Index discriminator_updates = static_cast<Index>(queued_discriminator_.size()),
              updates = discriminator_updates + static_cast<Index>(queued_generator_.size());
  bool sound = true;
  for (Index update = 0; update < updates && sound; ++update) {
    const auto number = [&](Index which) {
      return static_cast<double>(history[static_cast<std::size_t>(update * (numbers_count() + 1) + which)]);
    };
    if (update < discriminator_updates) {
      report.discriminators.resize(discriminators_.size());
      for (std::size_t i = 0; i < discriminators_.size(); ++i) {
        const Index first = first_number(i);
        report.discriminators[i] = {discriminators_[i].name,
                                    number(first + loss_number),
                                    number(first + real_score_number),
                                    number(first + fake_score_number),
                                    std::sqrt(number(first + squared_norm)),
                                    number(first + UpdateNumbers::regularization)};
      }
    } else {
      report.generator_loss = number(loss_number);
      report.generator_gradient_norm = std::sqrt(number(squared_norm));
      report.generator_regularization = number(UpdateNumbers::regularization);
    }
    sound = number(numbers_count()) != 0;
    if (sound) continue;
    report.skipped = true;
    discriminator_optimizer_.set_steps(steps_before_.discriminator + std::min(update, discriminator_updates));
    generator_optimizer_.set_steps(steps_before_.generator);
    report.fault = update < discriminator_updates
                       ? fault_of(queued_discriminator_[static_cast<std::size_t>(update)], discriminator_batch_,
                                  [this] { update_discriminators(); })
                       : fault_of(queued_generator_.front(), generator_batch_, [this] { update_generator(); });
  }
  queued_discriminator_.clear();
  queued_generator_.clear();
  return sound;
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
