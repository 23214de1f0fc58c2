// What lies in a folder of videos, and the lists that UCF-101 keeps beside it.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "dvd/core/error.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::detail {

// A line without the blanks, and the carriage return, at its ends.
inline std::string_view trimmed(std::string_view line) {
  constexpr std::string_view blanks = " \t\r";
  const std::size_t first = line.find_first_not_of(blanks);
  if (first == std::string_view::npos) return {};
  return line.substr(first, line.find_last_not_of(blanks) - first + 1);
}

// A line in two at the last of its blanks: "Class/video.avi" and "1". The second is empty where there is no blank.
inline std::pair<std::string, std::string> split_at_last_blank(std::string_view line) {
  const std::size_t blank = line.find_last_of(" \t");
  if (blank == std::string_view::npos) return {std::string(line), ""};
  return {std::string(trimmed(line.substr(0, blank))), std::string(line.substr(blank + 1))};
}

inline bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// The lines of a text that hold anything.
inline std::vector<std::string> read_lines(const std::filesystem::path& path) {
  std::ifstream text(path);
  if (!text) throw FileError(concat(path.string(), ": cannot be read"));
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);)
    if (const std::string_view content = trimmed(line); !content.empty()) lines.emplace_back(content);
  return lines;
}

// What a folder holds, sorted by name, without what is hidden.
inline std::vector<std::filesystem::path> visible_entries(const std::filesystem::path& folder) {
  std::error_code error;
  std::vector<std::filesystem::path> entries;
  for (std::filesystem::directory_iterator i(folder, error), end; !error && i != end; i.increment(error))
    if (!i->path().filename().string().starts_with('.')) entries.push_back(i->path());
  if (error) throw FileError(concat(folder.string(), ": cannot be read (", error.message(), ")"));
  std::sort(entries.begin(), entries.end());
  return entries;
}

}  // namespace dvd::detail

#include "dvd/core/macros_end.hpp"
