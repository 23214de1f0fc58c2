// Any number of ranks takes the steps that one takes: in double all but for rounding, in a fixed order of sums to the
// bit.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "dvd/data/moving_shapes.hpp"
#include "dvd/device/cpu.hpp"
#include "dvd/distributed/thread_communicator.hpp"
#include "dvd/models/gan.hpp"
#include "dvd/training/relativistic_loss.hpp"
#include "dvd/training/trainer.hpp"

namespace {

using namespace dvd;

using State = std::map<std::string, std::vector<double>>;

template <class Gan>
State state_of(Gan& gan) {
  State state;
  const auto all = contents(gan);
  const auto add = [&](const std::string& name, const auto& tensor) {
    const auto values = tensor.to_vector();
    state[name] = std::vector<double>(values.begin(), values.end());
  };
  for (const auto& [name, parameter] : all.parameters) add(name, parameter->value);
  for (const auto& [name, buffer] : all.buffers) add(name, buffer->value);
  return state;
}

// What three steps make of a GAN, and the numbers that they report.
struct Outcome {
  State state;
  std::vector<double> reported;
};

template <class Gan, class Loss = HingeLoss>
Outcome train(const DvdGanConfig& config, const TrainerOptions& options, Index size) {
  std::vector<Outcome> of_ranks(static_cast<std::size_t>(size));
  run_ranks(size, [&](ThreadCommunicator& ranks) {
    using Optimizer = Adam<typename Gan::scalar_type>;
    Gan gan(config, 1);
    Trainer<Gan, Loss, Optimizer, Optimizer, ThreadCommunicator> trainer(gan, options, ranks);
    MovingShapes data({.frames = config.condition_frames + config.frames, .resolution = config.resolution});
    Outcome& outcome = of_ranks[static_cast<std::size_t>(ranks.rank())];
    for (int step = 0; step < 3; ++step) {
      const StepReport report = trainer.step(data);
      outcome.reported.push_back(report.generator_loss);
      outcome.reported.push_back(report.generator_gradient_norm);
      for (const DiscriminatorReport& each : report.discriminators)
        for (const double number : {each.loss, each.real_score, each.fake_score, each.gradient_norm})
          outcome.reported.push_back(number);
    }
    outcome.state = state_of(gan);
  });
  for (const Outcome& other : of_ranks) {
    CHECK(other.state == of_ranks.front().state);
    CHECK(other.reported == of_ranks.front().reported);
  }
  return of_ranks.front();
}

// The largest difference of any array, in parts of its largest element, or of 0.1 where that is less, about what
// weights are: a bias before a batch norm has no gradient but what rounding leaves, of which Adam makes steps of 1e-11.
double difference(const State& a, const State& b) {
  REQUIRE(a.size() == b.size());
  double largest = 0;
  std::string where;
  for (const auto& [name, values] : a) {
    double scale = 0, distance = 0;
    const std::vector<double>& others = b.at(name);
    for (std::size_t i = 0; i < values.size(); ++i) {
      scale = std::max(scale, std::abs(values[i]));
      distance = std::max(distance, std::abs(values[i] - others[i]));
    }
    if (distance / std::max(scale, 0.1) > largest) {
      largest = distance / std::max(scale, 0.1);
      where = name;
    }
  }
  INFO(where);
  CHECK(std::isfinite(largest));
  return largest;
}

constexpr DvdGanConfig synthesis{.frames = 4, .resolution = 16, .channels = 2, .classes = 12, .spatial_frames = 2};
constexpr DvdGanConfig prediction{
    .frames = 3, .resolution = 16, .channels = 2, .classes = 0, .spatial_frames = 2, .condition_frames = 2};

TEST_CASE("two and three ranks take the steps of one") {
  for (const DvdGanConfig& config : {synthesis, prediction}) {
    for (const Index micro_batch : {0, 4}) {
      const TrainerOptions options{.batch = 8, .seed = 3, .micro_batch = micro_batch};
      const Outcome one = train<DvdGan<double>>(config, options, 1);
      for (const Index size : {2, 3}) {
        CAPTURE(size);
        const Outcome several = train<DvdGan<double>>(config, options, size);
        CHECK(difference(one.state, several.state) < 1e-9);
        for (std::size_t i = 0; i < one.reported.size(); ++i)
          CHECK(several.reported[i] == doctest::Approx(one.reported[i]).epsilon(1e-9));
      }
    }
  }
}

TEST_CASE("sums in a fixed order give the same bits on any number of ranks") {
  for (const Index micro_batch : {0, 4}) {
    const TrainerOptions options{.batch = 7, .seed = 3, .micro_batch = micro_batch, .reduce = Reduce::ordered};
    const Outcome one = train<DvdGan<float>>(synthesis, options, 1);
    for (const Index size : {2, 3}) {
      CAPTURE(size);
      const Outcome several = train<DvdGan<float>>(synthesis, options, size);
      CHECK(one.state == several.state);
      CHECK(one.reported == several.reported);
    }
  }
}

}  // namespace
