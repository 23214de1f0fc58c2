// Copies between the host and the GPU.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <cstring>
#include <deque>
#include <mutex>
#include <vector>

#include "dvd/device/cuda/context.cuh"
#include "dvd/device/cuda/definition.hpp"
#include "dvd/device/cuda/memory.hpp"
#include "dvd/device/cuda/pool.cuh"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

namespace detail {

/// Copies from the host by way of pinned memory, so that neither side waits for the other: the host fills a piece of a
/// ring, the copy engine brings it to a ring on the GPU while kernels run, and between two kernels it goes from there
/// to its place.
class Uploads {
 public:
  void copy(const void* host, void* device, std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    if (!arrived_) create();
    const auto* from = static_cast<const std::byte*>(host);
    auto* to = static_cast<std::byte*>(device);
    while (bytes > 0) {
      const std::size_t piece = std::min(bytes, largest_piece);
      copy_piece(from, to, piece);
      from += piece;
      to += piece;
      bytes -= piece;
    }
  }

 private:
  static constexpr std::size_t ring = std::size_t{64} << 20, largest_piece = ring / 4, alignment = 256,
                               most_pieces = 1000;

  /// A piece of the rings that is in use until `done`.
  struct Piece {
    std::size_t begin, end;
    cudaEvent_t done;
  };

  void create() {
    void* memory = nullptr;
    if (!on_device_) {
      check(cudaMalloc(&memory, ring), "cudaMalloc", "the copies' ring");
      on_device_ = static_cast<std::byte*>(memory);
    }
    if (!pinned_) {
      check(cudaMallocHost(&memory, ring), "cudaMallocHost", "the copies' ring");
      pinned_ = static_cast<std::byte*>(memory);
    }
    check(cudaEventCreateWithFlags(&arrived_, cudaEventDisableTiming), "cudaEventCreateWithFlags");
  }

  void copy_piece(const std::byte* from, std::byte* to, std::size_t bytes) {
    const std::size_t size = (bytes + alignment - 1) / alignment * alignment;
    const std::size_t begin = place(size);
    const cudaEvent_t done = event();
    std::memcpy(pinned_ + begin, from, bytes);
    try {
      check(cudaMemcpyAsync(on_device_ + begin, pinned_ + begin, bytes, cudaMemcpyHostToDevice, copy_stream()),
            "cudaMemcpyAsync");
      check(cudaEventRecord(arrived_, copy_stream()), "cudaEventRecord");
      const Turn turn;
      check(cudaStreamWaitEvent(stream(), arrived_, 0), "cudaStreamWaitEvent");
      check(cudaMemcpyAsync(to, on_device_ + begin, bytes, cudaMemcpyDeviceToDevice, stream()), "cudaMemcpyAsync");
      check(cudaEventRecord(done, stream()), "cudaEventRecord");
    } catch (...) {  // nothing tells when the place is free again but that both streams have come to an end
      const Turn turn;
      for (const cudaStream_t each : {copy_stream(), stream()}) wait_regardless(each);
      events_.push_back(done);
      throw;
    }
    pieces_.push_back({begin, begin + size, done});
    next_ = begin + size;
  }

  /// A place in the rings for a piece, behind the last one; waits until it is free.
  std::size_t place(std::size_t size) {
    const std::size_t begin = next_ + size <= ring ? next_ : 0;
    // The oldest pieces come first, and lie in front of what was written last: those in the way are the first ones.
    const auto in_the_way = [&](const Piece& piece) { return piece.begin < begin + size && begin < piece.end; };
    std::size_t last = 0;
    for (std::size_t i = 0; i < pieces_.size(); ++i)
      if (in_the_way(pieces_[i])) last = i + 1;
    if (pieces_.size() > most_pieces) last = std::max<std::size_t>(last, 1);
    if (last > 0) check(wait_for(pieces_[last - 1].done), "cudaEventSynchronize");
    for (; last > 0; --last) {  // those before it came to their end before it
      events_.push_back(pieces_.front().done);
      pieces_.pop_front();
    }
    return begin;
  }

  cudaEvent_t event() {
    if (events_.empty()) {
      cudaEvent_t created;
      check(cudaEventCreateWithFlags(&created, cudaEventDisableTiming), "cudaEventCreateWithFlags");
      return created;
    }
    const cudaEvent_t used = events_.back();
    events_.pop_back();
    return used;
  }

  std::mutex mutex_;
  std::byte *pinned_ = nullptr, *on_device_ = nullptr;
  std::size_t next_ = 0;
  std::deque<Piece> pieces_;
  std::vector<cudaEvent_t> events_;
  cudaEvent_t arrived_ = nullptr;
};

inline Uploads& uploads() {
  static auto& uploads = *new Uploads;
  return uploads;
}

/// Throws if work is being recorded that would not do the same when it is replayed.
inline void refuse_while_recording(const char* what) {
  if (is_recording())
    throw Error(concat(what, " cannot be recorded; work whose kernels depend on what the host sees must run without a ",
                       "recording (TrainerOptions::record = false)"));
}

}  // namespace detail

DVD_CUDA_DEFINITION void Memory::upload(const void* host, void* device, std::size_t bytes) {
  if (bytes == 0) return;
  detail::refuse_while_recording("an upload");
  detail::uploads().copy(host, device, bytes);
}

DVD_CUDA_DEFINITION void Memory::download(const void* device, void* host, std::size_t bytes) {
  if (bytes == 0) return;
  detail::refuse_while_recording("a download");
  const Turn turn;
  // A copy to memory that is not pinned makes the host wait itself, and nobody watches it.
  if (is_watched()) check(wait_for(stream()), "cudaStreamSynchronize");
  check(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, stream()), "cudaMemcpyAsync");
  check(cudaStreamSynchronize(stream()), "cudaStreamSynchronize");
}

}  // namespace dvd::cuda

#include "dvd/core/macros_end.hpp"
