// Ranks that are processes under MPI, on one machine or on many, for arrays in memory of the processor.
//
//     int main() {
//       dvd::MpiCommunicator ranks;               // mpiexec -np 4 program, or srun program
//       dvd::guard_ranks(ranks, [&] { ... });     // what one rank throws ends all (distributed/guard_ranks.hpp)
//     }
//
// Needs dvd::mpi: MPI 3 or newer. No other headers than the ones named mpi_ include <mpi.h>.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/core/shape.hpp"
#include "dvd/distributed/communicator.hpp"
#include "dvd/distributed/mpi_api.hpp"
#include "dvd/distributed/mpi_threads.hpp"
#include "dvd/distributed/mpi_watch.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

struct MpiOptions {
  /// A rank that the others have waited for so long hangs, and all are ended. Longer than whatever one rank does alone,
  /// such as scoring samples. 0: they wait for ever.
  double timeout_seconds = 300;

  /// Elements that are given to MPI at once: it counts them in an int.
  Index largest_message = Index(1) << 30;
};

/// One rank of those that MPI has started together. Its functions are called by one thread at a time, whichever it is,
/// and throw Error where MPI says that something went wrong.
///
/// Sums are the same bits on all ranks, and the same every time on the same ranks, as far as the MPI that is used makes
/// them so: its standard recommends that and does not demand it. Open MPI and MPICH do it wherever the tests have tried
/// them. Where another one does not, ranks come apart by rounding, which check_ranks_agree notices.
class MpiCommunicator {
 public:
  /// Of all processes. MPI begins with it, unless the program has begun it before, and ends with it.
  explicit MpiCommunicator(const MpiOptions& options = {}) : MpiCommunicator(MPI_COMM_WORLD, options) {}

  /// Of the processes of a communicator of MPI's, all of which make one at the same time. It uses copies of its own.
  explicit MpiCommunicator(MPI_Comm processes, const MpiOptions& options = {})
      : calls_(processes),
        sums_(processes),
        watch_(calls_.get(), options.timeout_seconds),
        threads_(mpi_threads(calls_.get())),
        largest_message_(options.largest_message) {
    require(largest_message_ >= 1 && largest_message_ <= (Index(1) << 30), "messages of at most ", largest_message_,
            " elements: it must be 1 .. 2^30");
  }
  MpiCommunicator(const MpiCommunicator&) = delete;
  MpiCommunicator& operator=(const MpiCommunicator&) = delete;

  /// Waits for all ranks; but ends them where an exception ends this one, for which they would wait in vain.
  ~MpiCommunicator() {
    if (size() == 1) return;
    if (std::uncaught_exceptions() > exceptions_) abort("an error ends it");
    try {
      finish_sums();
      barrier();
      watch_.close();
    } catch (const std::exception& error) {
      abort(error.what());
    }
  }

  Index rank() const { return calls_.rank(); }
  Index size() const { return calls_.size(); }

  /// How many threads this rank should compute on: its part of the cores that it may use.
  Index threads() const { return threads_; }

  template <class T>
  void sum(Index n, T* x) {
    in_pieces(n, [&](Index begin, int count) { wait(iallreduce(calls_, count, x + begin), "a sum over all ranks"); });
  }

  template <class T>
  void start_sum(Index n, T* x) {
    in_pieces(n, [&](Index begin, int count) { started_.push_back(iallreduce(sums_, count, x + begin)); });
    // MPI goes on with those that were started before only when it is called.
    int done = 0;
    check_mpi(MPI_Testall(static_cast<int>(started_.size()), started_.data(), &done, MPI_STATUSES_IGNORE),
              "a sum that was started");
  }

  void finish_sums() {
    for (MPI_Request request : started_) wait(request, "the end of a sum over all ranks");
    started_.clear();
  }

  template <class T>
  void all_gather(Index n, const T* x, T* y) {
    in_pieces(n, [&](Index begin, int count) {
      const MpiPieceType piece(mpi_type<T>(), count, n * static_cast<Index>(sizeof(T)));
      MPI_Request request = MPI_REQUEST_NULL;
      check_mpi(MPI_Iallgather(x + begin, count, mpi_type<T>(), y + begin, 1, piece.get(), calls_.get(), &request),
                "a gathering from all ranks");
      wait(request, "a gathering from all ranks");
    });
  }

  template <class T>
  void all_to_all(Index n, const T* x, T* y) {
    in_pieces(n, [&](Index begin, int count) {
      const MpiPieceType piece(mpi_type<T>(), count, n * static_cast<Index>(sizeof(T)));
      MPI_Request request = MPI_REQUEST_NULL;
      check_mpi(MPI_Ialltoall(x + begin, 1, piece.get(), y + begin, 1, piece.get(), calls_.get(), &request),
                "an exchange between all ranks");
      wait(request, "an exchange between all ranks");
    });
  }

  void sum_counts(std::span<std::int64_t> numbers) { sum(static_cast<Index>(numbers.size()), numbers.data()); }

  void broadcast(std::span<std::byte> bytes, Index root) {
    require(root >= 0 && root < size(), "a broadcast from rank ", root, " of ", size());
    in_pieces(static_cast<Index>(bytes.size()), [&](Index begin, int count) {
      MPI_Request request = MPI_REQUEST_NULL;
      check_mpi(MPI_Ibcast(bytes.data() + begin, count, MPI_BYTE, static_cast<int>(root), calls_.get(), &request),
                "a broadcast");
      wait(request, "a broadcast");
    });
  }

  void barrier() {
    MPI_Request request = MPI_REQUEST_NULL;
    check_mpi(MPI_Ibarrier(calls_.get(), &request), "a meeting of all ranks");
    wait(request, "a meeting of all ranks");
  }

  /// Where all ranks fail alike, one message is enough: rank 0 speaks first, and the others a moment later, if they
  /// still can. A rank without others throws Error.
  [[noreturn]] void abort(const std::string& message) {
    if (size() == 1) throw Error(message);
    if (rank() > 0) std::this_thread::sleep_for(std::chrono::milliseconds(500));
    abort_mpi(calls_.get(), concat("rank ", rank(), ": ", message));
  }

 private:
  template <class Work>
  void in_pieces(Index n, const Work& work) {
    for (Index begin = 0; begin < n; begin += largest_message_)
      work(begin, static_cast<int>(std::min(largest_message_, n - begin)));
  }

  template <class T>
  static MPI_Request iallreduce(const MpiGroup& group, int count, T* x) {
    MPI_Request request = MPI_REQUEST_NULL;
    check_mpi(MPI_Iallreduce(MPI_IN_PLACE, x, count, mpi_type<T>(), MPI_SUM, group.get(), &request),
              "a sum over all ranks");
    return request;
  }

  void wait(MPI_Request request, const char* what) { watch_.wait(request, what); }

  MpiSession session_;     // before all that needs MPI
  MpiGroup calls_, sums_;  // sums that are started have a communicator of their own, to be mixed with no other call
  MpiWatch watch_;
  Index threads_;
  Index largest_message_;
  std::vector<MPI_Request> started_;
  int exceptions_ = std::uncaught_exceptions();
};

static_assert(Communicator<MpiCommunicator>);

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
