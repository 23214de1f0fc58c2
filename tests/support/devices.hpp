// The devices and scalars that typed tests run over, and their main: the CPU's or, with DVD_TEST_CUDA, the GPU's.
// Without a GPU those are not run; linked to the emulation they always are.
#pragma once

#include <doctest/doctest.h>

#include "dvd/device/cpu.hpp"
#ifdef DVD_TEST_CUDA
#include <cstdio>

#include "dvd/device/cuda.hpp"
#endif

namespace dvd::inline DVD_INSTRUCTION_SET::testing {

// A device policy and a scalar, for typed test cases. While a Precision lives, the device may round factors so.
template <class Device, class Scalar>
struct On {
  using D = Device;
  using T = Scalar;
  struct Precision {
    Precision() {}  // user-provided, so that it is no unused variable
  };
};

#ifdef DVD_TEST_CUDA
struct OnCudaInTf32 : On<Cuda, float> {
  struct Precision {
    Precision() { Cuda::allow_tf32(true); }
    Precision(const Precision&) = delete;
    ~Precision() { Cuda::allow_tf32(false); }
  };
};
#endif

}  // namespace dvd::testing

#ifdef DVD_TEST_CUDA
#define DVD_DEVICES dvd::testing::On<dvd::Cuda, float>, dvd::testing::On<dvd::Cuda, dvd::bfloat16>
#define DVD_PRECISIONS DVD_DEVICES, dvd::testing::OnCudaInTf32
#else
#define DVD_DEVICES dvd::testing::On<dvd::Cpu, float>, dvd::testing::On<dvd::Cpu, double>
#define DVD_PRECISIONS DVD_DEVICES
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
