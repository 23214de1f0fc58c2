// The part of the CUDA runtime that the library uses, on the host: memory is memory, a stream does its work at once,
// and a graph is a list of what was submitted while it was recorded. What a GPU does, this does in the same order; what
// is wrong about lifetimes, recordings or results shows up in the tests and under the address sanitizer, and where
// nothing makes a stream or the host wait though it must, the process ends with words (emulated_order.hpp). Calls fail
// where tests want them to (emulated_calls.hpp).
#pragma once

#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "counting.hpp"
#include "emulated_calls.hpp"
#include "emulated_order.hpp"

enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInsufficientDriver = 35,
  cudaErrorNoDevice = 100,
  cudaErrorNotReady = 600,
  cudaErrorStreamCaptureUnsupported = 900,
  cudaErrorUnknown = 999,
};
enum cudaMemcpyKind { cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice };
enum cudaStreamCaptureMode { cudaStreamCaptureModeRelaxed };
struct cudaUUID_t {
  char bytes[16];
};
struct cudaDeviceProp {
  char name[256];
  cudaUUID_t uuid;
  int major, minor;
  std::size_t totalGlobalMem;
};
constexpr unsigned cudaStreamNonBlocking = 1, cudaEventDisableTiming = 2;

struct EmulatedStream {
  EmulatedOrder::Actor actor = 0;
};
struct EmulatedEvent {
  EmulatedOrder::Clock recorded;  ///< what had happened when it was recorded
};
using cudaStream_t = EmulatedStream*;
using cudaEvent_t = EmulatedEvent*;

/// Memory that a piece of work touches.
struct EmulatedTouch {
  const void* begin;
  std::size_t bytes;
  bool writes;
};
struct EmulatedNode {
  std::function<void()> work;
  std::vector<EmulatedTouch> touches;
};
using EmulatedGraph = std::vector<EmulatedNode>;
using cudaGraph_t = EmulatedGraph*;
using cudaGraphExec_t = EmulatedGraph*;

/// The GPU that is not there. Tests change what it has.
struct EmulatedGpu {
  int devices = 1;
  int driver = 13000;  ///< its version; 0: there is none
  std::size_t memory = std::size_t{64} << 30;
  std::size_t used = 0;
  std::map<void*, std::size_t> sizes, pinned;
  std::map<const std::byte*, std::size_t> arrays;  ///< in memory of `sizes`, as the program divides it up
  std::set<const void*> divided;                   ///< of `sizes`, what has arrays
  EmulatedGraph recorded;
  EmulatedStream* recorder = nullptr;
  int graphs = 0, streams = 0, events = 0;  ///< that exist
  std::atomic<bool> busy = false;           ///< who asks is told that nothing is done yet
  EmulatedOrder order;
  EmulatedCalls calls;
  std::recursive_mutex mutex;

  static EmulatedGpu& instance() {
    static auto& gpu = *new EmulatedGpu;
    return gpu;
  }

  /// Does the work, or notes it down while the stream records. It may read and write the arrays that it holds pointers
  /// to, which are looked for in its bytes, or all arrays, if it holds none. (In bytes that nothing has been written to
  /// there may be other addresses. What is not divided into arrays, only copies touch.)
  template <class Work>
  void submit(cudaStream_t stream, const Work& work) {
    submit(stream, work, touched_by(&work, sizeof(work)));
  }

  /// The same for work of which `describe` tells, as an EmulatedWork: counted when it is done and, in a dry run, only
  /// that.
  template <class Work, std::invocable Describe>
  void submit(cudaStream_t stream, const Work& work, const Describe& describe) {
    EmulatedCounting& counting = EmulatedCounting::instance();
    if (counting.on)
      submit(
          stream, [described = EmulatedWork(describe()), &counting] { counting.add(described); },
          std::vector<EmulatedTouch>());
    if (!counting.dry) submit(stream, work);
  }

  void submit(cudaStream_t stream, std::function<void()> work, std::vector<EmulatedTouch> touches) {
    {
      const std::lock_guard lock(mutex);
      if (recorder == stream && recorder) {
        recorded.push_back({std::move(work), std::move(touches)});
        return;
      }
      begin(stream, touches, "work");
    }
    work();
  }

  /// Work that begins on a stream.
  void begin(cudaStream_t stream, const std::vector<EmulatedTouch>& touches, const char* what) {
    order.begin(stream->actor);
    for (const EmulatedTouch& touch : touches) order.touch(stream->actor, touch.begin, touch.bytes, touch.writes, what);
  }

  /// Whether all of these bytes lie in one allocation.
  bool has(const void* place, std::size_t bytes) {
    const std::lock_guard lock(mutex);
    const auto found = allocation_of(place);
    return found != sizes.end() &&
           static_cast<const std::byte*>(place) + bytes <= static_cast<const std::byte*>(found->first) + found->second;
  }

  /// What the host does to memory itself.
  void touch_by_host(const void* place, std::size_t bytes, const char* what) {
    order.begin(EmulatedOrder::host);
    order.touch(EmulatedOrder::host, place, bytes, true, what);
  }

  /// The host knows what is known there to have happened; copies to it that had are done.
  void wait(const EmulatedOrder::Clock& known) {
    order.wait(EmulatedOrder::host, known);
    for (auto copy = arriving_.begin(); copy != arriving_.end();) {
      if (!order.comes_before(copy->actor, copy->count, EmulatedOrder::host)) {
        ++copy;
        continue;
      }
      std::memcpy(copy->to, copy->values.data(), copy->values.size());
      copy = arriving_.erase(copy);
    }
  }

  /// A copy to the host, which shall find nothing of use there before it has waited.
  void send(cudaStream_t stream, void* to, const void* from, std::size_t bytes) {
    begin(stream, {{from, bytes, false}}, "a copy to the host");
    const auto* const values = static_cast<const std::byte*>(from);
    arriving_.push_back({to, {values, values + bytes}, stream->actor, order.known(stream->actor).at(stream->actor)});
    std::memset(to, 0xCD, bytes);
  }

  /// The program divides memory up.
  void note_array(const void* place, std::size_t bytes, bool is_one) {
    const std::lock_guard lock(mutex);
    const auto* const begin = static_cast<const std::byte*>(place);
    auto array = arrays.upper_bound(begin);
    if (array != arrays.begin() && std::prev(array)->first + std::prev(array)->second > begin) --array;
    while (array != arrays.end() && array->first < begin + bytes) array = arrays.erase(array);
    if (is_one) arrays.emplace(begin, bytes);
    divided.insert(allocation_of(place)->first);
  }

 private:
  struct Arriving {
    void* to;
    std::vector<std::byte> values;
    EmulatedOrder::Actor actor;
    std::uint64_t count;
  };

  std::map<void*, std::size_t>::const_iterator allocation_of(const void* place) const {
    auto found = sizes.upper_bound(const_cast<void*>(place));
    if (found == sizes.begin()) return sizes.end();
    --found;
    return static_cast<const std::byte*>(place) < static_cast<const std::byte*>(found->first) + found->second
               ? found
               : sizes.end();
  }

  std::vector<EmulatedTouch> touched_by(const void* work, std::size_t bytes) {
    const std::lock_guard lock(mutex);
    std::vector<EmulatedTouch> touches;
    for (std::size_t i = 0; i + sizeof(void*) <= bytes; i += sizeof(void*)) {
      const std::byte* pointer = nullptr;
      std::memcpy(&pointer, static_cast<const std::byte*>(work) + i, sizeof(pointer));
      const auto allocation = allocation_of(pointer);
      if (allocation == sizes.end() || !divided.contains(allocation->first)) continue;
      auto array = arrays.upper_bound(pointer);
      if (array == arrays.begin()) continue;
      --array;
      if (pointer < array->first + array->second) touches.push_back({array->first, array->second, true});
    }
    if (touches.empty())
      for (const void* each : divided) touches.push_back({each, sizes.at(const_cast<void*>(each)), true});
    return touches;
  }

  std::vector<Arriving> arriving_;
};

// What a call fails with, if a test wants it to, is also the error that cudaGetLastError finds.

inline cudaError_t& emulated_last_error() {
  static thread_local cudaError_t last = cudaSuccess;
  return last;
}
inline cudaError_t emulated_failure(cudaError_t status) {
  if (status != cudaSuccess) emulated_last_error() = status;
  return status;
}
inline cudaError_t emulated_begin(const char* call) {
  const std::lock_guard lock(EmulatedGpu::instance().mutex);
  return emulated_failure(static_cast<cudaError_t>(EmulatedGpu::instance().calls.begin(call)));
}
inline bool emulated_skip(const char* call) {
  const std::lock_guard lock(EmulatedGpu::instance().mutex);
  return EmulatedGpu::instance().calls.skips(call);
}
// Calls that undo or wait do so and then say that they failed: what they tell of is an error of earlier work.
#define EMULATED_CALL(call) \
  if (const cudaError_t status = emulated_begin(call)) return status

inline const char* cudaGetErrorName(cudaError_t error) {
  return error == cudaErrorMemoryAllocation ? "cudaErrorMemoryAllocation" : "emulated error";
}
inline const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "no error";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorInsufficientDriver:
      return "CUDA driver version is insufficient for CUDA runtime version";
    case cudaErrorNoDevice:
      return "no CUDA-capable device is detected";
    case cudaErrorNotReady:
      return "device not ready";
    case cudaErrorUnknown:
      return "unknown error";
    default:
      return "operation not permitted when stream is capturing";
  }
}
inline cudaError_t cudaGetLastError() { return std::exchange(emulated_last_error(), cudaSuccess); }
inline cudaError_t cudaGetDeviceCount(int* count) {
  EMULATED_CALL("cudaGetDeviceCount");
  *count = EmulatedGpu::instance().devices;
  if (EmulatedGpu::instance().driver < 13000) return emulated_failure(cudaErrorInsufficientDriver);
  return emulated_failure(*count > 0 ? cudaSuccess : cudaErrorNoDevice);
}
inline cudaError_t cudaSetDevice(int) {
  EMULATED_CALL("cudaSetDevice");
  return cudaSuccess;
}
inline cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  EMULATED_CALL("cudaGetDeviceProperties");
  std::strcpy(properties->name, "emulated GPU");
  for (int i = 0; i < 16; ++i) properties->uuid.bytes[i] = static_cast<char>(17 * i);
  properties->major = 9;
  properties->minor = 0;
  properties->totalGlobalMem = EmulatedGpu::instance().memory;
  return cudaSuccess;
}
inline cudaError_t cudaDriverGetVersion(int* version) { return *version = EmulatedGpu::instance().driver, cudaSuccess; }
inline cudaError_t cudaRuntimeGetVersion(int* version) { return *version = 13000, cudaSuccess; }
inline cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  EMULATED_CALL("cudaMemGetInfo");
  EmulatedGpu& gpu = EmulatedGpu::instance();
  const std::lock_guard lock(gpu.mutex);
  *total = gpu.memory;
  *free = gpu.memory - gpu.used;
  return cudaSuccess;
}
inline cudaError_t cudaMalloc(void** memory, std::size_t bytes) {
  EMULATED_CALL("cudaMalloc");
  EmulatedGpu& gpu = EmulatedGpu::instance();
  const std::lock_guard lock(gpu.mutex);
  if (gpu.used + bytes > gpu.memory) return emulated_failure(cudaErrorMemoryAllocation);
  EmulatedCounting& counting = EmulatedCounting::instance();
  *memory = counting.dry ? counting.reserve(bytes) : std::aligned_alloc(512, (bytes + 511) / 512 * 512);
  if (!*memory) return emulated_failure(cudaErrorMemoryAllocation);
  gpu.used += bytes;
  gpu.sizes[*memory] = bytes;
  return cudaSuccess;
}
inline cudaError_t cudaFree(void* memory) {
  const cudaError_t status = emulated_begin("cudaFree");
  EmulatedGpu& gpu = EmulatedGpu::instance();
  const std::lock_guard lock(gpu.mutex);
  const std::size_t bytes = gpu.sizes.at(memory);
  gpu.touch_by_host(memory, bytes, "cudaFree");
  gpu.note_array(memory, bytes, false);
  gpu.divided.erase(memory);
  gpu.order.forget(memory, bytes);
  gpu.used -= bytes;
  gpu.sizes.erase(memory);
  if (!EmulatedCounting::instance().release(memory, bytes)) std::free(memory);
  return status;
}
inline cudaError_t cudaMallocHost(void** memory, std::size_t bytes) {
  EMULATED_CALL("cudaMallocHost");
  const std::lock_guard lock(EmulatedGpu::instance().mutex);
  *memory = std::aligned_alloc(64, (bytes + 63) / 64 * 64);
  EmulatedGpu::instance().pinned[*memory] = bytes;
  return cudaSuccess;
}
inline cudaError_t cudaFreeHost(void* memory) {
  const cudaError_t status = emulated_begin("cudaFreeHost");
  EmulatedGpu& gpu = EmulatedGpu::instance();
  const std::lock_guard lock(gpu.mutex);
  gpu.touch_by_host(memory, gpu.pinned.at(memory), "cudaFreeHost");
  gpu.order.forget(memory, gpu.pinned.at(memory));
  gpu.pinned.erase(memory);
  std::free(memory);
  return status;
}
inline cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  EMULATED_CALL("cudaStreamCreateWithFlags");
  const std::lock_guard lock(EmulatedGpu::instance().mutex);
  ++EmulatedGpu::instance().streams;
  *stream = new EmulatedStream{EmulatedGpu::instance().order.new_stream()};
  return cudaSuccess;
}
inline cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  const cudaError_t status = emulated_begin("cudaStreamDestroy");
  const std::lock_guard lock(EmulatedGpu::instance().mutex);
  --EmulatedGpu::instance().streams;
  delete stream;
  return status;
}
inline cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  const cudaError_t status = emulated_begin("cudaStreamSynchronize");
  EmulatedGpu& gpu = EmulatedGpu::instance();
  const std::lock_guard lock(gpu.mutex);
  if (gpu.recorder == stream && stream) return emulated_failure(cudaErrorStreamCaptureUnsupported);
  if (!emulated_skip("cudaStreamSynchronize")) gpu.wait(gpu.order.known(stream->actor));
  return status;
}
inline cudaError_t cudaStreamQuery(cudaStream_t) {
  EMULATED_CALL("cudaStreamQuery");
  return emulated_failure(EmulatedGpu::instance().busy ? cudaErrorNotReady : cudaSuccess);
}
inline cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  EMULATED_CALL("cudaEventCreateWithFlags");
  const std::lock_guard lock(EmulatedGpu::instance().mutex);
  ++EmulatedGpu::instance().events;
  *event = new EmulatedEvent;
  return cudaSuccess;
}
inline cudaError_t cudaEventDestroy(cudaEvent_t event) {
  const cudaError_t status = emulated_begin("cudaEventDestroy");
  const std::lock_guard lock(EmulatedGpu::instance().mutex);
  --EmulatedGpu::instance().events;
  delete event;
  return status;
}
inline cudaError_t cudaEventQuery(cudaEvent_t) {
  EMULATED_CALL("cudaEventQuery");
  return emulated_failure(EmulatedGpu::instance().busy ? cudaErrorNotReady : cudaSuccess);
}
inline cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  EMULATED_CALL("cudaEventRecord");
  EmulatedGpu& gpu = EmulatedGpu::instance();
  const std::lock_guard lock(gpu.mutex);
  if (gpu.recorder == stream && stream) return emulated_failure(cudaErrorStreamCaptureUnsupported);
  if (!emulated_skip("cudaEventRecord")) event->recorded = gpu.order.known(stream->actor);
  return cudaSuccess;
}
inline cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  const cudaError_t status = emulated_begin("cudaEventSynchronize");
  EmulatedGpu& gpu = EmulatedGpu::instance();
  const std::lock_guard lock(gpu.mutex);
  if (!emulated_skip("cudaEventSynchronize")) gpu.wait(event->recorded);
  return status;
}
inline cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned = 0) {
  EMULATED_CALL("cudaStreamWaitEvent");
  EmulatedGpu& gpu = EmulatedGpu::instance();
  const std::lock_guard lock(gpu.mutex);
  if (gpu.recorder == stream && stream) return emulated_failure(cudaErrorStreamCaptureUnsupported);
  if (!emulated_skip("cudaStreamWaitEvent")) gpu.order.wait(stream->actor, event->recorded);
  return cudaSuccess;
}
inline cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                                   cudaStream_t stream) {
  EMULATED_CALL("cudaMemcpyAsync");
  if (bytes == 0) return cudaSuccess;
  EmulatedGpu& gpu = EmulatedGpu::instance();
  const std::lock_guard lock(gpu.mutex);
  const bool skipped = EmulatedCounting::instance().dry && bytes >= EmulatedCounting::large_copy;
  const auto copy = [=] {
    if (!skipped) std::memcpy(to, from, bytes);
  };
  if (kind == cudaMemcpyDeviceToDevice) {
    if (EmulatedCounting::instance().on)
      EmulatedCounting::instance().add(
          {EmulatedWork::copy, "copy", static_cast<double>(bytes), static_cast<double>(bytes)});
    gpu.submit(stream, copy, {{from, bytes, false}, {to, bytes, true}});
    return cudaSuccess;
  }
  if (gpu.recorder == stream && stream) return emulated_failure(cudaErrorStreamCaptureUnsupported);
  if (kind == cudaMemcpyDeviceToHost) {
    gpu.send(stream, to, from, bytes);
    return cudaSuccess;
  }
  gpu.touch_by_host(from, bytes, "the host, which fills what is to be copied");  // at the latest just before
  gpu.submit(stream, copy, {{from, bytes, false}, {to, bytes, true}});
  return cudaSuccess;
}
inline cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  EMULATED_CALL("cudaStreamBeginCapture");
  const std::lock_guard lock(EmulatedGpu::instance().mutex);
  EmulatedGpu::instance().recorder = stream;
  EmulatedGpu::instance().recorded.clear();
  return cudaSuccess;
}
inline cudaError_t cudaStreamEndCapture(cudaStream_t, cudaGraph_t* graph) {
  const cudaError_t status = emulated_begin("cudaStreamEndCapture");
  EmulatedGpu& gpu = EmulatedGpu::instance();
  const std::lock_guard lock(gpu.mutex);
  EmulatedGraph recorded = std::exchange(gpu.recorded, {});
  gpu.recorder = nullptr;
  *graph = nullptr;
  if (status != cudaSuccess) return status;
  ++gpu.graphs;
  *graph = new EmulatedGraph(std::move(recorded));
  return cudaSuccess;
}
inline cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long) {
  EMULATED_CALL("cudaGraphInstantiate");
  const std::lock_guard lock(EmulatedGpu::instance().mutex);
  ++EmulatedGpu::instance().graphs;
  *exec = new EmulatedGraph(*graph);
  return cudaSuccess;
}
inline cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
  EMULATED_CALL("cudaGraphLaunch");
  EmulatedGpu& gpu = EmulatedGpu::instance();
  for (const EmulatedNode& node : *exec) {
    {
      const std::lock_guard lock(gpu.mutex);
      gpu.begin(stream, node.touches, "a graph's work");
    }
    node.work();
  }
  return cudaSuccess;
}
inline cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  const cudaError_t status = emulated_begin("cudaGraphDestroy");
  const std::lock_guard lock(EmulatedGpu::instance().mutex);
  --EmulatedGpu::instance().graphs;
  delete graph;
  return status;
}
inline cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  const cudaError_t status = emulated_begin("cudaGraphExecDestroy");
  const std::lock_guard lock(EmulatedGpu::instance().mutex);
  --EmulatedGpu::instance().graphs;
  delete exec;
  return status;
}
#undef EMULATED_CALL
