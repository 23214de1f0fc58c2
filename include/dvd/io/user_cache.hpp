// Where a program may keep what it could compute again.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <cstdlib>
#include <filesystem>

#include "dvd/core/instruction_set.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// `$XDG_CACHE_HOME/dvd` or `~/.cache/dvd`, whether it is there or not; empty where the user has neither.
inline std::filesystem::path user_cache_folder() {
  if (const char* const named = std::getenv("XDG_CACHE_HOME"); named && *named == '/')
    return std::filesystem::path(named) / "dvd";
  if (const char* const home = std::getenv("HOME"); home && *home == '/')
    return std::filesystem::path(home) / ".cache" / "dvd";
  return {};
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
