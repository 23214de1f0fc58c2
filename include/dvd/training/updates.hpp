// The updates of a training step, queued on the device.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "dvd/layers/recording_key.hpp"
#include "dvd/layers/replay.hpp"
#include "dvd/layers/weight_gradients.hpp"
#include "dvd/training/fault.hpp"
#include "dvd/training/input_checks.hpp"
#include "dvd/training/moving_average.hpp"
#include "dvd/training/optimizer.hpp"
#include "dvd/training/report.hpp"
#include "dvd/training/score_gradients.hpp"
#include "dvd/training/trainer_options.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// What a Trainer's steps are made of. An update is queued: nothing in it waits for the device or depends on what only
/// the device knows, so a device may record it once and replay it. Whether all has been finite so far is a number on
/// the device; once it is 0, no update changes a weight, moment or statistic any more, until the next `begin`.
///
/// `queue` throws ArgumentError for inputs that do not fit the model. Whatever it throws, that update has changed and
/// counted nothing.
template <VideoGan Gan, AnyGanLoss Loss, class GeneratorOptimizer, class DiscriminatorOptimizer>
class Updates {
 public:
  using T = typename Gan::scalar_type;
  using D = typename Gan::device_type;
  using P = FullPrecision<T>;
  using Networks = std::remove_cvref_t<decltype(std::declval<Gan&>().networks())>;
  using Options = TrainerOptionsFor<typename GeneratorOptimizer::Options, typename DiscriminatorOptimizer::Options>;

  /// `gan` must outlive this.
  Updates(Gan& gan, const Options& options)
      : gan_(gan),
        expected_(expected_of(gan)),
        record_(options.record && !draws_at_random(gan)),
        generator_(contents(gan.networks())),
        discriminators_(discriminators_of(gan)),
        generator_optimizer_(generator_, options.generator_optimizer),
        discriminator_optimizer_(joined(discriminators_), options.discriminator_optimizer),
        average_(generator_, contents(gan.average, "ema."), options.average),
        numbers_(Shape{numbers_count()}),
        history_(Shape{options.d_steps + 1, numbers_count() + 1}) {}

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

  /// One update of all discriminators, each by its own loss on real and generated videos as one batch, in parts.
  void queue(std::vector<DiscriminatorInputs<T, D>> parts) {
    check_inputs(expected_, parts);
    require(static_cast<Index>(queued_discriminator_.size()) + 1 < history_.extent(0), "a step has ",
            history_.extent(0) - 1, " updates of the discriminators, not more");
    place(parts, discriminator_batch_, discriminator_recording_);
    run(discriminator_recording_, discriminator_key_, discriminator_optimizer_, [this] { update_discriminators(); });
    note(static_cast<Index>(queued_discriminator_.size()));
    queued_discriminator_.push_back(std::move(parts));
  }

  /// One update of the generator by the sum of the discriminators' losses, and of its average: number `update` (1, 2,
  /// ...) of the run.
  void queue(std::vector<GeneratorInputs<T, D>> parts, Index update) {
    check_inputs(expected_, parts);
    place(parts, generator_batch_, generator_recording_);
    average_.advance(update);
    run(generator_recording_, generator_key_, generator_optimizer_, [this] { update_generator(); });
    note(static_cast<Index>(queued_discriminator_.size()));
    queued_generator_.push_back(std::move(parts));
  }

  /// Waits for the updates queued since `begin` and tells of them, up to the first that was left out. Returns whether
  /// none was; if one was, the optimizers' counts are those of the updates before it.
  bool finish(StepReport& report) {
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
          report.discriminators[i] = {discriminators_[i].name, number(first + loss_number),
                                      number(first + real_score_number), number(first + fake_score_number),
                                      std::sqrt(number(first + squared_norm))};
        }
      } else {
        report.generator_loss = number(loss_number);
        report.generator_gradient_norm = std::sqrt(number(squared_norm));
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

  GeneratorOptimizer& generator_optimizer() { return generator_optimizer_; }
  DiscriminatorOptimizer& discriminator_optimizer() { return discriminator_optimizer_; }

 private:
  struct Discriminator {
    std::string name;
    Contents<P, D> contents;
  };

  /// The numbers that an update leaves on the device: of each discriminator a ScoreNumber each and the square of its
  /// gradient's norm. The generator's update has a loss and a norm in the places of the first.
  static constexpr Index squared_norm = score_numbers, numbers_each = score_numbers + 1;
  static Index first_number(std::size_t discriminator) { return static_cast<Index>(discriminator) * numbers_each; }
  Index numbers_count() const { return first_number(discriminators_.size()); }

  static ExpectedInputs expected_of(Gan& gan) {
    ExpectedInputs expected{gan.networks().sizes()};
    gan.for_each_discriminator([&]<class X>(const std::string&, X&) {
      expected.samplers += FrameSamplingDiscriminator<X>;
      expected.real_videos_for_generator |= PairedGanLoss<LossOf<X, Loss>>;
    });
    return expected;
  }

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

  /// Calls `f(discriminator, videos, number)` for every discriminator with what it sees of `videos`; `number` counts
  /// them from 0.
  template <class F>
  void for_each_discriminator(const UpdateBatch<T, D>& batch, VideoBatch<T, D>& videos, const F& f) {
    std::size_t number = 0, sampler = 0;
    gan_.for_each_discriminator([&]<class X>(const std::string&, X& discriminator) {
      if constexpr (FrameSamplingDiscriminator<X>) videos.frames = batch.frames(sampler++);
      f(discriminator, videos, number++);
    });
  }

  template <class Inputs>
  void place(const std::vector<Inputs>& parts, std::vector<UpdateBatch<T, D>>& batch,
             typename D::Recording& recording) {
    bool fits = parts.size() == batch.size();
    for (std::size_t i = 0; fits && i < parts.size(); ++i) fits = batch[i].fits(parts[i]);
    if (!fits) {
      batch = std::vector<UpdateBatch<T, D>>(parts.size());
      recording.reset();
    }
    for (std::size_t i = 0; i < parts.size(); ++i) batch[i].assign(parts[i], expected_.sizes.condition_frames);
  }

  /// What an update depends on besides its inputs: that of the generator, or of the discriminators.
  template <class Optimizer>
  RecordingKey key_of(bool generator, Optimizer& optimizer) {
    RecordingKey key;
    for (const Contents<P, D>* network : networks()) key.add(*network, (network == &generator_) == generator);
    average_.add_to(key);
    const auto add = [&](const std::string&, const Tensor<P, D>& remembered) { key.add(remembered); };
    optimizer.visit(add);
    key.add(settings_of(gan_.networks()));
    gan_.for_each_discriminator([&]<class X>(const std::string&, X& discriminator) {
      key.add(settings_of(discriminator));
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
  std::string fault_of(const std::vector<Inputs>& parts, std::vector<UpdateBatch<T, D>>& batch, const Work& work) {
    for (std::size_t i = 0; i < parts.size(); ++i) batch[i].assign(parts[i], expected_.sizes.condition_frames);
    work();
    const Replay<T, D> before(gan_);
    std::string fault = find_fault(gan_, networks(), batch);
    before.undo(gan_);
    return fault;
  }

  void update_discriminators() {
    const Replay<T, D> before(gan_);
    for (Discriminator& each : discriminators_) each.contents.clear_gradients();
    numbers_.fill(P{0});
    or_undo(before, [&] {
      for (const auto& part : discriminator_batch_)
        add_discriminator_gradients(part, share_of(part, discriminator_batch_), pass_for(part, discriminator_batch_));
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
      for (const auto& part : generator_batch_)
        add_generator_gradients(part, share_of(part, generator_batch_), pass_for(part, generator_batch_));
      D::sum_squares(gradients_of(generator_), numbers_.data() + squared_norm);
      keep_if_finite(before);
      generator_optimizer_.step(sound_);
    });
    average_.step(sound_);
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

  /// What the generator makes, which is asked for its shape: all that follows trusts it.
  Tensor<T, D> generated(const UpdateBatch<T, D>& batch, Pass pass, typename Networks::Cache* cache = nullptr) {
    Tensor<T, D> videos = gan_.networks().generate(batch.z, batch.conditions, pass, cache);
    const VideoSizes& sizes = expected_.sizes;
    const Shape expected{sizes.frames, batch.fake_count(), sizes.height, sizes.width, sizes.channels};
    require(videos.shape() == expected, "the generator made videos of shape ", videos.shape(), ", but its sizes() say ",
            expected);
    return videos;
  }

  /// The scores of a discriminator, which is asked for their shape.
  template <class X>
  Tensor<P, D> scores_of(X& discriminator, const VideoBatch<T, D>& videos, std::size_t number, Pass pass,
                         typename X::Cache& cache) {
    Tensor<P, D> scores = discriminator.forward(videos, pass, &cache);
    require(scores.shape() == Shape{videos.videos.extent(1)}, "the discriminator \"", discriminators_[number].name,
            "\" gave scores of shape ", scores.shape(), " for ", videos.videos.extent(1), " videos");
    return scores;
  }

  void add_discriminator_gradients(const UpdateBatch<T, D>& batch, double weight, Pass pass) {
    VideoBatch<T, D> videos = batch.videos(generated(batch, pass));
    WeightGradients together;
    for_each_discriminator(
        batch, videos, [&]<class X>(X& discriminator, const VideoBatch<T, D>& seen, std::size_t number) {
          typename X::Cache cache;
          const Tensor<P, D> scores = scores_of(discriminator, seen, number, pass, cache);
          discriminator.backward(discriminator_gradient<LossOf<X, Loss>, P, D>(scores, batch.real_count(), weight,
                                                                               numbers_.data() + first_number(number)),
                                 cache, together.in(Gradients::parameters));
        });
    together.finish();
  }

  void add_generator_gradients(const UpdateBatch<T, D>& batch, double weight, Pass pass) {
    typename Networks::Cache generator_cache;
    VideoBatch<T, D> videos = batch.videos(generated(batch, pass, &generator_cache));
    Tensor<T, D> dvideos;
    for_each_discriminator(
        batch, videos, [&]<class X>(X& discriminator, const VideoBatch<T, D>& seen, std::size_t number) {
          typename X::Cache cache;
          const Tensor<P, D> scores = scores_of(discriminator, seen, number, pass, cache);
          Tensor<T, D> from_this = discriminator.backward(
              generator_gradient<LossOf<X, Loss>, P, D>(scores, batch.real_count(), weight * share_of(discriminator),
                                                        numbers_.data() + loss_number),
              cache, Gradients::inputs);
          require(from_this.shape() == seen.videos.shape(), "the discriminator \"", discriminators_[number].name,
                  "\" gave a gradient of shape ", from_this.shape(), " for videos of shape ", seen.videos.shape());
          if (dvideos)
            D::add(dvideos.size(), from_this.data(), dvideos.data());
          else
            dvideos = std::move(from_this);
        });
    videos = {};
    // Of the conditioning frames no gradient is wanted.
    WeightGradients together;
    gan_.networks().backward(batch.generated(dvideos, expected_.sizes.frames), std::move(generator_cache),
                             together.in(Gradients::parameters));
    together.finish();
  }

  static std::vector<ArrayView<P>> gradients_of(const Contents<P, D>& network) {
    std::vector<ArrayView<P>> result;
    for (const auto& [name, parameter] : network.parameters)
      if (parameter->gradient) result.push_back({parameter->gradient.size(), parameter->gradient.data()});
    return result;
  }

  Gan& gan_;
  ExpectedInputs expected_;
  bool record_;
  Contents<P, D> generator_;
  std::vector<Discriminator> discriminators_;
  GeneratorOptimizer generator_optimizer_;
  DiscriminatorOptimizer discriminator_optimizer_;
  MovingAverage<P, D> average_;

  std::vector<UpdateBatch<T, D>> discriminator_batch_, generator_batch_;
  typename D::Recording discriminator_recording_, generator_recording_;
  RecordingKey discriminator_key_, generator_key_;
  Tensor<P, D> sound_{Shape{1}};  ///< 1 as long as all was finite since `begin`, then 0
  Tensor<P, D> numbers_;          ///< of an update
  Tensor<P, D> history_;          ///< [updates of a step, numbers and sound_]
  std::vector<std::vector<DiscriminatorInputs<T, D>>> queued_discriminator_;
  std::vector<std::vector<GeneratorInputs<T, D>>> queued_generator_;
  struct {
    Index generator = 0, discriminator = 0;
  } steps_before_;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
