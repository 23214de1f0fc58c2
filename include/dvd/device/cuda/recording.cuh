// Recordings as CUDA graphs.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <cuda_runtime_api.h>

#include "dvd/device/cuda/context.cuh"
#include "dvd/device/cuda/definition.hpp"
#include "dvd/device/cuda/pool.cuh"
#include "dvd/device/cuda/recording.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

namespace detail {

/// Records while it lives.
class Capture {
 public:
  Capture() {
    pool().begin_recording();
    const cudaError_t status = cudaStreamBeginCapture(stream(), cudaStreamCaptureModeRelaxed);
    if (status != cudaSuccess) {
      pool().end_recording();
      check(status, "cudaStreamBeginCapture");
    }
    recording_now = true;
  }
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;

  ~Capture() {
    if (!recording_now) return;
    cudaGraph_t graph = nullptr;
    cudaStreamEndCapture(stream(), &graph);
    if (graph) cudaGraphDestroy(graph);
    cudaGetLastError();
    recording_now = false;
    pool().end_recording();
  }

  /// What was recorded.
  cudaGraph_t finish() {
    cudaGraph_t graph = nullptr;
    recording_now = false;
    const cudaError_t status = cudaStreamEndCapture(stream(), &graph);
    const std::ptrdiff_t left = pool().end_recording();
    check(status, "cudaStreamEndCapture");
    if (left > 0) {
      cudaGraphDestroy(graph);
      throw Error(concat("work that leaves ", left, " arrays behind cannot be recorded; run it without a recording ",
                         "(TrainerOptions::record = false)"));
    }
    return graph;
  }
};

}  // namespace detail

struct Recording::Graph {
  cudaGraphExec_t exec = nullptr;

  Graph() = default;
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;
  ~Graph() {
    if (!exec) return;
    cudaStreamSynchronize(stream());  // it may still be running
    cudaGraphExecDestroy(exec);
  }
};

DVD_CUDA_DEFINITION void Recording::run(const std::function<void()>& work) {
  if (!graph_ && runs_++ == 0) return work();
  if (!graph_) {
    cudaGraph_t graph = nullptr;
    {
      detail::Capture capture;
      work();
      graph = capture.finish();
    }
    auto recorded = std::make_shared<Graph>();
    const cudaError_t status = cudaGraphInstantiate(&recorded->exec, graph, 0);
    cudaGraphDestroy(graph);
    check(status, "cudaGraphInstantiate");
    graph_ = std::move(recorded);
  }
  check(cudaGraphLaunch(graph_->exec, stream()), "cudaGraphLaunch");
}

DVD_CUDA_DEFINITION void Recording::reset() {
  graph_.reset();
  runs_ = 0;
}

}  // namespace dvd::cuda

#include "dvd/core/macros_end.hpp"
