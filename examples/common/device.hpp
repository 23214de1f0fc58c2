// What a program computes on. The one place that knows whether this build has dvd::cuda: a program's work is a template
// over element and device, compiled for each pair in a file of its own, those for a GPU (*_cuda_*.cpp) only with it.
#pragma once

#include <algorithm>
#include <charconv>
#include <dvd/core/bfloat16.hpp>
#include <dvd/core/error.hpp>
#include <string>
#ifdef DVD_WITH_CUDA
#include <dvd/device/cuda.hpp>
#endif

namespace dvd::inline DVD_INSTRUCTION_SET {
struct Cpu;
}

namespace examples {

inline constexpr const char* device_help = "cpu, cuda (the first GPU) or cuda:N (GPU number N, from 0)";
inline constexpr const char* precision_help =
    "float32; on a GPU also tf32 (float32 whose products keep 10 bits of fraction) or bfloat16 (what is learned stays "
    "float32)";

/// The number of the GPU that is named, or -1 for the CPU. Throws ArgumentError for a name that is none.
inline int gpu_number(const std::string& device) {
  if (device == "cpu") return -1;
  if (device == "cuda") return 0;
  int number = -1;
  if (device.starts_with("cuda:")) {
    const char* const end = device.data() + device.size();
    const auto [rest, error] = std::from_chars(device.data() + 5, end, number);
    if (error != std::errc() || rest != end) number = -1;
  }
  dvd::require(number >= 0, "--device ", device, " is neither cpu nor cuda nor cuda:N with the number of a GPU");
  return number;
}

/// Throws ArgumentError for names that are none or do not go together and for a GPU in a build without dvd::cuda.
inline void check_device(const std::string& device, const std::string& precision) {
  const int gpu = gpu_number(device);
  dvd::require(precision == "float32" || precision == "tf32" || precision == "bfloat16", "--precision ", precision,
               " is neither float32 nor tf32 nor bfloat16");
  dvd::require(gpu >= 0 || precision == "float32", "--precision ", precision,
               " needs a GPU (--device cuda); the CPU computes in float32");
#ifndef DVD_WITH_CUDA
  dvd::require(gpu < 0, "--device ", device,
               ": this build has no dvd::cuda; build with CUDA 12 and cuDNN 9 (README.md says how), or use --device "
               "cpu");
#endif
}

/// Has this process use the GPU that is named, if it is one; `check_device` comes before it. Throws cuda::NoDevice.
inline void use_device([[maybe_unused]] const std::string& device) {
#ifdef DVD_WITH_CUDA
  if (const int gpu = gpu_number(device); gpu >= 0) dvd::Cuda::use(gpu);
#endif
}

/// Calls `f.template operator()<T, D>()` with the element type and the device that are named, on the GPU that this
/// process uses.
template <class F>
int on_used_device([[maybe_unused]] const std::string& device, [[maybe_unused]] const std::string& precision,
                   const F& f) {
#ifdef DVD_WITH_CUDA
  if (gpu_number(device) >= 0) {
    dvd::Cuda::allow_tf32(precision == "tf32");
    if (precision == "bfloat16") return f.template operator()<dvd::bfloat16, dvd::Cuda>();
    return f.template operator()<float, dvd::Cuda>();
  }
#endif
  return f.template operator()<float, dvd::Cpu>();
}

/// All three: for a program that is one process. Throws ArgumentError and cuda::NoDevice.
template <class F>
int on_device(const std::string& device, const std::string& precision, const F& f) {
  check_device(device, precision);
  use_device(device);
  return on_used_device(device, precision, f);
}

}  // namespace examples
