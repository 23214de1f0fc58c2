// Memory of the GPU: one pool from which all arrays come, copies that do not make the host wait, and what the process
// knows of its GPU.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <cstddef>
#include <memory>
#include <string>

#include "dvd/core/error.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

/// There is no GPU that could be used, and why: what to do stands in the message.
class NoDevice : public Error {
  using Error::Error;
};

/// The GPU's memory does not suffice.
class OutOfMemory : public Error {
 public:
  OutOfMemory(const std::string& message, std::size_t bytes_needed, std::size_t bytes_available)
      : Error(message), needed(bytes_needed), available(bytes_available) {}

  std::size_t needed;     ///< bytes that were in use or asked for
  std::size_t available;  ///< bytes that can be had
};

/// Memory kernels of the contract, and settings of the process; see core/device.hpp.
struct Memory {
  static constexpr bool queues_work = true;

  /// Throws OutOfMemory.
  static std::shared_ptr<void> allocate(std::size_t bytes);
  /// Returns as soon as the host's array may change again; the copy goes through pinned memory and a stream of its own.
  static void upload(const void* host, void* device, std::size_t bytes);
  /// Waits for all that was asked of the GPU before.
  static void download(const void* device, void* host, std::size_t bytes);
  static std::size_t peak_memory();

  /// Number of GPUs that can be used: 0 without a driver. Never throws.
  static int count();
  /// Chooses the GPU of this process. Throws NoDevice, and ArgumentError once another one is in use.
  static void use(int index);
  /// The GPU's name, such as "NVIDIA H200". Throws NoDevice.
  static std::string description();
  /// The GPU's UUID, such as "GPU-8f0c1b5e-...", which `nvidia-smi -L` shows, too. Throws NoDevice.
  static std::string uuid();
  /// Whether products of float may be computed with 10 bits of fraction (TF32), which is faster. Not at first.
  static void allow_tf32(bool allow);
  static bool tf32_allowed();
  /// Waits for all that was asked of the GPU.
  static void synchronize();
};

}  // namespace dvd::cuda

#include "dvd/core/macros_end.hpp"
