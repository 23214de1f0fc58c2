// The GPU in use: the stream that kernels run on, and how errors become words.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <cuda_runtime_api.h>

#include <algorithm>
#include <atomic>
#include <iomanip>
#include <mutex>
#include <sstream>
#include <string>

#include "dvd/core/error.hpp"
#include "dvd/device/cuda/definition.hpp"
#include "dvd/device/cuda/memory.hpp"
#include "dvd/device/cuda/waiting.cuh"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

/// The stream of all kernels. The first call chooses a GPU if none is chosen. Throws NoDevice.
inline cudaStream_t stream();
/// The stream that copies from the host run on.
inline cudaStream_t copy_stream();

/// Whether this thread records just now what it asks of the GPU. What would wait for the GPU throws then.
inline bool is_recording();

/// A thread's turn at the stream of kernels: held by whoever asks for work there while it asks, and all along by
/// whoever records, so that what other threads ask for waits instead of being recorded, too. One thread may hold
/// several. Whoever needs another lock as well takes the turn first.
class Turn {
 public:
  Turn();

 private:
  std::lock_guard<std::recursive_mutex> lock_;
};

/// "GPU 0 (NVIDIA H200)".
inline std::string device_words();

/// Throws Error, saying which `call` failed, on what and why, unless `status` is success; OutOfMemory, if that is why.
inline void check(cudaError_t status, const char* call, const std::string& what = "");

/// Throws Error if the kernel launched last could not be.
inline void check_launch();

namespace detail {

/// What the process knows of its GPU, once it has chosen one.
struct Context {
  int device = 0;
  std::string name, uuid;
  cudaStream_t compute = nullptr, copies = nullptr;
};

inline std::mutex choice_mutex;
inline int chosen = 0;
inline std::atomic<bool> in_use = false, tf32_setting = false;
inline thread_local bool recording_here = false;

inline std::recursive_mutex& turns() {
  static auto& turns = *new std::recursive_mutex;  // never destroyed: arrays may outlive every static object
  return turns;
}

inline const char* const smaller = "use a smaller batch, fewer channels, a lower resolution or the CPU (--device cpu)";

inline std::string gibibytes(std::size_t bytes) {
  std::ostringstream text;
  text << std::fixed << std::setprecision(1) << static_cast<double>(bytes) / (std::size_t{1} << 30) << " GiB";
  return text.str();
}

/// What arrays leave of the GPU's memory to the driver, which needs some for graphs, for the code of kernels that run
/// for the first time, and for the libraries.
inline std::size_t reserve_of(std::size_t total) { return std::min(std::size_t{256} << 20, total / 16); }

inline std::string version_words(int version) { return concat(version / 1000, ".", version % 1000 / 10); }

/// Throws NoDevice, with what to do, unless there are GPUs that can be used.
inline int usable_devices() {
  int count = 0, driver = 0, runtime = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status == cudaSuccess && count > 0) return count;
  cudaGetLastError();  // it would be found again by the next call that looks
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&runtime);
  if (status == cudaErrorInsufficientDriver && driver == 0)
    throw NoDevice("no NVIDIA driver was found; install it, or use the CPU (--device cpu)");
  if (status == cudaErrorInsufficientDriver)
    throw NoDevice(concat("the NVIDIA driver is too old: it supports CUDA ", version_words(driver),
                          ", and this program needs ", version_words(runtime),
                          "; install a newer driver, or use the CPU (--device cpu)"));
  if (status == cudaSuccess || status == cudaErrorNoDevice)
    throw NoDevice("no NVIDIA GPU was found; use the CPU (--device cpu)");
  throw NoDevice(concat("no NVIDIA GPU can be used: ", cudaGetErrorString(status), "; use the CPU (--device cpu)"));
}

/// As nvidia-smi writes it.
inline std::string uuid_words(const cudaUUID_t& uuid) {
  std::ostringstream text;
  text << "GPU" << std::hex << std::setfill('0');
  for (int i = 0; i < 16; ++i)
    text << (i == 0 || i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "") << std::setw(2)
         << static_cast<int>(static_cast<unsigned char>(uuid.bytes[i]));
  return text.str();
}

inline Context* make_context() {
  const std::lock_guard lock(choice_mutex);
  const int count = usable_devices();
  if (chosen >= count)
    throw NoDevice(
        concat("there is no GPU ", chosen, ", only ", count == 1 ? "GPU 0" : concat("GPUs 0 to ", count - 1)));
  struct Unfinished : Context {
    ~Unfinished() {
      if (compute) cudaStreamDestroy(compute);
      if (copies) cudaStreamDestroy(copies);
    }
  };
  Unfinished made;
  Context* const context = &made;
  context->device = chosen;
  check(cudaSetDevice(chosen), "cudaSetDevice");
  cudaDeviceProp properties;
  check(cudaGetDeviceProperties(&properties, chosen), "cudaGetDeviceProperties");
  context->name = properties.name;
  context->uuid = uuid_words(properties.uuid);
  if (properties.major < 8)
    throw NoDevice(concat("GPU ", chosen, " (", context->name, ") is of compute capability ", properties.major, ".",
                          properties.minor, ", and 8.0 or more is needed; use the CPU (--device cpu)"));
  check(cudaStreamCreateWithFlags(&context->compute, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
  check(cudaStreamCreateWithFlags(&context->copies, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
  auto* const finished = new Context(made);  // never destroyed: arrays may outlive every static object
  made.compute = made.copies = nullptr;
  in_use = true;
  return finished;
}

inline Context& the_context() {
  static Context& the_one = *make_context();
  return the_one;
}

inline Context& context() {
  Context& the_one = the_context();
  thread_local bool set = false;  // every thread has a current device of its own
  if (!set) {
    check(cudaSetDevice(the_one.device), "cudaSetDevice");
    set = true;
  }
  return the_one;
}

}  // namespace detail

inline cudaStream_t stream() { return detail::context().compute; }
inline cudaStream_t copy_stream() { return detail::context().copies; }

inline bool is_recording() { return detail::recording_here; }

inline Turn::Turn() : lock_(detail::turns()) {}

inline std::string device_words() {
  return concat("GPU ", detail::the_context().device, " (", detail::the_context().name, ")");
}

inline void check(cudaError_t status, const char* call, const std::string& what) {
  if (status == cudaSuccess) return;
  cudaGetLastError();
  const std::string words = concat(call, what.empty() ? "" : " of ", what);
  const std::string where = detail::in_use ? concat(" on ", device_words()) : "";
  if (status != cudaErrorMemoryAllocation)
    throw Error(concat(words, " failed", where, ": ", cudaGetErrorString(status), " (", cudaGetErrorName(status), ")"));
  std::size_t free = 0, total = 0;
  if (cudaMemGetInfo(&free, &total) != cudaSuccess) cudaGetLastError();
  throw OutOfMemory(concat("out of memory: ", words, " failed", where, ", where ", detail::gibibytes(free), " of ",
                           detail::gibibytes(total), " are free; ", detail::smaller),
                    total, total - detail::reserve_of(total));  // how much it wanted, the driver does not say
}

inline void check_launch() { check(cudaGetLastError(), "the launch of a kernel"); }

DVD_CUDA_DEFINITION int Memory::count() {
  try {
    return detail::usable_devices();
  } catch (const NoDevice&) {
    return 0;
  }
}

DVD_CUDA_DEFINITION void Memory::use(int index) {
  require(index >= 0, "a GPU's number is not negative, as ", index, " is");
  {
    const std::lock_guard lock(detail::choice_mutex);
    require(!detail::in_use || index == detail::chosen, "GPU ", detail::chosen, " is in use; a program uses one GPU");
    detail::chosen = index;
  }
  detail::context();
}

DVD_CUDA_DEFINITION std::string Memory::description() { return detail::context().name; }
DVD_CUDA_DEFINITION std::string Memory::uuid() { return detail::context().uuid; }

DVD_CUDA_DEFINITION void Memory::allow_tf32(bool allow) { detail::tf32_setting = allow; }
DVD_CUDA_DEFINITION bool Memory::tf32_allowed() { return detail::tf32_setting; }

DVD_CUDA_DEFINITION void Memory::synchronize() {
  const Turn turn;
  check(wait_for(stream()), "cudaStreamSynchronize");
}

}  // namespace dvd::cuda

#include "dvd/core/macros_end.hpp"
