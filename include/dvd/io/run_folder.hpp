// The folder of a training run: config.json, log.jsonl, samples/, checkpoints/.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "dvd/io/atomic_file.hpp"

namespace dvd {

/// A checkpoint of a run and the step it was made after.
struct CheckpointEntry {
  std::int64_t step = 0;
  std::filesystem::path path;
};

/// Checkpoints `step-NNNNNNNN.safetensors` below `run/checkpoints`, oldest first; none if there is no such folder.
inline std::vector<CheckpointEntry> list_checkpoints(const std::filesystem::path& run) {
  std::vector<CheckpointEntry> entries;
  std::error_code error;
  for (const auto& file : std::filesystem::directory_iterator(run / "checkpoints", error)) {
    const std::string name = file.path().filename().string(), prefix = "step-", suffix = ".safetensors";
    if (!name.starts_with(prefix) || !name.ends_with(suffix)) continue;
    const std::string digits = name.substr(prefix.size(), name.size() - prefix.size() - suffix.size());
    if (digits.empty() || digits.size() > 18 || digits.find_first_not_of("0123456789") != std::string::npos) continue;
    entries.push_back({std::stoll(digits), file.path()});
  }
  std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.step < b.step; });
  return entries;
}

/// The folder of one run. Files appear whole or not at all.
class RunFolder {
 public:
  /// Creates the folder and its parts where they are missing. Throws FileError if it cannot.
  explicit RunFolder(std::filesystem::path root) : root_(std::move(root)) {
    for (const char* part : {"samples", "checkpoints"}) {
      std::error_code error;
      std::filesystem::create_directories(root_ / part, error);
      if (error) throw FileError(concat((root_ / part).string(), ": cannot create the folder: ", error.message()));
    }
  }

  const std::filesystem::path& root() const { return root_; }

  /// `samples/step-NNNNNNNN.EXTENSION`
  std::filesystem::path sample(std::int64_t step, const std::string& extension) const {
    return root_ / "samples" / (step_name(step) + extension);
  }

  /// `checkpoints/step-NNNNNNNN.safetensors`
  std::filesystem::path checkpoint(std::int64_t step) const {
    return root_ / "checkpoints" / (step_name(step) + ".safetensors");
  }

  void write_config(const std::string& json) const { write_file_atomically(root_ / "config.json", json); }

  /// Appends one line to log.jsonl. Throws FileError if it cannot.
  void append_log(const std::string& line) const {
    const std::filesystem::path path = root_ / "log.jsonl";
    std::ofstream log(path, std::ios::app);
    log << line << '\n';
    log.flush();
    if (!log) throw FileError(concat(path.string(), ": cannot write: ", std::strerror(errno)));
  }

  /// Removes from log.jsonl the lines after `step`, which a run that goes on from there writes anew. `step_of` gives a
  /// line's step, or -1 for one that was cut short.
  template <class StepOf>
  void forget_log_after(std::int64_t step, const StepOf& step_of) const {
    const std::filesystem::path path = root_ / "log.jsonl";
    std::ifstream log(path);
    if (!log) return;
    std::string kept;
    for (std::string line; std::getline(log, line);) {
      const std::int64_t of_line = step_of(line);
      if (of_line >= 0 && of_line <= step) kept += line + '\n';
    }
    write_file_atomically(path, kept);
  }

  /// Deletes all but the newest `keep` checkpoints; 0 keeps all.
  void rotate_checkpoints(std::int64_t keep) const {
    if (keep <= 0) return;
    const auto entries = list_checkpoints(root_);
    for (std::size_t i = 0; i + static_cast<std::size_t>(keep) < entries.size(); ++i) {
      std::error_code error;
      std::filesystem::remove(entries[i].path, error);
    }
  }

 private:
  static std::string step_name(std::int64_t step) {
    char name[32];
    std::snprintf(name, sizeof name, "step-%08lld", static_cast<long long>(step));
    return name;
  }

  std::filesystem::path root_;
};

}  // namespace dvd
