// MPI as the communicator uses it: its header, without the C++ functions of old that some bring; its errors as ours;
// its names of our types; its communicators, types and its own beginning and end as objects.
#pragma once

#include "dvd/core/macros_begin.hpp"

#ifndef OMPI_SKIP_MPICXX
#define OMPI_SKIP_MPICXX 1
#endif
#ifndef MPICH_SKIP_MPICXX
#define MPICH_SKIP_MPICXX 1
#endif
#include <mpi.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>

#include "dvd/core/error.hpp"
#include "dvd/core/shape.hpp"
#include "dvd/distributed/launcher.hpp"

static_assert(MPI_VERSION >= 3, "dvd::mpi needs MPI 3 or newer");

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Throws Error, in MPI's words, unless `code` is that of success.
inline void check_mpi(int code, const char* what) {
  if (code == MPI_SUCCESS) return;
  char words[MPI_MAX_ERROR_STRING] = "";
  int length = 0;
  MPI_Error_string(code, words, &length);
  std::string text(words, static_cast<std::size_t>(length));
  std::replace(text.begin(), text.end(), '\n', ' ');
  throw Error(concat("MPI could not do ", what, ": ", text));
}

/// MPI's name of float, double, std::int64_t or std::byte.
template <class T>
MPI_Datatype mpi_type() {
  if constexpr (std::is_same_v<T, float>) {
    return MPI_FLOAT;
  } else if constexpr (std::is_same_v<T, double>) {
    return MPI_DOUBLE;
  } else if constexpr (std::is_same_v<T, std::int64_t>) {
    return MPI_INT64_T;
  } else {
    static_assert(std::is_same_v<T, std::byte>);
    return MPI_BYTE;
  }
}

/// A piece of each of several arrays that lie one behind the other, `stride` bytes from begin to begin: the type of one
/// piece, of `count` elements.
class MpiPieceType {
 public:
  MpiPieceType(MPI_Datatype element, int count, Index stride) {
    MPI_Datatype piece = MPI_DATATYPE_NULL;
    check_mpi(MPI_Type_contiguous(count, element, &piece), "a type of its own");
    const int code = MPI_Type_create_resized(piece, 0, stride, &type_);
    MPI_Type_free(&piece);
    check_mpi(code, "a type of its own");
    check_mpi(MPI_Type_commit(&type_), "a type of its own");
  }
  MpiPieceType(const MpiPieceType&) = delete;
  MpiPieceType& operator=(const MpiPieceType&) = delete;
  ~MpiPieceType() { MPI_Type_free(&type_); }

  MPI_Datatype get() const { return type_; }

 private:
  MPI_Datatype type_ = MPI_DATATYPE_NULL;
};

/// MPI's own beginning and end. It begins unless the program has seen to that, and then ends with this object, and for
/// good: MPI cannot begin twice in a process.
///
/// It may be called by any thread, one at a time (MPI_THREAD_SERIALIZED): where a rank works on several parts of a
/// batch, the thread of the part that comes last calls for all of them.
class MpiSession {
 public:
  /// Throws Error where MPI has ended already, where the program has begun it for one thread alone, or where it cannot
  /// serve more than one or does not see the processes that the launcher has started.
  MpiSession() {
    int done = 0;
    MPI_Finalized(&done);
    if (done)
      throw Error("MPI has ended and cannot begin again: a program makes one communicator that outlives the others");
    int threads = MPI_THREAD_SINGLE;
    MPI_Initialized(&done);
    if (done) {
      MPI_Query_thread(&threads);
      if (threads < MPI_THREAD_SERIALIZED)
        throw Error(
            "the program has begun MPI for one thread alone, but ranks call it from several, one at a time: begin it "
            "with MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &provided), or leave that to "
            "dvd::MpiCommunicator");
      return;
    }
    check_mpi(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &threads), "its start");
    mine_ = true;
    if (threads < MPI_THREAD_SERIALIZED)
      end_and_throw(
          "this MPI serves one thread alone, but ranks call it from several, one at a time: use one that was built "
          "with support for threads (MPI_THREAD_SERIALIZED)");
    int size = 0;
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    const Index launched = launched_processes();
    if (size == 1 && launched > 1)
      end_and_throw(concat("the launcher has started ", launched,
                           " processes, but MPI sees one: start the program with the mpiexec of the MPI that it was "
                           "built with, or srun with the --mpi that fits it"));
  }
  MpiSession(const MpiSession&) = delete;
  MpiSession& operator=(const MpiSession&) = delete;
  ~MpiSession() {
    if (mine_) MPI_Finalize();
  }

 private:
  [[noreturn]] static void end_and_throw(const std::string& message) {
    MPI_Finalize();  // what throws while it is made has no destructor
    throw Error(message);
  }

  bool mine_ = false;
};

/// A communicator of MPI's for the same processes as `processes`, to which nobody else sends. Its errors come back as
/// codes.
class MpiGroup {
 public:
  /// All processes of `processes` make one at the same time.
  explicit MpiGroup(MPI_Comm processes) {
    check_mpi(MPI_Comm_dup(processes, &group_), "a copy of a communicator");
    MPI_Comm_set_errhandler(group_, MPI_ERRORS_RETURN);
    int number = 0;
    MPI_Comm_rank(group_, &number);
    rank_ = number;
    MPI_Comm_size(group_, &number);
    size_ = number;
  }
  MpiGroup(const MpiGroup&) = delete;
  MpiGroup& operator=(const MpiGroup&) = delete;
  ~MpiGroup() { MPI_Comm_free(&group_); }

  MPI_Comm get() const { return group_; }
  Index rank() const { return rank_; }
  Index size() const { return size_; }

 private:
  MPI_Comm group_ = MPI_COMM_NULL;
  Index rank_ = 0, size_ = 0;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
