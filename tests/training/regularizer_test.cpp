// Terms beside the losses of scores: R1 against the second derivative it stands for, the grid-cell regulariser against
// its formula, and both in training.
#include "dvd/training/regularizer.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <map>

#include "dvd/data/function_source.hpp"
#include "dvd/data/moving_shapes.hpp"
#include "dvd/distributed/thread_communicator.hpp"
#include "dvd/layers/activation.hpp"
#include "dvd/layers/grid_cell_regularizer.hpp"
#include "dvd/layers/norms.hpp"
#include "dvd/layers/pointwise_layer.hpp"
#include "dvd/models/dvd_gan.hpp"
#include "dvd/models/gan.hpp"
#include "dvd/models/layer_discriminator.hpp"
#include "dvd/testing/differentiable.hpp"
#include "dvd/training/checkpoint.hpp"
#include "dvd/training/r1.hpp"
#include "dvd/training/sgd.hpp"
#include "support/gan_archetypes.hpp"

namespace {

using namespace dvd;
using dvd::testing::random_tensor;

const Random random_weights = Random(3);

template <class Activation>
auto judge(const Activation& activation) {
  return LayerDiscriminator(
      Sequential(SpectralNorm<Conv3D<double>>(random_weights.stream("u"), 2, 3, 3, random_weights.stream(0)),
                 activation, Conv3D<double>(3, 3, 3, random_weights.stream(1)), activation,
                 Conv3D<double>(3, 1, 1, random_weights.stream(2))));
}

VideoBatch<double> videos(double scale) { return {random_tensor(Shape{2, 3, 4, 3, 2}, Random(1), scale)}; }

const Pass still = {true, false, 0};

// weight / 2 * mean |dD(x)/dx|^2
template <class X>
double penalty(X& discriminator, const VideoBatch<double>& real, double weight) {
  typename X::Cache cache;
  Tensor<double> ones(discriminator.forward(real, still, &cache).shape());
  ones.fill(1);
  double sum = 0;
  for (const double slope : discriminator.backward(ones, cache, Gradients::inputs).to_vector()) sum += slope * slope;
  return weight / 2 * sum / static_cast<double>(ones.size());
}

// The largest distance of R1's gradients from those of the penalty, over all parameters, and the largest of these.
template <class X>
std::pair<double, double> error_of(X& discriminator, const VideoBatch<double>& real, const R1& r1) {
  auto all = contents(discriminator);
  all.clear_gradients();
  const double share = 0.5;
  const Tensor<double> loss = r1(discriminator, real, share, still);
  CHECK(loss.shape() == Shape{1});
  CHECK(loss.item() == doctest::Approx(penalty(discriminator, real, r1.weight)).epsilon(1e-12));
  double error = 0, largest = 0;
  for (auto& [name, parameter] : all.parameters) {
    const std::vector<double> gradient = parameter->accumulator().to_vector();
    for (Index i = 0; i < parameter->value.size(); ++i) {
      double& value = parameter->value.data()[i];
      const double kept = value, h = 1e-5;
      value = kept + h;
      const double above = penalty(discriminator, real, r1.weight);
      value = kept - h;
      const double below = penalty(discriminator, real, r1.weight);
      value = kept;
      const double expected = share * (above - below) / (2 * h);
      error = std::max(error, std::abs(gradient[static_cast<std::size_t>(i)] - expected));
      largest = std::max(largest, std::abs(expected));
    }
  }
  return {error, largest};
}

TEST_CASE("R1 is the gradient of the penalty, but for an error that is a quarter for half the step") {
  auto discriminator = judge(Softplus<double>());
  auto all = contents(discriminator);
  dvd::testing::randomize(all, Random(7));
  dvd::testing::converge(all);
  const VideoBatch<double> real = videos(0.5);
  const auto [coarse, largest] = error_of(discriminator, real, {.weight = 3, .step = 0.08});
  const auto [fine, same] = error_of(discriminator, real, {.weight = 3, .step = 0.04});
  const auto [usual, again] = error_of(discriminator, real, {.weight = 3});
  CHECK(largest > 1e-3);
  CHECK(coarse / fine == doctest::Approx(4).epsilon(0.05));
  CHECK(usual < 1e-6 * largest);
}

TEST_CASE("R1 in float is that in double, to a thousandth of the largest gradient at the usual step") {
  LayerDiscriminator in_float(Sequential(Conv3D<float>(2, 3, 3, Random(1)), Softplus<float>(),
                                         Conv3D<float>(3, 3, 3, Random(2)), Softplus<float>(),
                                         Conv3D<float>(3, 1, 1, Random(3))));
  LayerDiscriminator in_double(Sequential(Conv3D<double>(2, 3, 3, Random(1)), Softplus<double>(),
                                          Conv3D<double>(3, 3, 3, Random(2)), Softplus<double>(),
                                          Conv3D<double>(3, 1, 1, Random(3))));
  auto rounded = contents(in_float);
  auto exact = contents(in_double);
  dvd::testing::randomize(exact, Random(7));
  for (std::size_t i = 0; i < exact.parameters.size(); ++i)
    rounded.parameters[i].parameter->value.copy_from(cast<float>(exact.parameters[i].parameter->value));
  const VideoBatch<double> real = videos(0.5);
  const ConstTensorView<float> pixels = cast<float>(real.videos);
  const double loss = R1{}(in_double, real, 1, still).item();
  CHECK(R1{}(in_float, {pixels}, 1, still).item() == doctest::Approx(loss).epsilon(1e-4));
  double error = 0, largest = 0;
  for (std::size_t i = 0; i < exact.parameters.size(); ++i) {
    const std::vector<double> expected = exact.parameters[i].parameter->accumulator().to_vector();
    const std::vector<float> found = rounded.parameters[i].parameter->accumulator().to_vector();
    for (std::size_t k = 0; k < expected.size(); ++k) {
      error = std::max(error, std::abs(expected[k] - static_cast<double>(found[k])));
      largest = std::max(largest, std::abs(expected[k]));
    }
  }
  CHECK(largest > 1e-3);
  CHECK(error < 1e-3 * largest);
}

TEST_CASE("where no ReLU switches, R1 is exact") {
  auto discriminator = judge(LeakyReLU<double>(0.2));
  auto all = contents(discriminator);
  dvd::testing::randomize(all, Random(8));
  dvd::testing::converge(all);
  const auto [error, largest] = error_of(discriminator, videos(0.5), {.weight = 3, .step = 1e-6});
  CHECK(largest > 1e-3);
  CHECK(error < 1e-6 * largest);
}

TEST_CASE("R1 of scores that depend on each other, through a batch norm") {
  LayerDiscriminator discriminator(Sequential(Conv3D<double>(2, 3, 3, random_weights.stream(0)), BatchNorm<double>(3),
                                              Softplus<double>(), Conv3D<double>(3, 3, 3, random_weights.stream(1)),
                                              Softplus<double>(), Conv3D<double>(3, 1, 1, random_weights)));
  auto all = contents(discriminator);
  dvd::testing::randomize(all, Random(9));
  VideoBatch<double> real = videos(0.5);  // of which one is judged far more steeply than the others
  Tensor<double> uneven = real.videos.clone();
  for (Index t = 0; t < 2; ++t) Cpu::scale(24, 4.0, uneven[t][0].data(), uneven[t][0].data());
  real.videos = uneven;
  const auto [error, largest] = error_of(discriminator, real, {.weight = 3});
  CHECK(largest > 1e-5);
  CHECK(error < 1e-5 * largest);
}

TEST_CASE("R1 of a discriminator that is flat, and of settings that make no sense") {
  auto discriminator = judge(Softplus<double>());
  auto all = contents(discriminator);
  for (auto& [name, parameter] : all.parameters)
    if (name.starts_with("4.")) parameter->value.fill(0);  // the last layer's
  CHECK(R1{}(discriminator, videos(1), 1, still).item() == 0);
  for (auto& [name, parameter] : all.parameters)
    for (const double slope : parameter->accumulator().to_vector()) CHECK(slope == 0);
  CHECK_THROWS_WITH_AS(R1{.weight = -1}(discriminator, videos(1), 1, still),
                       "the weight of R1 must be 0 or more, not -1", ArgumentError);
  CHECK_THROWS_WITH_AS(R1{.step = 0}(discriminator, videos(1), 1, still), "the step of R1 must be above 0, not 0",
                       ArgumentError);
  CHECK_THROWS_AS(R1{}(discriminator, {Tensor<double>::zeros(Shape{3, 4})}, 1, still), ArgumentError);
}

TEST_CASE("the grid-cell regulariser is its formula, and its gradient that formula's") {
  const GridCellRegularizer<> regularizer{
      .weight = 5, .samples_per_video = 3, .cell_weight = {.offset = 3, .slope = 2, .most = 4}};
  const Shape shape{2, 2, 3, 4, 1};
  const Tensor<double> truth = random_tensor(shape, Random(1)), made = random_tensor(Shape{2, 6, 3, 4, 1}, Random(2));
  const auto loss_of = [&](const Tensor<double>& videos) {
    double sum = 0;
    for (Index t = 0; t < 2; ++t)
      for (Index n = 0; n < 2; ++n)
        for (Index i = 0; i < 12; ++i) {
          double mean = 0;
          for (Index k = 0; k < 3; ++k) mean += videos[t][k * 2 + n].data()[i] / 3;
          const double x = truth[t][n].data()[i];
          sum += std::min(3 + 2 * x, 4.0) * std::abs(mean - x);
        }
    return 5 * sum / static_cast<double>(truth.size());
  };
  const TensorLoss<double> term = regularizer(made, truth);
  CHECK(term.loss.item() == doctest::Approx(loss_of(made)).epsilon(1e-12));
  CHECK(term.dx.shape() == made.shape());
  Tensor<double> moved = made.clone();
  for (Index i = 0; i < made.size(); ++i) {
    const double kept = moved.data()[i], h = 1e-6;
    moved.data()[i] = kept + h;
    const double above = loss_of(moved);
    moved.data()[i] = kept - h;
    const double slope = (above - loss_of(moved)) / (2 * h);
    moved.data()[i] = kept;
    CHECK(term.dx.data()[i] == doctest::Approx(slope).epsilon(1e-6));
  }
}

TEST_CASE("what the grid-cell regulariser refuses") {
  const Tensor<float> truth = Tensor<float>::zeros({2, 2, 3, 4, 1}), made = Tensor<float>::zeros({2, 12, 3, 4, 1});
  const GridCellRegularizer<> regularizer;
  CHECK(regularizer(made, truth).loss.item() == 0);
  CHECK_THROWS_WITH_AS(regularizer(truth, truth),
                       "a grid-cell regularizer expects 6 videos for each of some true ones [T, N, H, W, C], not "
                       "[2, 2, 3, 4, 1] for [2, 2, 3, 4, 1]",
                       ArgumentError);
  CHECK_THROWS_AS(regularizer(made.reshaped(Shape{2, 12, 4, 3, 1}), truth), ArgumentError);
  CHECK_THROWS_AS(GridCellRegularizer<>{.weight = -1}(made, truth), ArgumentError);
  CHECK_THROWS_WITH_AS(GridCellRegularizer<>{.samples_per_video = 0}.samples(),
                       "a grid-cell regularizer takes between 1 and 1024 samples a video, not 0", ArgumentError);
}

// Training: a DVD-GAN that continues videos, its networks with regularizers or without.

const DvdGanConfig config{.frames = 3,
                          .resolution = 16,
                          .channels = 2,
                          .classes = 12,
                          .latent_dim = 4,
                          .embed_dim = 4,
                          .spatial_frames = 2,
                          .condition_frames = 2};

MovingShapes shapes() { return MovingShapes({.frames = 5, .resolution = 16}); }

template <class OfGenerator, class OfDiscriminator>
auto trained(const TrainerOptions& options, int steps, const OfGenerator& of_generator,
             const OfDiscriminator& of_discriminator, StepReport* report = nullptr) {
  Gan gan(of_generator(DvdGenerator<float>(config, random_weights.stream("g"))),
          NamedDiscriminator("spatial", of_discriminator(SpatialDiscriminator<float>(config, random_weights))),
          NamedDiscriminator("temporal", of_discriminator(TemporalDiscriminator<float>(config, random_weights))));
  Trainer trainer(gan, options);
  MovingShapes data = shapes();
  StepReport last;
  for (int step = 0; step < steps; ++step) last = trainer.step(data);
  CHECK(!last.skipped);
  if (report) *report = last;
  std::map<std::string, std::vector<float>> state;
  dvd::detail::visit_tensors(trainer,
                             [&](const std::string& name, const auto& tensor) { state[name] = tensor.to_vector(); });
  return state;
}

const auto plain = [](auto network) { return network; };
const auto with = [](auto regularizer) {
  return [regularizer](auto network) { return Regularized(std::move(network), regularizer); };
};

TEST_CASE("regularizers of weight 0 change nothing, others do and are reported") {
  const TrainerOptions options{.batch = 2, .seed = 1};
  StepReport none, some;
  const auto expected = trained(options, 2, plain, plain, &none);
  CHECK(trained(options, 2, with(GridCellRegularizer<>{.weight = 0, .samples_per_video = 1}), with(R1{.weight = 0})) ==
        expected);
  CHECK(none.generator_regularization == 0);
  CHECK(none.discriminator("spatial").regularization == 0);
  const auto regularized = trained(options, 2, with(GridCellRegularizer<>{.weight = 2, .samples_per_video = 3}),
                                   with(R1{.weight = 1}), &some);
  CHECK(regularized.size() == expected.size());  // names of weights are the same, too
  CHECK(regularized != expected);
  CHECK(some.generator_regularization > 0);
  CHECK(some.discriminator("spatial").regularization > 0);
  CHECK(some.discriminator("temporal").regularization > 0);
}

TEST_CASE("regularizers on a batch in parts") {
  StepReport whole, parts;
  const auto generator = with(GridCellRegularizer<>{.weight = 2, .samples_per_video = 2});
  trained({.batch = 4, .seed = 1, .d_steps = 1}, 1, generator, with(R1{.weight = 1}), &whole);
  trained({.batch = 4, .seed = 1, .d_steps = 1, .micro_batch = 2}, 1, generator, with(R1{.weight = 1}), &parts);
  // The generator's batch norms see the statistics of a part, but real videos are what they are, and at first weights.
  CHECK(parts.discriminator("spatial").regularization ==
        doctest::Approx(whole.discriminator("spatial").regularization).epsilon(0.02));
  CHECK(parts.generator_regularization == doctest::Approx(whole.generator_regularization).epsilon(0.1));
}

TEST_CASE("ranks take the same steps with regularizers") {
  const auto train = [&](Index size, Reduce reduce) {
    std::vector<double> state;
    run_ranks(size, [&](ThreadCommunicator& ranks) {
      Gan gan(Regularized(DvdGenerator<double>(config, random_weights.stream("g")),
                          GridCellRegularizer<>{.weight = 2, .samples_per_video = 3}),
              NamedDiscriminator("spatial",
                                 Regularized(SpatialDiscriminator<double>(config, random_weights), R1{.weight = 1})));
      Trainer<decltype(gan), HingeLoss, Sgd<double>, Sgd<double>, ThreadCommunicator> trainer(
          gan,
          {.batch = 3,
           .seed = 3,
           .generator_optimizer = {.learning_rate = 1e-2},
           .discriminator_optimizer = {.learning_rate = 1e-2},
           .augment = AugmentationOptions::all(),
           .reduce = reduce},
          ranks);
      MovingShapes data = shapes();
      StepReport report;
      for (int step = 0; step < 2; ++step) report = trainer.step(data);
      if (ranks.rank() > 0) return;
      state = {report.generator_regularization, report.discriminator("spatial").regularization};
      for (const auto& [name, parameter] : contents(gan).parameters)
        for (const double value : parameter->value.to_vector()) state.push_back(value);
    });
    return state;
  };
  CHECK(train(1, Reduce::ordered) == train(2, Reduce::ordered));  // three shards
  const std::vector<double> one = train(1, Reduce::fast), two = train(2, Reduce::fast);
  REQUIRE(one.size() == two.size());
  double distance = 0;
  for (std::size_t i = 0; i < one.size(); ++i) distance = std::max(distance, std::abs(one[i] - two[i]));
  CHECK(distance < 1e-9);
}

TEST_CASE("a DVD-GAN has a grid-cell regulariser where it is given one") {
  const GridCellRegularizer<> regularizer{.weight = 2, .samples_per_video = 2};
  const TrainerOptions options{.batch = 2, .seed = 1};
  const auto values_of = [](auto& networks) {
    std::vector<float> all;
    for (const auto& [name, parameter] : contents(networks).parameters)
      for (const float value : parameter->value.to_vector()) all.push_back(value);
    return all;
  };
  const auto train = [&](auto& gan) {
    Trainer trainer(gan, options);
    MovingShapes data = shapes();
    trainer.step(data);
    return trainer.step(data).generator_regularization;
  };
  DvdGan<float> without(config, 5), with_it(config, 5), weights(config, 5);
  with_it.grid_cell = regularizer;
  // The same networks, and the regulariser as any generator is given one.
  Gan by_name(Regularized(clone(weights.networks()), regularizer),
              NamedDiscriminator("spatial", clone(weights.spatial)),
              NamedDiscriminator("temporal", clone(weights.temporal)));
  CHECK(train(without) == 0);
  const double loss = train(with_it);
  CHECK(loss > 0);
  CHECK(train(by_name) == loss);
  CHECK(values_of(with_it.networks()) == values_of(by_name.networks()));
  CHECK(values_of(with_it.networks()) != values_of(without.networks()));
}

TEST_CASE("a regulariser that comes or goes while a trainer is at work") {
  DvdGan<float> gan(config, 5);
  MovingShapes data = shapes();
  {
    Trainer trainer(gan, {.batch = 2});
    gan.grid_cell = GridCellRegularizer<>{.weight = 2, .samples_per_video = 1};
    CHECK_THROWS_WITH_AS(trainer.step(data),
                         "the generator has a regularizer that it did not have when the trainer was made",
                         ArgumentError);
  }
  Trainer trainer(gan, {.batch = 2});
  CHECK(trainer.step(data).generator_regularization > 0);
  gan.grid_cell.reset();
  CHECK(trainer.step(data).generator_regularization == 0);
}

TEST_CASE("a generator that is given nothing real has nothing to compare with") {
  DvdGanConfig nothing = config;
  nothing.condition_frames = 0;
  Gan gan(Regularized(DvdGenerator<float>(nothing, random_weights), GridCellRegularizer<>{}),
          NamedDiscriminator("temporal", TemporalDiscriminator<float>(nothing, random_weights)));
  CHECK_THROWS_WITH_AS(Trainer{gan},
                       "the generator's regularizer compares what is made with what really follows, but this generator "
                       "is given nothing of a real video: no frames and no vectors",
                       ArgumentError);
}

// One's own, on networks that have no more than they must: generated videos are to be no larger than the true ones.
struct NoLarger {
  Index samples() const { return 2; }
  TensorLoss<float> operator()(const ConstTensorView<float>& made, const ConstTensorView<float>& truth) const {
    CHECK(made.extent(1) == 2 * truth.extent(1));
    return {Tensor<float>(Shape{}, std::vector<float>{3}), Tensor<float>::zeros(made.shape())};
  }
};
struct SmallSlope {
  Tensor<float> operator()(dvd::testing::ArchetypeDiscriminator& discriminator, const VideoBatch<float>& real,
                           double weight, const Pass& pass) const {
    CHECK(real.videos.shape() == Shape{2, 3, 3, 5, 2});
    CHECK(!pass.power_iteration);
    const float slope = discriminator.slope.value.item();
    discriminator.slope.accumulator().data()[0] += static_cast<float>(weight) * slope;
    return Tensor<float>(Shape{1}, std::vector<float>{slope * slope / 2 + 1});
  }
};

TEST_CASE("regularizers of one's own") {
  using namespace dvd::testing;
  Gan gan(Regularized{ArchetypeGenerator{}, NoLarger{}},
          NamedDiscriminator{"only", Regularized{ArchetypeDiscriminator{}, SmallSlope{}}});
  Trainer trainer(gan, {.batch = 3, .seed = 1});
  FunctionSource data([](const Random&) {
    FloatClip clip(2, 3, 5, 2);
    std::ranges::fill(clip.values, 0.5f);
    return TrainingClip(std::move(clip), 0, {0.25f});
  });
  const StepReport report = trainer.step(data);
  CHECK(report.generator_regularization == 3);
  CHECK(report.discriminator("only").regularization >= 1);
}

}  // namespace
