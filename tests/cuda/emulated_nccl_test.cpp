// Ranks with a GPU each, as threads that share the emulated one: what they tell each other, that they wait for each
// other no more than they must, and what comes of ranks that fail, end, or do not come.
#include "support/devices.hpp"

#include <doctest/doctest.h>
#include <nccl.h>

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "dvd/core/tensor.hpp"
#include "dvd/distributed/guard_ranks.hpp"
#include "dvd/distributed/nccl_communicator.hpp"
#include "dvd/distributed/thread_communicator.hpp"
#include "support/communicator_conformance.hpp"
#include "support/error_of.hpp"

namespace {

using namespace dvd;
using namespace dvd::testing;

using Floats = Tensor<float, Cuda>;
using Ranks = NcclCommunicator<ThreadCommunicator>;

// Numbers on the GPU, as the conformance tests want them: of double, too, which no tensor there has.
template <class T>
class GpuArray {
 public:
  explicit GpuArray(const std::vector<T>& values)
      : size_(values.size()), memory_(Cuda::allocate(std::max<std::size_t>(size_, 1) * sizeof(T))) {
    Cuda::upload(values.data(), memory_.get(), size_ * sizeof(T));
  }
  T* data() { return static_cast<T*>(memory_.get()); }
  std::vector<T> now() const {
    std::vector<T> values(size_);
    Cuda::download(memory_.get(), values.data(), size_ * sizeof(T));
    return values;
  }

 private:
  std::size_t size_;
  std::shared_ptr<void> memory_;
};

// Calls `work(Ranks&)` for ranks that wait for each other for so long.
template <class Work>
void run_gpus(Index size, const Work& work, double seconds = 60) {
  run_ranks(size, [&](ThreadCommunicator& host) {
    Ranks ranks(host, {.timeout_seconds = seconds});
    work(ranks);
  });
}

// What there is of the GPU's and of NCCL's: nothing of it may be lost.
struct Holdings {
  int streams = EmulatedGpu::instance().streams, events = EmulatedGpu::instance().events;
  std::size_t comms = emulated_nccl::Network::instance().comms.size();

  friend bool operator==(const Holdings&, const Holdings&) = default;
};

TEST_CASE("what every communicator has to do") {
  Cuda::synchronize();
  const Holdings before;
  for (const Index size : {1, 2, 3}) {
    CAPTURE(size);
    CHECK_NOTHROW(run_gpus(size, [](Ranks& ranks) { check_communicator<GpuArray>(ranks); }));
  }
  const Holdings now;
  CHECK(now.streams == before.streams);
  CHECK(now.comms == before.comms);
}

TEST_CASE("kernels run beside a sum that is started, and wait for it only once it is to be finished") {
  EmulatedGpu& gpu = EmulatedGpu::instance();
  std::vector<std::string> found;
  const auto report = gpu.order.report;
  gpu.order.report = [&](const std::string& race) { found.push_back(race); };
  Floats x = Floats::full(Shape{100}, 1), y = Floats::full(Shape{100}, 2);
  run_gpus(1, [&](Ranks& ranks) {
    const auto races = [&](const auto& work) {
      found.clear();
      work();
      const std::size_t count = found.size();
      Cuda::synchronize();
      ranks.finish_sums();
      return count;
    };
    CHECK(races([&] { ranks.start_sum(100, x.data()), y.fill(1), ranks.finish_sums(), x.fill(2); }) == 0);
    CHECK(races([&] { ranks.start_sum(100, x.data()), x.fill(2); }) == 1);
    CHECK(races([&] { ranks.sum(100, x.data()), x.fill(2); }) == 0);
    CHECK(races([&] { ranks.all_gather(100, x.data(), y.data()), x.fill(2), y.fill(2); }) == 0);
    CHECK(races([&] { ranks.all_to_all(100, x.data(), y.data()), x.fill(2), y.fill(2); }) == 0);
    // Each of its own waits is needed.
    for (int wait = 1; wait <= 2; ++wait) {
      x.fill(3);
      gpu.calls.skip("cudaStreamWaitEvent", wait);
      CHECK(races([&] { ranks.sum(100, x.data()), x.fill(2); }) > 0);
      CHECK(gpu.calls.end());
    }
  });
  gpu.order.report = report;
}

TEST_CASE("whatever call of NCCL fails, and however: an error in words, and nothing is lost") {
  Cuda::synchronize();
  const Holdings before;
  const std::map<int, std::string> words{{ncclUnhandledCudaError, "; NCCL_DEBUG=INFO"},
                                         {ncclSystemError, "; NCCL_DEBUG=INFO"},
                                         {ncclInternalError, ""},
                                         {ncclInvalidUsage, "; all ranks have to make the same calls"},
                                         {ncclRemoteError, "; all ranks are there"}};
  for (const std::string function :
       {"ncclGetUniqueId", "ncclCommInitRankConfig", "ncclCommGetAsyncError", "ncclAllReduce", "ncclAllGather",
        "ncclGroupStart", "ncclSend", "ncclRecv", "ncclGroupEnd"})
    for (const auto& words_of_one : words) {
      const int status = words_of_one.first;
      const std::string& advice = words_of_one.second;
      CAPTURE(function);
      CAPTURE(status);
      EmulatedFailures::instance().plan(function, 1, status);
      Floats x = Floats::full(Shape{4}, 1), y(Shape{4});
      const std::string error = error_of([&] {
        SingleProcess host;
        NcclCommunicator ranks(host);
        const std::string first = error_of([&] {
          ranks.sum(4, x.data());
          ranks.all_gather(4, x.data(), y.data());
          ranks.all_to_all(4, x.data(), y.data());
          Cuda::synchronize();
        });
        CHECK(holds(error_of([&] { ranks.sum(4, x.data()); }),
                    "rank 0 of 1 (GPU 0 (emulated GPU)) cannot reach the other ranks any more: "));
        CHECK(holds(error_of([&] { ranks.finish_sums(); }), first));
        throw Error(first);
      });
      CHECK(EmulatedFailures::instance().end());
      const bool of_group =
          function.find("Group") != std::string::npos || function == "ncclSend" || function == "ncclRecv";
      CHECK(holds(error, (of_group ? "a group of ncclSend and ncclRecv" : function) +
                             " failed: " + ncclGetErrorString(static_cast<ncclResult_t>(status))));
      if (function != "ncclGetUniqueId") CHECK(holds(error, advice));
      CHECK(emulated_nccl::Group::here().depth == 0);
      CHECK(Holdings() == before);
    }
}

TEST_CASE("ranks that do not call the same are told what each calls") {
  CHECK(holds(error_of([] {
                run_gpus(2, [](Ranks& ranks) {
                  Floats x = Floats::full(Shape{8}, 1);
                  ranks.sum(ranks.rank() == 0 ? 8 : 7, x.data());
                  Cuda::synchronize();
                });
              }),
              "rank 0 calls AllReduce of 8 numbers of type 7, rank 1 AllReduce of 7 numbers of type 7"));
}

TEST_CASE("who waits for a rank that has failed, ended or given up is told which one") {
  const auto error_while_rank_1 = [](const auto& work) {
    std::string seen_by_others[3];
    error_of([&] {
      run_gpus(3, [&](Ranks& ranks) {
        Floats x = Floats::full(Shape{8}, 1);
        ranks.sum(8, x.data());
        if (ranks.rank() == 1) return work(ranks);
        const std::string error = error_of([&] {
          ranks.sum(8, x.data());
          ranks.start_sum(8, x.data());
        });
        seen_by_others[ranks.rank()] = error;
        throw Error(error);
      });
    });
    CHECK(seen_by_others[0] == seen_by_others[2]);
    return seen_by_others[0];
  };
  CHECK(error_while_rank_1([](Ranks&) { throw Error("no more data"); }) == "rank 1 has failed: no more data");
  CHECK(error_while_rank_1([](Ranks& ranks) { ranks.abort("no more patience"); }) ==
        "rank 1 has failed: no more patience");
  CHECK(error_while_rank_1([](Ranks& ranks) { guard_ranks(ranks, [] { throw Error("no more room"); }); }) ==
        "rank 1 has failed: no more room");
}

TEST_CASE("a rank that does not come is named after a while") {
  std::string error;
  std::atomic<bool> told = false;
  error_of([&] {
    run_ranks(2, [&](ThreadCommunicator& host) {
      auto ranks = std::make_unique<Ranks>(host, NcclOptions{.timeout_seconds = 0.2});
      Floats x = Floats::full(Shape{8}, 1);
      if (host.rank() == 1) {
        while (emulated_nccl::Network::instance().comms.size() == 2) std::this_thread::yield();  // it hangs
        return;
      }
      error = error_of([&] { ranks->sum(8, x.data()); });
      told = true;
    });
  });
  CHECK(told);
  CHECK(holds(error, "rank 1 has ended"));
}

TEST_CASE("where all ranks are there and nothing moves, that is what is said") {
  emulated_nccl::Network& network = emulated_nccl::Network::instance();
  const std::string error = error_of([&] {
    run_gpus(
        2,
        [&](Ranks& ranks) {
          Floats x = Floats::full(Shape{8}, 1);
          network.stuck = true;
          ranks.sum(8, x.data());
        },
        0.2);
  });
  network.stuck = false;
  // One of them is the first to see it, and the other loses that one.
  CHECK(
      holds(error, "; all ranks are there, so something is wrong with their GPUs or with the network between them: "));
}

TEST_CASE("a GPU that waits in vain does not make the host wait for ever, wherever that waits") {
  EmulatedGpu& gpu = EmulatedGpu::instance();
  Floats x = Floats::full(Shape{8}, 1);
  const std::vector<float> values(8, 1);
  for (const bool fails : {false, true}) {
    SingleProcess host;
    NcclCommunicator ranks(host, {.timeout_seconds = fails ? 60 : 0.05});
    ranks.sum(8, x.data());
    CHECK(x.to_vector() == values);
    gpu.busy = true;
    if (fails) EmulatedFailures::instance().plan("ncclCommGetAsyncError", 3, ncclInternalError);
    const std::string error = error_of([&] { x.to_vector(); });
    CHECK(
        holds(error, fails ? "ncclCommGetAsyncError failed: internal error" : "has waited for 0.05 s; all ranks are"));
    EmulatedFailures::instance().end();
    gpu.busy = false;
    CHECK(x.to_vector() == values);
    CHECK(holds(error_of([&] { ranks.sum(8, x.data()); }), "cannot reach the other ranks any more"));
  }
  gpu.busy = true;  // which nobody asks about where there are no ranks
  CHECK(x.to_vector() == values);
  gpu.busy = false;
}

TEST_CASE("what ranks tell each other cannot be recorded") {
  SingleProcess host;
  NcclCommunicator ranks(host);
  Floats x = Floats::full(Shape{8}, 1);
  Cuda::Recording recording;
  recording.run([&] { ranks.sum(8, x.data()); });
  CHECK(holds(error_of([&] { recording.run([&] { ranks.sum(8, x.data()); }); }), "cannot be recorded"));
  ranks.sum(8, x.data());
  CHECK(x.to_vector() == std::vector<float>(8, 1));
}

TEST_CASE("a GPU for each rank") {
  SingleProcess alone;
  CHECK_NOTHROW(use_gpu_of_rank(alone));
  CHECK(Cuda::uuid() == "GPU-00112233-4455-6677-8899-aabbccddeeff");
  for (const int gpus : {1, 4}) {
    EmulatedGpu::instance().devices = gpus;
    const std::string error = error_of([] { run_ranks(2, [](ThreadCommunicator& host) { use_gpu_of_rank(host); }); });
    // As threads of one process, which uses one, that is what they must be told in any case.
    if (gpus == 1)
      CHECK(holds(error,
                  "ranks 0 and 1 would share a GPU, and each needs one of its own: start at most as many ranks "
                  "on a node as it has GPUs (rank "));
    else
      CHECK(holds(error, "GPU 0 is in use; a program uses one GPU"));
  }
  EmulatedGpu::instance().devices = 1;
  run_ranks(3, [](ThreadCommunicator& host) {
    const NodePlace place = place_on_node(host);
    if (place.rank != host.rank() || place.size != 3) throw Error("all ranks are on this node");
  });
  SingleProcess host;
  CHECK(error_of([&] { NcclCommunicator(host, {.timeout_seconds = 0}); }) ==
        "ranks must wait for each other for some time, not 0 s");
}

}  // namespace
