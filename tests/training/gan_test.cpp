// GANs other than DVD-GAN: the least that the concepts ask for, other lists of discriminators, losses, optimizers.
#include "dvd/models/gan.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <map>

#include "dvd/data/function_source.hpp"
#include "dvd/data/moving_shapes.hpp"
#include "dvd/layers/frame_differences.hpp"
#include "dvd/models/dvd_gan.hpp"
#include "dvd/models/layer_discriminator.hpp"
#include "dvd/training/checkpoint.hpp"
#include "dvd/training/relativistic_loss.hpp"
#include "dvd/training/sgd.hpp"
#include "support/gan_archetypes.hpp"
#include "support/temporary_folder.hpp"

namespace {

using namespace dvd;
using dvd::testing::ArchetypeGan;

// Complete before they are asked about: g++ 12 may take a class that is completed by a question for one about itself.
static_assert(sizeof(SpatialDiscriminator<float>) + sizeof(TemporalDiscriminator<float>) + sizeof(DvdGan<float>) > 0);
static_assert(FrameSamplingDiscriminator<SpatialDiscriminator<float>> &&
              VideoDiscriminator<TemporalDiscriminator<float>> && VideoGenerator<DvdGenerator<float>> &&
              VideoGan<DvdGan<float>>);

const DvdGanConfig small{.frames = 3, .resolution = 16, .channels = 2, .classes = 12, .spatial_frames = 2};
const Random random_weights = Random(5);

// What a checkpoint would hold, by name.
template <class Trainer>
std::map<std::string, std::vector<float>> state_of(Trainer& trainer) {
  std::map<std::string, std::vector<float>> state;
  dvd::detail::visit_tensors(trainer,
                             [&](const std::string& name, const auto& tensor) { state[name] = tensor.to_vector(); });
  return state;
}

MovingShapes shapes() { return MovingShapes({.frames = small.frames, .resolution = small.resolution}); }

// Judges movement alone, by a loss of its own, half as important as the others.
auto motion_network() {
  return Sequential(
      FrameDifferences<float>(), Conv3D<float>(3, 4, 3, random_weights.stream("motion 1")), ReLU<float>(),
      SpectralNorm<Conv3D<float>>(random_weights.stream("motion u"), 4, 1, 1, random_weights.stream("motion 2")));
}
struct MotionDiscriminator : LayerDiscriminator<decltype(motion_network())> {
  using Loss = LeastSquaresLoss;
  MotionDiscriminator() : LayerDiscriminator(motion_network(), 0.5) {}
};

TEST_CASE("the least that is a GAN trains, with vectors of its data, saves and goes on") {
  FunctionSource data([](const Random& random) {
    FloatClip clip(2, 3, 5, 2);
    const float number = static_cast<float>(random.uniform(0, -1, 1));
    std::ranges::fill(clip.values, 0.25f + number);
    return TrainingClip(std::move(clip), 0, {number});
  });
  const TemporaryFolder folder;
  const auto train = [&](int steps, const char* from, const char* to) {
    ArchetypeGan gan;
    Trainer trainer(gan, {.batch = 3, .seed = 1, .d_steps = 1, .average = {.decay = 0.5, .start = 0}});
    if (from) load_checkpoint(folder.path() / from, trainer);
    StepReport report;
    for (int step = 0; step < steps; ++step) report = trainer.step(data);
    CHECK(report.discriminators.size() == 1);
    CHECK(report.discriminator("only").loss > 0);
    CHECK_THROWS_AS(report.discriminator("spatial"), ArgumentError);
    save_checkpoint(folder.path() / to, trainer);
    return state_of(trainer);
  };
  const auto whole = train(4, nullptr, "four");
  train(2, nullptr, "two");
  CHECK(train(2, "two", "again") == whole);
  CHECK(whole.at("level") != std::vector<float>{0});
  CHECK(whole.at("ema.level") != whole.at("level"));
  CHECK(whole.contains("optimizer.only.slope.exp_avg_sq"));

  Gan sampled(dvd::testing::ArchetypeGenerator(), NamedDiscriminator{"a", dvd::testing::ArchetypeDiscriminator()});
  CHECK_THROWS_WITH_AS(sampled.sample(), doctest::Contains("sample(options, conditions)"), ArgumentError);
  const auto vectors = Tensor<float>::zeros({2, 1});
  CHECK(sampled.sample({.count = 2}, {.vectors = vectors}).shape() == Shape{2, 2, 3, 5, 2});
  CHECK_THROWS_AS(sampled.sample({.count = 2, .frames = 3}, {.vectors = vectors}), ArgumentError);

  // A step that takes vectors refuses clips without them, before anything changes.
  FunctionSource without([](const Random&) { return FloatClip(2, 3, 5, 2); });
  ArchetypeGan gan;
  Trainer trainer(gan, {.batch = 3});
  CHECK_THROWS_WITH_AS(trainer.step(without), doctest::Contains("a vector of 1 numbers"), ArgumentError);
  CHECK(trainer.discriminator_optimizer().steps() == 0);
}

TEST_CASE("a Gan of a DVD-GAN's networks is that DVD-GAN, to the bit") {
  MovingShapes data = shapes();
  DvdGan<float> expected(small, random_weights);
  Gan actual(DvdGenerator<float>(small, random_weights),
             NamedDiscriminator{"spatial", SpatialDiscriminator<float>(small, random_weights.stream("spatial"))},
             NamedDiscriminator{"temporal", TemporalDiscriminator<float>(small, random_weights.stream("temporal"))});
  Trainer trains_expected(expected, {.batch = 3, .seed = 2});
  Trainer trains_actual(actual, {.batch = 3, .seed = 2});
  for (int step = 0; step < 2; ++step) {
    const StepReport a = trains_expected.step(data), b = trains_actual.step(data);
    CHECK(a.generator_loss == b.generator_loss);
  }
  CHECK(state_of(trains_expected) == state_of(trains_actual));
  CHECK(expected.sample({.label = 3}).to_vector() == actual.sample({.label = 3}).to_vector());
  CHECK(expected.sample({.frames = 5}).to_vector() == actual.sample({.frames = 5}).to_vector());
  CHECK_THROWS_AS(actual.sample({.label = 12}), ArgumentError);
}

TEST_CASE("three discriminators, one of them a Sequential, or one alone") {
  MovingShapes data = shapes();
  const TemporaryFolder folder;
  const auto make = [] {
    return std::make_unique<
        Gan<DvdGenerator<float>, SpatialDiscriminator<float>, TemporalDiscriminator<float>, MotionDiscriminator>>(
        DvdGenerator<float>(small, random_weights),
        NamedDiscriminator{"spatial", SpatialDiscriminator<float>(small, random_weights.stream("spatial"))},
        NamedDiscriminator{"temporal", TemporalDiscriminator<float>(small, random_weights.stream("temporal"))},
        NamedDiscriminator{"motion", MotionDiscriminator()});
  };
  const auto gan = make(), other = make();
  Trainer trainer(*gan, {.batch = 3, .seed = 2});
  const auto before = state_of(trainer);
  StepReport report = trainer.step(data);
  REQUIRE(report.discriminators.size() == 3);
  CHECK(report.discriminators[2].name == "motion");
  CHECK(report.discriminator("motion").gradient_norm > 0);
  const auto after = state_of(trainer);
  CHECK(before.at("motion.1.weight") != after.at("motion.1.weight"));
  CHECK(before.at("motion.3.u") == after.at("motion.3.u"));  // of one output: 1 or -1

  save_checkpoint(folder.path() / "a", trainer);
  Trainer again(*other, {.batch = 3, .seed = 2});
  load_checkpoint(folder.path() / "a", again);
  CHECK(state_of(again) == after);
  trainer.step(data);
  again.step(data);
  CHECK(state_of(again) == state_of(trainer));

  Gan alone(DvdGenerator<float>(small, random_weights), NamedDiscriminator{"motion", MotionDiscriminator()});
  Trainer trains_alone(alone, {.batch = 2});
  CHECK(trains_alone.step(data).discriminators.size() == 1);
  CHECK_THROWS_WITH_AS(load_checkpoint(folder.path() / "a", trains_alone), doctest::Contains("spatial"), FileError);
}

// Calls its parameter as a discriminator "a" calls its bias.
struct NamedAlike : dvd::testing::ArchetypeGenerator {
  template <class F>
  void visit(const std::string& prefix, F& f) {
    f(prefix + "a.slope", level);
  }
};

TEST_CASE("names that a checkpoint could mistake are refused") {
  using dvd::testing::ArchetypeDiscriminator, dvd::testing::ArchetypeGenerator;
  CHECK_NOTHROW(Gan(ArchetypeGenerator(), NamedDiscriminator{"level", ArchetypeDiscriminator()}));  // "level.slope"
  CHECK_THROWS_WITH_AS(Gan(NamedAlike(), NamedDiscriminator{"a", dvd::testing::ArchetypeDiscriminator()}),
                       doctest::Contains("something called \"a.slope\""), ArgumentError);
  for (const char* name : {"", "ema", "generator", "optimizer", "a.b"})
    CHECK_THROWS_WITH_AS(
        Gan(DvdGenerator<float>(small, random_weights), NamedDiscriminator{name, MotionDiscriminator()}),
        doctest::Contains("a name of its own"), ArgumentError);
  CHECK_THROWS_AS(Gan(DvdGenerator<float>(small, random_weights), NamedDiscriminator{"a", MotionDiscriminator()},
                      NamedDiscriminator{"a", MotionDiscriminator()}),
                  ArgumentError);
}

// The archetypes, and what they get wrong on demand.
struct WrongGenerator : dvd::testing::ArchetypeGenerator {
  Index frames = 2;
  Tensor<float> generate(const ConstTensorView<float>& z, const Conditions<float>& conditions, Pass pass,
                         Cache* cache = nullptr) {
    const Tensor<float> right = ArchetypeGenerator::generate(z, conditions, pass, cache);
    return frames == 2 ? right : Tensor<float>(right.slice(0, frames));
  }
};
struct WrongDiscriminator : dvd::testing::ArchetypeDiscriminator {
  enum { nothing, scores, gradient, no_gradient } wrong = nothing;
  double the_share = 1;
  double share() const { return the_share; }
  Tensor<float> forward(const VideoBatch<float>& batch, Pass pass, Cache* cache = nullptr) {
    const Tensor<float> right = ArchetypeDiscriminator::forward(batch, pass, cache);
    return wrong == scores ? Tensor<float>(right.slice(0, 1)) : right;
  }
  Tensor<float> backward(const ConstTensorView<float>& dscores, const Cache& cache, Gradients gradients) {
    const Tensor<float> right = ArchetypeDiscriminator::backward(dscores, cache, gradients);
    if (wrong == no_gradient) return {};
    return wrong == gradient && right ? Tensor<float>(right.slice(0, 1)) : right;
  }
};

TEST_CASE("parts that do not do what they say are named, and nothing has changed") {
  FunctionSource data([](const Random&) { return TrainingClip(FloatClip(2, 3, 5, 2), 0, {0.5f}); });
  const auto message_of = [&](const auto& spoil) -> std::string {
    Gan gan(WrongGenerator(), NamedDiscriminator{"good", WrongDiscriminator()},
            NamedDiscriminator{"bad", WrongDiscriminator()});
    spoil(gan);
    try {
      Trainer trainer(gan, {.batch = 2});
      try {
        trainer.step(data);
      } catch (const ArgumentError&) {
        CHECK(trainer.generator_optimizer().steps() == 0);
        throw;
      }
    } catch (const ArgumentError& error) {
      return error.what();
    }
    return "";
  };
  CHECK(message_of([](auto&) {}) == "");
  CHECK(message_of([](auto& gan) { gan.generator.frames = 1; }) ==
        "the generator made videos of shape [1, 2, 3, 5, 2], but its sizes() say [2, 2, 3, 5, 2]");
  CHECK(message_of([](auto& gan) { gan.template discriminator<1>().wrong = WrongDiscriminator::scores; }) ==
        "the discriminator \"bad\" gave scores of shape [1] for 4 videos");
  CHECK(message_of([](auto& gan) { gan.template discriminator<1>().wrong = WrongDiscriminator::gradient; }) ==
        "the discriminator \"bad\" gave a gradient of shape [1, 2, 3, 5, 2] for videos of shape [2, 2, 3, 5, 2]");
  CHECK(message_of([](auto& gan) {
          gan.template discriminator<1>().wrong = WrongDiscriminator::no_gradient;
        }).starts_with("the discriminator \"bad\" gave a gradient of shape []"));
  for (const double share : {-1.0, std::nan("")})
    CHECK(message_of([&](auto& gan) {
            gan.template discriminator<1>().the_share = share;
          }).starts_with("the discriminator \"bad\" has a share of"));
  CHECK_THROWS_AS(LayerDiscriminator(motion_network(), -1), ArgumentError);
}

// The generator's gradient after a step whose discriminators do not move, by the share of a second discriminator.
std::vector<float> generator_gradient_of(double share) {
  MovingShapes data = shapes();
  Gan gan(DvdGenerator<float>(small, random_weights),
          NamedDiscriminator{"temporal", TemporalDiscriminator<float>(small, random_weights.stream("temporal"))},
          NamedDiscriminator{"motion", LayerDiscriminator(motion_network(), share)});
  Trainer trainer(
      gan, {.batch = 2, .generator_optimizer = {.learning_rate = 0}, .discriminator_optimizer = {.learning_rate = 0}});
  trainer.step(data);
  return gan.generator.generator.input.layer.weight.gradient.to_vector();
}

TEST_CASE("a share weighs a discriminator in the generator's loss") {
  const auto none = generator_gradient_of(0), one = generator_gradient_of(1), three = generator_gradient_of(3);
  double largest = 0;
  for (std::size_t i = 0; i < none.size(); ++i) {
    const double linear = none[i] + 3 * (one[i] - none[i]);
    largest = std::max(largest, static_cast<double>(std::abs(one[i] - none[i])));
    CHECK(three[i] == doctest::Approx(linear).epsilon(1e-3).scale(0.1));
  }
  CHECK(largest > 0);
}

// Value of a relativistic hinge by its formula.
double relativistic(const std::vector<double>& real, const std::vector<double>& fake, double sign) {
  double real_mean = 0, fake_mean = 0, loss = 0;
  for (const double score : real) real_mean += score / static_cast<double>(real.size());
  for (const double score : fake) fake_mean += score / static_cast<double>(fake.size());
  for (const double score : real)
    loss += std::max(0.0, 1 - sign * (score - fake_mean)) / static_cast<double>(real.size());
  for (const double score : fake)
    loss += std::max(0.0, 1 + sign * (score - real_mean)) / static_cast<double>(fake.size());
  return loss;
}

TEST_CASE("the relativistic hinge has its value and its gradients") {
  const std::vector<double> real{0.3, -0.7, 2.4}, fake{0.1, -1.9, 0.8, 0.45};
  const Tensor<double> r(Shape{3}, real), f(Shape{4}, fake);
  for (const double sign : {1.0, -1.0}) {
    const auto loss = sign > 0 ? RelativisticHingeLoss::discriminator<double, Cpu>(r, f)
                               : RelativisticHingeLoss::generator<double, Cpu>(r, f);
    CHECK(loss.loss.item() == doctest::Approx(relativistic(real, fake, sign)).epsilon(1e-12));
    const auto dreal = loss.dreal.to_vector(), dfake = loss.dfake.to_vector();
    const double step = 1e-6;
    for (std::size_t i = 0; i < 7; ++i) {
      auto above_real = real, below_real = real, above_fake = fake, below_fake = fake;
      (i < 3 ? above_real[i] : above_fake[i - 3]) += step;
      (i < 3 ? below_real[i] : below_fake[i - 3]) -= step;
      const double slope =
          (relativistic(above_real, above_fake, sign) - relativistic(below_real, below_fake, sign)) / (2 * step);
      CHECK((i < 3 ? dreal[i] : dfake[i - 3]) == doctest::Approx(slope).epsilon(1e-7));
    }
  }
}

TEST_CASE("a loss that sees both scores takes real videos into the generator's update") {
  MovingShapes data = shapes();
  DvdGan<float> gan(small, 1);
  Trainer<DvdGan<float>, RelativisticHingeLoss> trainer(gan, {.batch = 3, .seed = 2});
  CHECK(trainer.batches_per_step() == 3);
  StepReport report;
  for (int step = 0; step < 3; ++step) report = trainer.step(data);
  CHECK_FALSE(report.skipped);
  CHECK(report.generator_loss > 0);
  CHECK(report.generator_gradient_norm > 0);
  CHECK(Trainer<DvdGan<float>>(gan).batches_per_step() == 2);

  // By hand: such an update asks for real videos, another one refuses them.
  GeneratorInputs<float> inputs{Tensor<float>::zeros({2, 120}), {1, 2}, FrameIndices{2, 2, {0, 1, 0, 2}}};
  CHECK_THROWS_WITH_AS(trainer.generator_update(inputs, report), doctest::Contains("real videos"), ArgumentError);
  inputs.real = Tensor<float>::zeros({3, 2, 16, 16, 3});
  inputs.real_labels = {1, 2};
  inputs.real_frames = inputs.frames;
  trainer.generator_update(inputs, report);
  Trainer<DvdGan<float>> plain(gan);
  CHECK_THROWS_WITH_AS(plain.generator_update(inputs, report), doctest::Contains("only for a loss"), ArgumentError);
}

template <class Optimizer, class DiscriminatorOptimizer>
void check_goes_on() {
  MovingShapes data = shapes();
  const TemporaryFolder folder;
  using Trainer = dvd::Trainer<DvdGan<float>, HingeLoss, Optimizer, DiscriminatorOptimizer>;
  std::map<std::string, std::vector<float>> states[2];
  for (const bool interrupted : {false, true}) {
    DvdGan<float> gan(small, 1), other(small, 9);
    Trainer trainer(gan, {.batch = 2, .seed = 2}), fresh(other, {.batch = 2, .seed = 2});
    for (int step = 0; step < 2; ++step) trainer.step(data);
    save_checkpoint(folder.path() / "two", trainer);
    if (interrupted) load_checkpoint(folder.path() / "two", fresh);
    Trainer& goes_on = interrupted ? fresh : trainer;
    for (int step = 0; step < 2; ++step) CHECK_FALSE(goes_on.step(data).skipped);
    states[interrupted] = state_of(goes_on);
  }
  CHECK(states[0] == states[1]);
}

TEST_CASE("checkpoints carry what each optimizer remembers") {
  check_goes_on<Sgd<float>, Sgd<float>>();
  check_goes_on<AdamW<float>, Sgd<float>>();
}

TEST_CASE("a checkpoint of one optimizer is refused by another") {
  const TemporaryFolder folder;
  DvdGan<float> gan(small, 1);
  Trainer<DvdGan<float>> trainer(gan, {.batch = 2});
  save_checkpoint(folder.path() / "a", trainer);
  Trainer<DvdGan<float>, HingeLoss, Sgd<float>> other(gan, {.batch = 2});
  CHECK_THROWS_WITH_AS(load_checkpoint(folder.path() / "a", other), doctest::Contains("momentum_buffer is missing"),
                       FileError);
}

TEST_CASE("options of optimizers that make no sense are refused") {
  DvdGan<float> gan(small, 1);
  using Sgds = Trainer<DvdGan<float>, HingeLoss, Sgd<float>>;
  CHECK_THROWS_AS(Sgds(gan, {.generator_optimizer = {.momentum = 1}}), ArgumentError);
  CHECK_THROWS_AS(Sgds(gan, {.generator_optimizer = {.learning_rate = -1}}), ArgumentError);
  CHECK_THROWS_AS(Sgds(gan, {.discriminator_optimizer = {.weight_decay = std::nan("")}}), ArgumentError);
  using AdamWs = Trainer<DvdGan<float>, HingeLoss, AdamW<float>>;
  CHECK_THROWS_AS(AdamWs(gan, {.generator_optimizer = {.weight_decay = -1}}), ArgumentError);
}

}  // namespace
