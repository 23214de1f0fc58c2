// The GPU in use.
#include "dvd/device/cuda/context.cuh"

#include <mutex>
#include <sstream>

#include "cuda/pool.hpp"
#include "dvd/device/cuda/memory.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

namespace {

/// What the process knows of its GPU, once it has chosen one.
struct Context {
  int device = 0;
  std::string name;
  cudaStream_t compute = nullptr, copies = nullptr;
};

std::mutex choice_mutex;
int chosen = 0;
bool in_use = false;
bool tf32 = false;

std::string version_words(int version) { return concat(version / 1000, ".", version % 1000 / 10); }

/// Throws NoDevice, with what to do, unless there are GPUs that can be used.
int usable_devices() {
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

Context* make_context() {
  const std::lock_guard lock(choice_mutex);
  const int count = usable_devices();
  if (chosen >= count)
    throw NoDevice(
        concat("there is no GPU ", chosen, ", only ", count == 1 ? "GPU 0" : concat("GPUs 0 to ", count - 1)));
  auto* const context = new Context;  // never destroyed: arrays may outlive every static object
  context->device = chosen;
  check(cudaSetDevice(chosen), "cudaSetDevice");
  cudaDeviceProp properties;
  check(cudaGetDeviceProperties(&properties, chosen), "cudaGetDeviceProperties");
  context->name = properties.name;
  if (properties.major < 8)
    throw NoDevice(concat("GPU ", chosen, " (", context->name, ") is of compute capability ", properties.major, ".",
                          properties.minor, ", and 8.0 or more is needed; use the CPU (--device cpu)"));
  check(cudaStreamCreateWithFlags(&context->compute, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
  check(cudaStreamCreateWithFlags(&context->copies, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
  in_use = true;
  return context;
}

Context& context() {
  static Context& the_one = *make_context();
  thread_local bool set = false;  // every thread has a current device of its own
  if (!set) {
    check(cudaSetDevice(the_one.device), "cudaSetDevice");
    set = true;
  }
  return the_one;
}

}  // namespace

cudaStream_t stream() { return context().compute; }
cudaStream_t copy_stream() { return context().copies; }

std::string device_words() { return concat("GPU ", context().device, " (", context().name, ")"); }

void check(cudaError_t status, const char* call, const std::string& what) {
  if (status == cudaSuccess) return;
  cudaGetLastError();
  std::ostringstream message;
  message << call << (what.empty() ? "" : " of ") << what << " failed";
  if (in_use) message << " on " << device_words();
  message << ": " << cudaGetErrorString(status) << " (" << cudaGetErrorName(status) << ")";
  throw Error(message.str());
}

void check_launch() { check(cudaGetLastError(), "the launch of a kernel"); }

int Memory::count() {
  try {
    return usable_devices();
  } catch (const NoDevice&) {
    return 0;
  }
}

void Memory::use(int index) {
  require(index >= 0, "a GPU's number is not negative, as ", index, " is");
  {
    const std::lock_guard lock(choice_mutex);
    require(!in_use || index == chosen, "GPU ", chosen, " is in use; a program uses one GPU");
    chosen = index;
  }
  context();
}

std::string Memory::description() { return context().name; }

void Memory::allow_tf32(bool allow) { tf32 = allow; }
bool Memory::tf32_allowed() { return tf32; }

void Memory::synchronize() { check(cudaStreamSynchronize(stream()), "cudaStreamSynchronize"); }

}  // namespace dvd::cuda
