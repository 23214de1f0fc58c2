// The processes that work on one run: this one alone, or all that mpirun or srun has started together.
//
//     int main(int argc, char** argv) {
//       return examples::on_ranks("program", [&](examples::Ranks& ranks) { ... return 0; });
//     }
#pragma once

#include <cstddef>
#include <cstdint>
#include <dvd/distributed/communicator.hpp>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace examples {

/// A communicator for programs, of one type whether there are others or not, so that a program is compiled once. MPI
/// begins only where a launcher has started the program. Sums and exchanges are of memory of the processor.
///
/// At first ranks wait for each other for ever; once `limit_waiting` is called, a rank that does not come in time ends
/// the run, and is named.
class Ranks {
 public:
  /// Throws Error where a launcher has started several processes but this build has no dvd::mpi, or MPI does not see
  /// them: each would do the whole work, in the same folder.
  Ranks();
  ~Ranks();
  Ranks(const Ranks&) = delete;
  Ranks& operator=(const Ranks&) = delete;

  dvd::Index rank() const { return rank_; }
  dvd::Index size() const { return size_; }
  /// Whether this is the rank that speaks and writes files.
  bool first() const { return rank_ == 0; }

  /// This rank's part of its machine's cores; 0, for all, where it is alone.
  dvd::Index threads() const;

  /// From here on, a rank that the others have waited for so long ends the run; 0: it never does. All ranks call it.
  void limit_waiting(double seconds);

  /// Waits until rank 0 has come here, too, however long it takes: for what it does while the others have nothing to
  /// do. Rank 0 itself waits for nobody.
  void wait_for_first();

  /// The texts of all ranks, by rank.
  std::vector<std::string> gather(const std::string& text);

  /// Calls `f` on every rank. Where it throws on any, all throw: alone, the same; among others, RanksFailed with the
  /// message of the lowest rank that has one. `f` asks nothing of other ranks, unless it then fails on all alike.
  template <class F>
  void agree(const F& f);

  // What a dvd::Communicator does.
  void sum(dvd::Index n, float* x);
  void sum(dvd::Index n, double* x);
  void start_sum(dvd::Index n, float* x);
  void start_sum(dvd::Index n, double* x);
  void finish_sums();
  void all_gather(dvd::Index n, const float* x, float* y);
  void all_gather(dvd::Index n, const double* x, double* y);
  void all_to_all(dvd::Index n, const float* x, float* y);
  void all_to_all(dvd::Index n, const double* x, double* y);
  void sum_counts(std::span<std::int64_t> numbers);
  void broadcast(std::span<std::byte> bytes, dvd::Index root);
  void barrier();
  [[noreturn]] void abort(const std::string& message);

 private:
  /// Throws RanksFailed on all ranks if any has a message.
  void throw_first(const std::string& message);

  struct Processes;                       // in ranks.cpp, which alone knows MPI
  std::unique_ptr<Processes> processes_;  // null where this one is alone
  dvd::Index rank_ = 0, size_ = 1;
};

static_assert(dvd::Communicator<Ranks>);

/// Thrown on all ranks at once, with the same message.
struct RanksFailed : dvd::Error {
  using dvd::Error::Error;
};

/// What an exception says to a person, in one line.
std::string message_of(const std::exception_ptr& exception);

template <class F>
void Ranks::agree(const F& f) {
  if (size_ == 1) return f();
  std::string message;
  try {
    f();
  } catch (...) {
    message = message_of(std::current_exception());
  }
  throw_first(message);
}

/// Calls `body` on every rank and returns its status. Whatever goes wrong becomes one line on the error output: that of
/// rank 0 where all have failed, else that of the rank that has, which ends the others. The status is then 2 if it is
/// found before the work begins (`running`), or 1.
int on_ranks(const std::string& program, const std::function<int(Ranks&)>& body);

/// Parses the command line. Returns the program's status where there is nothing to do but to print what was asked for,
/// such as --help. Throws ArgumentError for a wrong command line.
std::optional<int> parse(CLI::App& app, int argc, char** argv, Ranks& ranks);

}  // namespace examples
