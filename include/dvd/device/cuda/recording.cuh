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

/// Records while it lives, which is this thread's turn.
class Capture {
 public:
  Capture() {
    pool().begin_recording();
    const cudaError_t status = cudaStreamBeginCapture(stream(), cudaStreamCaptureModeRelaxed);
    if (status != cudaSuccess) pool().end_recording(false);
    check(status, "cudaStreamBeginCapture");
    recording_here = true;
  }
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;

  ~Capture() {
    if (recording_here) {
      if (end() != cudaSuccess) cudaGetLastError();
      pool().end_recording(false);
    }
    if (graph_ && cudaGraphDestroy(graph_) != cudaSuccess) cudaGetLastError();
  }

  /// Ends it. Returns what was recorded, which goes with this object.
  cudaGraph_t finish(Arena::Claim& claim) {
    const cudaError_t status = end();
    const Arena::Recorded recorded = pool().end_recording(status == cudaSuccess);
    claim = recorded.claim;
    check(status, "cudaStreamEndCapture");
    if (recorded.left > 0)
      throw Error(concat("work that leaves ", recorded.left, " arrays behind cannot be recorded; run it without a ",
                         "recording (TrainerOptions::record = false)"));
    return graph_;
  }

 private:
  cudaError_t end() {
    recording_here = false;
    return cudaStreamEndCapture(stream(), &graph_);
  }

  Turn turn_;
  cudaGraph_t graph_ = nullptr;
};

}  // namespace detail

/// A graph, and the part of the pool that it works in.
struct Recording::Graph {
  cudaGraphExec_t exec = nullptr;
  Arena::Claim claim = 0;
  bool tf32 = Memory::tf32_allowed();  ///< its products' algorithms are chosen by that

  explicit Graph(const std::function<void()>& work) {
    detail::Capture capture;
    work();
    const cudaGraph_t graph = capture.finish(claim);
    const cudaError_t status = cudaGraphInstantiate(&exec, graph, 0);
    if (status == cudaSuccess) return;
    pool().forget(claim);
    check(status, "cudaGraphInstantiate");
  }
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;
  ~Graph() {
    const Turn turn;
    wait_regardless(detail::the_context().compute);  // it may be running
    if (cudaGraphExecDestroy(exec) != cudaSuccess) cudaGetLastError();
    pool().forget(claim);
  }
};

DVD_CUDA_DEFINITION void Recording::run(const std::function<void()>& work) {
  if (is_recording()) return work();  // a part of what is recorded
  if (graph_ && graph_->tf32 != Memory::tf32_allowed()) reset();
  if (!graph_ && !prepared_) {
    work();
    prepared_ = true;
    return;
  }
  const Turn turn;  // nobody else takes the recordings' memory between here and the launch
  if (graph_ && !pool().replayable(graph_->claim)) graph_.reset();
  if (!graph_) graph_ = std::make_shared<Graph>(work);
  check(cudaGraphLaunch(graph_->exec, stream()), "cudaGraphLaunch");
}

DVD_CUDA_DEFINITION void Recording::reset() {
  graph_.reset();
  prepared_ = false;
}

}  // namespace dvd::cuda

#include "dvd/core/macros_end.hpp"
