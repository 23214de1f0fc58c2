// A file of unknown content, read piece by piece: nothing of it is in memory but what was asked for.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/io/atomic_file.hpp"
#include "dvd/io/content_hash.hpp"
#include "dvd/io/safetensors_header.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// A regular file, open for reading at any place. Every problem throws FileError with one line that begins with the
/// path.
class SourceFile : detail::FileChecks {
 public:
  /// Throws FileError where the file is missing, unreadable or no regular file.
  explicit SourceFile(const std::filesystem::path& path) : FileChecks(path.string()) {
    struct stat status = {};
    // Without O_NONBLOCK, opening a pipe would wait for somebody to write to it.
    if (!file_.open(path_, O_RDONLY | O_NONBLOCK) || ::fstat(file_.number(), &status) != 0)
      fail("cannot be opened (", detail::error_text(errno), ")");
    check(S_ISREG(status.st_mode), "is not a regular file (expected a file of weights)");
    size_ = static_cast<std::uint64_t>(status.st_size);
  }

  const std::string& path() const { return path_; }

  /// Bytes, when it was opened.
  std::uint64_t size() const { return size_; }

  /// Fills `bytes` with what lies from `offset` on. Throws FileError where the file ends before that.
  void read(std::uint64_t offset, std::span<std::byte> bytes) const {
    check(offset <= size_ && bytes.size() <= size_ - offset, "is cut short: ", bytes.size(), " bytes are wanted from ",
          offset, " on, and it has ", size_);
    while (!bytes.empty()) {
      const ssize_t got = ::pread(file_.number(), bytes.data(), std::min(bytes.size(), detail::most_at_once),
                                  static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) fail("cannot be read (", detail::error_text(errno), ")");
      check(got > 0, "ended early while being read (is another program writing it?)");
      bytes = bytes.subspan(static_cast<std::size_t>(got));
      offset += static_cast<std::uint64_t>(got);
    }
  }

  /// `size` bytes from `offset` on. Nothing is allocated for bytes that the file does not have.
  std::vector<std::byte> read(std::uint64_t offset, std::uint64_t size) const {
    check(offset <= size_ && size <= size_ - offset, "is cut short: ", size, " bytes are wanted from ", offset,
          " on, and it has ", size_);
    std::vector<std::byte> bytes(size);
    read(offset, bytes);
    return bytes;
  }

  /// The first bytes, as many as there are up to `most`.
  std::vector<std::byte> front(std::uint64_t most) const { return read(0, std::min(most, size_)); }

  /// Adds all of the content to the hash, a piece at a time.
  void add_to(detail::ContentHash& hash) const {
    constexpr std::uint64_t piece = std::uint64_t{1} << 20;
    for (std::uint64_t at = 0; at < size_; at += piece) hash.add(read(at, std::min(piece, size_ - at)));
  }

 private:
  detail::Descriptor file_;
  std::uint64_t size_ = 0;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
