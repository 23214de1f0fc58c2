// Where the videos of a data set lie, and the lists of its splits.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/data/file_names.hpp"
#include "dvd/data/kinetics_list.hpp"
#include "dvd/data/text_lines.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::detail {

inline bool is_folder(const std::filesystem::path& path) {
  std::error_code error;
  return std::filesystem::is_directory(path, error);
}

// A file, or a pipe that a shell puts in its place.
inline bool is_list(const std::filesystem::path& path) {
  std::error_code error;
  return std::filesystem::exists(path, error) && !is_folder(path);
}

// "/videos/UCF-101" of "/videos/UCF-101/" and of "." within it, so that it has a name and a parent.
inline std::filesystem::path whole_path(const std::filesystem::path& path) {
  std::error_code error;
  const std::filesystem::path whole = std::filesystem::absolute(path, error).lexically_normal();
  return whole.has_filename() ? whole : whole.parent_path();
}

struct VideoPlaces {
  std::filesystem::path root, videos;
  std::filesystem::path lists;  // UCF-101's; empty where there are none
};

// Throws FileError where `root` is no folder.
inline VideoPlaces find_places(const std::filesystem::path& root) {
  if (!is_folder(root))
    throw FileError(concat(root.string(), is_list(root) ? ": is not a folder" : ": no such folder",
                           "; expected UCF-101, a folder of class folders of videos, or a folder of videos"));
  VideoPlaces places{root, is_folder(root / "UCF-101") ? root / "UCF-101" : root, {}};
  for (const auto& folder : {root / "ucfTrainTestlist", whole_path(root).parent_path() / "ucfTrainTestlist"})
    if (places.lists.empty() && is_folder(folder)) places.lists = folder;
  return places;
}

// What is asked for: a list, a part of a list, or a folder.
struct VideoSplit {
  std::filesystem::path list;
  std::string part;    // the split within a list of several: "train" of "kinetics.csv#train"
  std::string folder;  // directly in the videos' folder
};

// The names in a folder that `fits` accepts, sorted. A folder that cannot be read has none.
template <class Predicate>
std::vector<std::string> names_in(const std::filesystem::path& folder, const Predicate& fits) {
  std::vector<std::string> names;
  std::error_code error;
  for (std::filesystem::directory_iterator i(folder, error), end; !error && i != end; i.increment(error))
    if (fits(i->path())) names.push_back(i->path().filename().string());
  std::ranges::sort(names);
  return names;
}

// Throws FileError where there is no such split.
inline VideoSplit find_split(const VideoPlaces& places, const std::filesystem::path& split) {
  if (split.empty()) return {};
  const auto find_list = [&](const std::filesystem::path& name) -> std::filesystem::path {
    std::vector<std::filesystem::path> candidates = {name, places.root / name, places.videos / name};
    if (!places.lists.empty()) {
      // First, so that what lies in the folder where a program is started does not stand in their place.
      const std::filesystem::path list = places.lists / name;
      candidates.insert(candidates.begin(), {list, std::filesystem::path(list) += ".txt"});
    }
    const auto found = std::ranges::find_if(candidates, is_list);
    return found == candidates.end() ? std::filesystem::path() : *found;
  };
  if (const auto list = find_list(split); !list.empty()) return {list, "", ""};
  const std::string text = split.string();
  if (const std::size_t mark = text.rfind('#'); mark != std::string::npos && mark > 0)
    if (const auto list = find_list(text.substr(0, mark)); !list.empty()) return {list, text.substr(mark + 1), ""};

  const auto is_split_folder = [](const std::filesystem::path& path) {
    return is_split_name(path.filename().string()) && is_folder(path);
  };
  const std::vector<std::string> folders = names_in(places.videos, is_split_folder);
  std::error_code error;
  for (const std::filesystem::path& folder : {whole_path(places.videos / split), whole_path(split)})
    if (is_folder(folder)) {
      if (std::filesystem::equivalent(folder.parent_path(), places.videos, error))
        return {{}, "", folder.filename().string()};
      throw FileError(concat(text, ": is a folder, but not directly in ", places.videos.string(),
                             "; expected one in that, or a list of videos"));
    }
  for (const std::string& folder : folders)
    if (split_word(folder) == split_word(text)) return {{}, "", folder};

  std::vector<std::string> known = folders;
  if (!places.lists.empty())
    for (std::string& name : names_in(places.lists, [](const std::filesystem::path& path) {
           return path.extension() == ".txt" && path.filename() != "classInd.txt" && is_list(path);
         }))
      known.push_back(std::move(name));
  throw FileError(concat(text, ": no such split; expected the path of a list of videos, ",
                         places.lists.empty() ? "the name of one in a folder ucfTrainTestlist beside the videos"
                                              : "the name of one in " + places.lists.string(),
                         ", or of a folder in ", places.videos.string(),
                         known.empty() ? "" : concat(" (there are ", first_few(known, 12), ")")));
}

}  // namespace dvd::detail

#include "dvd/core/macros_end.hpp"
