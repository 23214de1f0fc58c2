// Where the small model is that comes with sample_videos.
#pragma once

#include <filesystem>
#include <string>
#include <system_error>

namespace examples {

/// The checkpoint that is installed with the program, wherever that may have been moved to; for a program in its build
/// folder, the one in the sources.
inline std::string demo_checkpoint() {
  std::error_code error;  // /proc is not everywhere
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  const std::filesystem::path installed = program.parent_path().parent_path() / "share/dvd/demo.safetensors";
  return !error && std::filesystem::exists(installed, error) ? installed.string() : DVD_DEMO_CHECKPOINT;
}

}  // namespace examples
