// The training of a DVD-GAN (section 3 and appendix of the paper).
#pragma once

#include <cmath>
#include <vector>

#include "dvd/data/clip_source.hpp"
#include "dvd/models/dvd_gan.hpp"
#include "dvd/training/adam.hpp"
#include "dvd/training/losses.hpp"
#include "dvd/training/moving_average.hpp"
#include "dvd/training/optimizer.hpp"

namespace dvd {

/// Settings of training; the defaults are the paper's but for the batch, which is 512 there.
struct TrainerOptions {
  Index batch = 8;
  std::uint64_t seed = 0;
  Index d_steps = 2;  ///< updates of the discriminators in a step
  AdamOptions generator_optimizer = {.learning_rate = 1e-4};
  AdamOptions discriminator_optimizer = {.learning_rate = 5e-4};
  MovingAverageOptions average = {};

  /// Throws ArgumentError, naming the field, unless all settings make sense.
  void validate() const {
    require(batch >= 1 && batch <= 65536, "batch must be between 1 and 65536, not ", batch);
    require(d_steps >= 1 && d_steps <= 1000, "d_steps must be between 1 and 1000, not ", d_steps);
    require(average.decay >= 0 && average.decay < 1, "the average's decay must be at least 0 and below 1, not ",
            average.decay);
    require(average.start >= 0, "the average's start must not be negative, as ", average.start, " is");
  }
};

/// What an update of the discriminators is made from.
template <Scalar T, Device D = Cpu>
struct DiscriminatorInputs {
  Tensor<T, D> real;  ///< [T, N, R, R, 3]
  Labels real_labels;
  Tensor<T, D> z;  ///< [N, latent_dim]
  Labels labels;
  FrameIndices real_frames, frames;  ///< for D_S, of the real and of the generated videos
};

/// What an update of the generator is made from.
template <Scalar T, Device D = Cpu>
struct GeneratorInputs {
  Tensor<T, D> z;  ///< [N, latent_dim]
  Labels labels;
  FrameIndices frames;
};

/// One discriminator's part in an update.
struct DiscriminatorReport {
  double loss = 0;
  double real_score = 0;  ///< mean score of the real videos
  double fake_score = 0;  ///< mean score of the generated videos
  double gradient_norm = 0;
};

/// What a training step has to tell. The discriminators' numbers are those of the step's last update of them.
struct StepReport {
  Index step = 0;  ///< steps so far, this one included
  DiscriminatorReport spatial, temporal;
  double generator_loss = 0;
  double generator_gradient_norm = 0;
};

/// Trains a DVD-GAN: two updates of the discriminators on fresh data and latents, then one of the generator. A run is a
/// function of the model's seed, the trainer's seed and the data; the number of threads changes no bit.
///
///     dvd::Trainer trainer(gan, {.batch = 8, .seed = 1});
///     for (int step = 0; step < 100; ++step) trainer.step(data);
///
/// Another loss or optimizer is named as a type: `dvd::Trainer<Gan, dvd::WassersteinLoss> trainer(gan, {...})`.
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
        generator_(contents(gan.generator, "generator.")),
        spatial_(contents(gan.spatial, "spatial.")),
        temporal_(contents(gan.temporal, "temporal.")),
        average_(contents(gan.average, "ema.generator.")),
        generator_optimizer_(generator_, options.generator_optimizer),
        discriminator_optimizer_(both(spatial_, temporal_), options.discriminator_optimizer) {}

  /// One step of training on clips of `data`. Throws ArgumentError if their size or labels do not fit the model.
  template <ClipSource Source>
  StepReport step(Source& data) {
    const Random random = Random(options_.seed).stream("step").stream(static_cast<std::uint64_t>(steps_));
    StepReport report;
    for (Index update = 0; update < options_.d_steps; ++update) {
      const Random own = random.stream("discriminator").stream(static_cast<std::uint64_t>(update));
      auto [real, real_labels] = draw_batch<T, D>(data, own.stream("data"), options_.batch);
      check_data(real);
      discriminator_update({real, real_labels, latents(own), labels(own), frames(own.stream("real")), frames(own)},
                           report);
    }
    const Random own = random.stream("generator");
    generator_update({latents(own), labels(own), frames(own)}, report);
    report.step = steps_;
    return report;
  }

  /// Updates both discriminators, each by its own loss on real and generated videos as one batch.
  void discriminator_update(const DiscriminatorInputs<T, D>& inputs, StepReport& report) {
    const Tensor<T, D> fake = gan_.generator.forward(inputs.z, inputs.labels, Pass::train());
    const Tensor<T, D> videos = concatenate(inputs.real, fake);
    Labels all_labels = inputs.real_labels;
    all_labels.insert(all_labels.end(), inputs.labels.begin(), inputs.labels.end());
    FrameIndices all_frames = inputs.real_frames;
    all_frames.videos += inputs.frames.videos;
    all_frames.values.insert(all_frames.values.end(), inputs.frames.values.begin(), inputs.frames.values.end());

    spatial_.clear_gradients();
    temporal_.clear_gradients();
    const Index real_count = inputs.real.extent(1);
    {
      typename Gan::SpatialType::Cache cache;
      const Tensor<T, D> scores = gan_.spatial.forward(videos, all_labels, all_frames, Pass::train(), &cache);
      gan_.spatial.backward(discriminator_loss(scores, real_count, report.spatial), cache, Gradients::parameters);
    }
    {
      typename Gan::TemporalType::Cache cache;
      const Tensor<T, D> scores = gan_.temporal.forward(videos, all_labels, Pass::train(), &cache);
      gan_.temporal.backward(discriminator_loss(scores, real_count, report.temporal), cache, Gradients::parameters);
    }
    report.spatial.gradient_norm = gradient_norm(spatial_);
    report.temporal.gradient_norm = gradient_norm(temporal_);
    discriminator_optimizer_.step();
  }

  /// Updates the generator by the sum of both discriminators' losses, and its average.
  void generator_update(const GeneratorInputs<T, D>& inputs, StepReport& report) {
    typename Gan::GeneratorType::Cache generator_cache;
    const Tensor<T, D> fake = gan_.generator.forward(inputs.z, inputs.labels, Pass::train(), &generator_cache);
    auto loss = Tensor<T, D>::zeros(Shape{1});
    Tensor<T, D> dfake;
    {
      typename Gan::SpatialType::Cache cache;
      const Tensor<T, D> scores = gan_.spatial.forward(fake, inputs.labels, inputs.frames, Pass::train(), &cache);
      dfake = gan_.spatial.backward(generator_loss(scores, loss), cache, Gradients::inputs);
    }
    {
      typename Gan::TemporalType::Cache cache;
      const Tensor<T, D> scores = gan_.temporal.forward(fake, inputs.labels, Pass::train(), &cache);
      const Tensor<T, D> dtemporal = gan_.temporal.backward(generator_loss(scores, loss), cache, Gradients::inputs);
      D::add(dfake.size(), dtemporal.data(), dfake.data());
    }
    generator_.clear_gradients();
    gan_.generator.backward(dfake, std::move(generator_cache), Gradients::parameters);
    report.generator_loss = static_cast<double>(loss.item());
    report.generator_gradient_norm = gradient_norm(generator_);
    generator_optimizer_.step();
    ++steps_;
    update_moving_average(generator_, average_, steps_, options_.average);
  }

  Gan& gan() { return gan_; }
  const TrainerOptions& options() const { return options_; }
  /// Steps so far.
  Index steps() const { return steps_; }
  void set_steps(Index steps) { steps_ = steps; }
  Optimizer& generator_optimizer() { return generator_optimizer_; }
  Optimizer& discriminator_optimizer() { return discriminator_optimizer_; }

 private:
  static Contents<T, D> both(Contents<T, D> first, const Contents<T, D>& second) {
    first.parameters.insert(first.parameters.end(), second.parameters.begin(), second.parameters.end());
    return first;
  }

  void check_data(const Tensor<T, D>& videos) const {
    const DvdGanConfig& config = gan_.config();
    require(videos.extent(0) == config.frames && videos.extent(2) == config.resolution &&
                videos.extent(3) == config.resolution,
            "the model expects clips of ", config.frames, " frames of ", config.resolution, "x", config.resolution,
            " pixels, but the data set gives ", videos.extent(0), " frames of ", videos.extent(3), "x",
            videos.extent(2));
  }

  Tensor<T, D> latents(const Random& random) const {
    Tensor<T, D> z(Shape{options_.batch, gan_.config().latent_dim});
    D::random_normal(z.size(), random.stream("latents"), T{1}, z.data());
    return z;
  }

  Labels labels(const Random& random) const {
    const Random own = random.stream("labels");
    Labels result;
    for (Index n = 0; n < options_.batch; ++n)
      result.push_back(own.below(static_cast<std::uint64_t>(n), gan_.config().classes));
    return result;
  }

  FrameIndices frames(const Random& random) const {
    return Sampler::draw(random.stream("frames"), options_.batch, gan_.config().frames, gan_.config().frames_judged());
  }

  /// Videos [T, N, ...] and [T, M, ...] as [T, N + M, ...].
  static Tensor<T, D> concatenate(const Tensor<T, D>& a, const Tensor<T, D>& b) {
    const Shape& shape = a.shape();
    const Index frame = shape[2] * shape[3] * shape[4], of_a = a.extent(1) * frame, of_b = b.extent(1) * frame;
    Tensor<T, D> result(Shape{shape[0], a.extent(1) + b.extent(1), shape[2], shape[3], shape[4]});
    D::copy_rows(1, shape[0], of_a, a.data(), 0, of_a, result.data(), 0, of_a + of_b);
    D::copy_rows(1, shape[0], of_b, b.data(), 0, of_b, result.data() + of_a, 0, of_a + of_b);
    return result;
  }

  /// The gradient of the scores, real ones first.
  static Tensor<T, D> discriminator_loss(const Tensor<T, D>& scores, Index real_count, DiscriminatorReport& report) {
    Tensor<T, D> dscores(scores.shape());
    auto loss = Tensor<T, D>::zeros(Shape{1});
    const Index fake_count = scores.size() - real_count;
    D::mean_loss(
        real_count, scores.data(), [](T score) { return Loss::real(score); }, loss.data(), dscores.data());
    D::mean_loss(
        fake_count, scores.data() + real_count, [](T score) { return Loss::fake(score); }, loss.data(),
        dscores.data() + real_count);
    report.loss = static_cast<double>(loss.item());
    const std::vector<T> values = scores.to_vector();
    report.real_score = report.fake_score = 0;
    for (Index i = 0; i < scores.size(); ++i) {
      const double score = static_cast<double>(values[static_cast<std::size_t>(i)]);
      if (i < real_count)
        report.real_score += score / static_cast<double>(real_count);
      else
        report.fake_score += score / static_cast<double>(fake_count);
    }
    return dscores;
  }

  static Tensor<T, D> generator_loss(const Tensor<T, D>& scores, Tensor<T, D>& loss) {
    Tensor<T, D> dscores(scores.shape());
    D::mean_loss(
        scores.size(), scores.data(), [](T score) { return Loss::generator(score); }, loss.data(), dscores.data());
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
  Index steps_ = 0;
};

}  // namespace dvd
