// Which classes the videos of a folder are of: the folders they lie in, numbered as UCF-101's lists do.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/data/folder_scan.hpp"
#include "dvd/data/text_lines.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::detail {

// "Class" of "Class/video.avi", and "video.avi" of "video.avi".
inline std::string_view first_folder(std::string_view name) { return name.substr(0, name.find('/')); }

// "video.avi" of "Class/video.avi"; empty where there is no folder.
inline std::string_view behind_first_folder(std::string_view name) {
  const std::size_t slash = name.find('/');
  return slash == std::string_view::npos ? std::string_view() : name.substr(slash + 1);
}

// Whether folders of splits (train, test) lie where classes are expected: all folders with videos are named so.
inline bool holds_split_folders(const FolderScan& scan) {
  std::set<std::string_view> folders;
  bool deeper = false;
  for (const FoundVideo& video : scan.videos) {
    const std::string_view rest = behind_first_folder(video.name);
    if (rest.empty()) continue;
    if (!is_split_name(first_folder(video.name))) return false;
    folders.insert(first_folder(video.name));
    deeper = deeper || rest.find('/') != std::string_view::npos;
  }
  return folders.size() > 1 || deeper;
}

// Reads classInd.txt, "1 ApplyEyeMakeup" a line: the classes in order of their numbers, which may begin anywhere.
// Throws FileError.
inline std::vector<std::string> read_class_list(const std::filesystem::path& path) {
  std::map<std::int64_t, std::string> classes;
  const std::string text = read_text(path);
  for (const std::string_view line : lines_of(text)) {
    const std::size_t begin = line.find_first_not_of(" \t");
    const std::size_t blank = line.find_first_of(" \t,", begin);
    const std::string_view number = line.substr(begin, blank - begin);
    const std::size_t name = blank == std::string_view::npos ? blank : line.find_first_not_of(" \t,", blank);
    if (!is_number(number) || number.size() > 9 || name == std::string_view::npos)
      throw FileError(concat(path.string(), ": line \"", beginning_of(trimmed(line)),
                             "\" should be a number and a class, as in \"1 Archery\""));
    if (!classes.emplace(std::stoll(std::string(number)), line.substr(name)).second)
      throw FileError(concat(path.string(), ": two classes have the number ", number, "; expected one a line"));
  }
  std::vector<std::string> names;
  names.reserve(classes.size());
  for (auto& [number, name] : classes) names.push_back(std::move(name));
  return names;
}

// Puts the classes that `list` names first, in its order. One that it names and that has no videos is no class.
inline void order_by_list(std::vector<std::string>& classes, const std::filesystem::path& list,
                          std::vector<std::string>& remarks) {
  const std::vector<std::string> listed = read_class_list(list);
  std::unordered_map<std::string_view, std::size_t> ranks;
  for (std::size_t i = 0; i < listed.size(); ++i) {
    ranks.emplace(listed[i], i);
    ranks.emplace(trimmed(listed[i]), i);  // unless that is one, too
  }
  const auto rank = [&](const std::string& name) {
    auto found = ranks.find(name);
    if (found == ranks.end()) found = ranks.find(trimmed(name));
    return found == ranks.end() ? listed.size() : found->second;
  };
  std::vector<std::string> unnamed;
  for (const std::string& name : classes)
    if (rank(name) == listed.size()) unnamed.push_back(name);
  const std::size_t there = classes.size() - unnamed.size();
  if (there == 0) return;  // the lists of another data set
  std::ranges::stable_sort(classes, {}, rank);
  if (there < listed.size())
    remarks.push_back(concat(list.string(), ": names ", listed.size(), " classes, of which ", there,
                             there == 1 ? " has" : " have", " videos here: the others are left out"));
  if (!unnamed.empty())
    remarks.push_back(in_one_line(concat(list.string(), ": does not name ",
                                         counted(static_cast<std::int64_t>(unnamed.size()), "class folder"), " (",
                                         first_few(unnamed), "): they are the last classes")));
}

// The classes among videos whose names, from the classes' folders on, are `names`, one for each of the scan and empty
// for those that do not count: the folders that videos lie in. A folder of pictures is a class of one video where there
// are other class folders, and a video without a class where there are none.
inline std::vector<std::string> find_classes(const FolderScan& scan, const std::vector<std::string_view>& names) {
  std::set<std::string_view> folders, of_pictures;
  for (std::size_t i = 0; i < names.size(); ++i)
    if (!behind_first_folder(names[i]).empty())
      folders.insert(first_folder(names[i]));
    else if (!scan.videos[i].pictures.empty() && !names[i].empty())
      of_pictures.insert(names[i]);
  if (!folders.empty()) folders.merge(of_pictures);
  return {folders.begin(), folders.end()};
}

// The number of the class of each video; -1 where it lies in no class folder or does not count; 0 without classes.
inline std::vector<std::int64_t> label_videos(const std::vector<std::string_view>& names,
                                              const std::vector<std::string>& classes) {
  std::unordered_map<std::string_view, std::int64_t> numbers;
  for (const std::string& name : classes) numbers.emplace(name, static_cast<std::int64_t>(numbers.size()));
  std::vector<std::int64_t> labels(names.size(), -1);
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto found = numbers.find(first_folder(names[i]));
    if (found != numbers.end()) labels[i] = found->second;
    if (classes.empty() && !names[i].empty()) labels[i] = 0;
  }
  return labels;
}

}  // namespace dvd::detail

#include "dvd/core/macros_end.hpp"
