// Where the small models are that come with the programs.
#pragma once

#include <filesystem>
#include <string>
#include <system_error>

namespace examples {

/// The file of this name that is installed with the program, wherever that may have been moved to; for a program in its
/// build folder, the one `in_sources`.
inline std::string demo_model(const char* name, const char* in_sources) {
  std::error_code error;  // /proc is not everywhere
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  const std::filesystem::path installed = program.parent_path().parent_path() / "share/dvd" / name;
  return !error && std::filesystem::exists(installed, error) ? installed.string() : in_sources;
}

}  // namespace examples
