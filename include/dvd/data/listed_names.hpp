// Finding the videos of a folder by what lists call them.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

#include "dvd/data/file_names.hpp"
#include "dvd/data/folder_scan.hpp"
#include "dvd/data/text_lines.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::detail {

// A path with '/' between its parts, without "." and as far as possible without "..".
inline std::string plain_path(std::string_view path, bool backslashes) {
  std::vector<std::string_view> parts;
  const bool whole = !path.empty() && (path[0] == '/' || (backslashes && path[0] == '\\'));
  while (!path.empty()) {
    const std::size_t end = path.find_first_of(backslashes ? "/\\" : "/");
    const std::string_view part = path.substr(0, end);
    path.remove_prefix(end == std::string_view::npos ? path.size() : end + 1);
    if (part.empty() || part == ".") continue;
    if (part == ".." && !parts.empty() && parts.back() != "..")
      parts.pop_back();
    else
      parts.push_back(part);
  }
  std::string plain;
  for (const std::string_view part : parts) (plain += whole || !plain.empty() ? "/" : "") += part;
  return plain;
}

// A line of a list: which video, and the number behind it.
struct ListedName {
  std::size_t video;
  std::string_view number;  // "1" of "Class/video.avi 1"; empty where there is none
};

// The videos of a scan, which must outlive this, by name.
class ListedNames {
 public:
  // Names may also be whole paths, and lead to the folder from any of `bases`.
  ListedNames(const FolderScan& scan, const std::filesystem::path& folder,
              const std::vector<std::filesystem::path>& bases) {
    names_.reserve(scan.videos.size());
    for (std::size_t i = 0; i < scan.videos.size(); ++i) names_.emplace(scan.videos[i].name, i);
    std::error_code error;
    for (const std::filesystem::path& whole :
         {std::filesystem::absolute(folder, error), std::filesystem::canonical(folder, error)}) {
      add_prefix(whole.lexically_normal());
      for (const std::filesystem::path& base : bases)
        add_prefix(
            whole.lexically_normal().lexically_relative(std::filesystem::absolute(base, error).lexically_normal()));
    }
  }

  // The video that a line names: with or without one or two numbers behind its name (a class; frames and a class),
  // without its extension, in quotes, with backslashes.
  std::optional<ListedName> find(std::string_view line) {
    const std::string_view all = trimmed(line), front = without_number(all), name = without_number(front);
    const std::array<std::string_view, 4> readings = {line, all, front, name};
    const auto number = [&](std::string_view reading) {
      const std::size_t blank = reading.size() < all.size() ? all.find_last_of(separators) : std::string_view::npos;
      return blank == std::string_view::npos ? std::string_view() : all.substr(blank + 1);
    };
    for (std::size_t i = 0; i < readings.size(); ++i)
      if (i == 0 || readings[i].size() != readings[i - 1].size())
        if (const auto found = names_.find(readings[i]); found != names_.end())
          return ListedName{found->second, number(readings[i])};
    if (stems_.empty()) find_stems();
    for (const bool exactly : {true, false})
      for (const bool backslashes : {false, true})
        for (const std::string_view reading : readings)
          if (const auto found = find_path(plain_path(unquoted(reading), backslashes), exactly))
            return ListedName{*found, number(reading)};
    return std::nullopt;
  }

 private:
  using Names = std::unordered_map<std::string_view, std::size_t>;
  static constexpr std::size_t ambiguous = static_cast<std::size_t>(-1);
  static constexpr std::string_view separators = " \t,;";

  // Two of one name but for their extensions can only be told apart with these.
  void find_stems() {
    for (const auto& [name, video] : names_) {
      const auto [stem, added] = stems_.emplace(stem_of(name), video);
      if (!added) stem->second = ambiguous;
    }
  }

  void add_prefix(const std::filesystem::path& path) {
    std::string prefix = path.generic_string();
    if (prefix.empty() || prefix == ".") return;
    if (!prefix.ends_with('/')) prefix += '/';
    if (std::ranges::find(prefixes_, prefix) == prefixes_.end()) prefixes_.push_back(std::move(prefix));
  }

  static std::string_view without_number(std::string_view text) {
    const std::size_t separator = text.find_last_of(separators);
    const bool numbered = separator != std::string_view::npos && is_number(text.substr(separator + 1));
    return numbered ? text.substr(0, text.find_last_not_of(separators, separator) + 1) : text;
  }

  static std::string_view unquoted(std::string_view text) {
    const bool quoted = text.size() > 2 && (text[0] == '"' || text[0] == '\'') && text.back() == text[0];
    return quoted ? text.substr(1, text.size() - 2) : text;
  }

  std::optional<std::size_t> find_path(std::string_view path, bool exactly) const {
    const Names& names = exactly ? names_ : stems_;
    const auto look_up = [&](std::string_view name) -> std::optional<std::size_t> {
      const auto found = names.find(name);
      if (found == names.end() || found->second == ambiguous) return std::nullopt;
      return found->second;
    };
    if (const auto found = look_up(path)) return found;
    for (const std::string& prefix : prefixes_)
      if (path.starts_with(prefix))
        if (const auto found = look_up(path.substr(prefix.size()))) return found;
    return std::nullopt;
  }

  Names names_, stems_;
  std::vector<std::string> prefixes_;
};

}  // namespace dvd::detail

#include "dvd/core/macros_end.hpp"
