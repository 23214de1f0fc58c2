// Writing a whole file at once: whoever opens it sees the old content or the new, never a part of either.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

#include "dvd/core/error.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

namespace detail {

// Owns an open file descriptor.
class Descriptor {
 public:
  Descriptor() = default;
  ~Descriptor() { close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  // Whether it could be opened; where not, errno says why.
  bool open(const std::string& path, int flags, mode_t mode = 0) {
    do number_ = ::open(path.c_str(), flags | O_CLOEXEC, mode);
    while (number_ < 0 && errno == EINTR);
    return number_ >= 0;
  }

  // Whether everything written was accepted. Linux closes the descriptor even where a signal interrupts close().
  bool close() {
    if (number_ < 0) return true;
    const int result = ::close(number_);
    number_ = -1;
    return result == 0 || errno == EINTR;
  }

  int number() const { return number_; }

 private:
  int number_ = -1;
};

// Removes the file at `path` at the end of the scope unless `keep` was set.
struct TemporaryFile {
  explicit TemporaryFile(std::string name) : path(std::move(name)) {}
  ~TemporaryFile() {
    if (!keep) ::unlink(path.c_str());
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  std::string path;
  bool keep = false;
};

// The text of an error number, as strerror gives it but safe to call from several threads.
inline std::string error_text(int number) { return std::system_category().message(number); }

inline constexpr std::size_t most_at_once = std::size_t{1} << 30;  // some systems refuse more than an int holds

// Reads until `bytes` is full or the file ends. The number read; where there is none, errno says why.
inline std::optional<std::size_t> read_all(int descriptor, std::span<std::byte> bytes) {
  std::size_t total = 0;
  while (total < bytes.size()) {
    const ssize_t got = ::read(descriptor, bytes.data() + total, std::min(bytes.size() - total, most_at_once));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::nullopt;
    if (got == 0) break;
    total += static_cast<std::size_t>(got);
  }
  return total;
}

// Whether all bytes were written; where not, errno says why.
inline bool write_all(int descriptor, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor, bytes.data(), std::min(bytes.size(), most_at_once));
    if (written < 0 && errno == EINTR) continue;
    if (written == 0) errno = EIO;
    if (written <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return true;
}

}  // namespace detail

/// Writes `pieces`, one after the other, to a temporary file `PATH.partial-<process>` in the same folder, flushes it to
/// the disk, renames it to `path` and flushes the folder. A file of that name is replaced (its permissions are not
/// kept); a symbolic link is replaced, not followed.
///
/// Throws FileError where any step fails (missing folder, no permission, full disk, `path` is a folder). The temporary
/// file is then gone and what was at `path` is untouched; only where the very last step fails, flushing the folder, is
/// the new file already in place.
inline void write_file_atomically(const std::filesystem::path& path,
                                  std::span<const std::span<const std::byte>> pieces) {
  const std::string target = path.string();
  const auto ensure = [&](bool condition, const char* action) {
    const int error = errno;
    if (!condition) throw FileError(concat(target, ": cannot ", action, " (", detail::error_text(error), ")"));
  };

  detail::Descriptor folder;
  ensure(folder.open(path.has_parent_path() ? path.parent_path().string() : ".", O_RDONLY | O_DIRECTORY),
         "open the folder of the file");

  // A file left behind by a killed process may bear our process's number: count on to a name that is free.
  detail::Descriptor file;
  std::string name = concat(target, ".partial-", ::getpid());
  int attempt = 0;
  while (!file.open(name, O_WRONLY | O_CREAT | O_EXCL, 0666) && errno == EEXIST)
    name = concat(target, ".partial-", ::getpid(), "-", ++attempt);
  ensure(file.number() >= 0, "create a temporary file beside it");
  detail::TemporaryFile temporary(name);

  for (const std::span<const std::byte> piece : pieces) ensure(detail::write_all(file.number(), piece), "write");
  ensure(::fsync(file.number()) == 0, "flush to the disk");
  ensure(file.close(), "close");
  ensure(std::rename(name.c_str(), target.c_str()) == 0, "replace");
  temporary.keep = true;
  // EINVAL: a file system that has no need, or no way, to flush a folder.
  ensure(::fsync(folder.number()) == 0 || errno == EINVAL, "flush the folder of the file");
}

/// As above, for a text.
inline void write_file_atomically(const std::filesystem::path& path, std::string_view text) {
  const std::span<const std::byte> bytes = std::as_bytes(std::span(text));
  write_file_atomically(path, std::span(&bytes, 1));
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
