// A trainer on ranks: GANs with layers and losses that look across a batch, when gradients set off, what ranks have to
// have alike, and errors on one of them.
#include <doctest/doctest.h>

#include <atomic>
#include <cmath>
#include <concepts>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "dvd/data/function_source.hpp"
#include "dvd/data/moving_shapes.hpp"
#include "dvd/distributed/thread_communicator.hpp"
#include "dvd/layers/dropout.hpp"
#include "dvd/layers/norms.hpp"
#include "dvd/models/gan.hpp"
#include "dvd/models/layer_discriminator.hpp"
#include "dvd/training/relativistic_loss.hpp"
#include "dvd/training/sgd.hpp"
#include "dvd/training/shared_state.hpp"
#include "support/gan_archetypes.hpp"

namespace {

using namespace dvd;

constexpr DvdGanConfig small{.frames = 4, .resolution = 16, .channels = 2, .classes = 12, .spatial_frames = 2};
const Random weights = Random(5);

MovingShapes shapes() { return MovingShapes({.frames = small.frames, .resolution = small.resolution}); }

template <class Trainer>
std::map<std::string, std::vector<double>> state_of(Trainer& trainer) {
  std::map<std::string, std::vector<double>> state;
  dvd::detail::visit_tensors(trainer, [&](const std::string& name, const auto& tensor) {
    const auto values = tensor.to_vector();
    state[name] = {values.begin(), values.end()};
  });
  return state;
}

// Looks across its batch, and draws at random.
auto crowd_network() {
  return Sequential(Conv3D<double>(3, 4, 3, weights.stream("crowd 1")), BatchNorm<double>(4), ReLU<double>(),
                    Dropout<double>(0.25, 1), Conv3D<double>(4, 1, 1, weights.stream("crowd 2")));
}
struct CrowdDiscriminator : LayerDiscriminator<decltype(crowd_network())> {
  using Loss = RelativisticHingeLoss;
  CrowdDiscriminator() : LayerDiscriminator(crowd_network(), 0.5) {}
};
using Temporal = TemporalDiscriminator<double, Cpu, RandomHalfCrop<double>>;

// A trainer on ranks need not be told its types: `Trainer trainer(gan, {.batch = 8}, ranks)`.
static_assert(
    std::same_as<decltype(Trainer(std::declval<DvdGan<double>&>(), {.batch = 8}, std::declval<ThreadCommunicator&>())),
                 Trainer<DvdGan<double>, HingeLoss, Adam<double>, Adam<double>, ThreadCommunicator>>);

TEST_CASE("whatever looks across a batch or draws at random, ranks take the same steps") {
  const auto train = [&](Index size, const TrainerOptionsFor<SgdOptions, SgdOptions>& options) {
    std::map<std::string, std::vector<double>> state;
    run_ranks(size, [&](ThreadCommunicator& ranks) {
      Gan gan(DvdGenerator<double>(small, weights),
              NamedDiscriminator{"temporal", Temporal(small, weights.stream("t"))},
              NamedDiscriminator{"crowd", CrowdDiscriminator()});
      Trainer<decltype(gan), HingeLoss, Sgd<double>, Sgd<double>, ThreadCommunicator> trainer(gan, options, ranks);
      MovingShapes data = shapes();
      for (int step = 0; step < 3; ++step) trainer.step(data);
      check_ranks_agree(trainer);
      if (ranks.rank() == 0) state = state_of(trainer);
    });
    return state;
  };
  TrainerOptionsFor<SgdOptions, SgdOptions> options{.batch = 5, .seed = 3, .augment = AugmentationOptions::all()};
  options.generator_optimizer.learning_rate = options.discriminator_optimizer.learning_rate = 1e-2;
  const auto one = train(1, options);
  for (const Index size : {2, 3}) {
    const auto several = train(size, options);
    for (const auto& [name, values] : one)
      for (std::size_t i = 0; i < values.size(); ++i)
        if (std::abs(values[i] - several.at(name)[i]) > 1e-9 * (0.1 + std::abs(values[i]))) {
          FAIL_CHECK(name << " of " << size << " ranks: " << several.at(name)[i] << ", not " << values[i]);
          break;
        }
  }
  options.reduce = Reduce::ordered;
  CHECK(train(1, options) == train(3, options));
}

// Notes how many sums had been started when another call was made.
class NotingCommunicator {
 public:
  explicit NotingCommunicator(ThreadCommunicator& ranks) : ranks_(ranks) {}

  Index rank() const { return ranks_.rank(); }
  Index size() const { return ranks_.size(); }
  template <class T>
  void sum(Index n, T* x) {
    started_before_sums.push_back(started);
    ranks_.sum(n, x);
  }
  template <class T>
  void start_sum(Index n, T* x) {
    ++started;
    ranks_.start_sum(n, x);
  }
  void finish_sums() {
    ++finished;
    ranks_.finish_sums();
  }
  template <class T>
  void all_gather(Index n, const T* x, T* y) {
    ranks_.all_gather(n, x, y);
  }
  template <class T>
  void all_to_all(Index n, const T* x, T* y) {
    ranks_.all_to_all(n, x, y);
  }
  void sum_counts(std::span<std::int64_t> numbers) { ranks_.sum_counts(numbers); }
  void broadcast(std::span<std::byte> bytes, Index root) { ranks_.broadcast(bytes, root); }
  void barrier() { ranks_.barrier(); }
  [[noreturn]] void abort(const std::string& message) { ranks_.abort(message); }

  int started = 0, finished = 0;
  std::vector<int> started_before_sums;

 private:
  ThreadCommunicator& ranks_;
};

TEST_CASE("gradients set off while the backward pass goes on, statistics in one message a layer and pass") {
  DvdGanConfig config = small;
  config.resolution = 32;
  config.channels = 32;  // some million parameters: several buckets
  config.frames = 2;
  run_ranks(2, [&](ThreadCommunicator& threads) {
    NotingCommunicator ranks(threads);
    DvdGan<float> gan(config, 1);
    const TrainerOptions options{.batch = 2, .d_steps = 1};
    Trainer<DvdGan<float>, HingeLoss, Adam<float>, Adam<float>, NotingCommunicator> trainer(gan, options, ranks);
    MovingShapes data({.frames = config.frames, .resolution = config.resolution});
    trainer.step(data);
    CHECK(ranks.finished == 2);  // an update each
    // The generator's norms run forward in both updates, and backward in one.
    const std::size_t norms = gan.generator.stages.size() * 4 + 1;
    CHECK(ranks.started_before_sums.size() == 3 * norms);
    const int before = ranks.started_before_sums.front(), of_discriminators = ranks.started_before_sums[norms];
    CHECK(before == 0);
    CHECK(of_discriminators > 1);
    // Of the generator's own buckets some set off before the gradient of the first norms has been asked for.
    CHECK(ranks.started_before_sums.back() > of_discriminators);
  });
}

TEST_CASE("several buckets, ranks of one and of two shards: the same bits") {
  DvdGanConfig config = small;
  config.channels = 32;
  config.frames = 2;
  const auto train = [&](Index size) {
    std::map<std::string, std::vector<double>> state;
    run_ranks(size, [&](ThreadCommunicator& ranks) {
      DvdGan<float> gan(config, 1);
      const TrainerOptions options{.batch = 3, .d_steps = 1, .reduce = Reduce::ordered};
      Trainer<DvdGan<float>, HingeLoss, Adam<float>, Adam<float>, ThreadCommunicator> trainer(gan, options, ranks);
      MovingShapes data({.frames = config.frames, .resolution = config.resolution});
      trainer.step(data);
      if (ranks.rank() == 0) state = state_of(trainer);
    });
    return state;
  };
  const auto one = train(1);
  CHECK(one == train(2));
  CHECK(one == train(3));
}

TEST_CASE("updates that are called one by one say whose videos they are given") {
  run_ranks(2, [](ThreadCommunicator& ranks) {
    DvdGan<float> gan(small, 1);
    Trainer<DvdGan<float>, HingeLoss, Adam<float>, Adam<float>, ThreadCommunicator> trainer(gan, {.batch = 4}, ranks);
    GeneratorInputs<float> inputs{Tensor<float>::zeros({2, small.latent_dim}),
                                  {0, 1},
                                  FrameSampler::draw(Random(2), 2, small.frames, small.frames_judged())};
    StepReport report;
    CHECK_THROWS_WITH_AS(trainer.generator_update(inputs, report), doctest::Contains("`place` tells which"), Error);
    inputs.place = {2 * ranks.rank(), 2, 4};
    CHECK_NOTHROW(trainer.generator_update(inputs, report));
    CHECK_NOTHROW(check_ranks_agree(trainer));
    // What is wrong on one rank is an error on all.
    const Labels labels = inputs.labels;
    if (ranks.rank() == 1) inputs.labels = {0, small.classes};
    CHECK_THROWS_AS(trainer.generator_update(inputs, report), Error);
    inputs.labels = labels;
    DvdGan<float> other(small, 1);
    Trainer alone(other, {.batch = 4});
    CHECK_THROWS_WITH_AS(alone.generator_update(inputs, report), doctest::Contains("no other ranks"), ArgumentError);
  });
}

TEST_CASE("ranks that come apart are told so, and one can give the others its state") {
  run_ranks(3, [](ThreadCommunicator& ranks) {
    DvdGan<float> gan(small, 1);
    Trainer<DvdGan<float>, HingeLoss, Adam<float>, Adam<float>, ThreadCommunicator> trainer(gan, {.batch = 3}, ranks);
    CHECK_NOTHROW(check_ranks_agree(trainer));
    if (ranks.rank() > 0) gan.spatial.blocks[1].conv1.layer.bias.value.data()[0] += 1e-6f;
    CHECK_THROWS_WITH_AS(check_ranks_agree(trainer),
                         doctest::Contains("spatial.blocks.1.conv1.bias of rank 1 is not that of rank 0"), Error);
    if (ranks.rank() == 0) trainer.set_steps(7);
    broadcast_training_state(trainer);
    CHECK(trainer.steps() == 7);
    CHECK_NOTHROW(check_ranks_agree(trainer));
  });
}

TEST_CASE("what one rank throws while it makes its batch, all throw, and nothing has changed") {
  run_ranks(3, [](ThreadCommunicator& ranks) {
    DvdGan<float> gan(small, 1);
    Trainer<DvdGan<float>, HingeLoss, Adam<float>, Adam<float>, ThreadCommunicator> trainer(gan, {.batch = 3}, ranks);
    MovingShapes good = shapes();
    FunctionSource data([&](const Random& random) {
      if (ranks.rank() == 1) throw FileError("the disk is gone");
      return TrainingClip(good.draw(random));
    });
    const auto before = state_of(trainer);
    if (ranks.rank() == 1)
      CHECK_THROWS_WITH_AS(trainer.step(data), "the disk is gone", FileError);
    else
      CHECK_THROWS_WITH_AS(trainer.step(data), "rank 1: the disk is gone", Error);
    CHECK(state_of(trainer) == before);
    CHECK_NOTHROW(trainer.step(good));
  });
}

TEST_CASE("a step that is not finite is left out by all ranks, which say where") {
  for (const Reduce reduce : {Reduce::fast, Reduce::ordered})
    run_ranks(2, [&](ThreadCommunicator& ranks) {
      DvdGan<float> gan(small, 1);
      Trainer<DvdGan<float>, HingeLoss, Adam<float>, Adam<float>, ThreadCommunicator> trainer(
          gan, {.batch = 4, .reduce = reduce}, ranks);
      MovingShapes data = shapes();
      trainer.step(data);
      gan.temporal.head.linear.layer.weight.value.data()[0] = std::numeric_limits<float>::infinity();
      const auto before = state_of(trainer);
      const StepReport report = trainer.step(data);
      CHECK(report.skipped);
      CHECK(report.fault == "temporal.linear.weight: its values");
      CHECK(trainer.skipped_steps() == 1);
      CHECK(state_of(trainer) == before);
    });
}

TEST_CASE("what cannot be shared") {
  run_ranks(3, [](ThreadCommunicator& ranks) {
    DvdGan<float> gan(small, 1);
    using RankTrainer = Trainer<DvdGan<float>, HingeLoss, Adam<float>, Adam<float>, ThreadCommunicator>;
    CHECK_THROWS_WITH_AS(RankTrainer(gan, {.batch = 2}, ranks),
                         "a batch of 2 videos cannot be shared by 3: take larger batches, or fewer ranks or shards",
                         ArgumentError);
    CHECK_THROWS_WITH_AS(RankTrainer(gan, {.batch = 8, .micro_batch = 3}, ranks), doctest::Contains("of 2 videos"),
                         ArgumentError);
    CHECK_THROWS_WITH_AS(RankTrainer(gan, {.batch = 8, .reduce = Reduce::ordered, .shards = 2}, ranks),
                         doctest::Contains("2 shards cannot be shared by 3 ranks"), ArgumentError);
    CHECK_THROWS_AS(RankTrainer(gan, {.batch = 8, .shards = 2}, ranks), ArgumentError);
  });
}

}  // namespace
