// The library's version. CMake reads it from this file; what packages say of it is compared by the test
// install.versions.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/core/instruction_set.hpp"

#define DVD_VERSION_MAJOR 0
#define DVD_VERSION_MINOR 2
#define DVD_VERSION_PATCH 0

namespace dvd::inline DVD_INSTRUCTION_SET {

/// "major.minor.patch"; stored in every checkpoint and run folder.
inline constexpr char version[] = "0.2.0";

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
