// Every call of the CUDA runtime may fail: what is under way ends in an Error that says which call it was, nothing is
// lost or left half done, and the next try works.
#include "support/devices.hpp"

#include <cuda_runtime_api.h>
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "dvd/device/cuda/pool.cuh"
#include "dvd/models/recorded_generator.hpp"
#include "dvd/training/trainer.hpp"

namespace {

using namespace dvd;

// What `work` throws, in words; "" if nothing. Anything but an Error of the library's is one too many.
template <class Work>
std::string error_of(const Work& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

// First, before a GPU is in use.
TEST_CASE("a GPU that cannot be had at first") {
  EmulatedGpu& gpu = EmulatedGpu::instance();
  for (const std::string call :
       {"cudaGetDeviceCount", "cudaSetDevice", "cudaGetDeviceProperties", "cudaStreamCreateWithFlags"})
    for (const int status : {cudaErrorUnknown, cudaErrorMemoryAllocation})
      for (int number = 1;; ++number) {
        CAPTURE(call);
        gpu.calls.fail(call, number, status);
        const std::string error = error_of([] { Cuda::use(0); });
        if (!gpu.calls.end()) break;  // so many there are not
        CHECK(!error.empty());
        CHECK(gpu.streams == 0);
        CHECK(cudaGetLastError() == cudaSuccess);
        if (number == 2 || call != "cudaStreamCreateWithFlags") break;  // the last one: another try would be the one
      }
  CHECK_NOTHROW(Cuda::use(0));
  CHECK(gpu.streams == 2);
}

TEST_CASE("the copies' rings, which are made at the first upload") {
  EmulatedGpu& gpu = EmulatedGpu::instance();
  Tensor<float, Cuda> x(Shape{10});
  const std::vector<float> values(10, 2);
  for (const std::string call : {"cudaMalloc", "cudaMallocHost", "cudaEventCreateWithFlags"})
    for (const int status : {cudaErrorUnknown, cudaErrorMemoryAllocation}) {
      CAPTURE(call);
      gpu.calls.fail(call, 1, status);
      const std::string error = error_of([&] { x.assign(values); });
      CHECK(gpu.calls.end());
      CHECK(error.find(call) != std::string::npos);
      CHECK((error.find("smaller batch") != std::string::npos) == (status == cudaErrorMemoryAllocation));
    }
  x.assign(values);
  CHECK(x.to_vector() == values);
  CHECK(gpu.sizes.size() == 2);  // the pool's region and the ring: what came about is not made twice
  CHECK(gpu.pinned.size() == 1);
}

constexpr DvdGanConfig tiny{
    .frames = 2, .resolution = 8, .channels = 1, .classes = 3, .latent_dim = 3, .embed_dim = 2, .spatial_frames = 1};

// A model, its trainer and what samples from it.
struct Training {
  DvdGan<float, Cuda> gan{tiny, 1};
  Trainer<DvdGan<float, Cuda>> trainer;
  RecordedGenerator<DvdGan<float, Cuda>::Networks> recorded{gan.average};

  Training() : trainer(gan, {.batch = 1, .seed = 2}) {}

  // As it is, recorded, and replayed.
  void work() {
    for (int step = 0; step < 3; ++step) {
      trainer.discriminator_update(discriminator_inputs(), report);
      trainer.generator_update(generator_inputs(), report);
      CHECK(!report.skipped);
    }
    const auto z = Tensor<float, Cuda>::full(Shape{1, 3}, 0.5f);
    for (int batch = 0; batch < 3; ++batch)
      for (const float value : recorded.generate(z, {batch}).to_vector()) CHECK(std::isfinite(value));
  }

  static DiscriminatorInputs<float, Cuda> discriminator_inputs() {
    return {Tensor<float, Cuda>::full(Shape{2, 1, 8, 8, 3}, 0.5f),
            {1},
            Tensor<float, Cuda>::full(Shape{1, 3}, 0.25f),
            {2},
            FrameIndices{1, 1, {0}},
            FrameIndices{1, 1, {1}}};
  }
  static GeneratorInputs<float, Cuda> generator_inputs() {
    return {Tensor<float, Cuda>::full(Shape{1, 3}, 0.75f), {0}, FrameIndices{1, 1, {1}}};
  }

  StepReport report;
};

// What there is of the GPU's: nothing of it may be lost.
struct Holdings {
  std::size_t in_use = cuda::pool().in_use(), held = cuda::pool().held();
  int graphs = EmulatedGpu::instance().graphs, streams = EmulatedGpu::instance().streams,
      events = EmulatedGpu::instance().events;

  friend bool operator==(const Holdings&, const Holdings&) = default;
};

TEST_CASE("a training step, sampling and recording them, whatever fails") {
  EmulatedGpu& gpu = EmulatedGpu::instance();
  // After which the library holds what it keeps, events for as many copies as may be under way included.
  Training().work();
  std::vector<Tensor<float, Cuda>> many;
  for (int i = 0; i < 1100; ++i) many.emplace_back(Shape{1}, std::vector<float>{1});
  many.clear();
  cuda::pool().release();
  const auto all_before = gpu.calls.counts();
  Training().work();
  cuda::pool().release();
  std::map<std::string, int> counts = gpu.calls.counts();
  for (auto& [call, count] : counts)
    if (const auto before = all_before.find(call); before != all_before.end()) count -= before->second;
  const Holdings before;
  CHECK(before.held == 0);
  CHECK(before.graphs == 0);

  int walked = 0, thrown = 0;
  for (const auto& [call, count] : counts) {
    // All of them; of the hundreds of kernels and copies, some from everywhere.
    const int stride = std::max(1, count / 12);
    for (int number = 1; number <= count; number += stride)
      for (const int status : {cudaErrorUnknown, cudaErrorMemoryAllocation}) {
        if (stride > 1 && (number / stride) % 2 == (status == cudaErrorUnknown ? 0 : 1)) continue;
        CAPTURE(call);
        CAPTURE(number);
        {
          auto training = std::make_unique<Training>();
          // Counted from the first call in `work`; those in constructors come in the second round.
          gpu.calls.fail(call, number, status);
          const std::string error = error_of([&] { training->work(); });
          const bool happened = gpu.calls.end();
          walked += happened;
          thrown += !error.empty();
          if (!error.empty()) {
            REQUIRE(happened);
            CHECK(error.find(call) != std::string::npos);
            CHECK(error.find(status == cudaErrorUnknown ? "unknown error" : "out of memory") != std::string::npos);
            CHECK(error.find("GPU 0 (emulated GPU)") != std::string::npos);
          }
          CHECK(error_of([&] { training->work(); }) == "");
          CHECK(cudaGetLastError() == cudaSuccess);
        }
        cuda::pool().release();
        CHECK(Holdings() == before);
      }
  }
  MESSAGE(walked << " failures, of which " << thrown << " threw");
  CHECK(walked > 60);
  CHECK(thrown > 50);
}

TEST_CASE("a failure while a model is made") {
  EmulatedGpu& gpu = EmulatedGpu::instance();
  const Holdings before;
  for (const std::string call : {"cudaMalloc", "cudaMemGetInfo", "cudaMemcpyAsync", "cudaEventRecord",
                                 "cudaStreamWaitEvent", "the launch of a kernel"})
    for (const int number : {1, 2, 5, 20, 60}) {
      CAPTURE(call);
      CAPTURE(number);
      cuda::pool().release();
      gpu.calls.fail(call, number, cudaErrorUnknown);
      const std::string error = error_of([] { Training(); });
      CHECK(gpu.calls.end() == !error.empty());
      CHECK((error.empty() || error.find(call) != std::string::npos));
      CHECK(Holdings() == before);
    }
}

TEST_CASE("the copies' ring: every way in which it may fail to come about, or to be waited for") {
  EmulatedGpu& gpu = EmulatedGpu::instance();
  const std::vector<float> values(5'000'000, 3);
  const auto upload = [&] {
    Tensor<float, Cuda> x(Shape{static_cast<Index>(values.size())}, values);
    if (x.to_vector() != values) return false;
    for (int i = 0; i < 5; ++i) x.assign(values);
    return x.to_vector() == values;
  };
  CHECK(upload());
  for (const std::string call :
       {"cudaMemcpyAsync", "cudaEventRecord", "cudaStreamWaitEvent", "cudaEventSynchronize", "cudaStreamSynchronize"})
    for (int number = 1; number <= 4; ++number) {
      CAPTURE(call);
      CAPTURE(number);
      const int events = gpu.events;
      gpu.calls.fail(call, number, cudaErrorUnknown);
      bool right = false;
      const std::string error = error_of([&] { right = upload(); });
      if (!gpu.calls.end()) break;
      CHECK(error.find(call + " failed on GPU 0") != std::string::npos);
      CHECK(upload());
      CHECK(gpu.events <= events + 1);
    }
}

}  // namespace
