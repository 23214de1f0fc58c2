// Ranks with a GPU each as train_ucf101 has them: who takes which, how they add up, and its own type of trainer. The
// program's ranks are processes; here they are threads, as those of the emulated NCCL are.
#include "support/devices.hpp"

#include <cuda_runtime_api.h>
#include <doctest/doctest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "../examples/train_ucf101/sharing.hpp"
#include "dvd/data/moving_shapes.hpp"
#include "dvd/distributed/thread_communicator.hpp"
#include "dvd/training/shared_state.hpp"
#include "support/error_of.hpp"

namespace {
thread_local dvd::ThreadCommunicator* host = nullptr;  // of the rank that this thread is
}

// What examples/common/ranks.cpp does for processes.
namespace examples {

struct Ranks::Processes {};
Ranks::Ranks() : rank_(host->rank()), size_(host->size()) {}
Ranks::~Ranks() = default;
dvd::Index Ranks::threads() const { return 1; }
std::vector<std::string> Ranks::gather(const std::string& text) {
  std::vector<std::string> texts;
  for (dvd::Index rank = 0; rank < size_; ++rank) {
    std::int64_t length = rank == rank_ ? static_cast<std::int64_t>(text.size()) : 0;
    sum_counts({&length, 1});
    texts.push_back(text);
    texts.back().resize(static_cast<std::size_t>(length));
    broadcast(std::as_writable_bytes(std::span(texts.back())), rank);
  }
  return texts;
}
void Ranks::throw_first(const std::string& message) {
  dvd::Index from = 0;
  const std::string told = dvd::first_message(*host, message, &from);
  if (!told.empty()) throw RanksFailed(from == 0 ? told : dvd::concat("rank ", from, ": ", told));
}
void Ranks::sum_counts(std::span<std::int64_t> numbers) { host->sum_counts(numbers); }
void Ranks::broadcast(std::span<std::byte> bytes, dvd::Index root) { host->broadcast(bytes, root); }
void Ranks::barrier() { host->barrier(); }
void Ranks::abort(const std::string& message) { host->abort(message); }
std::string message_of(const std::exception_ptr& exception) {
  return dvd::testing::error_of([&] { std::rethrow_exception(exception); });
}

}  // namespace examples

namespace {

using namespace dvd;
using dvd::testing::error_of;
using dvd::testing::holds;
using Gan = DvdGan<float, Cuda>;

constexpr DvdGanConfig tiny{.frames = 2, .resolution = 16, .channels = 2, .classes = 12, .spatial_frames = 1};

void on_ranks(Index size, const std::function<void(examples::Ranks&)>& body) {
  run_ranks(size, [&](ThreadCommunicator& own) {
    host = &own;
    examples::Ranks ranks;
    body(ranks);
  });
}

std::string device_error(Index size, const std::string& device, const std::string& of_last) {
  return error_of([&] {
    on_ranks(size, [&](examples::Ranks& ranks) {
      examples::take_device(ranks.rank() + 1 < size ? device : of_last, "float32", ranks);
    });
  });
}

/// The losses of three steps of the program's trainer, as rank 0 reports them.
std::vector<double> losses_of(Index size) {
  std::vector<double> losses;
  on_ranks(size, [&](examples::Ranks& ranks) {
    auto&& communicator = examples::communicator_for<Cuda>(ranks, 60);
    Gan gan(tiny, 1);
    examples::TrainOptions options;
    options.trainer = {.batch = 3, .seed = 2};
    examples::share<Cuda>(options, ranks);
    examples::TrainerOf<Gan> trainer(gan, options.trainer, communicator);
    MovingShapes data({.frames = tiny.frames, .resolution = tiny.resolution});
    for (int step = 0; step < 3; ++step) {
      const StepReport report = trainer.step(data);
      if (ranks.first())
        for (const char* name : {"spatial", "temporal"}) losses.push_back(report.discriminator(name).loss);
      if (ranks.first()) losses.push_back(report.generator_loss);
    }
    check_ranks_agree(trainer);
  });
  return losses;
}

}  // namespace

TEST_CASE("each rank has a GPU of its own") {
  CHECK(device_error(1, "cuda", "cuda") == "");
  CHECK(device_error(2, "cpu", "cpu") == "");
  const auto named = device_error(2, "cuda:1", "cuda:1");
  CHECK(holds(named, "--device cuda:1 names one GPU, but 2 ranks were started, and each takes one: use --device cuda"));
  CHECK(device_error(3, "cuda", "cpu") ==
        "rank 2: was started with other flags than rank 0: --device is cpu, not cuda");
  CHECK(holds(device_error(2, "cuda", "abacus"), "rank 1: --device abacus is neither cpu nor cuda"));
  CHECK(holds(device_error(2, "cuda", "cuda"), "ranks 0 and 1 would share a GPU"));  // there is one
}

TEST_CASE("GPUs add up fast, whatever their number, and processors in a fixed order where there are several") {
  const auto reduce = []<class D>(Index size, const std::string& asked) {
    std::string taken;
    on_ranks(size, [&](examples::Ranks& ranks) {
      examples::TrainOptions options;
      options.common.device = "cuda";
      options.reduce = asked;
      examples::share<D>(options, ranks);
      if (ranks.first()) taken = options.reduce;
    });
    return taken;
  };
  for (const Index size : {1, 2}) {
    CHECK(reduce.operator()<Cuda>(size, "") == "fast");
    CHECK(reduce.operator()<Cuda>(size, "fast") == "fast");
    CHECK(reduce.operator()<Cpu>(size, "") == (size > 1 ? "ordered" : "fast"));
    CHECK(reduce.operator()<Cpu>(size, "ordered") == "ordered");
    CHECK(error_of([&] { reduce.operator()<Cuda>(size, "ordered"); }) ==
          "--reduce ordered is for the CPU, and GPUs add up in an order of their own: with --device cuda use --reduce "
          "fast");
  }
}

TEST_CASE("the program's trainer takes the same steps on any number of GPUs") {
  // The emulation does not know what some work touches: see emulated_ranks_test.cpp.
  // Adam makes whole steps of roundings.
  EmulatedGpu::instance().order.report = [](const std::string&) {};
  const std::vector<double> alone = losses_of(1);
  REQUIRE(alone.size() == 9);
  for (const Index size : {2, 3}) {
    const std::vector<double> shared = losses_of(size);
    REQUIRE(shared.size() == alone.size());
    for (std::size_t i = 0; i < alone.size(); ++i) CHECK(shared[i] == doctest::Approx(alone[i]).epsilon(1e-2));
  }
}

TEST_CASE("a process alone has a communicator, too, which needs no NCCL") {
  on_ranks(1, [](examples::Ranks& ranks) {
    examples::GpuRanks alone(ranks, 60);
    const std::vector<float> values{1, 2, 3};
    const Tensor<float, Cuda> x(Shape{3}, values);
    Tensor<float, Cuda> y(Shape{3});
    alone.all_gather(3, x.data(), y.data());
    alone.sum(3, y.data());
    CHECK(y.to_vector() == values);
    Tensor<float, Cuda> z(Shape{3});
    alone.all_to_all(3, y.data(), z.data());
    alone.start_sum(3, z.data());
    alone.finish_sums();
    CHECK(z.to_vector() == values);
  });
}
