// The emulated NCCL refuses what NCCL does, or would hang in, and what is careless; the rest it computes.
#include "support/devices.hpp"

#include <doctest/doctest.h>
#include <nccl.h>

#include <string>
#include <vector>

#include "dvd/core/tensor.hpp"
#include "dvd/device/cuda/context.cuh"

namespace {

using namespace dvd;

using Floats = Tensor<float, Cuda>;

// Ranks of one thread, which asks for their calls one after the other, and a stream.
class Comms {
 public:
  explicit Comms(int size) {
    ncclUniqueId id;
    CHECK(ncclGetUniqueId(&id) == ncclSuccess);
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    for (int rank = 0; rank < size; ++rank) {
      ncclComm_t comm = nullptr;
      CHECK(ncclCommInitRankConfig(&comm, size, id, rank, &config) == ncclInProgress);
      all.push_back(comm);
      CHECK(state(0) == (rank + 1 < size ? ncclInProgress : ncclSuccess));  // all ranks or none
    }
  }
  Comms(const Comms&) = delete;
  Comms& operator=(const Comms&) = delete;
  ~Comms() {
    for (const ncclComm_t comm : all) ncclCommAbort(comm);
  }

  ncclResult_t state(std::size_t rank) const {
    ncclResult_t state = ncclInternalError;
    CHECK(ncclCommGetAsyncError(all[rank], &state) == ncclSuccess);
    return state;
  }
  std::string error(std::size_t rank) const { return ncclGetLastError(all[rank]); }
  ncclResult_t sum(std::size_t rank, Floats& x, std::size_t count) const {
    return ncclAllReduce(x.data(), x.data(), count, ncclFloat32, ncclSum, all[rank], cuda::stream());
  }

  std::vector<ncclComm_t> all;
};

TEST_CASE("a call ends when all ranks have made it, and not before") {
  const Comms comms(2);
  Floats x = Floats::full(Shape{4}, 1), y = Floats::full(Shape{4}, 2);
  CHECK(comms.sum(0, x, 4) == ncclInProgress);
  CHECK(comms.state(0) == ncclInProgress);
  CHECK(x.to_vector() == std::vector<float>(4, 1));
  CHECK(comms.sum(1, y, 4) == ncclSuccess);
  CHECK(comms.state(0) == ncclSuccess);
  CHECK(x.to_vector() == std::vector<float>(4, 3));
  CHECK(y.to_vector() == std::vector<float>(4, 3));
}

TEST_CASE("what ranks have to have alike") {
  Floats x = Floats::full(Shape{4}, 1), y = Floats::full(Shape{8}, 2);
  const cudaStream_t stream = cuda::stream();
  {
    const Comms comms(2);
    comms.sum(0, x, 4);
    comms.sum(1, x, 3);
    CHECK(comms.state(0) == ncclInvalidUsage);
    CHECK(comms.error(1) == "rank 0 calls AllReduce of 4 numbers of type 7, rank 1 AllReduce of 3 numbers of type 7");
    CHECK(comms.sum(0, x, 4) == ncclInvalidUsage);  // nothing goes on from there
  }
  {
    const Comms comms(2);
    comms.sum(0, x, 2);
    ncclAllReduce(x.data(), x.data(), 2, ncclFloat64, ncclSum, comms.all[1], stream);
    CHECK(comms.error(0) == "rank 0 calls AllReduce of 2 numbers of type 7, rank 1 AllReduce of 2 numbers of type 8");
  }
  {
    const Comms comms(2);
    comms.sum(0, x, 4);
    ncclAllGather(x.data(), y.data(), 4, ncclFloat32, comms.all[1], stream);
    CHECK(comms.error(0) == "rank 0 calls AllReduce of 4 numbers of type 7, rank 1 AllGather of 4 numbers of type 7");
  }
  {
    const Comms comms(2);
    const auto exchange = [&](std::size_t rank, std::size_t count) {
      ncclGroupStart();
      ncclSend(x.data(), count, ncclFloat32, 1 - static_cast<int>(rank), comms.all[rank], stream);
      ncclRecv(y.data(), 2, ncclFloat32, 1 - static_cast<int>(rank), comms.all[rank], stream);
      return ncclGroupEnd();
    };
    CHECK(exchange(0, 2) == ncclInProgress);
    exchange(1, 2);
    CHECK(comms.state(0) == ncclSuccess);
    CHECK(y.to_vector() == std::vector<float>{1, 1, 2, 2, 2, 2, 2, 2});
    exchange(0, 2);
    exchange(1, 3);
    CHECK(comms.error(0) == "what rank 1 sends is not what rank 0 receives");
  }
}

TEST_CASE("calls that are refused at once") {
  Floats x = Floats::full(Shape{4}, 1);
  std::vector<float> host(4);
  const cudaStream_t stream = cuda::stream();
  const auto refused = [&](ncclResult_t expected, const std::string& reason, const auto& call) {
    const Comms comms(2);
    CHECK(call(comms) == expected);
    CHECK(comms.error(0) == reason);
    CHECK(comms.state(0) == expected);
  };
  const auto sum = [](const void* from, void* to, cudaStream_t where) {
    return [=](const Comms& comms) { return ncclAllReduce(from, to, 4, ncclFloat32, ncclSum, comms.all[0], where); };
  };
  refused(ncclInvalidArgument, "memory that is not the GPU's", sum(nullptr, x.data(), stream));
  refused(ncclInvalidArgument, "memory that is not the GPU's", sum(x.data(), nullptr, stream));
  refused(ncclInvalidArgument, "memory that is not the GPU's", sum(host.data(), host.data(), stream));
  refused(ncclInvalidArgument, "the default stream, which waits for all others", sum(x.data(), x.data(), nullptr));
  refused(ncclInvalidArgument, "a call before the one before it has returned ncclSuccess", [&](const Comms& comms) {
    comms.sum(0, x, 4);
    return comms.sum(0, x, 4);
  });
  refused(ncclInvalidUsage, "a send or receive without a group, for which its peer may wait",
          [&](const Comms& comms) { return ncclSend(x.data(), 4, ncclFloat32, 1, comms.all[0], stream); });
  refused(ncclInvalidArgument, "a rank that there is not",
          [&](const Comms& comms) { return ncclSend(x.data(), 4, ncclFloat32, 2, comms.all[0], stream); });
  refused(ncclInvalidUsage, "ncclCommDestroy before ncclCommFinalize",
          [](const Comms& comms) { return ncclCommDestroy(comms.all[0]); });
  refused(ncclInvalidUsage, "ncclCommFinalize twice, in a group, or before a call has ended", [](const Comms& comms) {
    ncclGroupStart();
    const ncclResult_t result = ncclCommFinalize(comms.all[0]);
    ncclGroupEnd();
    return result;
  });
  CHECK(ncclGroupEnd() == ncclInvalidUsage);
}

TEST_CASE("ranks that go: in order, or so that the others see it") {
  Comms comms(3);
  Floats x = Floats::full(Shape{4}, 1);
  CHECK(ncclCommFinalize(comms.all[2]) == ncclSuccess);
  CHECK(comms.sum(2, x, 4) == ncclInvalidUsage);
  comms.sum(0, x, 4);
  CHECK(ncclCommAbort(comms.all[1]) == ncclSuccess);
  CHECK(comms.state(0) == ncclRemoteError);
  CHECK(ncclCommAbort(comms.all[1]) == ncclInvalidArgument);  // which is not there any more
  CHECK(ncclAllReduce(x.data(), x.data(), 4, ncclFloat32, ncclSum, comms.all[1], cuda::stream()) ==
        ncclInvalidArgument);
}

TEST_CASE("communicators that are not made") {
  ncclUniqueId id;
  ncclGetUniqueId(&id);
  ncclComm_t comm = nullptr;
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  CHECK(ncclCommInitRankConfig(&comm, 1, id, 0, &config) == ncclInvalidUsage);  // it would block
  config.blocking = 0;
  CHECK(ncclCommInitRankConfig(&comm, 1, id, 1, &config) == ncclInvalidArgument);
  CHECK(ncclCommInitRankConfig(&comm, 1, ncclUniqueId{}, 0, &config) == ncclInvalidArgument);
  ncclConfig_t empty{};
  CHECK(ncclCommInitRankConfig(&comm, 1, id, 0, &empty) == ncclInvalidArgument);
  CHECK(ncclCommInitRankConfig(&comm, 2, id, 0, &config) == ncclInProgress);
  ncclComm_t other = nullptr;
  CHECK(ncclCommInitRankConfig(&other, 2, id, 0, &config) == ncclInvalidUsage);
  CHECK(ncclCommInitRankConfig(&other, 3, id, 1, &config) == ncclInvalidUsage);
  ncclCommAbort(comm);
}

}  // namespace
