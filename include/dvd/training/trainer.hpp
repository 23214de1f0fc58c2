// The training of a DVD-GAN (section 3 and appendix of the paper).
#pragma once

#include <chrono>
#include <cmath>
#include <string>
#include <vector>

#include "dvd/data/clip_source.hpp"
#include "dvd/models/dvd_gan.hpp"
#include "dvd/training/adam.hpp"
#include "dvd/training/fault.hpp"
#include "dvd/training/inputs.hpp"
#include "dvd/training/losses.hpp"
#include "dvd/training/moving_average.hpp"
#include "dvd/training/optimizer.hpp"
#include "dvd/training/report.hpp"

namespace dvd {

/// Settings of training; the defaults are the paper's but for the batch, which is 512 there.
struct TrainerOptions {
  Index batch = 8;
  std::uint64_t seed = 0;
  Index d_steps = 2;  ///< updates of the discriminators in a step
  /// A batch goes through the networks in parts of this many videos, whose gradients are added: the memory of a small
  /// batch for the update of a large one. Batch norms see the statistics of a part, not of the batch, and sigmas
  /// come from the u before and after the first part, so it is not the same training: keep parts as large as memory
  /// allows. 0: the whole batch at once.
  Index micro_batch = 0;
  AdamOptions generator_optimizer = {.learning_rate = 1e-4};
  AdamOptions discriminator_optimizer = {.learning_rate = 5e-4};
  /// Both learning rates fall linearly from what they are after step `decay_start` to 0 after step `decay_end`. With
  /// `decay_end` 0 they stay.
  Index decay_start = 0, decay_end = 0;
  MovingAverageOptions average = {};

  /// Throws ArgumentError, naming the field, unless all settings make sense.
  void validate() const {
    require(batch >= 1 && batch <= 65536, "batch must be between 1 and 65536, not ", batch);
    require(micro_batch >= 0, "micro_batch must be at least 1, or 0 for whole batches, not ", micro_batch);
    require(d_steps >= 1 && d_steps <= 1000, "d_steps must be between 1 and 1000, not ", d_steps);
    require(decay_end == 0 || (decay_start >= 0 && decay_start < decay_end),
            "the learning rates' decay must start at step 0 or later and end after its start, not last from ",
            decay_start, " to ", decay_end);
    require(average.decay >= 0 && average.decay < 1, "the average's decay must be at least 0 and below 1, not ",
            average.decay);
    require(average.start >= 0, "the average's start must not be negative, as ", average.start, " is");
  }
};

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
          OptimizerFor<typename Gan::scalar_type, typename Gan::device_type> OptimizerType =
              Adam<typename Gan::scalar_type, typename Gan::device_type>>
class Trainer {
 public:
  using GanType = Gan;
  using T = typename Gan::scalar_type;
  using D = typename Gan::device_type;
  using Optimizer = OptimizerType;
  using Sampler = typename Gan::Parts::Sampler;

  /// Trains `gan`, which must outlive the trainer. Throws ArgumentError for settings that make no sense.
  explicit Trainer(Gan& gan, const TrainerOptions& options = {})
      : gan_(gan),
        options_((options.validate(), options)),
        generator_(contents(gan.networks())),
        spatial_(contents(gan.spatial, "spatial.")),
        temporal_(contents(gan.temporal, "temporal.")),
        average_(contents(gan.average, "ema.")),
        generator_optimizer_(generator_, options.generator_optimizer),
        discriminator_optimizer_(both(spatial_, temporal_), options.discriminator_optimizer) {}

  /// One step of training on clips of `data`. Throws ArgumentError if their size or labels do not fit the model.
  template <ClipSource Data>
  StepReport step(Data& data) {
    return step_on([&](Index number) { return draw_clips(data, batch_schedule()(number), options_.batch); });
  }

  /// The same on batches made ready ahead of need, which follow `batch_schedule()`.
  template <BatchSource Data>
  StepReport step(Data& data) {
    return step_on([&](Index number) { return data.batch(number); });
  }

  /// One update of both discriminators, each by its own loss on real and generated videos as one batch.
  void discriminator_update(const DiscriminatorInputs<T, D>& inputs, StepReport& report) {
    discriminator_update(std::vector{inputs}, report);
  }

  /// The same on a batch in parts. If a loss, score or gradient is not finite, nothing is updated, and the report
  /// says so.
  void discriminator_update(const std::vector<DiscriminatorInputs<T, D>>& parts, StepReport& report) {
    const Replay<T, D> before(gan_);
    spatial_.clear_gradients();
    temporal_.clear_gradients();
    report.spatial = report.temporal = {};
    for (const auto& part : parts)
      add_discriminator_gradients(part, share_of(part, parts), pass_for(part, parts), report);
    report.spatial.gradient_norm = gradient_norm(spatial_);
    report.temporal.gradient_norm = gradient_norm(temporal_);
    if (!report.spatial.is_finite() || !report.temporal.is_finite() || !statistics_are_finite())
      return skip(parts, before, report);
    discriminator_optimizer_.step();
  }

  /// One update of the generator by the sum of both discriminators' losses, and of its average: the end of a step.
  void generator_update(const GeneratorInputs<T, D>& inputs, StepReport& report) {
    generator_update(std::vector{inputs}, report);
  }

  /// The same on a batch in parts. If a loss or gradient is not finite, nothing is updated, and the report says so.
  void generator_update(const std::vector<GeneratorInputs<T, D>>& parts, StepReport& report) {
    const Replay<T, D> before(gan_);
    generator_.clear_gradients();
    report.generator_loss = 0;
    for (const auto& part : parts) add_generator_gradients(part, share_of(part, parts), pass_for(part, parts), report);
    report.generator_gradient_norm = gradient_norm(generator_);
    if (!std::isfinite(report.generator_loss + report.generator_gradient_norm) || !statistics_are_finite())
      return skip(parts, before, report);
    generator_optimizer_.step();
    ++steps_;
    update_moving_average(generator_, average_, steps_, options_.average);
  }

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
  Optimizer& generator_optimizer() { return generator_optimizer_; }
  Optimizer& discriminator_optimizer() { return discriminator_optimizer_; }

 private:
  static Contents<T, D> both(Contents<T, D> first, const Contents<T, D>& second) {
    first.parameters.insert(first.parameters.end(), second.parameters.begin(), second.parameters.end());
    return first;
  }

  static Random step_random(std::uint64_t seed, Index redraws, Index step) {
    const Random random = Random(seed).stream("step").stream(static_cast<std::uint64_t>(step));
    return redraws == 0 ? random : random.stream("redraw").stream(static_cast<std::uint64_t>(redraws));
  }
  static Random update_random(const Random& step, Index update) {
    return step.stream("discriminator").stream(static_cast<std::uint64_t>(update));
  }
  Random step_random(Index step) const { return step_random(options_.seed, redraws_, step); }

  /// A step on the clips that `batch(number)` gives.
  template <class F>
  StepReport step_on(const F& batch) {
    StepReport report;
    generator_optimizer_.scale_learning_rate(learning_rate_factor());
    discriminator_optimizer_.scale_learning_rate(learning_rate_factor());
    std::vector<LabelledClip> clips;
    Index number = steps_ * batches_per_step();
    for (Index update = 0; update < options_.d_steps && !report.skipped; ++update) {
      clips = checked_clips(batch, number++, report);
      discriminator_update(discriminator_inputs(clips, update_random(step_random(steps_), update)), report);
    }
    if (!report.skipped) {
      if (gan_.config().condition_frames > 0) clips = checked_clips(batch, number, report);
      generator_update(generator_inputs(clips, step_random(steps_).stream("generator")), report);
    }
    if (report.skipped) {
      ++steps_;
      ++skipped_steps_;
    }
    report.step = steps_;
    return report;
  }

  template <class F>
  std::vector<LabelledClip> checked_clips(const F& batch, Index number, StepReport& report) const {
    const auto start = std::chrono::steady_clock::now();
    std::vector<LabelledClip> clips = batch(number);
    report.data_seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const DvdGanConfig& config = gan_.config();
    require(static_cast<Index>(clips.size()) == options_.batch, "training expects batches of ", options_.batch,
            " clips, but the data set gives ", clips.size());
    for (const auto& [clip, label] : clips)
      require(
          clip.frames == config.video_frames() && clip.height == config.resolution && clip.width == config.resolution,
          "the model expects clips of ", config.video_frames(), " frames of ", config.resolution, "x",
          config.resolution, " pixels, but the data set gives ", clip.frames, " frames of ", clip.width, "x",
          clip.height);
    return clips;
  }

  Tensor<T, D> latents(const Random& random) const {
    Tensor<T, D> z(Shape{options_.batch, gan_.config().latent_dim});
    D::random_normal(z.size(), random.stream("latents"), T{1}, z.data());
    return z;
  }

  /// Of generated videos: those of the clips that they continue, or random ones.
  Labels labels(const std::vector<LabelledClip>& clips, const Random& random) const {
    if (gan_.config().condition_frames > 0) {
      Labels result;
      for (const auto& [clip, label] : clips) result.push_back(label);
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

  std::vector<DiscriminatorInputs<T, D>> discriminator_inputs(const std::vector<LabelledClip>& clips,
                                                              const Random& random) const {
    const Tensor<T, D> z = latents(random);
    const Labels all_labels = labels(clips, random);
    const FrameIndices of_real = frames(random.stream("real")), of_fake = frames(random);
    std::vector<DiscriminatorInputs<T, D>> parts;
    for_each_part([&](Index first, Index count) {
      auto [real, real_labels] = to_batch<T, D>(clips, first, count);
      parts.push_back({real, real_labels, z.slice(first, count), part_of(all_labels, first, count),
                       part_of(of_real, first, count), part_of(of_fake, first, count), layers_random(random, first)});
    });
    return parts;
  }

  /// For the generator's update, which needs clips only where it is to continue them.
  std::vector<GeneratorInputs<T, D>> generator_inputs(const std::vector<LabelledClip>& clips,
                                                      const Random& random) const {
    const Tensor<T, D> z = latents(random);
    const Labels all_labels = labels(clips, random);
    const FrameIndices all_frames = frames(random);
    const Index given = gan_.config().condition_frames;
    std::vector<GeneratorInputs<T, D>> parts;
    for_each_part([&](Index first, Index count) {
      Tensor<T, D> condition;
      if (given > 0) condition = condition_of(to_batch<T, D>(clips, first, count).videos, given);
      parts.push_back({z.slice(first, count), part_of(all_labels, first, count), part_of(all_frames, first, count),
                       condition, layers_random(random, first)});
    });
    return parts;
  }

  void add_discriminator_gradients(const DiscriminatorInputs<T, D>& inputs, double weight, Pass pass,
                                   StepReport& report) {
    require(inputs.real.shape().rank() == 5 && inputs.real.extent(0) == gan_.config().video_frames(),
            "the discriminators expect real videos of ", gan_.config().video_frames(), " frames, not of shape ",
            inputs.real.shape());
    const Tensor<T, D> condition = condition_of(inputs.real, gan_.config().condition_frames);
    const auto both = with_fakes(inputs, gan_.generate(inputs.z, inputs.labels, condition, pass));
    const Index real_count = inputs.real.extent(1);
    {
      typename Gan::SpatialType::Cache cache;
      const Tensor<T, D> scores = gan_.spatial.forward(both.videos, both.labels, both.frames, pass, &cache);
      gan_.spatial.backward(discriminator_loss(scores, real_count, weight, report.spatial), cache,
                            Gradients::parameters);
    }
    {
      typename Gan::TemporalType::Cache cache;
      const Tensor<T, D> scores = gan_.temporal.forward(both.videos, both.labels, pass, &cache);
      gan_.temporal.backward(discriminator_loss(scores, real_count, weight, report.temporal), cache,
                             Gradients::parameters);
    }
  }

  void add_generator_gradients(const GeneratorInputs<T, D>& inputs, double weight, Pass pass, StepReport& report) {
    typename Gan::Networks::Cache generator_cache;
    JudgedVideos<T, D> judged =
        continued(inputs, gan_.generate(inputs.z, inputs.labels, inputs.condition, pass, &generator_cache));
    auto loss = Tensor<T, D>::zeros(Shape{1});
    Tensor<T, D> dvideos;
    {
      typename Gan::SpatialType::Cache cache;
      const Tensor<T, D> scores = gan_.spatial.forward(judged.videos, judged.labels, judged.frames, pass, &cache);
      dvideos = gan_.spatial.backward(generator_loss(scores, weight, loss), cache, Gradients::inputs);
    }
    {
      typename Gan::TemporalType::Cache cache;
      const Tensor<T, D> scores = gan_.temporal.forward(judged.videos, judged.labels, pass, &cache);
      const Tensor<T, D> dtemporal =
          gan_.temporal.backward(generator_loss(scores, weight, loss), cache, Gradients::inputs);
      D::add(dvideos.size(), dtemporal.data(), dvideos.data());
    }
    judged = {};
    const Index frames = gan_.config().frames;  // of the conditioning frames no gradient is wanted
    gan_.networks().backward(dvideos.slice(dvideos.extent(0) - frames, frames), std::move(generator_cache),
                             Gradients::parameters);
    report.generator_loss += weight * static_cast<double>(loss.item());
  }

  /// A variance can be infinite where what it normalises is not.
  bool statistics_are_finite() const {
    for (const Contents<T, D>* network : {&generator_, &spatial_, &temporal_})
      if (!first_non_finite_buffer(*network).empty()) return false;
    return true;
  }

  /// Leaves an update out: buffers go back to `before`, and the report tells what was wrong.
  template <class Inputs>
  void skip(const std::vector<Inputs>& parts, const Replay<T, D>& before, StepReport& report) {
    before.undo(gan_);
    report.skipped = true;
    report.fault = find_fault(gan_, {&generator_, &spatial_, &temporal_}, parts);
    before.undo(gan_);
  }

  /// The gradient of the scores, real ones first, for a part of a batch that counts `weight` in it.
  static Tensor<T, D> discriminator_loss(const Tensor<T, D>& scores, Index real_count, double weight,
                                         DiscriminatorReport& report) {
    Tensor<T, D> dscores(scores.shape());
    auto loss = Tensor<T, D>::zeros(Shape{1});
    const Index fake_count = scores.size() - real_count;
    D::mean_loss(
        real_count, scores.data(), [](T score) { return Loss::real(score); }, loss.data(), dscores.data());
    D::mean_loss(
        fake_count, scores.data() + real_count, [](T score) { return Loss::fake(score); }, loss.data(),
        dscores.data() + real_count);
    report.loss += weight * static_cast<double>(loss.item());
    const std::vector<T> values = scores.to_vector();
    for (Index i = 0; i < scores.size(); ++i) {
      const double score = weight * static_cast<double>(values[static_cast<std::size_t>(i)]);
      if (i < real_count)
        report.real_score += score / static_cast<double>(real_count);
      else
        report.fake_score += score / static_cast<double>(fake_count);
    }
    if (weight != 1) D::scale(dscores.size(), static_cast<T>(weight), dscores.data(), dscores.data());
    return dscores;
  }

  static Tensor<T, D> generator_loss(const Tensor<T, D>& scores, double weight, Tensor<T, D>& loss) {
    Tensor<T, D> dscores(scores.shape());
    D::mean_loss(
        scores.size(), scores.data(), [](T score) { return Loss::generator(score); }, loss.data(), dscores.data());
    if (weight != 1) D::scale(dscores.size(), static_cast<T>(weight), dscores.data(), dscores.data());
    return dscores;
  }

  static double gradient_norm(const Contents<T, D>& network) {
    double squares = 0;
    Tensor<T, D> square(Shape{1});
    for (const auto& [name, parameter] : network.parameters) {
      const Tensor<T, D>& gradient = parameter->gradient;
      if (!gradient) continue;
      D::dot(gradient.size(), gradient.data(), gradient.data(), square.data());
      squares += static_cast<double>(square.item());
    }
    return std::sqrt(squares);
  }

  Gan& gan_;
  TrainerOptions options_;
  Contents<T, D> generator_, spatial_, temporal_, average_;
  Optimizer generator_optimizer_, discriminator_optimizer_;
  Index steps_ = 0, skipped_steps_ = 0, redraws_ = 0;
};

}  // namespace dvd
