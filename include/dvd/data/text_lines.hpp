// Text files of other people's, by lines: saved by any editor on any system, and refused in words where they are no
// text.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dvd/core/error.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::detail {

// A text without the blanks at its ends.
inline std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blanks = " \t\r\n";
  const std::size_t first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

inline bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// ASCII alone: the rest of a name is bytes of whatever encoding.
inline std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return lower;
}

// For messages: names and lines of other people's may have line ends, or what moves a terminal's cursor.
inline std::string in_one_line(std::string text) {
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 32 || c == 127) c = ' ';
  return text;
}

// Nobody reads more of a line in a message.
inline std::string_view beginning_of(std::string_view text) { return text.substr(0, 300); }

// "a, b, c and 4 more".
inline std::string first_few(const std::vector<std::string>& names, std::size_t few = 5) {
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < few; ++i) (text += i > 0 ? ", " : "") += beginning_of(names[i]);
  return names.size() > few ? concat(text, " and ", names.size() - few, " more") : text;
}

// "1 video", "2 videos".
inline std::string counted(std::int64_t count, std::string_view thing) {
  return concat(count, " ", thing, count == 1 ? "" : "s");
}

// How often something was met, and where first.
struct Tally {
  std::int64_t count = 0;
  std::string first = {};
  void add(std::string_view where) {
    if (count++ == 0) first = beginning_of(where);
  }
};

// A whole text without its byte order mark. Throws FileError where it cannot be read, or is no text in UTF-8, or any
// other encoding that ASCII is a part of.
inline std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text;
  if (file) {
    std::array<char, 1 << 16> part;
    while (file.read(part.data(), part.size()).gcount() > 0) {
      text.append(part.data(), static_cast<std::size_t>(file.gcount()));
      if (text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff"))
        throw FileError(concat(path.string(), ": is text in UTF-16; expected UTF-8: save it as that"));
      // At once: somebody may have named a video of many gigabytes.
      if (text.find('\0', text.size() - static_cast<std::size_t>(file.gcount())) != std::string::npos)
        throw FileError(concat(path.string(), ": is no text in UTF-8 (it holds bytes of value 0); expected a list"));
    }
  }
  if (!file.eof()) throw FileError(concat(path.string(), ": cannot be read"));
  if (text.starts_with("\xef\xbb\xbf")) text.erase(0, 3);
  return text;
}

// The lines of a text that hold anything, with their blanks. Lines end with LF, CR LF or CR.
inline std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = text.find_first_of("\r\n");
    const std::string_view line = text.substr(0, end);
    if (!trimmed(line).empty()) lines.push_back(line);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return lines;
}

}  // namespace dvd::detail

#include "dvd/core/macros_end.hpp"
