// Waits that are missing are found: by the emulated GPU's own checker, which is tried first by itself, then on the
// library's copies with one wait after the other left out.
#include "support/devices.hpp"

#include <cuda_runtime_api.h>
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "dvd/core/tensor.hpp"
#include "dvd/device/cuda/pool.cuh"

namespace {

using namespace dvd;

using Floats = Tensor<float, Cuda>;

// Races that were found since it was made, in words.
class Races {
 public:
  explicit Races(EmulatedOrder& order) : order_(order), before_(order.report) {
    order.report = [this](const std::string& race) { found.push_back(race); };
  }
  ~Races() { order_.report = before_; }
  Races(const Races&) = delete;
  Races& operator=(const Races&) = delete;

  std::vector<std::string> found;

 private:
  EmulatedOrder& order_;
  std::function<void(const std::string&)> before_;
};

TEST_CASE("the checker: what is ordered, and what is not") {
  EmulatedOrder order;
  const Races races(order);
  const EmulatedOrder::Actor host = EmulatedOrder::host, first = order.new_stream(), second = order.new_stream();
  std::vector<char> memory(100);
  const auto touch = [&](EmulatedOrder::Actor actor, int begin, int end, bool writes) {
    order.begin(actor);
    const std::size_t before = races.found.size();
    order.touch(actor, memory.data() + begin, static_cast<std::size_t>(end - begin), writes, "something");
    return races.found.size() - before;
  };
  // What the host has done comes before what it asks for, and a stream does one thing after the other.
  CHECK(touch(host, 0, 100, true) == 0);
  CHECK(touch(first, 0, 50, true) == 0);
  CHECK(touch(first, 20, 70, false) == 0);
  // Others do not see the end of that by themselves.
  CHECK(touch(second, 70, 100, true) == 0);
  CHECK(touch(second, 60, 80, true) == 1);  // there it is read
  CHECK(touch(second, 0, 10, false) == 1);  // there it is written
  CHECK(touch(host, 55, 56, true) == 1);
  // Once they have waited, they do.
  EmulatedOrder::Clock event = order.known(first);
  order.wait(second, event);
  CHECK(touch(second, 10, 60, true) == 0);
  order.wait(host, order.known(second));
  CHECK(touch(host, 0, 60, true) == 0);
  CHECK(touch(first, 0, 60, false) == 0);
  CHECK(touch(second, 0, 60, false) == 0);  // two that read
  CHECK(touch(host, 0, 60, false) == 0);
  CHECK(touch(first, 30, 31, true) == 1);  // though the second still reads
  // An event tells of nothing after it.
  CHECK(touch(first, 80, 90, true) == 0);
  event = order.known(first);
  CHECK(touch(first, 90, 95, true) == 0);
  order.wait(second, event);
  CHECK(touch(second, 80, 90, true) == 0);
  CHECK(touch(second, 90, 95, true) == 1);
  // Memory that nobody has any more has no past.
  order.forget(memory.data(), 100);
  CHECK(touch(first, 0, 100, true) == 0);
  REQUIRE(!races.found.empty());
  CHECK(races.found[0].starts_with("a race at 0x"));
  CHECK(races.found[0].find(
            "something on stream 2 may write there, and nothing makes it wait for something on stream 1") !=
        std::string::npos);
}

// Uploads through the whole ring, twice over, used by kernels. The host waits for nothing but places in the ring.
float upload_much(bool wait_for_sum = false) {
  static const std::vector<float> values(5'000'000, 2);  // two pieces of the ring
  static Floats sum(Shape{static_cast<Index>(values.size())});
  sum.fill(0);
  for (int i = 0; i < 6; ++i) {
    const Floats x(sum.shape(), values);
    Cuda::add(x.size(), x.data(), sum.data());
  }
  float last = 0;
  if (wait_for_sum) Cuda::download(sum.data() + sum.size() - 1, &last, sizeof(last));
  return last;
}

TEST_CASE("every wait of the uploads is needed, and none is missing") {
  EmulatedGpu& gpu = EmulatedGpu::instance();
  upload_much();
  Races races(gpu.order);
  for (const std::string wait : {"cudaStreamWaitEvent", "cudaEventSynchronize"}) {
    CAPTURE(wait);
    const int before = gpu.calls.count(wait);
    upload_much();
    const int waits = gpu.calls.count(wait) - before;
    CHECK(waits >= 6);
    CHECK(races.found.empty());
    for (int skipped = 1; skipped <= waits; ++skipped) {
      CAPTURE(skipped);
      gpu.calls.skip(wait, skipped);
      upload_much();
      CHECK(gpu.calls.end());
      CHECK(!races.found.empty());
      upload_much();
      races.found.clear();
    }
  }
  CHECK(upload_much(true) == 12);
  CHECK(races.found.empty());
}

TEST_CASE("a download waits for its copy") {
  EmulatedGpu& gpu = EmulatedGpu::instance();
  const Floats x = Floats::full(Shape{1000}, 3);
  std::vector<float> values(1000, 0);
  gpu.calls.skip("cudaStreamSynchronize", 1);
  Cuda::download(x.data(), values.data(), 4000);
  CHECK(gpu.calls.end());
  CHECK(values != std::vector<float>(1000, 3));  // it has not arrived
  Cuda::synchronize();
  CHECK(values == std::vector<float>(1000, 3));
}

TEST_CASE("memory goes back to the system when nothing works on it any more") {
  EmulatedGpu& gpu = EmulatedGpu::instance();
  const auto trim = [] {
    { const Floats x = Floats::full(Shape{Index{1} << 29}, 3); }  // a region of its own
    cuda::pool().release();
  };
  Races races(gpu.order);
  trim();
  CHECK(races.found.empty());
  for (int skipped = 1; skipped <= 2; ++skipped) {
    gpu.calls.skip("cudaStreamSynchronize", skipped);
    trim();
    if (!gpu.calls.end()) break;
    Cuda::synchronize();
  }
  REQUIRE(!races.found.empty());
  CHECK(races.found[0].find("cudaFree on the host may write there, and nothing makes it wait for work on stream") !=
        std::string::npos);
}

TEST_CASE("a graph's work takes part") {
  EmulatedGpu& gpu = EmulatedGpu::instance();
  cudaStream_t other = nullptr;
  cudaStreamCreateWithFlags(&other, cudaStreamNonBlocking);
  Floats x = Floats::full(Shape{1000}, 1), y = Floats::full(Shape{1000}, 2), z = Floats::full(Shape{1000}, 3);
  Cuda::Recording recording;
  const auto replay = [&] { recording.run([&] { Cuda::add(x.size(), x.data(), y.data()); }); };
  for (int run = 0; run < 3; ++run) replay();
  Cuda::synchronize();
  Races races(gpu.order);
  cudaMemcpyAsync(z.data(), x.data(), 4000, cudaMemcpyDeviceToDevice, other);
  CHECK(races.found.empty());
  replay();                        // which may read z as far as can be told, but does not
  CHECK(races.found.size() == 1);  // it may write x, which is being copied
  Cuda::synchronize();
  races.found.clear();
  cudaMemcpyAsync(y.data(), z.data(), 4000, cudaMemcpyDeviceToDevice, other);  // z is another's, unrelated to the graph
  CHECK(races.found.empty());
  replay();
  CHECK(races.found.size() == 1);
  cudaStreamSynchronize(other);
  cudaStreamDestroy(other);
}

}  // namespace
