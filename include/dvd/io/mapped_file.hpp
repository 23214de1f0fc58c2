// A file's bytes where the operating system has them, without a copy.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <utility>

#include "dvd/core/error.hpp"
#include "dvd/io/atomic_file.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// A file mapped into memory, for reading. It stays readable when the file is renamed or deleted; whoever makes it
/// shorter meanwhile ends the program (SIGBUS), which no program of this project does: they write anew and rename.
class MappedFile {
 public:
  /// Throws FileError where the file is missing, is no regular file or cannot be mapped, and where it has not exactly
  /// `size` bytes.
  MappedFile(const std::filesystem::path& path, std::uint64_t size) {
    detail::Descriptor file;
    struct stat status = {};
    const auto fail = [&](const std::string& what) { throw FileError(concat(path.string(), ": ", what)); };
    if (!file.open(path.string(), O_RDONLY | O_NONBLOCK) || ::fstat(file.number(), &status) != 0)
      fail(concat("cannot be opened (", detail::error_text(errno), ")"));
    if (!S_ISREG(status.st_mode)) fail("is not a regular file");
    if (static_cast<std::uint64_t>(status.st_size) != size)
      fail(concat("has ", status.st_size, " bytes (expected ", size, "): it was cut short or replaced"));
    if (size == 0) return;
    void* const start = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file.number(), 0);
    if (start == MAP_FAILED) fail(concat("cannot be mapped into memory (", detail::error_text(errno), ")"));
    bytes_ = {static_cast<const std::byte*>(start), size};
  }
  MappedFile(MappedFile&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  MappedFile& operator=(MappedFile&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~MappedFile() {
    if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
  }

  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::span<const std::byte> bytes_;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
