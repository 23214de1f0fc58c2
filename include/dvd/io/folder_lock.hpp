// A folder that one process at a time works in.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <sys/file.h>

#include <cerrno>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/io/atomic_file.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::detail {

// Takes hold of a folder that exists; the lock goes with `lock`, or with the process, however that ends. Throws
// FileError if another process holds the folder.
inline void lock_folder(Descriptor& lock, const std::filesystem::path& folder) {
  if (!lock.open(folder.string(), O_RDONLY | O_DIRECTORY))
    throw FileError(concat(folder.string(), ": cannot be opened: ", error_text(errno)));
  if (::flock(lock.number(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
    throw FileError(concat(folder.string(),
                           ": another process is at work in this folder; wait for it, end it, or "
                           "choose another folder"));
}

// Whether a file is what a process that was killed while writing has left: see write_file_atomically.
inline bool is_half_written(const std::string& name) {
  const std::size_t mark = name.rfind(".partial-");
  return mark != std::string::npos && name.find_first_not_of("0123456789-", mark + 9) == std::string::npos;
}

// Removes all such files of a folder. Only who holds the folder may do so.
inline void remove_half_written(const std::filesystem::path& folder) {
  std::error_code error;
  std::vector<std::filesystem::path> leftovers;
  for (const auto& file : std::filesystem::directory_iterator(folder, error))
    if (is_half_written(file.path().filename().string())) leftovers.push_back(file.path());
  for (const auto& path : leftovers) std::filesystem::remove(path, error);
}

}  // namespace dvd::detail

#include "dvd/core/macros_end.hpp"
