// The part of the CUDA runtime that the library uses, on the host: memory is memory, a stream does its work at once, and
// a graph is a list of what was submitted while it was recorded. What a GPU does, this does in the same order; what is
// wrong about lifetimes, recordings or results shows up in the tests and under the address sanitizer.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInsufficientDriver = 35,
  cudaErrorNoDevice = 100,
  cudaErrorStreamCaptureUnsupported = 900,
};
enum cudaMemcpyKind { cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice };
enum cudaStreamCaptureMode { cudaStreamCaptureModeRelaxed };
struct cudaDeviceProp {
  char name[256];
  int major, minor;
  std::size_t totalGlobalMem;
};
constexpr unsigned cudaStreamNonBlocking = 1, cudaEventDisableTiming = 2;

struct EmulatedStream {
  bool recording = false;
};
using cudaStream_t = EmulatedStream*;
using cudaEvent_t = int*;
using EmulatedGraph = std::vector<std::function<void()>>;
using cudaGraph_t = EmulatedGraph*;
using cudaGraphExec_t = EmulatedGraph*;

/// The GPU that is not there. Tests change what it has.
struct EmulatedGpu {
  int devices = 1;
  int driver = 13000;  ///< its version; 0: there is none
  std::size_t memory = std::size_t{64} << 30;
  std::size_t used = 0;
  std::size_t submitted = 0;  ///< pieces of work so far: launches, calls of libraries, copies
  std::map<void*, std::size_t> sizes;
  EmulatedGraph recorded;
  EmulatedStream* recorder = nullptr;
  std::mutex mutex;

  static EmulatedGpu& instance() {
    static auto& gpu = *new EmulatedGpu;
    return gpu;
  }

  /// Does the work, or notes it down while the stream records.
  void submit(cudaStream_t stream, const std::function<void()>& work) {
    ++submitted;
    if (recorder == stream && recorder)
      recorded.push_back(work);
    else
      work();
  }
};

inline const char* cudaGetErrorName(cudaError_t) { return "emulated error"; }
inline const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess: return "no error";
    case cudaErrorMemoryAllocation: return "out of memory";
    case cudaErrorInsufficientDriver: return "CUDA driver version is insufficient for CUDA runtime version";
    case cudaErrorNoDevice: return "no CUDA-capable device is detected";
    default: return "operation not permitted when stream is capturing";
  }
}
inline cudaError_t cudaGetLastError() { return cudaSuccess; }
inline cudaError_t cudaGetDeviceCount(int* count) {
  *count = EmulatedGpu::instance().devices;
  if (EmulatedGpu::instance().driver < 13000) return cudaErrorInsufficientDriver;
  return *count > 0 ? cudaSuccess : cudaErrorNoDevice;
}
inline cudaError_t cudaSetDevice(int) { return cudaSuccess; }
inline cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  std::strcpy(properties->name, "emulated GPU");
  properties->major = 9;
  properties->minor = 0;
  properties->totalGlobalMem = EmulatedGpu::instance().memory;
  return cudaSuccess;
}
inline cudaError_t cudaDriverGetVersion(int* version) {
  return *version = EmulatedGpu::instance().driver, cudaSuccess;
}
inline cudaError_t cudaRuntimeGetVersion(int* version) { return *version = 13000, cudaSuccess; }
inline cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  EmulatedGpu& gpu = EmulatedGpu::instance();
  *total = gpu.memory;
  *free = gpu.memory - gpu.used;
  return cudaSuccess;
}
inline cudaError_t cudaMalloc(void** memory, std::size_t bytes) {
  EmulatedGpu& gpu = EmulatedGpu::instance();
  if (gpu.used + bytes > gpu.memory) return cudaErrorMemoryAllocation;
  *memory = std::aligned_alloc(512, (bytes + 511) / 512 * 512);
  gpu.used += bytes;
  gpu.sizes[*memory] = bytes;
  return cudaSuccess;
}
inline cudaError_t cudaFree(void* memory) {
  EmulatedGpu& gpu = EmulatedGpu::instance();
  gpu.used -= gpu.sizes[memory];
  gpu.sizes.erase(memory);
  std::free(memory);
  return cudaSuccess;
}
inline cudaError_t cudaMallocHost(void** memory, std::size_t bytes) {
  *memory = std::aligned_alloc(64, (bytes + 63) / 64 * 64);
  return cudaSuccess;
}
inline cudaError_t cudaFreeHost(void* memory) { return std::free(memory), cudaSuccess; }
inline cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  *stream = new EmulatedStream;
  return cudaSuccess;
}
inline cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  return EmulatedGpu::instance().recorder == stream && stream ? cudaErrorStreamCaptureUnsupported : cudaSuccess;
}
inline cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = new int(0);
  return cudaSuccess;
}
inline cudaError_t cudaEventRecord(cudaEvent_t, cudaStream_t) { return cudaSuccess; }
inline cudaError_t cudaEventSynchronize(cudaEvent_t) { return cudaSuccess; }
inline cudaError_t cudaStreamWaitEvent(cudaStream_t, cudaEvent_t, unsigned = 0) { return cudaSuccess; }
inline cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind, cudaStream_t stream) {
  if (bytes > 0) EmulatedGpu::instance().submit(stream, [=] { std::memcpy(to, from, bytes); });
  return cudaSuccess;
}
inline cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  EmulatedGpu::instance().recorder = stream;
  EmulatedGpu::instance().recorded.clear();
  return cudaSuccess;
}
inline cudaError_t cudaStreamEndCapture(cudaStream_t, cudaGraph_t* graph) {
  *graph = new EmulatedGraph(std::move(EmulatedGpu::instance().recorded));
  EmulatedGpu::instance().recorded.clear();
  EmulatedGpu::instance().recorder = nullptr;
  return cudaSuccess;
}
inline cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long) {
  *exec = new EmulatedGraph(*graph);
  return cudaSuccess;
}
inline cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t) {
  for (const auto& work : *exec) work();
  return cudaSuccess;
}
inline cudaError_t cudaGraphDestroy(cudaGraph_t graph) { return delete graph, cudaSuccess; }
inline cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) { return delete exec, cudaSuccess; }
