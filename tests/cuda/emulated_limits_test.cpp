// A GPU that is nearly full: what trains without recordings trains with them, a step that is not finite is skipped
// there, and samples are made; and what fails for lack of memory says so, whichever call it was.
#include "support/devices.hpp"

#include <cuda_runtime_api.h>
#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "dvd/data/moving_shapes.hpp"
#include "dvd/device/cuda/pool.cuh"
#include "dvd/models/recorded_generator.hpp"
#include "dvd/training/trainer.hpp"

namespace {

using namespace dvd;

using Gan = DvdGan<float, Cuda>;

constexpr DvdGanConfig small{.frames = 3, .resolution = 16, .channels = 2, .classes = 12, .spatial_frames = 2};

template <class Gan>
std::vector<float> state_of(Gan& gan) {
  std::vector<float> state;
  const auto all = contents(gan);
  const auto add = [&](const std::vector<float>& values) { state.insert(state.end(), values.begin(), values.end()); };
  for (const auto& [name, parameter] : all.parameters) add(parameter->value.to_vector());
  for (const auto& [name, buffer] : all.buffers) add(buffer->value.to_vector());
  return state;
}

// Sets the first value of a weight.
void set(Gan& gan, float value) {
  auto& weight = gan.spatial.blocks.front().conv1.layer.weight.value;
  std::vector<float> values = weight.to_vector();
  values[0] = value;
  weight.assign(values);
}

float first_of(Gan& gan) { return gan.spatial.blocks.front().conv1.layer.weight.value.to_vector()[0]; }

// Five steps, samples, a step with a weight that is infinite, samples by recordings, and two more steps.
struct Run {
  std::vector<float> state, samples;
  std::string fault;

  explicit Run(bool record) {
    Gan gan(small, 1);
    Trainer trainer(gan, {.batch = 6, .seed = 2, .record = record});
    MovingShapes data({.frames = small.frames, .resolution = 16});
    for (int step = 0; step < 5; ++step) CHECK(!trainer.step(data).skipped);
    const auto add = [this](const Tensor<float, Cuda>& videos) {
      const std::vector<float> values = videos.to_vector();
      samples.insert(samples.end(), values.begin(), values.end());
    };
    add(gan.sample({.label = 3, .count = 6}));
    const float whole = first_of(gan);
    set(gan, std::numeric_limits<float>::infinity());
    const StepReport report = trainer.step(data);
    CHECK(report.skipped);
    fault = report.fault;
    set(gan, whole);
    {
      RecordedGenerator recorded(gan.average);
      for (std::uint64_t batch = 0; batch < 4; ++batch)
        add(recorded.generate(draw_latents<float, Cuda>(small.latent_dim, {.count = 6, .seed = batch}),
                              {1, 2, 3, 4, 5, 6}));
    }
    for (int step = 0; step < 2; ++step) CHECK(!trainer.step(data).skipped);
    state = state_of(gan);
  }
};

TEST_CASE("what fits without recordings fits with them, and has the same bits") {
  EmulatedGpu& gpu = EmulatedGpu::instance();
  const Run plain(false);
  CHECK(plain.fault == "spatial.blocks.0.conv1.weight: its values");
  const std::size_t peak = cuda::pool().peak();
  CHECK(peak > (std::size_t{1} << 20));
  cuda::pool().release();
  CHECK(cuda::pool().reserved() == 0);

  const std::size_t all = std::exchange(gpu.memory, (gpu.used + peak + peak / 4) / 15 * 16);
  const Run tight(true);
  CHECK(tight.fault == plain.fault);
  CHECK(tight.samples == plain.samples);
  CHECK(tight.state == plain.state);
  CHECK(cuda::pool().held() == 0);  // with the last recording went what it held
  cuda::pool().release();
  CHECK(cuda::pool().reserved() == 0);
  gpu.memory = all;
}

TEST_CASE("an array that stays in the memory of a recording is not overwritten by it") {
  EmulatedGpu& gpu = EmulatedGpu::instance();
  using Floats = Tensor<float, Cuda>;
  const Floats x = Floats::full(Shape{1 << 20}, 1);
  Floats y(x.shape());
  Cuda::Recording recording;
  int calls = 0;
  const auto run = [&](float factor) {
    y.fill(0);
    recording.run([&] {
      ++calls;
      Floats scratch(x.shape());
      Cuda::scale(x.size(), 2.0f, x.data(), scratch.data());
      Cuda::add(x.size(), scratch.data(), y.data());
    });
    CHECK(y.to_vector() == std::vector<float>(std::size_t{1} << 20, factor));
  };
  for (int i = 0; i < 3; ++i) run(2);
  CHECK(calls == 2);
  CHECK(cuda::pool().held() > 0);
  const std::size_t all = std::exchange(gpu.memory, gpu.used);
  // All that there is, in arrays, the recording's part, too.
  std::vector<Floats> arrays;
  CHECK_THROWS_AS(for (;;) arrays.push_back(Floats::full(x.shape(), static_cast<float>(arrays.size()))),
                  cuda::OutOfMemory);
  gpu.memory = all;
  run(2);
  CHECK(calls == 3);  // recorded anew, elsewhere
  bool same = true;
  for (std::size_t i = 0; i < arrays.size(); ++i)
    same = same && arrays[i].to_vector() == std::vector<float>(std::size_t{1} << 20, static_cast<float>(i));
  CHECK(same);
  arrays.clear();
  run(2);
  CHECK(calls == 3);
  recording.reset();
  CHECK(cuda::pool().held() == 0);
}

TEST_CASE("arrays leave memory to the driver") {
  EmulatedGpu& gpu = EmulatedGpu::instance();
  cuda::pool().release();
  const std::size_t all = std::exchange(gpu.memory, gpu.used + (std::size_t{4} << 30));
  std::vector<Tensor<float, Cuda>> arrays;
  try {
    for (;;) arrays.emplace_back(Shape{Index{1} << 24});
  } catch (const cuda::OutOfMemory& error) {
    const std::string message = error.what();
    CHECK(message.find("smaller batch") != std::string::npos);
  }
  CHECK(arrays.size() > 40);
  CHECK(gpu.memory - gpu.used >= std::size_t{256} << 20);
  arrays.clear();
  gpu.memory = all;
}

TEST_CASE("whichever call finds no memory says what to do") {
  EmulatedGpu& gpu = EmulatedGpu::instance();
  using Floats = Tensor<float, Cuda>;
  Floats x = Floats::full(Shape{100}, 1);
  const auto replay = [&] {
    Cuda::Recording recording;
    for (int run = 0; run < 3; ++run) recording.run([&] { Cuda::scale(100, 2.0f, x.data(), x.data()); });
  };
  for (const std::string call :
       {"cudaEventCreateWithFlags", "cudaGraphInstantiate", "cudaGraphLaunch", "cudaStreamBeginCapture",
        "cudaStreamEndCapture", "cudaMemcpyAsync", "the launch of a kernel"}) {
    CAPTURE(call);
    gpu.calls.fail(call, 1, cudaErrorMemoryAllocation);
    std::string message;
    try {
      std::vector<Floats> some;  // as many copies as need events of their own
      for (int i = 0; i < 1100; ++i) some.emplace_back(Shape{1}, std::vector<float>{1});
      replay();
    } catch (const cuda::OutOfMemory& error) {
      message = error.what();
    }
    CHECK(gpu.calls.end());
    CHECK(message.starts_with("out of memory: " + call + " failed on GPU 0 (emulated GPU), where "));
    CHECK(message.find("GiB are free; use a smaller batch") != std::string::npos);
    CHECK(message.find("--device cpu") != std::string::npos);
    CHECK_NOTHROW(replay());
  }
}

}  // namespace
