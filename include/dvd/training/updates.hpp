// The updates of a training step, queued on the device.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "dvd/layers/replay.hpp"
#include "dvd/training/fault.hpp"
#include "dvd/training/input_checks.hpp"
#include "dvd/training/losses.hpp"
#include "dvd/training/optimizer.hpp"
#include "dvd/training/report.hpp"
#include "dvd/training/trainer_options.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// What a Trainer's steps are made of. An update is queued: nothing in it waits for the device or depends on what only
/// the device knows, so a device may record it once and replay it. Whether all has been finite so far is a number on
/// the device; once it is 0, no update changes a weight, moment or statistic any more, until the next `begin`.
///
/// `queue` throws ArgumentError for inputs that do not fit the model. Whatever it throws, that update has changed and
/// counted nothing.
template <class Gan, GanLoss Loss, class Optimizer>
class Updates {
 public:
  using T = typename Gan::scalar_type;
  using D = typename Gan::device_type;
  using P = FullPrecision<T>;

  /// `gan` must outlive this.
  Updates(Gan& gan, const TrainerOptions& options)
      : gan_(gan),
        record_(options.record),
        generator_(contents(gan.networks())),
        spatial_(contents(gan.spatial, "spatial.")),
        temporal_(contents(gan.temporal, "temporal.")),
        generator_optimizer_(generator_, options.generator_optimizer),
        discriminator_optimizer_(both(spatial_, temporal_), options.discriminator_optimizer),
        average_(generator_, contents(gan.average, "ema."), options.average),
        numbers_(Shape{numbers_count}),
        history_(Shape{options.d_steps + 1, numbers_count + 1}) {}

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

  /// One update of both discriminators, each by its own loss on real and generated videos as one batch, in parts.
  void queue(std::vector<DiscriminatorInputs<T, D>> parts) {
    check_inputs(gan_.config(), parts);
    require(static_cast<Index>(queued_discriminator_.size()) + 1 < history_.extent(0), "a step has ",
            history_.extent(0) - 1, " updates of the discriminators, not more");
    place(parts, discriminator_batch_, discriminator_recording_);
    run(discriminator_recording_, discriminator_optimizer_, [this] { update_discriminators(); });
    note(static_cast<Index>(queued_discriminator_.size()));
    queued_discriminator_.push_back(std::move(parts));
  }

  /// One update of the generator by the sum of both discriminators' losses, and of its average: number `update` (1, 2,
  /// ...) of the run.
  void queue(std::vector<GeneratorInputs<T, D>> parts, Index update) {
    check_inputs(gan_.config(), parts);
    place(parts, generator_batch_, generator_recording_);
    average_.advance(update);
    run(generator_recording_, generator_optimizer_, [this] { update_generator(); });
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
        return static_cast<double>(history[static_cast<std::size_t>(update * (numbers_count + 1) + which)]);
      };
      if (update < discriminator_updates) {
        report.spatial = {number(loss), number(real_score), number(fake_score), std::sqrt(number(squared_norm))};
        report.temporal = {number(of_temporal + loss), number(of_temporal + real_score),
                           number(of_temporal + fake_score), std::sqrt(number(of_temporal + squared_norm))};
      } else {
        report.generator_loss = number(loss);
        report.generator_gradient_norm = std::sqrt(number(squared_norm));
      }
      sound = number(numbers_count) != 0;
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

  Optimizer& generator_optimizer() { return generator_optimizer_; }
  Optimizer& discriminator_optimizer() { return discriminator_optimizer_; }

 private:
  /// The numbers that an update leaves on the device. Those of the generator's take the first places.
  enum Number : Index { loss, real_score, fake_score, squared_norm, of_temporal, numbers_count = 2 * of_temporal };

  static Contents<P, D> both(Contents<P, D> first, const Contents<P, D>& second) {
    first.parameters.insert(first.parameters.end(), second.parameters.begin(), second.parameters.end());
    return first;
  }

  template <class Inputs, class Batch>
  void place(const std::vector<Inputs>& parts, std::vector<Batch>& batch, typename D::Recording& recording) {
    bool fits = parts.size() == batch.size();
    for (std::size_t i = 0; fits && i < parts.size(); ++i) fits = batch[i].fits(parts[i]);
    if (!fits) {
      batch.clear();
      batch.resize(parts.size());
      recording.reset();
    }
    for (std::size_t i = 0; i < parts.size(); ++i) batch[i].assign(parts[i], gan_.config().condition_frames);
  }

  /// Does or replays an update, which `optimizer` counts unless it throws.
  template <class Work>
  void run(typename D::Recording& recording, Optimizer& optimizer, const Work& work) {
    constexpr bool random_layers = requires { Gan::Parts::Downsampler::draws_at_random; };
    const Index steps = optimizer.steps();
    optimizer.advance();
    try {
      if (record_ && !random_layers)
        recording.run(work);
      else
        work();
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
    D::copy_rows(1, 1, numbers_count, numbers_.data(), 0, 0, history_[update].data(), 0, 0);
    D::copy_rows(1, 1, 1, sound_.data(), 0, 0, history_[update].data() + numbers_count, 0, 0);
  }

  /// Where an update went wrong. Does it once more for the gradients it had, as those that came after it have theirs;
  /// as nothing is sound any more, that changes nothing else.
  template <class Inputs, class Batch, class Work>
  std::string fault_of(const std::vector<Inputs>& parts, std::vector<Batch>& batch, const Work& work) {
    for (std::size_t i = 0; i < parts.size(); ++i) batch[i].assign(parts[i], gan_.config().condition_frames);
    work();
    const Replay<T, D> before(gan_);
    std::string fault = find_fault(gan_, {&generator_, &spatial_, &temporal_}, batch);
    before.undo(gan_);
    return fault;
  }

  void update_discriminators() {
    const Replay<T, D> before(gan_);
    spatial_.clear_gradients();
    temporal_.clear_gradients();
    D::fill(numbers_count, P{0}, numbers_.data());
    or_undo(before, [&] {
      for (const auto& part : discriminator_batch_)
        add_discriminator_gradients(part, share_of(part, discriminator_batch_), pass_for(part, discriminator_batch_));
    });
    D::sum_squares(gradients_of(spatial_), numbers_.data() + squared_norm);
    D::sum_squares(gradients_of(temporal_), numbers_.data() + of_temporal + squared_norm);
    judge(before);
    discriminator_optimizer_.step(sound_);
  }

  void update_generator() {
    const Replay<T, D> before(gan_);
    generator_.clear_gradients();
    D::fill(numbers_count, P{0}, numbers_.data());
    or_undo(before, [&] {
      for (const auto& part : generator_batch_)
        add_generator_gradients(part, share_of(part, generator_batch_), pass_for(part, generator_batch_));
    });
    D::sum_squares(gradients_of(generator_), numbers_.data() + squared_norm);
    judge(before);
    generator_optimizer_.step(sound_);
    average_.step(sound_);
  }

  /// Whether losses, scores, gradients and statistics are finite (a variance can be infinite where what it normalises
  /// is not). If they are not, the buffers go back to what they were before the update.
  void judge(const Replay<T, D>& before) {
    std::vector<ArrayView<P>> arrays{{numbers_.size(), numbers_.data()}};
    for (const Contents<P, D>* network : {&generator_, &spatial_, &temporal_}) {
      for (const auto& [name, buffer] : network->buffers)
        arrays.push_back({buffer->value.size(), buffer->value.data()});
      if constexpr (compiled_for_finite_numbers)  // then a weight that is not finite may show in nothing else
        for (const auto& [name, parameter] : network->parameters)
          arrays.push_back({parameter->value.size(), parameter->value.data()});
    }
    D::check_finite(arrays, sound_.data());
    before.undo(gan_, sound_.data());
  }

  void add_discriminator_gradients(const DiscriminatorBatch<T, D>& batch, double weight, Pass pass) {
    const Tensor<T, D> videos = batch.judged(gan_.generate(batch.z, batch.labels, batch.condition, pass));
    const Index real_count = batch.real.extent(1);
    {
      typename Gan::SpatialType::Cache cache;
      const Tensor<P, D> scores = gan_.spatial.forward(videos, batch.judged_labels, batch.judged_frames, pass, &cache);
      gan_.spatial.backward(discriminator_loss(scores, real_count, weight, numbers_.data()), cache,
                            Gradients::parameters);
    }
    {
      typename Gan::TemporalType::Cache cache;
      const Tensor<P, D> scores = gan_.temporal.forward(videos, batch.judged_labels, pass, &cache);
      gan_.temporal.backward(discriminator_loss(scores, real_count, weight, numbers_.data() + of_temporal), cache,
                             Gradients::parameters);
    }
  }

  void add_generator_gradients(const GeneratorBatch<T, D>& batch, double weight, Pass pass) {
    typename Gan::Networks::Cache generator_cache;
    Tensor<T, D> videos = batch.judged(gan_.generate(batch.z, batch.labels, batch.condition, pass, &generator_cache));
    Tensor<T, D> dvideos;
    {
      typename Gan::SpatialType::Cache cache;
      const Tensor<P, D> scores = gan_.spatial.forward(videos, batch.judged_labels, batch.judged_frames, pass, &cache);
      dvideos = gan_.spatial.backward(generator_loss(scores, weight), cache, Gradients::inputs);
    }
    {
      typename Gan::TemporalType::Cache cache;
      const Tensor<P, D> scores = gan_.temporal.forward(videos, batch.judged_labels, pass, &cache);
      const Tensor<T, D> dtemporal = gan_.temporal.backward(generator_loss(scores, weight), cache, Gradients::inputs);
      D::add(dvideos.size(), dtemporal.data(), dvideos.data());
    }
    videos = {};
    const Index frames = gan_.config().frames;  // of the conditioning frames no gradient is wanted
    gan_.networks().backward(dvideos.slice(dvideos.extent(0) - frames, frames), std::move(generator_cache),
                             Gradients::parameters);
  }

  /// The gradient of the scores, real ones first, for a part of a batch that counts `weight` in it. Adds to `numbers`.
  static Tensor<P, D> discriminator_loss(const ConstTensorView<P, D>& scores, Index real_count, double weight,
                                         P* numbers) {
    Tensor<P, D> dscores(scores.shape());
    const Index fake_count = scores.size() - real_count;
    auto part = Tensor<P, D>::zeros(Shape{3});
    D::mean_loss(real_count, scores.data(), RealTerm<Loss>(), part.data() + loss, dscores.data());
    D::mean_loss(fake_count, scores.data() + real_count, FakeTerm<Loss>(), part.data() + loss,
                 dscores.data() + real_count);
    D::sum_rows(1, real_count, 1, scores.data(), 1, part.data() + real_score, false);
    D::sum_rows(1, fake_count, 1, scores.data() + real_count, 1, part.data() + fake_score, false);
    for (const auto& [score, count] : {std::pair(real_score, real_count), std::pair(fake_score, fake_count)})
      D::scale(1, static_cast<P>(1 / static_cast<double>(count)), part.data() + score, part.data() + score);
    if (weight != 1) {
      D::scale(part.size(), static_cast<P>(weight), part.data(), part.data());
      D::scale(dscores.size(), static_cast<P>(weight), dscores.data(), dscores.data());
    }
    D::add(part.size(), part.data(), numbers);
    return dscores;
  }

  Tensor<P, D> generator_loss(const ConstTensorView<P, D>& scores, double weight) {
    Tensor<P, D> dscores(scores.shape());
    auto part = Tensor<P, D>::zeros(Shape{1});
    D::mean_loss(scores.size(), scores.data(), GeneratorTerm<Loss>(), part.data(), dscores.data());
    if (weight != 1) {
      D::scale(1, static_cast<P>(weight), part.data(), part.data());
      D::scale(dscores.size(), static_cast<P>(weight), dscores.data(), dscores.data());
    }
    D::add(1, part.data(), numbers_.data() + loss);
    return dscores;
  }

  static std::vector<ArrayView<P>> gradients_of(const Contents<P, D>& network) {
    std::vector<ArrayView<P>> result;
    for (const auto& [name, parameter] : network.parameters)
      if (parameter->gradient) result.push_back({parameter->gradient.size(), parameter->gradient.data()});
    return result;
  }

  Gan& gan_;
  bool record_;
  Contents<P, D> generator_, spatial_, temporal_;
  Optimizer generator_optimizer_, discriminator_optimizer_;
  MovingAverage<P, D> average_;

  std::vector<DiscriminatorBatch<T, D>> discriminator_batch_;
  std::vector<GeneratorBatch<T, D>> generator_batch_;
  typename D::Recording discriminator_recording_, generator_recording_;
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
