// Processes under MPI; in a build without it, this one alone.
#include "ranks.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <dvd/distributed/launcher.hpp>
#include <dvd/distributed/reduction.hpp>
#include <new>
#include <thread>
#ifdef DVD_WITH_MPI
#include <dvd/distributed/mpi_communicator.hpp>
#endif

#include "binding.hpp"
#include "program.hpp"

namespace examples {

#ifdef DVD_WITH_MPI
struct Ranks::Processes {
  dvd::MpiSession session;
  dvd::MpiGroup signs{MPI_COMM_WORLD};
  dvd::MpiCommunicator patient{dvd::MpiOptions{.timeout_seconds = 0}};
  std::optional<dvd::MpiCommunicator> timed;

  dvd::MpiCommunicator& current() { return timed ? *timed : patient; }
};
#else
struct Ranks::Processes {
  dvd::SingleProcess patient;
  dvd::SingleProcess& current() { return patient; }
};
#endif

Ranks::Ranks() {
  const dvd::Index launched = dvd::launched_processes();
#ifdef DVD_WITH_MPI
  if (launched == 0) return;
  undo_narrow_binding();
  processes_ = std::make_unique<Processes>();
  rank_ = processes_->patient.rank();
  size_ = processes_->patient.size();
#else
  if (launched > 1)
    throw dvd::Error(dvd::concat(launched, " processes were started together, but this program was built without MPI, ",
                                 "so that each would do the whole work: build it where CMake finds MPI, or start one"));
#endif
}

Ranks::~Ranks() = default;

dvd::Index Ranks::threads() const {
#ifdef DVD_WITH_MPI
  if (size_ > 1) return processes_->patient.threads();
#endif
  return 0;
}

void Ranks::limit_waiting([[maybe_unused]] double seconds) {
#ifdef DVD_WITH_MPI
  if (size_ > 1) processes_->timed.emplace(dvd::MpiOptions{.timeout_seconds = seconds});
#endif
}

void Ranks::wait_for_first() {
#ifdef DVD_WITH_MPI
  if (size_ == 1) return;
  const MPI_Comm group = processes_->signs.get();
  // A sign for each, which nobody has to hand on.
  for (int rank = 1; first() && rank < size_; ++rank)
    dvd::check_mpi(MPI_Send(nullptr, 0, MPI_BYTE, rank, 0, group), "a sign of rank 0");
  if (first()) return;
  MPI_Request request = MPI_REQUEST_NULL;
  dvd::check_mpi(MPI_Irecv(nullptr, 0, MPI_BYTE, 0, 0, group, &request), "a sign of rank 0");
  for (int there = 0; !there; std::this_thread::sleep_for(std::chrono::microseconds(there ? 0 : 200)))
    dvd::check_mpi(MPI_Test(&request, &there, MPI_STATUS_IGNORE), "a sign of rank 0");
#endif
}

std::vector<std::string> Ranks::gather(const std::string& text) {
  std::vector<std::string> texts(static_cast<std::size_t>(size_));
  const auto own = static_cast<std::size_t>(rank_);
  texts[own] = text;
  std::vector<std::int64_t> lengths(texts.size());
  lengths[own] = static_cast<std::int64_t>(text.size());
  sum_counts(lengths);
  for (std::size_t rank = 0; rank < texts.size(); ++rank) {
    texts[rank].resize(static_cast<std::size_t>(lengths[rank]));
    if (!texts[rank].empty()) broadcast(std::as_writable_bytes(std::span(texts[rank])), static_cast<dvd::Index>(rank));
  }
  return texts;
}

void Ranks::throw_first(const std::string& message) {
  dvd::Index from = 0;
  const std::string told = dvd::first_message(processes_->current(), message, &from);
  if (!told.empty()) throw RanksFailed(from == 0 ? told : dvd::concat("rank ", from, ": ", told));
}

void Ranks::sum(dvd::Index n, float* x) {
  if (processes_) processes_->current().sum(n, x);
}
void Ranks::sum(dvd::Index n, double* x) {
  if (processes_) processes_->current().sum(n, x);
}
void Ranks::start_sum(dvd::Index n, float* x) {
  if (processes_) processes_->current().start_sum(n, x);
}
void Ranks::start_sum(dvd::Index n, double* x) {
  if (processes_) processes_->current().start_sum(n, x);
}
void Ranks::finish_sums() {
  if (processes_) processes_->current().finish_sums();
}
void Ranks::all_gather(dvd::Index n, const float* x, float* y) {
  processes_ ? processes_->current().all_gather(n, x, y) : dvd::SingleProcess::all_gather(n, x, y);
}
void Ranks::all_gather(dvd::Index n, const double* x, double* y) {
  processes_ ? processes_->current().all_gather(n, x, y) : dvd::SingleProcess::all_gather(n, x, y);
}
void Ranks::all_to_all(dvd::Index n, const float* x, float* y) {
  processes_ ? processes_->current().all_to_all(n, x, y) : dvd::SingleProcess::all_to_all(n, x, y);
}
void Ranks::all_to_all(dvd::Index n, const double* x, double* y) {
  processes_ ? processes_->current().all_to_all(n, x, y) : dvd::SingleProcess::all_to_all(n, x, y);
}
void Ranks::sum_counts(std::span<std::int64_t> numbers) {
  if (processes_) processes_->current().sum_counts(numbers);
}
void Ranks::broadcast(std::span<std::byte> bytes, dvd::Index root) {
  if (processes_) processes_->current().broadcast(bytes, root);
}
void Ranks::barrier() {
  if (processes_) processes_->current().barrier();
}

void Ranks::abort(const std::string& message) {
#ifdef DVD_WITH_MPI
  if (size_ > 1) {
    // Where all ranks fail alike, rank 0 speaks, and the others only if it does not end them.
    if (!first()) std::this_thread::sleep_for(std::chrono::milliseconds(500));
    dvd::abort_mpi(MPI_COMM_WORLD, message);
  }
#endif
  throw dvd::Error(message);
}

std::string message_of(const std::exception_ptr& exception) {
  std::string message;
  try {
    std::rethrow_exception(exception);
  } catch (const std::bad_alloc&) {
    message = "out of memory; use a smaller batch, fewer channels or a lower resolution";
  } catch (const std::exception& error) {
    message = error.what();
  } catch (...) {
  }
  if (message.empty()) message = "an error without a message";
  std::replace(message.begin(), message.end(), '\n', ' ');
  return message;
}

int on_ranks(const std::string& program, const std::function<int(Ranks&)>& body) {
  const auto fail = [&](const std::string& message) {
    fmt::print(stderr, "{}: {}\n", program, message);
    return running ? 1 : 2;
  };
  std::optional<Ranks> ranks;
  try {
    ranks.emplace();
    return body(*ranks);
  } catch (const RanksFailed& error) {
    if (ranks->first()) return fail(error.what());
    return running ? 1 : 2;
  } catch (...) {
    const std::string message = message_of(std::current_exception());
    if (ranks && ranks->size() > 1) {
      // What has come from another rank names it already.
      const bool named = message.starts_with("rank ");
      ranks->abort(named ? fmt::format("{}: {}", program, message)
                         : fmt::format("{}: rank {}: {}", program, ranks->rank(), message));
    }
    return fail(message);
  }
}

std::optional<int> parse(CLI::App& app, int argc, char** argv, Ranks& ranks) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() != 0) throw dvd::ArgumentError(std::string(error.what()) + " (see --help)");
    return ranks.first() ? app.exit(error) : 0;  // --help, --version
  }
  return std::nullopt;
}

}  // namespace examples
