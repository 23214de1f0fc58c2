// Where tools would be told of free memory in the pool: nobody is on a GPU. The tests' emulation has a file of this
// name that tells the address sanitizer.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <cstddef>

#include "dvd/core/instruction_set.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

namespace detail {

/// See ArenaSource.
inline void forbid(void*, std::size_t, bool) {}

}  // namespace detail

}  // namespace dvd::cuda

#include "dvd/core/macros_end.hpp"
