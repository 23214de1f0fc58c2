// What a training step changes and what it leaves alone, what it reports, and that it learns.
#include "dvd/training/trainer.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <map>
#include <string>

#include "dvd/data/moving_shapes.hpp"
#include "dvd/device/cpu.hpp"
#include "dvd/training/spectrum.hpp"

namespace {

using namespace dvd;

using Gan = DvdGan<float>;
static_assert(!std::is_copy_constructible_v<Trainer<Gan>> && !std::is_copy_assignable_v<Trainer<Gan>>);

using State = std::map<std::string, std::vector<float>>;

constexpr DvdGanConfig small{.frames = 3, .resolution = 16, .channels = 2, .classes = 12, .spatial_frames = 2};

// Everything that is learned or remembered, by name.
State state_of(Gan& gan) {
  State state;
  const auto all = contents(gan);
  for (const auto& [name, parameter] : all.parameters) state[name] = parameter->value.to_vector();
  for (const auto& [name, buffer] : all.buffers) state[name] = buffer->value.to_vector();
  return state;
}

bool is_buffer(const std::string& name) {
  return name.ends_with(".u") || name.ends_with("running_mean") || name.ends_with("running_var");
}

// The inputs of an update, the same every time.
GeneratorInputs<float> generator_inputs(Index batch) {
  Tensor<float> z(Shape{batch, small.latent_dim});
  Cpu::random_normal(z.size(), Random(1), 1.0f, z.data());
  GeneratorInputs<float> inputs{z, {}, {}};
  for (Index n = 0; n < batch; ++n) inputs.labels.push_back(n % small.classes);
  inputs.frames = FrameSampler::draw(Random(2), batch, small.frames, small.frames_judged());
  return inputs;
}

DiscriminatorInputs<float> discriminator_inputs(Index batch) {
  const GeneratorInputs<float> fake = generator_inputs(batch);
  MovingShapes data({.frames = small.frames, .resolution = small.resolution});
  const auto real = draw_batch<float>(data, Random(3), batch);
  return {real.videos, real.labels, fake.z, fake.labels, fake.frames, fake.frames};
}

TEST_CASE("computing activations again changes no bit") {
  State states[2];
  for (const bool recompute : {false, true}) {
    Gan gan(small, 1);
    gan.generator.recompute = recompute;
    Trainer trainer(gan, {.batch = 3, .seed = 2});
    MovingShapes data({.frames = small.frames, .resolution = small.resolution});
    for (int step = 0; step < 2; ++step) trainer.step(data);
    states[recompute] = state_of(gan);
  }
  CHECK(states[0] == states[1]);
}

// On one thread: of several, one may meet the task that wants the most scratch memory only later.
TEST_CASE("a step allocates nothing once it has run twice") {
  const ThreadLimit one(1);
  Gan gan(small, 1);
  Trainer trainer(gan, {.batch = 3, .seed = 2});
  MovingShapes data({.frames = small.frames, .resolution = small.resolution});
  for (int step = 0; step < 2; ++step) trainer.step(data);
  const Arena& arena = cpu::arena();
  const std::size_t in_use = arena.in_use(), peak = arena.peak(), reserved = arena.reserved();
  for (int step = 0; step < 3; ++step) trainer.step(data);
  CHECK(arena.in_use() == in_use);
  CHECK(arena.peak() == peak);
  CHECK(arena.reserved() == reserved);
}

TEST_CASE("a step reports finite numbers and moves everything") {
  Gan gan(small, 1);
  Trainer trainer(gan, {.batch = 4, .seed = 2, .average = {.decay = 0.9, .start = 1}});
  MovingShapes data({.frames = small.frames, .resolution = small.resolution});
  const State before = state_of(gan);
  for (Index step = 1; step <= 3; ++step) {
    const StepReport report = trainer.step(data);
    CHECK(report.step == step);
    CHECK(trainer.steps() == step);
    for (const DiscriminatorReport* one : {&report.discriminator("spatial"), &report.discriminator("temporal")}) {
      CHECK(std::isfinite(one->loss));
      CHECK(one->loss >= 0);  // a hinge
      CHECK(std::isfinite(one->real_score));
      CHECK(std::isfinite(one->fake_score));
      CHECK(one->gradient_norm > 0);
    }
    CHECK(std::isfinite(report.generator_loss));
    CHECK(report.generator_gradient_norm > 0);
  }
  CHECK(trainer.generator_optimizer().steps() == 3);
  CHECK(trainer.discriminator_optimizer().steps() == 6);
  const State after = state_of(gan);
  for (const auto& entry : after) {
    const std::string& name = entry.first;
    const std::vector<float>& values = entry.second;
    for (const float value : values) REQUIRE(std::isfinite(value));
    // u of a single output can only be 1 or -1.
    if (values.size() > 1) CHECK_MESSAGE(values != before.at(name), name);
  }
}

TEST_CASE("an update of the discriminators leaves the generator's weights alone") {
  Gan gan(small, 1);
  Trainer trainer(gan);
  const State before = state_of(gan);
  StepReport report;
  trainer.discriminator_update(discriminator_inputs(4), report);
  int moved_u = 0;
  for (const auto& entry : state_of(gan)) {
    const std::string& name = entry.first;
    const std::vector<float>& values = entry.second;
    const bool moved = values != before.at(name);
    if (name.starts_with("ema."))
      CHECK_MESSAGE(!moved, name);
    else if (name.starts_with("generator.") && name.ends_with(".u"))
      moved_u += moved;  // that of a weight that starts orthogonal may stay, to the bit
    else if (name.starts_with("generator.") && values.size() > 1)
      CHECK_MESSAGE(moved == is_buffer(name), name);  // its pass is a training pass
  }
  CHECK(moved_u > 10);
}

TEST_CASE("an update of the generator leaves the discriminators' weights alone") {
  Gan gan(small, 1);
  Trainer trainer(gan);
  const State before = state_of(gan);
  StepReport report;
  trainer.generator_update(generator_inputs(4), report);
  bool u_moved = false;
  for (const auto& entry : state_of(gan)) {
    const std::string& name = entry.first;
    const std::vector<float>& values = entry.second;
    if (!name.starts_with("spatial.") && !name.starts_with("temporal.")) continue;
    if (is_buffer(name))
      u_moved = u_moved || values != before.at(name);
    else
      CHECK_MESSAGE(values == before.at(name), name);
  }
  CHECK(u_moved);
}

TEST_CASE("the average equals the weights until it starts") {
  Gan gan(small, 1);
  Trainer trainer(gan, {.batch = 2, .average = {.decay = 0.75, .start = 2}});
  MovingShapes data({.frames = small.frames, .resolution = small.resolution});
  State last;
  for (Index step = 1; step <= 4; ++step) {
    trainer.step(data);
    const State state = state_of(gan);
    for (const auto& entry : state) {
      const std::string& name = entry.first;
      const std::vector<float>& values = entry.second;
      if (!name.starts_with("generator.")) continue;
      const std::vector<float>& average = state.at("ema." + name);
      if (step <= 2 || is_buffer(name)) {
        CHECK_MESSAGE(average == values, name);
      } else {
        const std::vector<float>& before = last.at("ema." + name);
        for (std::size_t i = 0; i < values.size(); ++i)
          CHECK(average[i] == doctest::Approx(0.75 * before[i] + 0.25 * values[i]).epsilon(1e-5));
      }
    }
    last = state;
  }
}

TEST_CASE("a run is a function of its seeds") {
  const auto run = [](std::uint64_t model_seed, std::uint64_t seed) {
    Gan gan(small, model_seed);
    Trainer trainer(gan, {.batch = 2, .seed = seed});
    MovingShapes data({.frames = small.frames, .resolution = small.resolution});
    trainer.step(data);
    return state_of(gan);
  };
  const State first = run(1, 2);
  CHECK(first == run(1, 2));
  CHECK(first != run(1, 3));
  CHECK(first != run(2, 2));
}

TEST_CASE("discriminators learn to tell one batch from another") {
  Gan gan(small, 1);
  Trainer trainer(gan);
  const DiscriminatorInputs<float> inputs = discriminator_inputs(4);
  StepReport first, last;
  trainer.discriminator_update(inputs, first);
  for (int i = 0; i < 60; ++i) trainer.discriminator_update(inputs, last);
  for (const char* name : {"spatial", "temporal"}) {
    const DiscriminatorReport &before = first.discriminator(name), &after = last.discriminator(name);
    CHECK(before.loss > 1);
    CHECK(after.loss < 0.5 * before.loss);
    CHECK(after.real_score > after.fake_score + 1);
  }
}

TEST_CASE("a generator learns to raise its scores") {
  Gan gan(small, 1);
  Trainer trainer(gan, {.generator_optimizer = {.learning_rate = 1e-3}});
  const GeneratorInputs<float> inputs = generator_inputs(4);
  StepReport first, last;
  trainer.generator_update(inputs, first);
  for (int i = 0; i < 60; ++i) trainer.generator_update(inputs, last);
  CHECK(last.generator_loss < first.generator_loss - 0.5);
}

struct NonSaturatingParts : DvdGanParts<float> {
  using Loss = NonSaturatingLoss;
};

TEST_CASE("other losses train too") {
  DvdGan<float, Cpu, NonSaturatingParts> gan(small, 1);
  Trainer trainer(gan, {.batch = 2, .d_steps = 1});
  MovingShapes data({.frames = small.frames, .resolution = small.resolution});
  const StepReport report = trainer.step(data);
  CHECK(report.discriminator("spatial").loss > 0);  // two softplus terms
  CHECK(report.discriminator("temporal").loss > 0);
  CHECK(std::isfinite(report.generator_loss));
}

TEST_CASE("values and slopes of the losses") {
  const auto is = [](std::pair<double, double> term, double value, double slope) {
    CHECK(term.first == doctest::Approx(value));
    CHECK(term.second == doctest::Approx(slope));
  };
  is(HingeLoss::real(0.25), 0.75, -1);
  is(HingeLoss::real(1.5), 0, 0);
  is(HingeLoss::fake(0.25), 1.25, 1);
  is(HingeLoss::fake(-1.5), 0, 0);
  is(HingeLoss::generator(0.25), -0.25, -1);
  is(NonSaturatingLoss::real(0.0), std::log(2.0), -0.5);
  is(NonSaturatingLoss::fake(0.0), std::log(2.0), 0.5);
  is(NonSaturatingLoss::generator(1000.0), 0, 0);
  is(NonSaturatingLoss::generator(-1000.0), 1000, -1);
  is(NonSaturatingLoss::fake(1000.0), 1000, 1);
  is(LeastSquaresLoss::real(3.0), 2, 2);
  is(LeastSquaresLoss::fake(3.0), 4.5, 3);
  is(LeastSquaresLoss::generator(0.0), 0.5, -1);
  is(WassersteinLoss::real(2.0), -2, -1);
  is(WassersteinLoss::fake(2.0), 2, 1);
  is(WassersteinLoss::generator(2.0), -2, -1);
}

TEST_CASE("data and settings that do not fit are refused") {
  Gan gan(small, 1);
  Trainer trainer(gan, {.batch = 2});
  MovingShapes longer({.frames = 4, .resolution = 16}), larger({.frames = 3, .resolution = 32});
  CHECK_THROWS_AS(trainer.step(longer), ArgumentError);
  CHECK_THROWS_AS(trainer.step(larger), ArgumentError);
  CHECK(trainer.steps() == 0);
  DvdGanConfig few = small;
  few.classes = 2;
  Gan narrow(few, 1);
  Trainer of_narrow(narrow, {.batch = 16});
  MovingShapes data({.frames = 3, .resolution = 16});
  CHECK_THROWS_AS(of_narrow.step(data), ArgumentError);  // labels up to 11

  CHECK_THROWS_AS(Trainer(gan, {.batch = 0}), ArgumentError);
  CHECK_THROWS_AS(Trainer(gan, {.d_steps = 0}), ArgumentError);
  CHECK_THROWS_AS(Trainer(gan, {.average = {.decay = 1}}), ArgumentError);
  CHECK_THROWS_AS(Trainer(gan, {.average = {.start = -1}}), ArgumentError);
  CHECK_THROWS_AS(Trainer(gan, {.generator_optimizer = {.learning_rate = -1}}), ArgumentError);
  CHECK_THROWS_AS(Trainer(gan, {.generator_optimizer = {.beta1 = 1}}), ArgumentError);
  CHECK_THROWS_AS(Trainer(gan, {.discriminator_optimizer = {.epsilon = 0}}), ArgumentError);
}

// One value of a weight.
float& value_of(Gan& gan, const std::string& name) {
  for (auto& [each, parameter] : contents(gan).parameters)
    if (each == name) return *parameter->value.data();
  FAIL("no parameter " << name);
  return *contents(gan).parameters.front().parameter->value.data();
}

TEST_CASE("a value that is not finite never reaches a weight, and is traced to its layer") {
  struct Fault {
    const char* weight;
    float value;
    const char* named;
  };
  const Fault faults[] = {
      {"generator.stages.0.gru.reset.weight", std::numeric_limits<float>::quiet_NaN(),
       "generator.stages.0.gru.reset.weight: its values"},
      {"generator.stages.1.blocks.0.conv1.bias", std::numeric_limits<float>::infinity(),
       "generator.stages.1.blocks.0.conv1.bias: its values"},
      {"spatial.blocks.1.conv1.weight", std::numeric_limits<float>::quiet_NaN(),
       "spatial.blocks.1.conv1.weight: its values"},
      // Finite, but what follows from it is not.
      {"temporal.blocks.0.conv1.bias", 3e38f, "temporal.blocks."},
      {"spatial.linear.bias", 3e38f, ""},
  };
  for (const Fault& fault : faults) {
    CAPTURE(std::string(fault.weight));
    Gan gan(small, 1);
    Trainer trainer(gan, {.batch = 3, .seed = 2});
    MovingShapes data({.frames = small.frames, .resolution = small.resolution});
    trainer.step(data);
    float& weight = value_of(gan, fault.weight);
    const float good = weight;
    const State before = state_of(gan);
    const Index updates = trainer.generator_optimizer().steps();

    weight = fault.value;
    const StepReport report = trainer.step(data);
    REQUIRE(report.skipped);
    CAPTURE(report.fault);
    CHECK(report.fault.starts_with(fault.named));
    CHECK(report.step == 2);
    CHECK(trainer.skipped_steps() == 1);
    CHECK(trainer.generator_optimizer().steps() == updates);
    weight = good;
    const State after = state_of(gan);
    for (const auto& entry : after) CHECK_MESSAGE(entry.second == before.at(entry.first), entry.first);
    for (auto* optimizer : {&trainer.generator_optimizer(), &trainer.discriminator_optimizer()})
      for (auto& moments : optimizer->moments()) {
        CHECK(all_finite(moments.average));
        CHECK(all_finite(moments.average_square));
      }
    CHECK_FALSE(trainer.step(data).skipped);
    CHECK(first_non_finite(contents(gan)).empty());
  }
}

TEST_CASE("a batch in parts") {
  MovingShapes data({.frames = small.frames, .resolution = small.resolution});
  const auto after_steps = [&](Index micro_batch) {
    Gan gan(small, 1);
    Trainer trainer(gan, {.batch = 6, .seed = 2, .micro_batch = micro_batch});
    for (int step = 0; step < 2; ++step) trainer.step(data);
    return state_of(gan);
  };
  SUBCASE("as large as the batch changes no bit") { CHECK(after_steps(6) == after_steps(0)); }
  SUBCASE("that do not divide it evenly work") {
    for (const auto& entry : after_steps(4))
      for (const float value : entry.second) REQUIRE(std::isfinite(value));
  }
  SUBCASE("gives the discriminators the gradient of the whole batch") {
    // Its u, which moves once an update, is brought to rest first.
    Gan gan(small, 1);
    Trainer trainer(gan, {.batch = 6, .discriminator_optimizer = {.learning_rate = 0}});
    DiscriminatorInputs<float> whole = discriminator_inputs(6);
    StepReport report;
    for (int i = 0; i < 300; ++i) gan.spatial.forward({whole.real, whole.labels, whole.frames[0]}, Pass::train());
    std::vector<DiscriminatorInputs<float>> parts;
    trainer.discriminator_update(whole, report);
    CHECK(report.discriminator("spatial").loss > 0);
    const double norm = report.discriminator("spatial").gradient_norm;
    for (int i = 0; i < 3; ++i) parts.push_back(whole);
    trainer.discriminator_update(parts, report);  // three equal parts: their mean is the whole
    CHECK(report.discriminator("spatial").gradient_norm == doctest::Approx(norm).epsilon(1e-3));
  }
  SUBCASE("of less than nothing is an error") {
    Gan gan(small, 1);
    CHECK_THROWS_AS(Trainer(gan, {.micro_batch = -1}), ArgumentError);
  }
}

TEST_CASE("other redraws are other draws") {
  MovingShapes data({.frames = small.frames, .resolution = small.resolution});
  State states[3];
  for (int i = 0; i < 3; ++i) {
    Gan gan(small, 1);
    Trainer trainer(gan, {.batch = 3, .seed = 2});
    trainer.set_redraws(i == 1 ? 1 : 0);
    trainer.step(data);
    states[i] = state_of(gan);
  }
  CHECK(states[0] == states[2]);
  CHECK(states[0] != states[1]);
}

TEST_CASE("the largest sigma is that of the largest weight") {
  Gan gan(small, 1);
  CHECK(largest_sigma(contents(gan.spatial)).value == doctest::Approx(1).epsilon(0.05));  // orthogonal at first
  const auto all = contents(gan.spatial, "spatial.");
  auto& weight = all.parameters[4].parameter->value;
  const std::string name = all.parameters[4].name;
  REQUIRE(name.ends_with(".weight"));
  Cpu::scale(weight.size(), 7.0f, weight.data(), weight.data());
  const LargestSigma largest = largest_sigma(all);
  CHECK(largest.name == name);
  CHECK(largest.value > 4);  // 7, once u is at rest
}

TEST_CASE("learning rates stay, then fall linearly to 0, as a function of the step alone") {
  Gan gan(small, 1);
  Trainer trainer(gan, {.batch = 2, .schedule = LinearFall{10, 20}});
  for (const auto& [step, factor] : std::map<Index, double>{{0, 1}, {10, 1}, {15, 0.5}, {19, 0.1}, {20, 0}, {25, 0}}) {
    trainer.set_steps(step);
    CHECK(trainer.learning_rate_factor() == doctest::Approx(factor));
  }
  MovingShapes data({.frames = small.frames, .resolution = small.resolution});
  const auto weight = [&] { return contents(gan.generator).parameters[2].parameter->value.to_vector(); };
  const auto before = weight();
  trainer.set_steps(20);
  trainer.step(data);
  CHECK(weight() == before);
  trainer.set_steps(19);
  trainer.step(data);
  CHECK(weight() != before);
  CHECK(Trainer(gan).learning_rate_factor() == 1);
  CHECK_THROWS_AS(Trainer(gan, {.schedule = LinearFall{5, 5}}), ArgumentError);
}

}  // namespace
