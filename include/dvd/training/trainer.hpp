// The training of a video GAN (section 3 and appendix of the paper).
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

/// An optimizer of a GAN's parameters.
template <class O, class Gan>
concept OptimizerOf = OptimizerFor < O,
        FullPrecision<typename Gan::scalar_type>,
typename Gan::device_type > ;

/// Trains a GAN as the paper does: two updates of the discriminators on fresh data and latents, then one of the
/// generator. A run is a function of the model's seed, the trainer's seed and the data; the number of threads changes
/// no bit.
///
///     dvd::Trainer trainer(gan, {.batch = 8, .seed = 1});
///     for (int step = 0; step < 100; ++step) trainer.step(data);
///
/// `gan` is a DvdGan or any other VideoGan. Another loss or other optimizers are named as types:
///
///     dvd::Trainer<Gan, dvd::WassersteinLoss, dvd::AdamW<float>> trainer(gan, {.generator_optimizer = {...}, ...});
///
/// A discriminator that names a loss of its own is trained by that one. A loss, score or gradient that is not finite
/// never reaches a weight: see StepReport::skipped.
template <VideoGan Gan, AnyGanLoss Loss = HingeLoss,
          OptimizerOf<Gan> GeneratorOptimizer =
              Adam<FullPrecision<typename Gan::scalar_type>, typename Gan::device_type>,
          OptimizerOf<Gan> DiscriminatorOptimizer = GeneratorOptimizer>
class Trainer {
 public:
  using GanType = Gan;
  using T = typename Gan::scalar_type;
  using D = typename Gan::device_type;
  using Options = TrainerOptionsFor<typename GeneratorOptimizer::Options, typename DiscriminatorOptimizer::Options>;

  /// Trains `gan`, which must outlive the trainer. Throws ArgumentError for settings that make no sense.
  explicit Trainer(Gan& gan, const Options& options = {});
  ~Trainer();

  // A copy would train the same model with moments of its own.
  Trainer(const Trainer&) = delete;
  Trainer& operator=(const Trainer&) = delete;

  /// One step of training on clips of `data`. All clips of a step are drawn, and all that it is made from is checked,
  /// before its first update: if that throws (ArgumentError where size or labels do not fit the model, or whatever the
  /// data threw), nothing has changed. An update that throws all the same, such as for lack of memory, changes nothing
  /// itself, and the step is not counted; what updates before it in the step have changed remains. A model without
  /// classes leaves labels alone.
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

  /// One update of all discriminators, each by its own loss on real and generated videos as one batch.
  void discriminator_update(const DiscriminatorInputs<T, D>& inputs, StepReport& report);

  /// The same on a batch in parts. If a loss, score or gradient is not finite, nothing is updated, and the report
  /// says so.
  void discriminator_update(const std::vector<DiscriminatorInputs<T, D>>& parts, StepReport& report);

  /// One update of the generator by the sum of the discriminators' losses, and of its average: the end of a step.
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

  /// Batches of clips that a step takes: one for every update of the discriminators and one for the generator's, where
  /// that needs real videos, for what they are to continue or for a loss that sees their scores.
  Index batches_per_step() const { return options_.d_steps + (generator_takes_clips() ? 1 : 0); }

  /// What the learning rates of the next step are multiplied with. Throws ArgumentError if the schedule gives what is
  /// no factor.
  double learning_rate_factor() const {
    const double factor = options_.schedule ? options_.schedule(steps_) : 1;
    require(is_finite(factor) && factor >= 0, "the schedule gives ", factor, " for the learning rate of step ",
            steps_ + 1, "; expected a factor of 0 or more");
    return factor;
  }

  Gan& gan() { return gan_; }
  const Options& options() const { return options_; }
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
  GeneratorOptimizer& generator_optimizer() { return updates_.generator_optimizer(); }
  DiscriminatorOptimizer& discriminator_optimizer() { return updates_.discriminator_optimizer(); }

 private:
  static Random step_random(std::uint64_t seed, Index redraws, Index step) {
    const Random random = Random(seed).stream("step").stream(static_cast<std::uint64_t>(step));
    return redraws == 0 ? random : random.stream("redraw").stream(static_cast<std::uint64_t>(redraws));
  }
  static Random update_random(const Random& step, Index update) {
    return step.stream("discriminator").stream(static_cast<std::uint64_t>(update));
  }
  Random step_random(Index step) const { return step_random(options_.seed, redraws_, step); }

  const VideoSizes& sizes() const { return updates_.expected().sizes; }
  bool generator_sees_real_videos() const { return updates_.expected().real_videos_for_generator; }
  bool generator_takes_clips() const { return sizes().given_something() || generator_sees_real_videos(); }

  /// Updates begin, with the learning rates of this step.
  void begin() {
    const double factor = learning_rate_factor();
    generator_optimizer().scale_learning_rate(factor);
    discriminator_optimizer().scale_learning_rate(factor);
    updates_.begin();
  }

  /// Where a step's batches come from.
  using BatchOf = std::function<std::vector<TrainingClip>(Index number)>;

  /// A step on the clips that `batch(number)` gives. The device is waited for once, at the end.
  StepReport step_on(const BatchOf& batch);

  void check_classes(Index classes) const {
    require(classes <= sizes().classes || sizes().classes == 0, "the data set has ", classes, " classes and the model ",
            sizes().classes, ": give the model's configuration .classes = ", classes);
  }

  std::vector<TrainingClip> checked_clips(const BatchOf& batch, Index number, StepReport& report) const {
    const auto start = std::chrono::steady_clock::now();
    std::vector<TrainingClip> clips = batch(number);
    report.data_seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    require(static_cast<Index>(clips.size()) == options_.batch, "training expects batches of ", options_.batch,
            " clips, but the data set gives ", clips.size());
    for (const TrainingClip& clip : clips) check_clip(clip);
    return clips;
  }

  void check_clip(const TrainingClip& clip) const {
    const ClipSize expected{sizes().video_frames(), sizes().height, sizes().width, sizes().channels};
    require(clip.size() == expected, "the model expects clips of ", expected, ", but the data set gives ", clip.size());
    check_pixels(clip);
    require(sizes().classes == 0 || (clip.label >= 0 && clip.label < sizes().classes),
            "the data set gives a clip of class ", clip.label, ", but the model has ", sizes().classes, " classes");
    require(sizes().condition_dim == 0 || static_cast<Index>(clip.condition.size()) == sizes().condition_dim,
            "the model expects a vector of ", sizes().condition_dim,
            " numbers with every clip, but the data set gives ", clip.condition.size());
  }

  Tensor<T, D> latents(const Random& random) const {
    Tensor<T, D> z(Shape{options_.batch, sizes().latent_dim});
    D::random_normal(z.size(), random.stream("latents"), T{1}, z.data());
    return z;
  }

  Labels labels_of(const std::vector<TrainingClip>& clips) const {
    Labels labels;
    if (sizes().classes > 0)
      for (const TrainingClip& clip : clips) labels.push_back(clip.label);
    return labels;
  }

  /// Of generated videos: those of the clips of which they are given something, or random ones.
  Labels labels(const std::vector<TrainingClip>& clips, const Random& random) const {
    if (sizes().given_something()) return labels_of(clips);
    const Random own = random.stream("labels");
    Labels labels;
    for (Index n = 0; n < options_.batch && sizes().classes > 0; ++n)
      labels.push_back(own.below(static_cast<std::uint64_t>(n), sizes().classes));
    return labels;
  }

  static Random layers_random(const Random& random, Index part) {
    return random.stream("layers").stream(static_cast<std::uint64_t>(part));
  }

  /// Frames for each discriminator that samples some.
  SampledFrames frames(const Random& random) const {
    SampledFrames all;
    gan_.for_each_discriminator([&]<class X>(const std::string&, const X& discriminator) {
      if constexpr (FrameSamplingDiscriminator<X>) {
        const Random own = random.stream("frames");
        all.push_back(checked_frames(X::Sampler::draw(all.empty() ? own : own.stream(all.size()), options_.batch,
                                                      sizes().frames, discriminator.sampled_frames()),
                                     discriminator.sampled_frames()));
      }
    });
    return all;
  }

  FrameIndices checked_frames(FrameIndices drawn, Index count) const {
    const Index total = sizes().frames;
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

  /// What clips are conditioned on beside their class, if the model wants to know.
  ConstTensorView<T, D> vectors_of(const Batch<T, D>& batch) const {
    return sizes().condition_dim > 0 ? batch.conditions : ConstTensorView<T, D>();
  }

  std::vector<DiscriminatorInputs<T, D>> discriminator_inputs(const std::vector<TrainingClip>& clips,
                                                              const Random& random) const {
    const Tensor<T, D> z = latents(random);
    const Labels real_labels = labels_of(clips), all_labels = labels(clips, random);
    const SampledFrames of_real = frames(random.stream("real")), of_fake = frames(random);
    std::vector<DiscriminatorInputs<T, D>> parts;
    for_each_part([&](Index first, Index count) {
      const Batch<T, D> real = to_batch<T, D>(clips, first, count);
      const ConstTensorView<T, D> vectors = vectors_of(real);
      parts.push_back({real.videos, part_of(real_labels, first, count), z.slice(first, count),
                       part_of(all_labels, first, count), part_of(of_real, first, count),
                       part_of(of_fake, first, count), layers_random(random, first), vectors, vectors});
    });
    return parts;
  }

  /// For the generator's update, which needs clips only where `generator_takes_clips`.
  std::vector<GeneratorInputs<T, D>> generator_inputs(const std::vector<TrainingClip>& clips,
                                                      const Random& random) const {
    const Tensor<T, D> z = latents(random);
    const Labels all_labels = labels(clips, random);
    const SampledFrames all_frames = frames(random),
                        of_real = generator_sees_real_videos() ? frames(random.stream("real")) : SampledFrames();
    std::vector<GeneratorInputs<T, D>> parts;
    for_each_part([&](Index first, Index count) {
      GeneratorInputs<T, D> part{z.slice(first, count), part_of(all_labels, first, count),
                                 part_of(all_frames, first, count)};
      part.random = layers_random(random, first);
      if (generator_takes_clips()) {
        const Batch<T, D> real = to_batch<T, D>(clips, first, count);
        part.condition = condition_of<T, D>(real.videos, sizes().condition_frames);
        part.vectors = vectors_of(real);
        if (generator_sees_real_videos()) {
          part.real = real.videos;
          part.real_vectors = part.vectors;
          part.real_labels = part_of(labels_of(clips), first, count);
          part.real_frames = part_of(of_real, first, count);
        }
      }
      parts.push_back(std::move(part));
    });
    return parts;
  }

  Gan& gan_;
  Options options_;
  Updates<Gan, Loss, GeneratorOptimizer, DiscriminatorOptimizer> updates_;
  Index steps_ = 0, skipped_steps_ = 0, redraws_ = 0;
};

// What programs call is defined outside the class: a program that has it compiled in a library (dvd::compiled) then
// compiles none of it.

template <VideoGan Gan, AnyGanLoss Loss, OptimizerOf<Gan> GeneratorOptimizer, OptimizerOf<Gan> DiscriminatorOptimizer>
Trainer<Gan, Loss, GeneratorOptimizer, DiscriminatorOptimizer>::Trainer(Gan& gan, const Options& options)
    : gan_(gan), options_((options.validate(), options)), updates_(gan, options_) {}

template <VideoGan Gan, AnyGanLoss Loss, OptimizerOf<Gan> GeneratorOptimizer, OptimizerOf<Gan> DiscriminatorOptimizer>
Trainer<Gan, Loss, GeneratorOptimizer, DiscriminatorOptimizer>::~Trainer() = default;

template <VideoGan Gan, AnyGanLoss Loss, OptimizerOf<Gan> GeneratorOptimizer, OptimizerOf<Gan> DiscriminatorOptimizer>
StepReport Trainer<Gan, Loss, GeneratorOptimizer, DiscriminatorOptimizer>::step_on(const BatchOf& batch) {
  StepReport report;
  std::vector<TrainingClip> clips;
  std::vector<std::vector<DiscriminatorInputs<T, D>>> for_discriminators;
  Index number = steps_ * batches_per_step();
  for (Index update = 0; update < options_.d_steps; ++update) {
    clips = checked_clips(batch, number++, report);
    for_discriminators.push_back(discriminator_inputs(clips, update_random(step_random(steps_), update)));
  }
  if (generator_takes_clips()) clips = checked_clips(batch, number, report);
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

template <VideoGan Gan, AnyGanLoss Loss, OptimizerOf<Gan> GeneratorOptimizer, OptimizerOf<Gan> DiscriminatorOptimizer>
void Trainer<Gan, Loss, GeneratorOptimizer, DiscriminatorOptimizer>::discriminator_update(
    const DiscriminatorInputs<T, D>& inputs, StepReport& report) {
  discriminator_update(std::vector{inputs}, report);
}

template <VideoGan Gan, AnyGanLoss Loss, OptimizerOf<Gan> GeneratorOptimizer, OptimizerOf<Gan> DiscriminatorOptimizer>
void Trainer<Gan, Loss, GeneratorOptimizer, DiscriminatorOptimizer>::discriminator_update(
    const std::vector<DiscriminatorInputs<T, D>>& parts, StepReport& report) {
  begin();
  updates_.queue(parts);
  updates_.finish(report);
}

template <VideoGan Gan, AnyGanLoss Loss, OptimizerOf<Gan> GeneratorOptimizer, OptimizerOf<Gan> DiscriminatorOptimizer>
void Trainer<Gan, Loss, GeneratorOptimizer, DiscriminatorOptimizer>::generator_update(
    const GeneratorInputs<T, D>& inputs, StepReport& report) {
  generator_update(std::vector{inputs}, report);
}

template <VideoGan Gan, AnyGanLoss Loss, OptimizerOf<Gan> GeneratorOptimizer, OptimizerOf<Gan> DiscriminatorOptimizer>
void Trainer<Gan, Loss, GeneratorOptimizer, DiscriminatorOptimizer>::generator_update(
    const std::vector<GeneratorInputs<T, D>>& parts, StepReport& report) {
  begin();
  updates_.queue(parts, steps_ + 1);
  if (updates_.finish(report)) ++steps_;
}

#ifdef DVD_COMPILED
extern template class Trainer<DvdGan<float>>;
#endif

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
