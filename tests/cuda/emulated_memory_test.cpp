// The host's side of GPU memory, looked at from behind: a GPU that is not there, one that is too small, copies of all
// sizes.
#include "support/devices.hpp"

#include <cuda_runtime_api.h>
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <numeric>
#include <string>
#include <vector>

#include "dvd/core/tensor.hpp"
#include "dvd/device/cuda/parallel.cuh"

namespace {

using namespace dvd;

std::string refusal() {
  try {
    Cuda::use(0);
  } catch (const cuda::NoDevice& error) {
    return error.what();
  }
  return "none";
}

// First, before a GPU is in use.
TEST_CASE("no GPU: one line that says what to do") {
  EmulatedGpu& gpu = EmulatedGpu::instance();
  gpu.devices = 0;
  CHECK(Cuda::count() == 0);
  CHECK(refusal() == "no NVIDIA GPU was found; use the CPU (--device cpu)");
  gpu.driver = 0;
  CHECK(refusal() == "no NVIDIA driver was found; install it, or use the CPU (--device cpu)");
  gpu.driver = 11080;
  CHECK(refusal() ==
        "the NVIDIA driver is too old: it supports CUDA 11.8, and this program needs 13.0; install a newer driver, or "
        "use the CPU (--device cpu)");
  gpu.driver = 13000;
  gpu.devices = 2;
  CHECK(Cuda::count() == 2);
  CHECK_THROWS_AS(Cuda::use(-1), ArgumentError);
  CHECK_THROWS_WITH_AS(Cuda::use(5), "there is no GPU 5, only GPUs 0 to 1", cuda::NoDevice);
  Cuda::use(1);
  CHECK(Cuda::description() == "emulated GPU");
  CHECK_NOTHROW(Cuda::use(1));
  CHECK_THROWS_WITH_AS(Cuda::use(0), "GPU 1 is in use; a program uses one GPU", ArgumentError);
}

TEST_CASE("a GPU that is too small: how much there is, and what to do") {
  EmulatedGpu& gpu = EmulatedGpu::instance();
  gpu.memory = gpu.used + (std::size_t{3} << 30);
  {
    const Tensor<float, Cuda> fits(Shape{Index{1} << 28});  // 1 GiB
    try {
      const Tensor<float, Cuda> large(Shape{Index{1} << 30});
      FAIL("4 GiB of 3");
    } catch (const cuda::OutOfMemory& error) {
      const std::string message = error.what();
      CHECK(message.starts_with("out of memory: GPU 1 (emulated GPU) has "));
      CHECK(message.find("needs 4.0 GiB more") != std::string::npos);
      CHECK(message.find("smaller batch") != std::string::npos);
      CHECK(message.find("--device cpu") != std::string::npos);
      CHECK(error.needed >= std::size_t{5} << 30);
      CHECK(error.available <= std::size_t{4} << 30);
    }
  }
  // What is free again in pieces goes back to the system before that.
  const Tensor<float, Cuda> large(Shape{Index{5} << 27});  // 2.5 GiB
  CHECK(large);
  gpu.memory = std::size_t{64} << 30;
}

TEST_CASE("copies of every size arrive, however many are under way") {
  for (const Index size : {1, 63, 1000, 5'000'000, 40'000'000}) {
    std::vector<float> values(static_cast<std::size_t>(size));
    std::iota(values.begin(), values.end(), 1.0f);
    Tensor<float, Cuda> x(Shape{size}, values);
    const bool same = x.to_vector() == values;
    CHECK(same);
  }
  std::vector<Tensor<float, Cuda>> many;
  for (int i = 0; i < 3000; ++i) many.emplace_back(Shape{100}, std::vector<float>(100, static_cast<float>(i)));
  bool same = true;
  for (int i = 0; i < 3000; ++i)
    same = same && many[static_cast<std::size_t>(i)].to_vector()[99] == static_cast<float>(i);
  CHECK(same);
}

// Whether a process that does this comes to a bad end.
template <class Work>
bool dies(const Work& work) {
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    std::freopen("/dev/null", "w", stderr);
    std::freopen("/dev/null", "w", stdout);
    work();
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

TEST_CASE("the emulation ends where a GPU would: loads and stores that are not aligned") {
  alignas(16) float values[9] = {};
  alignas(16) bfloat16 halves[17] = {};
  const auto lanes = cuda::load<4>(values);
  const auto wide = cuda::load<8>(halves);
  CHECK(!dies([&] { cuda::load<4>(values + 4); }));
  CHECK(!dies([&] { cuda::load<1>(values + 1); }));
  CHECK(!dies([&] { cuda::store(values + 4, lanes); }));
  CHECK(!dies([&] { cuda::store(halves + 8, wide); }));
  CHECK(!dies([&] { cuda::load<8>(values); }));  // two loads
  CHECK(dies([&] { cuda::load<4>(values + 1); }));
  CHECK(dies([&] { cuda::load<2>(values + 1); }));
  CHECK(dies([&] { cuda::load<8>(halves + 4); }));
  CHECK(dies([&] { cuda::store(values + 2, lanes); }));
  CHECK(dies([&] { cuda::store(halves + 1, wide); }));
}

#if defined(__SANITIZE_ADDRESS__)
TEST_CASE("the address sanitizer finds accesses to arrays that are free again") {
  const volatile float* place = nullptr;
  {
    const Tensor<float, Cuda> x(Shape{100});
    place = x.data();
    CHECK(!dies([&] { static_cast<void>(place[99]); }));
    CHECK(dies([&] { static_cast<void>(place[1000]); }));
  }
  CHECK(dies([&] { static_cast<void>(place[0]); }));
}
#endif

}  // namespace
