// The parts of examples/nowcasting: its generator's gradient, its discriminators in their places, its data and scores.
#include <doctest/doctest.h>

#include <cmath>

#include "../examples/nowcasting/discriminators.hpp"
#include "../examples/nowcasting/generator.hpp"
#include "../examples/nowcasting/verification.hpp"
#include "dvd/distributed/thread_communicator.hpp"
#include "dvd/layers/grid_cell_regularizer.hpp"
#include "dvd/models/gan.hpp"
#include "dvd/testing/differentiable.hpp"
#include "dvd/training/sgd.hpp"
#include "dvd/training/trainer.hpp"

namespace {

using namespace dvd;
using dvd::testing::random_tensor;

static_assert(VideoGenerator<nowcasting::Generator<float>> &&
              FrameSamplingDiscriminator<nowcasting::SpatialDiscriminator<float>> &&
              VideoDiscriminator<decltype(nowcasting::temporal_discriminator<float>(Random(0)))>);

TEST_CASE("the gradient of the nowcasting generator") {
  const nowcasting::GeneratorOptions options{
      .sizes = {.frames = 3, .height = 16, .width = 24, .channels = 2, .latent_dim = 3, .condition_frames = 2},
      .fine = 8,
      .coarse = 6};
  nowcasting::Generator<double> generator(options, Random(1));
  auto all = contents(generator);
  for (std::size_t i = 0; i < all.parameters.size(); ++i) {
    Tensor<double>& value = all.parameters[i].parameter->value;
    const double fan = static_cast<double>(value.size() / value.extent(0));
    value.copy_from(
        random_tensor(value.shape(), Random(2).stream(i), value.shape().rank() > 1 ? 1 / std::sqrt(fan) : 0.2));
  }
  const Tensor<double> z = random_tensor(Shape{2, 3}, Random(3)),
                       past = random_tensor(Shape{2, 2, 16, 24, 2}, Random(4), 0.5);
  const Conditions<double> conditions{{}, past, {}};
  nowcasting::Generator<double>::Cache cache;
  const Tensor<double> made = generator.generate(z, conditions, Pass::train(), &cache);
  CHECK(made.shape() == Shape{3, 2, 16, 24, 2});
  const Tensor<double> dmade = random_tensor(made.shape(), Random(5));
  all.clear_gradients();
  generator.backward(dmade, std::move(cache), Gradients::parameters);
  const auto loss = [&] {
    const std::vector<double> values = generator.generate(z, conditions, Pass::train()).to_vector();
    double sum = 0;
    for (std::size_t i = 0; i < values.size(); ++i) sum += values[i] * dmade.data()[i];
    return sum;
  };
  for (auto& [name, parameter] : all.parameters) {
    CAPTURE(name);
    const Tensor<double> direction = random_tensor(parameter->value.shape(), Random(6)),
                         kept = parameter->value.clone();
    const auto moved = [&](double distance) {
      for (Index i = 0; i < kept.size(); ++i)
        parameter->value.data()[i] = kept.data()[i] + distance * direction.data()[i];
      return loss();
    };
    const double h = 1e-7, slope = (moved(h) - moved(-h)) / (2 * h);
    parameter->value.copy_from(kept);
    double expected = 0;
    for (Index i = 0; i < kept.size(); ++i) expected += parameter->gradient.data()[i] * direction.data()[i];
    CHECK(slope == doctest::Approx(expected).epsilon(1e-4));
  }
  CHECK_THROWS_WITH_AS(generator.generate(z, {}, Pass::evaluate()),
                       "the generator continues frames [2, 2, 16, 24, 2], not []", ArgumentError);
  nowcasting::GeneratorOptions odd = options;
  odd.sizes.width = 20;
  CHECK_THROWS_WITH_AS(nowcasting::Generator<double>(odd, Random(1)),
                       "the nowcasting generator makes fields whose height and width are multiples of 8, not 16 x 20",
                       ArgumentError);
}

TEST_CASE("ranks take the same steps as one process, on an uneven batch") {
  const nowcasting::GeneratorOptions options{
      .sizes = {.frames = 6, .height = 32, .width = 48, .channels = 1, .latent_dim = 3, .condition_frames = 4},
      .fine = 8,
      .coarse = 8};
  FunctionSource data([](const Random& random) {
    const FloatClip whole = std::get<FloatClip>(nowcasting::draw_rain(random).clip);
    FloatClip clip(10, 32, 48, 1);
    for (Index t = 0; t < 10; ++t)
      for (Index row = 0; row < 32; ++row) std::copy_n(whole.frame(t) + row * 96, 48, clip.frame(t) + row * 48);
    return TrainingClip(std::move(clip));
  });
  const auto train = [&](Index size) {
    std::vector<double> values;
    run_ranks(size, [&](ThreadCommunicator& ranks) {
      Gan gan(
          Regularized(nowcasting::Generator<double>(options, Random(1)), GridCellRegularizer<>{.samples_per_video = 2}),
          NamedDiscriminator("spatial", nowcasting::SpatialDiscriminator<double>(Random(2))),
          NamedDiscriminator("temporal", nowcasting::temporal_discriminator<double>(Random(3))));
      Trainer<decltype(gan), HingeLoss, Sgd<double>, Sgd<double>, ThreadCommunicator> trainer(
          gan,
          {.batch = 3,
           .seed = 1,
           .generator_optimizer = {.learning_rate = 1e-4},
           .discriminator_optimizer = {.learning_rate = 1e-3}},
          ranks);
      for (int step = 0; step < 3; ++step) CHECK(!trainer.step(data).skipped);
      if (ranks.rank() > 0) return;
      for (const auto& [name, parameter] : contents(gan).parameters)
        for (const double value : parameter->value.to_vector()) values.push_back(value);
    });
    return values;
  };
  const std::vector<double> one = train(1), two = train(2);
  REQUIRE(one.size() == two.size());
  double distance = 0;
  for (std::size_t i = 0; i < one.size(); ++i)
    distance = std::max(distance, std::abs(one[i] - two[i]) / (0.1 + std::abs(one[i])));
  CHECK(distance < 1e-9);
}

TEST_CASE("rain is a function of its seed, moves, and is what pixels say") {
  const auto clip_of = [](std::uint64_t seed) { return std::get<FloatClip>(nowcasting::draw_rain(Random(seed)).clip); };
  const FloatClip clip = clip_of(1);
  CHECK(clip.values == clip_of(1).values);
  CHECK(clip.values != clip_of(2).values);
  CHECK(clip.frames == 22);
  CHECK(std::ranges::minmax(clip.values).min >= -1);
  CHECK(std::ranges::minmax(clip.values).max <= 1);
  for (const double rate : {0.0, 0.5, 7.0, 32.0})
    CHECK(nowcasting::rate_of(nowcasting::pixel_of(rate)) == doctest::Approx(rate));
  CHECK(nowcasting::pixel_of(100) == 1);
}

TEST_CASE("a perfect forecast, and persistence") {
  nowcasting::LeadScores perfect, late;
  const std::vector<float> truth = {0, 2, 5, 12}, before = {2, 5, 12, 0};
  perfect.add({truth, truth}, truth);
  late.add({before}, truth);
  CHECK(perfect.mean_crps() == 0);
  CHECK(perfect.csi(0) == 1);
  CHECK(late.mean_crps() == (2 + 3 + 7 + 12) / 4.0);
  CHECK(late.csi(0) == 0.5);
  nowcasting::Verification verification;
  for (std::size_t lead = 0; lead < verification.model.size(); ++lead) {
    verification.model[lead].add({lead < 4 ? before : truth}, truth);
    verification.persistence[lead].add({before}, truth);
  }
  CHECK(verification.better_from() == 5);
}

}  // namespace
