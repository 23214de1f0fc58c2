// Ranks with a GPU each. They find each other by ranks of the processor's, which say what is no matter of GPUs as well:
//
//     MpiCommunicator processes;
//     guard_ranks(processes, [&] {                       // what one rank throws ends all
//       use_gpu_of_rank(processes);                      // before anything else of dvd::Cuda
//       NcclCommunicator ranks(processes);
//       DvdGan<float, Cuda> gan(config);
//       Trainer trainer(gan, options, ranks);
//       ...
//     });
//
// This header needs nothing of CUDA; link dvd::nccl, which is compiled once in your project (device/cuda/libraries).
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <cstddef>
#include <cstdint>
#include <exception>
#include <span>
#include <string>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/device/cuda.hpp"
#include "dvd/device/cuda/libraries/nccl.hpp"
#include "dvd/distributed/communicator.hpp"
#include "dvd/distributed/node_place.hpp"
#include "dvd/distributed/reduction.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Chooses a GPU for this rank: the ranks of a node take its GPUs one after the other. All ranks call it, before they
/// use dvd::Cuda for anything. If one of them has none, or two would share one, all throw: NoDevice where there is
/// none, Error elsewhere.
template <Communicator Host>
void use_gpu_of_rank(Host& host) {
  const NodePlace place = place_on_node(host);
  const Index gpus = Cuda::count();
  std::int64_t own = 0;
  std::exception_ptr thrown;
  std::string message;
  try {
    Cuda::use(gpus == 0 ? 0 : static_cast<int>(place.rank % gpus));  // a rank may see a single GPU, given to it alone
    own = detail::name_number(Cuda::uuid());
  } catch (const std::exception& error) {
    thrown = std::current_exception();
    message = error.what();
  }
  Index without = 0;
  message = first_message(host, message, &without);
  if (thrown) std::rethrow_exception(thrown);
  if (!message.empty()) throw Error(concat("rank ", without, ": ", message));
  const std::vector<std::int64_t> used = gather_counts(host, own);
  for (std::size_t rank = 0; rank < used.size(); ++rank)
    for (std::size_t other = 0; other < rank; ++other)
      if (used[other] == used[rank])
        throw Error(concat("ranks ", other, " and ", rank,
                           " would share a GPU, and each needs one of its own: start at ",
                           "most as many ranks on a node as it has GPUs (rank ", host.rank(), " sees ", gpus, ", for ",
                           place.size, " ranks there)"));
}

/// How an NcclCommunicator behaves.
struct NcclOptions {
  /// How long the host waits for the GPU before it asks where the other ranks are. More than any rank may take for
  /// something that the others do not do: writing samples and checkpoints, say.
  double timeout_seconds = 300;
};

/// A rank with a GPU, that of dvd::Cuda, as a Communicator; `Host` is one for memory of the processor, whose ranks
/// these are. Used by one thread, which makes it; `host` outlives it.
///
/// Sums go on beside kernels once they are started, and calls return before they are done: Cuda::download waits for
/// them. See cuda::NcclRanks about their bits and their order.
///
/// A rank that is gone or hangs is an Error from whatever the others wait for next, Cuda::download included, within
/// `timeout_seconds`: they then meet in `host.barrier()`, which names the rank that does not come, by its own rules.
template <Communicator Host>
class NcclCommunicator {
 public:
  /// Returns when all ranks have made theirs. Throws Error.
  explicit NcclCommunicator(Host& host, const NcclOptions& options = {})
      : host_(host),
        gpus_(common_id(host),
              {host.rank(), host.size(), checked(options).timeout_seconds, [&host] { host.barrier(); }}) {}

  Index rank() const { return host_.rank(); }
  Index size() const { return host_.size(); }

  template <class T>
  void sum(Index n, T* x) {
    gpus_.sum(n, x);
  }
  template <class T>
  void start_sum(Index n, T* x) {
    gpus_.start_sum(n, x);
  }
  void finish_sums() { gpus_.finish_sums(); }
  template <class T>
  void all_gather(Index n, const T* x, T* y) {
    gpus_.all_gather(n, x, y);
  }
  template <class T>
  void all_to_all(Index n, const T* x, T* y) {
    gpus_.all_to_all(n, x, y);
  }

  void sum_counts(std::span<std::int64_t> numbers) { host_.sum_counts(numbers); }
  void broadcast(std::span<std::byte> bytes, Index root) { host_.broadcast(bytes, root); }
  void barrier() { host_.barrier(); }

  [[noreturn]] void abort(const std::string& message) {
    try {
      host_.abort(message);
    } catch (...) {  // where that ends only this rank, the others may wait for its GPU
      gpus_.abort();
      throw;
    }
    throw Error(message);
  }

 private:
  static const NcclOptions& checked(const NcclOptions& options) {
    require(options.timeout_seconds > 0, "ranks must wait for each other for some time, not ", options.timeout_seconds,
            " s");
    return options;
  }

  static cuda::NcclId common_id(Host& host) {
    cuda::NcclId id{};
    if (host.rank() == 0) id = cuda::make_nccl_id();
    host.broadcast(std::span(id), 0);
    return id;
  }

  Host& host_;
  cuda::NcclRanks gpus_;
};

static_assert(Communicator<NcclCommunicator<SingleProcess>>);

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
