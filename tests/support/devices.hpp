// The devices and scalars that typed tests run over, and their main: the CPU's or, with DVD_TEST_CUDA, the GPU's.
// Without a GPU those are not run; linked to the emulation they always are.
#pragma once

#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include "dvd/device/cpu.hpp"
#ifdef DVD_TEST_CUDA
#include <cstdio>

#include "dvd/device/cuda.hpp"
#endif

namespace dvd::inline DVD_INSTRUCTION_SET::testing {

// A device policy and a scalar, for typed test cases.
template <class Device, class Scalar>
struct On {
  using D = Device;
  using T = Scalar;
};

}  // namespace dvd::testing

#ifdef DVD_TEST_CUDA
#define DVD_DEVICES dvd::testing::On<dvd::Cuda, float>, dvd::testing::On<dvd::Cuda, dvd::bfloat16>
#else
#define DVD_DEVICES dvd::testing::On<dvd::Cpu, float>, dvd::testing::On<dvd::Cpu, double>
#endif

int main(int argc, char** argv) {
#ifdef DVD_TEST_CUDA
  if (dvd::Cuda::count() == 0) {
    std::puts("not run: no GPU");
    return 0;
  }
#endif
  return doctest::Context(argc, argv).run();
}
