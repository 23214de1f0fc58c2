// What the fuzz targets share: libFuzzer gives each some bytes; the library either takes them or throws a dvd::Error of
// one line. Anything else ends the program: another exception, a crash, what a sanitizer finds; a hang and too much
// memory by the limits of tests/fuzz/run.sh.
#pragma once

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <string_view>

#include "dvd/core/error.hpp"

namespace fuzz {

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

inline std::span<const std::byte> bytes_of(const std::uint8_t* data, std::size_t size) {
  return std::as_bytes(std::span(data, size));
}

/// A folder of this process's own, which run.sh removes with the folder around it.
inline const std::filesystem::path& folder() {
  static const std::filesystem::path path = [] {
    const auto made = std::filesystem::temp_directory_path() / ("dvd-fuzz-" + std::to_string(::getpid()));
    std::filesystem::create_directories(made);
    return made;
  }();
  return path;
}

/// Anew: file systems wait for the disk where the content of a file is replaced.
inline void write(const std::filesystem::path& path, std::string_view bytes) {
  std::filesystem::remove(path);
  std::ofstream file(path, std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!file.flush()) std::fprintf(stderr, "cannot write %s\n", path.c_str()), std::abort();
}

/// Calls `f`, which may throw a dvd::Error of one line. Whether it did not.
template <class F>
bool succeeds(const F& f) {
  try {
    f();
    return true;
  } catch (const dvd::Error& error) {
    const std::string_view message = error.what();
    if (message.empty() || message.find('\n') != message.npos || message.size() > 8192)
      std::fprintf(stderr, "an error that is not one line for people: %s\n", error.what()), std::abort();
    return false;
  }
}

/// Ends the program where the library broke its word.
inline void expect(bool condition, const char* what) {
  if (!condition) std::fprintf(stderr, "broken: %s\n", what), std::abort();
}

}  // namespace fuzz
