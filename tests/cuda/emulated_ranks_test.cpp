// A GAN trained by ranks with a GPU each, which share its batches: they take the steps of one that is alone.
#include "support/devices.hpp"

#include <cuda_runtime_api.h>
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "dvd/data/moving_shapes.hpp"
#include "dvd/distributed/nccl_communicator.hpp"
#include "dvd/distributed/thread_communicator.hpp"
#include "dvd/models/dvd_gan.hpp"
#include "dvd/training/sgd.hpp"
#include "dvd/training/shared_state.hpp"
#include "dvd/training/trainer.hpp"

namespace {

using namespace dvd;

constexpr DvdGanConfig tiny{.frames = 2, .resolution = 16, .channels = 2, .classes = 12, .spatial_frames = 1};

using State = std::map<std::string, std::vector<double>>;

template <class T>
State trained_by(Index size) {
  State state;
  run_ranks(size, [&](ThreadCommunicator& host) {
    NcclCommunicator ranks(host, {.timeout_seconds = 60});
    DvdGan<T, Cuda> gan(tiny, 1);
    // Small differences stay small under this optimizer; Adam makes whole steps of them.
    TrainerOptionsFor<SgdOptions, SgdOptions> options{.batch = 3, .seed = 2};
    options.generator_optimizer.learning_rate = options.discriminator_optimizer.learning_rate = 1e-3;
    Trainer<DvdGan<T, Cuda>, HingeLoss, Sgd<float, Cuda>, Sgd<float, Cuda>, NcclCommunicator<ThreadCommunicator>>
        trainer(gan, options, ranks);
    MovingShapes data({.frames = tiny.frames, .resolution = tiny.resolution});
    for (int step = 0; step < 3; ++step)
      if (trainer.step(data).skipped) throw Error("a step was skipped");
    check_ranks_agree(trainer);
    if (ranks.rank() != 0) return;
    dvd::detail::visit_tensors(trainer, [&](const std::string& name, const auto& tensor) {
      for (const auto value : tensor.to_vector()) state[name].push_back(static_cast<double>(value));
    });
  });
  return state;
}

TEST_CASE_TEMPLATE("any number of ranks takes the same steps, to rounding", T, float, bfloat16) {
  // Of some work the emulation does not know what it touches: to it that is all arrays, those that are just summed and
  // those of other ranks among them. emulated_nccl_test.cpp looks for races.
  EmulatedGpu::instance().order.report = [](const std::string&) {};
  const State alone = trained_by<T>(1);
  CHECK(alone.size() > 50);
  for (const Index size : {2, 3}) {
    CAPTURE(size);
    const State shared = trained_by<T>(size);
    REQUIRE(shared.size() == alone.size());
    double largest = 0;
    for (const auto& [name, values] : alone) {
      // The momentum of a bias in front of a batch norm, which cancels, is rounding and nothing else.
      if (name.starts_with("optimizer.")) continue;
      const std::vector<double>& others = shared.at(name);
      REQUIRE(others.size() == values.size());
      double difference = 0, scale = 1e-3;
      for (std::size_t i = 0; i < values.size(); ++i) {
        difference = std::max(difference, std::abs(values[i] - others[i]));
        scale = std::max(scale, std::abs(values[i]));
      }
      largest = std::max(largest, difference / scale);
    }
    MESSAGE("the largest difference is " << largest);
    CHECK(largest < (std::same_as<T, float> ? 1e-5 : 0.2));
  }
}

}  // namespace
