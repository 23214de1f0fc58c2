// The folder of a training run: config.json, log.jsonl, warnings.log, report.html, samples/, checkpoints/.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "dvd/io/atomic_file.hpp"
#include "dvd/io/folder_lock.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

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

/// The lines of a text file; none where there is no such file. Throws FileError where it is not a regular file, which
/// might keep its reader waiting for ever.
inline std::vector<std::string> read_lines_of(const std::filesystem::path& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (status.type() == std::filesystem::file_type::not_found) return {};
  if (!std::filesystem::is_regular_file(status))
    throw FileError(concat(path.string(), ": is not a regular file (expected a text)"));
  std::ifstream file(path);
  if (!file) throw FileError(concat(path.string(), ": cannot be read: ", std::strerror(errno)));
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

/// The folder of one run. Files appear whole or not at all. One process at a time may hold it.
class RunFolder {
 public:
  /// Creates the folder and its parts where they are missing, and clears away what a process that was killed while
  /// writing has left half-written. Throws FileError if it cannot, or if another process holds the folder.
  explicit RunFolder(std::filesystem::path root) : root_(std::move(root)) {
    for (const char* part : {"samples", "checkpoints"}) {
      std::error_code error;
      std::filesystem::create_directories(root_ / part, error);
      if (error) throw FileError(concat((root_ / part).string(), ": cannot create the folder: ", error.message()));
    }
    detail::lock_folder(lock_, root_);
    // Only the process that holds the folder may be writing there, and it has not begun.
    for (const auto& folder : {root_, root_ / "samples", root_ / "checkpoints"}) detail::remove_half_written(folder);
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
  void append_log(const std::string& line) const { append(root_ / "log.jsonl", line); }
  /// Appends one line to warnings.log. Throws FileError if it cannot.
  void append_warning(const std::string& line) const { append(root_ / "warnings.log", line); }

  /// Calls `f(line)` for every line of log.jsonl, which may be long.
  template <class F>
  void for_each_log_line(const F& f) const {
    std::error_code error;
    if (!std::filesystem::is_regular_file(root_ / "log.jsonl", error)) return;
    std::ifstream log(root_ / "log.jsonl");
    for (std::string line; std::getline(log, line);) f(line);
  }
  std::vector<std::string> read_log() const { return read_lines_of(root_ / "log.jsonl"); }
  std::vector<std::string> read_warnings() const { return read_lines_of(root_ / "warnings.log"); }

  void write_report(const std::string& html) const { write_file_atomically(root_ / "report.html", html); }

  /// Removes from log.jsonl the lines after `step`, which a run that goes on from there writes anew. `step_of` gives a
  /// line's step, or -1 for one that was cut short.
  template <class StepOf>
  void forget_log_after(std::int64_t step, const StepOf& step_of) const {
    const std::filesystem::path path = root_ / "log.jsonl";
    const std::vector<std::string> lines = read_log();
    if (lines.empty()) return;
    std::string kept;
    for (const std::string& line : lines) {
      const std::int64_t of_line = step_of(line);
      if (of_line >= 0 && of_line <= step) kept += line + '\n';
    }
    write_file_atomically(path, kept);
  }

  /// Once the checkpoint of `step` is written, deletes all older ones but the newest `keep - 1`; 0 keeps all. Those of
  /// later steps, which going back may have left, are neither counted nor touched: they may be damaged.
  void rotate_checkpoints(std::int64_t keep, std::int64_t step) const {
    if (keep <= 0) return;
    auto entries = list_checkpoints(root_);
    std::erase_if(entries, [&](const CheckpointEntry& entry) { return entry.step > step; });
    for (std::size_t i = 0; i + static_cast<std::size_t>(keep) < entries.size(); ++i) {
      std::error_code error;
      std::filesystem::remove(entries[i].path, error);
    }
  }

 private:
  static void append(const std::filesystem::path& path, const std::string& line) {
    std::error_code error;
    const auto type = std::filesystem::status(path, error).type();
    if (type != std::filesystem::file_type::regular && type != std::filesystem::file_type::not_found)
      throw FileError(concat(path.string(), ": is not a regular file (expected a text to append to)"));
    std::ofstream file(path, std::ios::app);
    file << line << '\n';
    file.flush();
    if (!file) throw FileError(concat(path.string(), ": cannot write: ", std::strerror(errno)));
  }

  static std::string step_name(std::int64_t step) {
    char name[32];
    std::snprintf(name, sizeof name, "step-%08lld", static_cast<long long>(step));
    return name;
  }

  std::filesystem::path root_;
  detail::Descriptor lock_;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
