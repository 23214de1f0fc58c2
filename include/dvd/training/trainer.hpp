// The training of a DVD-GAN (section 3 and appendix of the paper).
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <chrono>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "dvd/data/batch.hpp"
#include "dvd/data/batch_source.hpp"
#include "dvd/models/dvd_gan.hpp"
#include "dvd/training/updates.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Trains a DVD-GAN: two updates of the discriminators on fresh data and latents, then one of the generator. A run is a
/// function of the model's seed, the trainer's seed and the data; the number of threads changes no bit.
///
///     dvd::Trainer trainer(gan, {.batch = 8, .seed = 1});
///     for (int step = 0; step < 100; ++step) trainer.step(data);
///
/// Another loss or optimizer is named as a type: `dvd::Trainer<Gan, dvd::WassersteinLoss> trainer(gan, {...})`.
///
/// A loss, score or gradient that is not finite never reaches a weight: see StepReport::skipped.
template <class Gan, GanLoss Loss = HingeLoss,
          OptimizerFor<FullPrecision<typename Gan::scalar_type>, typename Gan::device_type> OptimizerType =
              Adam<FullPrecision<typename Gan::scalar_type>, typename Gan::device_type>>
class Trainer {
 public:
  using GanType = Gan;
  using T = typename Gan::scalar_type;
  using D = typename Gan::device_type;
  using Optimizer = OptimizerType;
  using Sampler = typename Gan::Parts::Sampler;

  /// Trains `gan`, which must outlive the trainer. Throws ArgumentError for settings that make no sense.
  explicit Trainer(Gan& gan, const TrainerOptions& options = {});
  ~Trainer();

  // A copy would train the same model with moments of its own.
  Trainer(const Trainer&) = delete;
  Trainer& operator=(const Trainer&) = delete;

  /// One step of training on clips of `data`. All clips of a step are drawn, and all that it is made from is checked,
  /// before its first update: if that throws (ArgumentError where size or labels do not fit the model, or whatever the
  /// data threw), nothing has changed. An update that throws all the same, such as for lack of memory, changes nothing
  /// itself, and the step is not counted.
  template <ClipSource Data>
  StepReport step(Data& data) {
    check_classes(classes_of(data));
    return step_on([&](Index number) { return draw_clips(data, batch_schedule()(number), options_.batch); });
  }

  /// The same on batches made ready ahead of need, which follow `batch_schedule()`.
  template <BatchSource Data>
  StepReport step(Data& data) {
    return step_on([&](Index number) { return training_batch(data, number); });
  }

  /// One update of both discriminators, each by its own loss on real and generated videos as one batch.
  void discriminator_update(const DiscriminatorInputs<T, D>& inputs, StepReport& report);

  /// The same on a batch in parts. If a loss, score or gradient is not finite, nothing is updated, and the report
  /// says so.
  void discriminator_update(const std::vector<DiscriminatorInputs<T, D>>& parts, StepReport& report);

  /// One update of the generator by the sum of both discriminators' losses, and of its average: the end of a step.
  void generator_update(const GeneratorInputs<T, D>& inputs, StepReport& report);

  /// The same on a batch in parts. If a loss or gradient is not finite, nothing is updated, and the report says so.
  void generator_update(const std::vector<GeneratorInputs<T, D>>& parts, StepReport& report);

  /// The random numbers that the clips of the run's batches are drawn with; batch number
  /// `step * batches_per_step() + update` serves that update of that step, the generator's being the last. Keeps the
  /// trainer's `redraws` of now.
  BatchSchedule batch_schedule() const {
    return [seed = options_.seed, redraws = redraws_, d_steps = options_.d_steps,
            per_step = batches_per_step()](Index number) {
      const Random step = step_random(seed, redraws, number / per_step);
      const Index update = number % per_step;
      return (update < d_steps ? update_random(step, update) : step.stream("generator")).stream("data");
    };
  }

  /// Batches of clips that a step takes: one for every update of the discriminators and, where videos are continued,
  /// one for the generator's.
  Index batches_per_step() const { return options_.d_steps + (gan_.config().condition_frames > 0 ? 1 : 0); }

  /// What the learning rates of the next step are multiplied with.
  double learning_rate_factor() const {
    if (options_.decay_end == 0 || steps_ <= options_.decay_start) return 1;
    const auto left = static_cast<double>(std::max<Index>(options_.decay_end - steps_, 0));
    return left / static_cast<double>(options_.decay_end - options_.decay_start);
  }

  Gan& gan() { return gan_; }
  const TrainerOptions& options() const { return options_; }
  const Gan& gan() const { return gan_; }
  /// Steps so far, skipped ones included.
  Index steps() const { return steps_; }
  void set_steps(Index steps) { steps_ = steps; }
  /// Steps in which an update was left out because something was not finite.
  Index skipped_steps() const { return skipped_steps_; }
  void set_skipped_steps(Index steps) { skipped_steps_ = steps; }
  /// Another number here gives other random draws for the same steps: for a run that goes back to a checkpoint because
  /// the draws it had led astray.
  Index redraws() const { return redraws_; }
  void set_redraws(Index redraws) { redraws_ = redraws; }
  Optimizer& generator_optimizer() { return updates_.generator_optimizer(); }
  Optimizer& discriminator_optimizer() { return updates_.discriminator_optimizer(); }

 private:
  static Random step_random(std::uint64_t seed, Index redraws, Index step) {
    const Random random = Random(seed).stream("step").stream(static_cast<std::uint64_t>(step));
    return redraws == 0 ? random : random.stream("redraw").stream(static_cast<std::uint64_t>(redraws));
  }
  static Random update_random(const Random& step, Index update) {
    return step.stream("discriminator").stream(static_cast<std::uint64_t>(update));
  }
  Random step_random(Index step) const { return step_random(options_.seed, redraws_, step); }

  /// Updates begin, with the learning rates of this step.
  void begin() {
    generator_optimizer().scale_learning_rate(learning_rate_factor());
    discriminator_optimizer().scale_learning_rate(learning_rate_factor());
    updates_.begin();
  }

  /// Where a step's batches come from.
  using BatchOf = std::function<std::vector<TrainingClip>(Index number)>;

  /// A step on the clips that `batch(number)` gives. The device is waited for once, at the end.
  StepReport step_on(const BatchOf& batch);

  void check_classes(Index classes) const {
    require(classes <= gan_.config().classes, "the data set has ", classes, " classes and the model ",
            gan_.config().classes, ": give the model's configuration .classes = ", classes);
  }

  std::vector<TrainingClip> checked_clips(const BatchOf& batch, Index number, StepReport& report) const {
    const auto start = std::chrono::steady_clock::now();
    std::vector<TrainingClip> clips = batch(number);
    report.data_seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const DvdGanConfig& config = gan_.config();
    require(static_cast<Index>(clips.size()) == options_.batch, "training expects batches of ", options_.batch,
            " clips, but the data set gives ", clips.size());
    const ClipSize expected{config.video_frames(), config.image_height(), config.image_width(), config.image_channels};
    for (const TrainingClip& clip : clips) {
      require(clip.size() == expected, "the model expects clips of ", expected, ", but the data set gives ",
              clip.size());
      check_pixels(clip);
      require(clip.label >= 0 && clip.label < config.classes, "the data set gives a clip of class ", clip.label,
              ", but the model has ", config.classes, " classes");
    }
    return clips;
  }

  Tensor<T, D> latents(const Random& random) const {
    Tensor<T, D> z(Shape{options_.batch, gan_.config().latent_dim});
    D::random_normal(z.size(), random.stream("latents"), T{1}, z.data());
    return z;
  }

  /// Of generated videos: those of the clips that they continue, or random ones.
  Labels labels(const std::vector<TrainingClip>& clips, const Random& random) const {
    if (gan_.config().condition_frames > 0) {
      Labels result;
      for (const TrainingClip& clip : clips) result.push_back(clip.label);
      return result;
    }
    const Random own = random.stream("labels");
    Labels result;
    for (Index n = 0; n < options_.batch; ++n)
      result.push_back(own.below(static_cast<std::uint64_t>(n), gan_.config().classes));
    return result;
  }

  static Random layers_random(const Random& random, Index part) {
    return random.stream("layers").stream(static_cast<std::uint64_t>(part));
  }

  FrameIndices frames(const Random& random) const {
    const Index total = gan_.config().frames, count = gan_.config().frames_judged();
    const FrameIndices drawn = Sampler::draw(random.stream("frames"), options_.batch, total, count);
    require(drawn.videos == options_.batch && drawn.count == count &&
                static_cast<Index>(drawn.values.size()) == options_.batch * count,
            "the frame sampler must draw ", count, " frames of each of ", options_.batch, " videos, but gives ",
            drawn.values.size(), " indices, ", drawn.count, " of each of ", drawn.videos);
    for (const Index frame : drawn.values)
      require(frame >= 0 && frame < total, "the frame sampler draws frame ", frame, ", outside 0 .. ", total - 1);
    return drawn;
  }

  /// Calls `f(first, count)` for each part of a batch.
  template <class F>
  void for_each_part(const F& f) const {
    const Index size = options_.micro_batch == 0 ? options_.batch : options_.micro_batch;
    for (Index first = 0; first < options_.batch; first += size) f(first, std::min(size, options_.batch - first));
  }

  std::vector<DiscriminatorInputs<T, D>> discriminator_inputs(const std::vector<TrainingClip>& clips,
                                                              const Random& random) const {
    const Tensor<T, D> z = latents(random);
    const Labels all_labels = labels(clips, random);
    const FrameIndices of_real = frames(random.stream("real")), of_fake = frames(random);
    std::vector<DiscriminatorInputs<T, D>> parts;
    for_each_part([&](Index first, Index count) {
      const Batch<T, D> batch = to_batch<T, D>(clips, first, count);
      parts.push_back({batch.videos, batch.labels, z.slice(first, count), part_of(all_labels, first, count),
                       part_of(of_real, first, count), part_of(of_fake, first, count), layers_random(random, first)});
    });
    return parts;
  }

  /// For the generator's update, which needs clips only where it is to continue them.
  std::vector<GeneratorInputs<T, D>> generator_inputs(const std::vector<TrainingClip>& clips,
                                                      const Random& random) const {
    const Tensor<T, D> z = latents(random);
    const Labels all_labels = labels(clips, random);
    const FrameIndices all_frames = frames(random);
    const Index given = gan_.config().condition_frames;
    std::vector<GeneratorInputs<T, D>> parts;
    for_each_part([&](Index first, Index count) {
      ConstTensorView<T, D> condition;
      if (given > 0) condition = condition_of<T, D>(to_batch<T, D>(clips, first, count).videos, given);
      parts.push_back({z.slice(first, count), part_of(all_labels, first, count), part_of(all_frames, first, count),
                       condition, layers_random(random, first)});
    });
    return parts;
  }

  Gan& gan_;
  TrainerOptions options_;
  Updates<Gan, Loss, OptimizerType> updates_;
  Index steps_ = 0, skipped_steps_ = 0, redraws_ = 0;
};

// What programs call is defined outside the class: a program that has it compiled in a library (dvd::compiled) then
// compiles none of it.

template <class Gan, GanLoss Loss,
          OptimizerFor<FullPrecision<typename Gan::scalar_type>, typename Gan::device_type> OptimizerType>
Trainer<Gan, Loss, OptimizerType>::Trainer(Gan& gan, const TrainerOptions& options)
    : gan_(gan), options_((options.validate(), options)), updates_(gan, options_) {}

template <class Gan, GanLoss Loss,
          OptimizerFor<FullPrecision<typename Gan::scalar_type>, typename Gan::device_type> OptimizerType>
Trainer<Gan, Loss, OptimizerType>::~Trainer() = default;

template <class Gan, GanLoss Loss,
          OptimizerFor<FullPrecision<typename Gan::scalar_type>, typename Gan::device_type> OptimizerType>
StepReport Trainer<Gan, Loss, OptimizerType>::step_on(const BatchOf& batch) {
  StepReport report;
  std::vector<TrainingClip> clips;
  std::vector<std::vector<DiscriminatorInputs<T, D>>> for_discriminators;
  Index number = steps_ * batches_per_step();
  for (Index update = 0; update < options_.d_steps; ++update) {
    clips = checked_clips(batch, number++, report);
    for_discriminators.push_back(discriminator_inputs(clips, update_random(step_random(steps_), update)));
  }
  if (gan_.config().condition_frames > 0) clips = checked_clips(batch, number, report);
  auto for_generator = generator_inputs(clips, step_random(steps_).stream("generator"));

  begin();
  for (auto& inputs : for_discriminators) updates_.queue(std::move(inputs));
  updates_.queue(std::move(for_generator), steps_ + 1);
  updates_.finish(report);
  ++steps_;
  if (report.skipped) ++skipped_steps_;
  report.step = steps_;
  return report;
}

template <class Gan, GanLoss Loss,
          OptimizerFor<FullPrecision<typename Gan::scalar_type>, typename Gan::device_type> OptimizerType>
void Trainer<Gan, Loss, OptimizerType>::discriminator_update(const DiscriminatorInputs<T, D>& inputs,
                                                             StepReport& report) {
  discriminator_update(std::vector{inputs}, report);
}

template <class Gan, GanLoss Loss,
          OptimizerFor<FullPrecision<typename Gan::scalar_type>, typename Gan::device_type> OptimizerType>
void Trainer<Gan, Loss, OptimizerType>::discriminator_update(const std::vector<DiscriminatorInputs<T, D>>& parts,
                                                             StepReport& report) {
  begin();
  updates_.queue(parts);
  updates_.finish(report);
}

template <class Gan, GanLoss Loss,
          OptimizerFor<FullPrecision<typename Gan::scalar_type>, typename Gan::device_type> OptimizerType>
void Trainer<Gan, Loss, OptimizerType>::generator_update(const GeneratorInputs<T, D>& inputs, StepReport& report) {
  generator_update(std::vector{inputs}, report);
}

template <class Gan, GanLoss Loss,
          OptimizerFor<FullPrecision<typename Gan::scalar_type>, typename Gan::device_type> OptimizerType>
void Trainer<Gan, Loss, OptimizerType>::generator_update(const std::vector<GeneratorInputs<T, D>>& parts,
                                                         StepReport& report) {
  begin();
  updates_.queue(parts, steps_ + 1);
  if (updates_.finish(report)) ++steps_;
}

#ifdef DVD_COMPILED
extern template class Trainer<DvdGan<float>>;
#endif

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
