// What one rank throws ends all.
//
//     guard_ranks(ranks, [&] { ... });
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <exception>

#include "dvd/distributed/communicator.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Calls `f()` on this rank; all ranks do so. What it throws ends all of them with its message, by the communicator's
/// `abort`: nobody waits for a rank that does not come any more. Where there is but one rank, it comes out as it is.
template <Communicator Ranks, class F>
void guard_ranks(Ranks& ranks, const F& f) {
  try {
    f();
  } catch (const std::exception& error) {
    if (ranks.size() == 1) throw;
    ranks.abort(error.what());
  } catch (...) {
    if (ranks.size() == 1) throw;
    ranks.abort("it threw something that is no std::exception");
  }
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
