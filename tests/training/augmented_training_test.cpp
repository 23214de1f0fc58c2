// Training with TrainerOptions::augment: what the discriminators see, what comes back to the generator, and that steps
// stay what they were otherwise.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "dvd/data/function_source.hpp"
#include "dvd/data/moving_shapes.hpp"
#include "dvd/models/gan.hpp"
#include "dvd/training/sgd.hpp"
#include "dvd/training/trainer.hpp"

namespace {

using namespace dvd;
using Doubles = Tensor<double>;

constexpr AugmentationOptions everything{true, true, 0.25, 0.4};

// Continues one frame by two that are learned, the same for all videos but for a number of z that is added.
struct Painter {
  using scalar_type = double;
  using device_type = Cpu;
  struct Cache {};

  Parameter<double, Cpu> image{Shape{2, 5, 6, 3}};

  Painter() { Cpu::random_normal(image.value.size(), Random(1), 0.5, image.value.data()); }

  VideoSizes sizes() const {
    return {.frames = 2, .height = 5, .width = 6, .channels = 3, .latent_dim = 1, .condition_frames = 1};
  }

  Doubles generate(const ConstTensorView<double>& z, const Conditions<double>&, Pass, Cache* = nullptr) {
    Doubles videos(Shape{2, z.extent(0), 5, 6, 3});
    for (Index t = 0; t < 2; ++t)
      for (Index n = 0; n < z.extent(0); ++n)
        for (Index i = 0; i < 5 * 6 * 3; ++i) videos[t][n].data()[i] = image.value[t].data()[i] + z.data()[n];
    return videos;
  }

  void backward(const ConstTensorView<double>& dvideos, Cache, Gradients) {
    for (Index t = 0; t < 2; ++t)
      for (Index n = 0; n < dvideos.extent(1); ++n)
        for (Index i = 0; i < 5 * 6 * 3; ++i) image.accumulator()[t].data()[i] += dvideos[t][n].data()[i];
  }

  template <class F>
  void visit(const std::string& prefix, F& f) {
    f(prefix + "image", image);
  }
};

// Scores by a pattern, and keeps what it has been given.
struct Witness {
  using scalar_type = double;
  using device_type = Cpu;
  struct Seen {
    Doubles videos;
    Random random;
    BatchPlace place;
  };
  struct Cache {
    Doubles videos;
  };

  Parameter<double, Cpu> pattern{Shape{3, 5, 6, 3}};
  std::shared_ptr<std::vector<Seen>> seen = std::make_shared<std::vector<Seen>>();

  explicit Witness(std::uint64_t seed) {
    Cpu::random_normal(pattern.value.size(), Random(seed), 0.1, pattern.value.data());
  }

  Doubles forward(const VideoBatch<double>& batch, Pass pass, Cache* cache = nullptr) {
    const Index count = batch.videos.extent(1);
    seen->push_back({batch.videos.clone(), *pass.random, pass.place});
    if (cache) cache->videos = batch.videos.clone();
    auto scores = Doubles::zeros(Shape{count});
    for (Index t = 0; t < 3; ++t)
      for (Index n = 0; n < count; ++n)
        for (Index i = 0; i < 5 * 6 * 3; ++i)
          scores.data()[n] += pattern.value[t].data()[i] * batch.videos[t][n].data()[i];
    return scores;
  }

  Doubles backward(const ConstTensorView<double>& dscores, const Cache& cache, Gradients gradients) {
    Doubles dvideos(cache.videos.shape());
    for (Index t = 0; t < 3; ++t)
      for (Index n = 0; n < dscores.size(); ++n)
        for (Index i = 0; i < 5 * 6 * 3; ++i) {
          dvideos[t][n].data()[i] = dscores.data()[n] * pattern.value[t].data()[i];
          if (wants_parameters(gradients))
            pattern.accumulator()[t].data()[i] += dscores.data()[n] * cache.videos[t][n].data()[i];
        }
    return wants_inputs(gradients) ? std::move(dvideos) : Doubles();
  }

  template <class F>
  void visit(const std::string& prefix, F& f) {
    f(prefix + "pattern", pattern);
  }
};

// A GAN of these and a trainer whose updates change no weight.
struct Still {
  using Gan = dvd::Gan<Painter, Witness, Witness>;
  Gan gan{Painter(), NamedDiscriminator{"one", Witness(2)}, NamedDiscriminator{"two", Witness(3)}};
  Trainer<Gan, HingeLoss, Sgd<double>, Sgd<double>> trainer;

  explicit Still(const AugmentationOptions& augment)
      : trainer(gan, {.batch = 4,
                      .seed = 5,
                      .generator_optimizer = {.learning_rate = 0},
                      .discriminator_optimizer = {.learning_rate = 0},
                      .augment = augment}) {}

  void step() {
    FunctionSource data([](const Random& random) {
      FloatClip clip(3, 5, 6, 3);
      for (std::size_t i = 0; i < clip.values.size(); ++i)
        clip.values[i] = static_cast<float>(random.uniform(static_cast<std::uint64_t>(i), -1, 1));
      return clip;
    });
    trainer.step(data);
  }
};

TEST_CASE("all discriminators see real and generated videos, and the frames that these continue, augmented alike") {
  Still plain({}), augmented(everything);
  plain.step();
  augmented.step();
  const auto &before = *plain.gan.discriminator<0>().seen, &one = *augmented.gan.discriminator<0>().seen,
             &two = *augmented.gan.discriminator<1>().seen;
  REQUIRE(before.size() == 3);  // two updates of the discriminators, one of the generator
  REQUIRE(one.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    Pass pass = Pass::train();
    pass.random = &before[i].random;
    pass.place = before[i].place;
    CHECK(before[i].videos.extent(1) == (i < 2 ? 8 : 4));
    CHECK(one[i].videos.to_vector() != before[i].videos.to_vector());
    CHECK(one[i].videos.to_vector() == Augmentation<double>(everything).forward(before[i].videos, pass).to_vector());
    CHECK(one[i].videos.to_vector() == two[i].videos.to_vector());
  }
  CHECK(one[0].videos.to_vector() != one[1].videos.to_vector());
}

TEST_CASE("the generator's gradient comes back through the augmentation") {
  Still still(everything);
  Doubles z(Shape{4, 1}), condition(Shape{1, 4, 5, 6, 3});
  Cpu::random_normal(z.size(), Random(6), 1.0, z.data());
  Cpu::random_normal(condition.size(), Random(7), 1.0, condition.data());
  GeneratorInputs<double> inputs{z, {}, {}, condition};
  const auto loss = [&] {
    StepReport report;
    still.trainer.generator_update(inputs, report);
    return report.generator_loss;
  };
  loss();
  Parameter<double, Cpu>& image = still.gan.generator.image;
  const std::vector<double> gradient = image.gradient.to_vector();
  double largest = 0;
  for (const double each : gradient) largest = std::max(largest, std::abs(each));
  CHECK(largest > 0);
  for (const Index at : {0, 17, 50, 89, 90, 133, 179}) {
    constexpr double step = 1e-3;  // scores are linear in the image
    double& value = image.value.data()[at];
    const double here = value;
    value = here + step;
    const double above = loss();
    value = here - step;
    const double below = loss();
    value = here;
    CHECK(std::abs((above - below) / (2 * step) - gradient[static_cast<std::size_t>(at)]) < 1e-8 * largest);
  }
}

constexpr DvdGanConfig small{.frames = 3, .resolution = 16, .channels = 2, .classes = 12, .spatial_frames = 2};

std::map<std::string, std::vector<float>> after_steps(const TrainerOptions& options, int steps = 2) {
  DvdGan<float> gan(small, 1);
  Trainer trainer(gan, options);
  MovingShapes data({.frames = small.frames, .resolution = small.resolution});
  for (int step = 0; step < steps; ++step) {
    const StepReport report = trainer.step(data);
    CHECK_FALSE(report.skipped);
    CHECK(report.generator_gradient_norm > 0);
  }
  std::map<std::string, std::vector<float>> state;
  for (const auto& [name, parameter] : contents(gan).parameters) state[name] = parameter->value.to_vector();
  return state;
}

TEST_CASE("a DVD-GAN trains with it, with the same bits on any number of threads, whole and in parts") {
  for (const Index micro_batch : {0, 3}) {
    const TrainerOptions options{
        .batch = 5, .seed = 2, .micro_batch = micro_batch, .augment = AugmentationOptions::all()};
    const auto many = after_steps(options);
    {
      const ThreadLimit one(1);
      CHECK(after_steps(options) == many);
    }
    TrainerOptions off = options;
    off.augment = {};
    CHECK(after_steps(off) != many);
    off.augment = {.flip = true};
    CHECK(after_steps(off) != many);
  }
}

TEST_CASE("in a fixed order, shards give the same bits whatever the number of threads") {
  const TrainerOptions options{
      .batch = 4, .seed = 2, .augment = AugmentationOptions::all(), .reduce = Reduce::ordered, .shards = 2};
  const auto many = after_steps(options, 1);
  const ThreadLimit one(1);
  CHECK(after_steps(options, 1) == many);
}

TEST_CASE("a value that is not finite is still traced to its layer, and left out") {
  DvdGan<float> gan(small, 1);
  Trainer trainer(gan, {.batch = 3, .seed = 2, .augment = AugmentationOptions::all()});
  MovingShapes data({.frames = small.frames, .resolution = small.resolution});
  trainer.step(data);
  auto all = contents(gan);
  const auto found = std::find_if(all.parameters.begin(), all.parameters.end(),
                                  [](const auto& each) { return each.name == "temporal.blocks.0.conv1.bias"; });
  REQUIRE(found != all.parameters.end());
  float& weight = found->parameter->value.data()[0];
  const float good = weight;
  weight = 3e38f;  // finite, but what follows from it is not
  const StepReport report = trainer.step(data);
  CHECK(report.skipped);
  CHECK(report.fault.starts_with("temporal.blocks."));
  weight = good;
  CHECK_FALSE(trainer.step(data).skipped);
}

TEST_CASE("settings that make no sense are refused") {
  DvdGan<float> gan(small, 1);
  CHECK_THROWS_WITH_AS(Trainer(gan, {.augment = {.translation = 2}}), doctest::Contains("translation is a part"),
                       ArgumentError);
}

}  // namespace
