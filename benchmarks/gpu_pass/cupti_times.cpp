// Where the time of CUDA graphs goes. Loaded by CUDA itself (CUDA_INJECTION64_PATH names the library that this
// becomes), it writes at exit to the error output: of every graph how many kernels a replay has, how long they take and
// how long the replay takes; then kernels by time, those replayed and those launched one by one, and copies.
#include <cupti.h>
#include <cxxabi.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace {

#if CUPTI_API_VERSION >= 130000
using KernelRecord = CUpti_ActivityKernel10;
using CopyRecord = CUpti_ActivityMemcpy6;
#else
using KernelRecord = CUpti_ActivityKernel9;
using CopyRecord = CUpti_ActivityMemcpy5;
#endif

struct Sum {
  long count = 0;
  double nanoseconds = 0;
};
using Sums = std::map<std::string, Sum>;

/// A kernel of a replay.
struct Run {
  std::uint64_t start, end, node;
};

std::mutex mutex;
Sums eager, replayed;
std::map<std::uint32_t, std::vector<Run>> graphs;
std::map<int, Sum> copies;

void add(Sum& sum, std::uint64_t start, std::uint64_t end) {
  ++sum.count;
  sum.nanoseconds += static_cast<double>(end - start);
}

void CUPTIAPI give_buffer(std::uint8_t** buffer, std::size_t* size, std::size_t* most_records) {
  *size = std::size_t{16} << 20;
  *buffer = static_cast<std::uint8_t*>(std::aligned_alloc(64, *size));
  *most_records = 0;  // as many as there is room for
}

void CUPTIAPI take_buffer(CUcontext, std::uint32_t, std::uint8_t* buffer, std::size_t, std::size_t filled) {
  const std::lock_guard lock(mutex);
  CUpti_Activity* record = nullptr;
  while (cuptiActivityGetNextRecord(buffer, filled, &record) == CUPTI_SUCCESS) {
    if (record->kind == CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL) {
      const auto* kernel = reinterpret_cast<const KernelRecord*>(record);
      add((kernel->graphId ? replayed : eager)[kernel->name], kernel->start, kernel->end);
      if (kernel->graphId) graphs[kernel->graphId].push_back({kernel->start, kernel->end, kernel->graphNodeId});
    } else if (record->kind == CUPTI_ACTIVITY_KIND_MEMCPY) {
      const auto* copy = reinterpret_cast<const CopyRecord*>(record);
      add(copies[copy->copyKind], copy->start, copy->end);
    }
  }
  std::free(buffer);
}

/// A name as it was written, without what all of ours have in common.
std::string readable(const std::string& mangled) {
  int status = 0;
  char* const name = abi::__cxa_demangle(mangled.c_str(), nullptr, nullptr, &status);
  std::string text = status == 0 ? name : mangled;
  std::free(name);
  for (const std::string cut :
       {"dvd::compiled_apart::cuda::detail::", "dvd::compiled_apart::cuda::", "void ", "dvd::compiled_apart::"})
    for (auto at = text.find(cut); at != std::string::npos; at = text.find(cut)) text.erase(at, cut.size());
  if (const auto at = text.find("(long"); at != std::string::npos) text.erase(at);
  return text.substr(0, 110);
}

void print_kernels(const char* title, const Sums& sums) {
  std::vector<std::pair<std::string, Sum>> rows(sums.begin(), sums.end());
  std::sort(rows.begin(), rows.end(),
            [](const auto& a, const auto& b) { return a.second.nanoseconds > b.second.nanoseconds; });
  Sum all;
  for (const auto& [name, sum] : rows) {
    all.count += sum.count;
    all.nanoseconds += sum.nanoseconds;
  }
  std::fprintf(stderr, "%s: %ld kernels, %.1f ms\n", title, all.count, all.nanoseconds * 1e-6);
  rows.resize(std::min<std::size_t>(rows.size(), 40));
  for (const auto& [name, sum] : rows)
    std::fprintf(stderr, "  %5.1f %%  %8ld x %8.2f us  %s\n", 100 * sum.nanoseconds / std::max(all.nanoseconds, 1.0),
                 sum.count, sum.nanoseconds * 1e-3 / static_cast<double>(sum.count), readable(name).c_str());
}

void print_graph(std::uint32_t id, std::vector<Run>& runs) {
  std::sort(runs.begin(), runs.end(), [](const Run& a, const Run& b) { return a.start < b.start; });
  std::set<std::uint64_t> nodes;
  for (const Run& run : runs) nodes.insert(run.node);
  const std::size_t size = std::min(nodes.size(), runs.size()), first = runs.size() - size;  // the last replay
  double busy = 0;
  for (std::size_t i = first; i < runs.size(); ++i) busy += static_cast<double>(runs[i].end - runs[i].start);
  const double span = static_cast<double>(runs.back().end - runs[first].start);
  std::fprintf(stderr, "graph %u: %zu kernels a replay, %zu replays, busy %.3f ms of %.3f ms, ", id, size,
               runs.size() / size, busy * 1e-6, span * 1e-6);
  std::fprintf(stderr, "%.2f us and %.2f us of gap a kernel\n", busy * 1e-3 / static_cast<double>(size),
               (span - busy) * 1e-3 / static_cast<double>(size));
}

void print_all() {
  cuptiActivityFlushAll(1);
  const std::lock_guard lock(mutex);
  for (auto& [id, runs] : graphs) print_graph(id, runs);
  print_kernels("replayed", replayed);
  print_kernels("launched one by one", eager);
  for (const auto& [kind, sum] : copies)
    std::fprintf(stderr, "copies of kind %d: %ld, %.3f ms\n", kind, sum.count, sum.nanoseconds * 1e-6);
}

}  // namespace

/// What CUDA calls when it has loaded this library.
extern "C" int InitializeInjection() {
  cuptiActivityRegisterCallbacks(give_buffer, take_buffer);
  if (cuptiActivityEnable(CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL) != CUPTI_SUCCESS)
    std::fprintf(stderr, "CUPTI records no kernels here\n");
  cuptiActivityEnable(CUPTI_ACTIVITY_KIND_MEMCPY);
  std::atexit(print_all);
  return 1;
}
