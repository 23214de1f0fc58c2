// STAND-IN, to be deleted: the interfaces of data/video_list.hpp and io/video_reader.hpp on today's reader, until those
// are here. Whoever has them deletes this file and names them where it is included.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#if __has_include("dvd/data/video_list.hpp")
#include "dvd/data/video_list.hpp"
#else
#include "dvd/core/error.hpp"
#include "dvd/data/folder_lists.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

struct ListedVideo {
  std::filesystem::path path;
  std::string name;
  std::int64_t label = 0;
  std::string split;
  std::vector<std::filesystem::path> pictures;
  double start = 0, end = 0;
};

struct VideoListing {
  std::filesystem::path folder;
  std::vector<std::string> class_names;
  std::vector<ListedVideo> videos;
  std::vector<std::string> remarks;
  std::int64_t missing = 0, unlisted = 0;
};

inline VideoListing find_videos(const std::filesystem::path& root, const std::filesystem::path& split = {}) {
  namespace fs = std::filesystem;
  VideoListing listing;
  if (!fs::is_directory(root)) throw FileError(concat(root.string(), ": no such folder"));
  listing.folder = fs::is_directory(root / "UCF-101") ? root / "UCF-101" : root;
  std::map<std::string, std::int64_t> labels;
  for (const fs::path& entry : detail::visible_entries(listing.folder))
    if (fs::is_directory(entry) && entry.filename() != "ucfTrainTestlist") {
      labels.emplace(entry.filename().string(), static_cast<std::int64_t>(listing.class_names.size()));
      listing.class_names.push_back(entry.filename().string());
    }
  const auto add = [&](const fs::path& path, std::int64_t label) {
    listing.videos.push_back({path, path.lexically_relative(listing.folder).string(), label, {}, {}, 0, 0});
  };
  if (split.empty()) {
    if (labels.empty())
      for (const fs::path& path : detail::visible_entries(listing.folder)) add(path, 0);
    for (const auto& [name, label] : labels)
      for (const fs::path& path : detail::visible_entries(listing.folder / name)) add(path, label);
    if (listing.videos.empty()) throw FileError(concat(root.string(), ": holds no videos"));
    return listing;
  }
  const fs::path named = root / "ucfTrainTestlist" / split;
  const fs::path list = fs::exists(named) ? named : split;
  if (!fs::is_regular_file(list)) throw FileError(concat(list.string(), ": no such split"));
  for (const std::string& line : detail::read_lines(list)) {
    const auto [front, back] = detail::split_at_last_blank(line);
    const std::string name = detail::is_number(back) ? front : line;
    const auto label = labels.find(name.substr(0, name.find('/')));
    if (!fs::exists(listing.folder / name))
      ++listing.missing;
    else
      add(listing.folder / name, label == labels.end() ? 0 : label->second);
  }
  return listing;
}

}  // namespace dvd
#endif

#if __has_include("dvd/io/video_reader.hpp")
#include "dvd/io/video_reader.hpp"
#else
#include "dvd/io/clip.hpp"
#include "dvd/io/framing.hpp"
#include "dvd/io/video_file.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

struct VideoCondition {
  std::int64_t frames = 0;
  double frames_per_second = 0;
  bool rate_varies = false;
  std::int64_t width = 0, height = 0;
  std::string codec;
  std::int64_t undecodable = 0;
  std::int64_t damaged = 0;
  std::vector<std::string> remarks;
};

class VideoReader {
 public:
  explicit VideoReader(const std::filesystem::path& path) : file_(path) {
    condition_.frames_per_second = file_.info().frames_per_second;
    condition_.width = file_.info().width;
    condition_.height = file_.info().height;
  }
  explicit VideoReader(std::vector<std::filesystem::path> pictures, double = 25) : VideoReader(pictures.front()) {}
  VideoReader(const VideoReader&) = delete;
  VideoReader& operator=(const VideoReader&) = delete;

  bool next() {
    if (condition_.frames == file_.info().frames) return false;
    try {
      picture_ = file_.read(condition_.frames, 1);
    } catch (const FileError&) {
      ++condition_.undecodable;
      condition_.remarks = {"ends before its last frame can be decoded"};
      return false;
    }
    ++condition_.frames;
    return true;
  }
  double seconds() const { return static_cast<double>(condition_.frames - 1) / condition_.frames_per_second; }
  std::int64_t width() const { return condition_.width; }
  std::int64_t height() const { return condition_.height; }
  void copy(const Framing& framing, std::uint8_t* target) const {
    const Clip clip = file_.read(condition_.frames - 1, 1, 1, framing);
    std::copy(clip.pixels.begin(), clip.pixels.end(), target);
  }
  const VideoCondition& condition() const { return condition_; }

 private:
  VideoFile file_;
  Clip picture_;
  VideoCondition condition_;
};

}  // namespace dvd
#endif

#include "dvd/core/macros_end.hpp"
