// Lists as Kinetics has them: a table with a row for each clip of a video of YouTube's, and files named after both.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/data/csv_reader.hpp"
#include "dvd/data/file_names.hpp"
#include "dvd/data/folder_scan.hpp"
#include "dvd/data/text_lines.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::detail {

struct KineticsRow {
  std::string label, id, split;
  double start = 0, end = 0;  // seconds; both 0 where the list does not say
};

struct KineticsList {
  std::vector<KineticsRow> rows;
  bool has_labels = false, has_splits = false;
  Tally malformed;  // rows that were left out
};

// A number of seconds, "10" or "10.5"; nothing for anything else.
inline std::optional<double> seconds_in(std::string_view text) {
  double value = 0;
  std::size_t at = 0;
  for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) value = value * 10 + (text[at] - '0');
  if (at == 0) return std::nullopt;
  if (at < text.size() && text[at] == '.')
    for (double digit = 0.1; ++at < text.size() && text[at] >= '0' && text[at] <= '9'; digit /= 10)
      value += digit * (text[at] - '0');
  if (at != text.size() || value > 1e7) return std::nullopt;
  return value;
}

// Whether a file is such a list: by its extension, or its first line.
inline bool is_table(const std::filesystem::path& path, std::string_view text) {
  const std::string extension = extension_of(path.filename().string());
  const std::string_view header = text.substr(0, text.find_first_of("\r\n"));
  return extension == "csv" || extension == "tsv" || lower_case(header).find("youtube_id") != std::string::npos;
}

// Throws FileError where the text has no header with a column youtube_id, or no rows.
inline KineticsList read_kinetics(const std::filesystem::path& path, std::string_view text) {
  CsvReader reader(text, CsvReader::separator_of(text));
  std::vector<std::string> row, header;
  reader.next(header);
  const auto column = [&](std::initializer_list<std::string_view> names) -> std::optional<std::size_t> {
    for (const std::string_view name : names)
      for (std::size_t i = 0; i < header.size(); ++i)
        if (lower_case(trimmed(header[i])) == name) return i;
    return std::nullopt;
  };
  const auto label = column({"label", "class", "class_name"}), id = column({"youtube_id", "video_id", "ytid", "id"}),
             start = column({"time_start", "start_time", "start"}), end = column({"time_end", "end_time", "end"}),
             split = column({"split", "subset"});
  if (!id)
    throw FileError(in_one_line(
        concat(path.string(), ": its first line names the columns ", header.empty() ? "(none)" : first_few(header),
               "; expected Kinetics' label, youtube_id, time_start, time_end and split, in any order, "
               "youtube_id among them (a list of files is a text with a path a line, not a .csv)")));
  KineticsList list{{}, label.has_value(), split.has_value(), {}};
  while (reader.next(row)) {
    const auto value = [&](std::optional<std::size_t> i) { return i && *i < row.size() ? row[*i] : std::string(); };
    KineticsRow clip{value(label), value(id), value(split), 0, 0};
    const std::string from = value(start), to = value(end);
    const auto first = seconds_in(from), last = seconds_in(to);
    const bool times_fit = (from.empty() || first) && (to.empty() || last);
    clip.start = first.value_or(0);
    clip.end = last.value_or(0);
    if (row.size() != header.size() || clip.id.empty() || (label && clip.label.empty()) || !times_fit ||
        reader.unclosed())
      list.malformed.add(concat("line ", reader.line()));
    else
      list.rows.push_back(std::move(clip));
  }
  if (list.rows.empty())
    throw FileError(concat(path.string(), ": names no videos; expected a line for each behind the columns' names",
                           list.malformed.count > 0
                               ? concat(", but all have other columns, from ", list.malformed.first)
                               : std::string()));
  return list;
}

// "massaging person's head" and the folder "massaging_person's_head" are one class.
inline std::string with_blanks(std::string_view label) {
  std::string text(label);
  std::ranges::replace(text, '_', ' ');
  return text;
}

// The videos of a scan, which must outlive this, by what Kinetics' files are named after.
class KineticsFiles {
 public:
  struct Match {
    std::size_t video;
    bool whole;  // the file is all of the video from YouTube, the clip a part of it
  };

  explicit KineticsFiles(const FolderScan& scan) : scan_(scan) {
    for (std::size_t i = scan.videos.size(); i-- > 0;) {
      std::string_view name = scan.videos[i].name;
      if (scan.videos[i].pictures.empty()) name = stem_of(name);
      const std::size_t slash = name.rfind('/');
      files_.emplace(slash == std::string_view::npos ? name : name.substr(slash + 1), i);
    }
  }

  // The file of a row: named ID_000010_000020, ID_10_20 or ID, with any extension, in a folder of any name; where there
  // are several, in one named as the label.
  std::optional<Match> find(const KineticsRow& row) const {
    if (row.end > 0) {
      const std::int64_t start = std::llround(row.start), end = std::llround(row.end);
      for (const std::string& name :
           {concat(row.id, "_", six_digits(start), "_", six_digits(end)), concat(row.id, "_", start, "_", end)})
        if (const auto video = find(name, row.label)) return Match{*video, false};
    }
    if (const auto video = find(row.id, row.label)) return Match{*video, row.end > row.start};
    return std::nullopt;
  }

 private:
  static std::string six_digits(std::int64_t number) {
    const std::string digits = concat(number);
    return std::string(digits.size() < 6 ? 6 - digits.size() : 0, '0') + digits;
  }

  std::optional<std::size_t> find(std::string_view name, std::string_view label) const {
    const auto [begin, end] = files_.equal_range(name);
    if (begin == end) return std::nullopt;
    if (std::next(begin) == end) return begin->second;
    const std::string folder = "/" + with_blanks(label) + "/";
    // Of those in a folder named as the label, or else of all, the first by name.
    std::pair<bool, std::size_t> best(true, begin->second);
    for (auto i = begin; i != end; ++i) {
      const bool lies_elsewhere = with_blanks("/" + scan_.videos[i->second].name).find(folder) == std::string::npos;
      best = std::min(best, {lies_elsewhere, i->second});
    }
    return best.second;
  }

  const FolderScan& scan_;
  std::unordered_multimap<std::string_view, std::size_t> files_;
};

// "kinetics_*.csv" of "kinetics_train.csv"; empty where the name has no word for a split.
inline std::string without_split_word(std::string_view name) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  for (std::size_t begin = 0; begin < name.size();) {
    std::size_t end = begin;
    while (end < name.size() && is_letter(name[end])) ++end;
    if (end > begin && is_split_name(name.substr(begin, end - begin)))
      return concat(name.substr(0, begin), "*", name.substr(end));
    begin = std::max(end, begin + 1);
  }
  return "";
}

// The tables of the other splits of a data set that has one for each, beside a table: train.csv, validate.csv. What is
// no table of that kind is left out.
inline std::vector<KineticsList> lists_of_other_splits(const std::filesystem::path& path) {
  std::vector<KineticsList> lists;
  const std::string pattern = without_split_word(path.filename().string());
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
  std::error_code error;
  if (pattern.empty()) return lists;
  for (std::filesystem::directory_iterator i(folder, error), end; !error && i != end; i.increment(error)) {
    const std::string name = i->path().filename().string();
    if (name == path.filename().string() || without_split_word(name) != pattern) continue;
    try {
      lists.push_back(read_kinetics(i->path(), read_text(i->path())));
    } catch (const FileError&) {
    }
  }
  return lists;
}

// "validate" of "val", "valid" and "validation", which all say the same; else the name in lower case.
inline std::string split_word(std::string_view name) {
  const std::string word = lower_case(trimmed(name));
  return word == "val" || word == "valid" || word == "validation" ? "validate" : word;
}

}  // namespace dvd::detail

#include "dvd/core/macros_end.hpp"
