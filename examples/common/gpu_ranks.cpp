// Processes with a GPU each; in a build without dvd::nccl, one of them.
#include "gpu_ranks.hpp"

#include <limits>
#include <vector>

#include "device.hpp"
#ifdef DVD_WITH_NCCL
#include <dvd/distributed/nccl_communicator.hpp>
#endif

namespace examples {

namespace {

/// Throws ArgumentError where several ranks cannot have the GPUs that are named.
void check_gpus_of_ranks(const std::string& device, dvd::Index ranks) {
#ifndef DVD_WITH_NCCL
  throw dvd::ArgumentError(dvd::concat("--device ", device,
                                       ": this build has no dvd::nccl, so that it trains on one GPU, but ", ranks,
                                       " ranks were started; build where CMake finds NCCL (docs/gpu.md says how), "
                                       "start one, or use --device cpu"));
#endif
  dvd::require(device == "cuda", "--device ", device, " names one GPU, but ", ranks,
               " ranks were started, and each takes one: use --device cuda, with CUDA_VISIBLE_DEVICES in the "
               "environment if only some GPUs are to be taken");
}

}  // namespace

void take_device(const std::string& device, const std::string& precision, Ranks& ranks) {
  ranks.agree([&] {
    check_device(device, precision);
    if (ranks.size() > 1 && gpu_number(device) >= 0) check_gpus_of_ranks(device, ranks.size());
  });
  // To take a GPU is something that all do or none does.
  const std::string of_first = ranks.gather(device).front();
  ranks.agree([&] {
    dvd::require(device == of_first, "was started with other flags than rank 0: --device is ", device, ", not ",
                 of_first);
  });
  ranks.agree([&] {
#ifdef DVD_WITH_NCCL
    if (ranks.size() > 1 && gpu_number(device) >= 0) return dvd::use_gpu_of_rank(ranks);
#endif
    use_device(device);
  });
}

#ifdef DVD_WITH_CUDA
#ifdef DVD_WITH_NCCL
struct GpuRanks::Connection : dvd::NcclCommunicator<Ranks> {
  using NcclCommunicator::NcclCommunicator;
};
#else
struct GpuRanks::Connection : dvd::SingleProcess {};
#endif

GpuRanks::GpuRanks(Ranks& ranks, [[maybe_unused]] double timeout_seconds) : ranks_(ranks) {
  if (ranks.size() == 1) return;
#ifdef DVD_WITH_NCCL
  const double patience = timeout_seconds > 0 ? timeout_seconds : std::numeric_limits<double>::infinity();
  connection_ = std::make_unique<Connection>(ranks, dvd::NcclOptions{.timeout_seconds = patience});
#else
  check_gpus_of_ranks("cuda", ranks.size());
#endif
}

GpuRanks::~GpuRanks() = default;

template <class T>
void GpuRanks::sum(dvd::Index n, T* x) {
  if (connection_) connection_->sum(n, x);
}

template <class T>
void GpuRanks::start_sum(dvd::Index n, T* x) {
  if (connection_) connection_->start_sum(n, x);
}

void GpuRanks::finish_sums() {
  if (connection_) connection_->finish_sums();
}

template <class T>
void GpuRanks::all_gather(dvd::Index n, const T* x, T* y) {
  if (connection_) return connection_->all_gather(n, x, y);
  std::vector<T> values(static_cast<std::size_t>(n));
  const std::size_t bytes = values.size() * sizeof(T);
  dvd::Cuda::download(x, values.data(), bytes);
  dvd::Cuda::upload(values.data(), y, bytes);
}

template <class T>
void GpuRanks::all_to_all(dvd::Index n, const T* x, T* y) {
  if (connection_) return connection_->all_to_all(n, x, y);
  all_gather(n, x, y);  // of one rank they are the same
}

#define DVD_INSTANTIATE(T)                                      \
  template void GpuRanks::sum(dvd::Index, T*);                  \
  template void GpuRanks::start_sum(dvd::Index, T*);            \
  template void GpuRanks::all_gather(dvd::Index, const T*, T*); \
  template void GpuRanks::all_to_all(dvd::Index, const T*, T*);
DVD_INSTANTIATE(float)
DVD_INSTANTIATE(double)
#undef DVD_INSTANTIATE
#endif

}  // namespace examples
