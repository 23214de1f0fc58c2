// What a set is made from: the videos of a folder, which lists they are in, and what part of them is this machine's.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/data/video_list.hpp"
#include "dvd/data/video_set_index.hpp"
#include "dvd/io/atomic_file.hpp"
#include "dvd/io/content_hash.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// A video that belongs into a set.
struct SetSource {
  ListedVideo video;
  std::string name;          ///< in the set: UTF-8, and no other video's
  std::string path;          ///< below the folder of the videos
  std::uint64_t splits = 0;  ///< bit i: it is in `split_names[i]`
  std::int64_t place = 0;    ///< in the whole listing
};

/// All that belongs into a set, or into a part of it.
struct SetSources {
  std::filesystem::path folder;
  std::vector<std::string> class_names;
  std::vector<std::string> split_names;  ///< the lists' file names, then the splits that lists name themselves
  std::vector<std::string> lists;        ///< the lists' file names
  std::vector<SetSource> videos;         ///< in the order of the listing
  std::int64_t listed = 0;               ///< videos in all parts
  std::int64_t missing = 0;              ///< listed, but not there
  std::int64_t unlisted = 0;             ///< there, but in no list
  std::vector<std::string> remarks;      ///< for the user, a line each
};

namespace detail {

// Puts several listings of one folder together.
class SourceCollector {
 public:
  explicit SourceCollector(SetSources& sources) : sources_(sources) {}

  void add(const VideoListing& listing, std::uint64_t split) {
    sources_.folder = listing.folder;
    sources_.missing += listing.missing;
    sources_.remarks.insert(sources_.remarks.end(), listing.remarks.begin(), listing.remarks.end());
    const std::vector<std::int64_t> labels = labels_of(listing.class_names);
    for (const ListedVideo& video : listing.videos) {
      const auto [place, is_new] =
          places_.try_emplace(std::tuple(video.path.string(), video.start, video.end), sources_.videos.size());
      if (is_new) add_video(listing, video, labels);
      SetSource& source = sources_.videos[place->second];
      source.splits |= split;
      if (!video.split.empty()) source.splits |= bit_of(video.split);
    }
  }

  // The bit of a split's name, which gets one where it has none.
  std::uint64_t bit_of(const std::string& name) {
    const auto found = std::find(sources_.split_names.begin(), sources_.split_names.end(), name);
    const auto bit = found - sources_.split_names.begin();
    if (found == sources_.split_names.end()) sources_.split_names.push_back(name);
    require(bit < 64, "a set knows at most 64 splits; ", name, " is one more");
    return std::uint64_t{1} << bit;
  }

 private:
  // By name: lists may know different classes.
  std::vector<std::int64_t> labels_of(const std::vector<std::string>& names) {
    std::vector<std::int64_t> labels;
    for (const std::string& name : names) {
      const auto [label, is_new] = labels_.try_emplace(name, static_cast<std::int64_t>(labels_.size()));
      if (is_new) sources_.class_names.push_back(name);
      labels.push_back(label->second);
    }
    return labels;
  }

  void add_video(const VideoListing& listing, const ListedVideo& video, const std::vector<std::int64_t>& labels) {
    SetSource source{.video = video, .name = unique_name(video.name), .path = "", .splits = 0, .place = 0};
    if (!labels.empty()) source.video.label = labels.at(static_cast<std::size_t>(video.label));
    const std::filesystem::path below = video.path.lexically_relative(listing.folder);
    source.path = below.empty() || *below.begin() == ".." ? video.path.string() : below.string();
    source.place = static_cast<std::int64_t>(sources_.videos.size());
    sources_.videos.push_back(std::move(source));
  }

  // Of two videos of one name the second becomes "name#2".
  std::string unique_name(const std::string& name) {
    const std::string text = name == metadata_key ? name + "#1" : escaped_name(name);
    std::string result = text;
    for (int number = 2; !names_.insert(result).second; ++number) result = concat(text, '#', number);
    return result;
  }

  SetSources& sources_;
  std::map<std::string, std::int64_t> labels_;
  std::map<std::tuple<std::string, double, double>, std::size_t> places_;
  std::set<std::string> names_;
};

// Which part a video of this name belongs to, whatever else is listed.
inline std::int64_t part_of(const std::string& name, std::int64_t parts) {
  ContentHash hash;
  hash.add(name);
  return static_cast<std::int64_t>(hash.value() % static_cast<std::uint64_t>(parts)) + 1;
}

// What tells whether a video has changed.
struct SourceState {
  std::int64_t size = 0;  // bytes
  std::int64_t time = 0;  // of the last change: nanoseconds since 1970

  friend bool operator==(const SourceState&, const SourceState&) = default;
};

inline std::vector<std::filesystem::path> files_of(const ListedVideo& video) {
  return video.pictures.empty() ? std::vector{video.path} : video.pictures;
}

// The sizes of a video's files together, and the newest of their times; nothing where there is no such file.
inline SourceState state_of_source(const ListedVideo& video) {
  SourceState state;
  for (const std::filesystem::path& path : files_of(video)) {
    struct stat status = {};
    if (::stat(path.c_str(), &status) != 0) continue;
    state.size += status.st_size;
    state.time = std::max<std::int64_t>(state.time,
                                        std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec);
  }
  return state;
}

// What is wrong with a video, without where it lies: that is known, and may change.
inline std::string without_source_path(std::string what, const ListedVideo& video) {
  for (const std::filesystem::path& path : files_of(video))
    if (const std::string prefix = path.string() + ": "; what.starts_with(prefix)) return what.substr(prefix.size());
  return what;
}

// A hash of a video's content. Throws FileError where it cannot be read.
inline std::uint64_t hash_of_source(const ListedVideo& video) {
  std::vector<std::byte> bytes(std::size_t{1} << 20);
  ContentHash hash;
  for (const std::filesystem::path& path : files_of(video)) {
    Descriptor file;
    const auto fail = [&] { throw FileError(concat(path.string(), ": cannot be read (", error_text(errno), ")")); };
    if (!file.open(path.string(), O_RDONLY | O_NONBLOCK)) fail();
    if (!video.pictures.empty()) hash.add(path.filename().string());
    std::optional<std::size_t> got;
    do {
      got = read_all(file.number(), bytes);
      if (!got) fail();
      hash.add(std::span(bytes).first(*got));
    } while (*got == bytes.size());
  }
  return hash.value();
}

// Videos of the folder that none of the lists names.
inline std::int64_t count_unlisted(const std::filesystem::path& root, const SetSources& sources) {
  std::set<std::filesystem::path> listed;
  for (const SetSource& source : sources.videos) listed.insert(source.video.path.lexically_normal());
  try {
    const VideoListing all = find_videos(root);
    return std::count_if(all.videos.begin(), all.videos.end(),
                         [&](const ListedVideo& video) { return !listed.contains(video.path.lexically_normal()); });
  } catch (const FileError&) {
    return 0;  // nothing there without a list
  }
}

}  // namespace detail

/// Finds the videos below `root`: those of the lists, each named as find_videos takes it, or all where there are none.
/// Of these, part `part` of `parts`, which depends on a video's name alone. Throws FileError where the folder or a list
/// is missing or holds nothing, ArgumentError where two lists have one name.
inline SetSources find_set_sources(const std::filesystem::path& root, const std::vector<std::filesystem::path>& lists,
                                   std::int64_t part = 1, std::int64_t parts = 1) {
  require(parts >= 1 && part >= 1 && part <= parts, "there is no part ", part, " of ", parts,
          " (expected such as 1 of 4, from 1 on)");
  SetSources sources;
  detail::SourceCollector collector(sources);
  for (const std::filesystem::path& list : lists) {
    const std::string name = list.filename().string();
    require(std::find(sources.lists.begin(), sources.lists.end(), name) == sources.lists.end(), "two lists are named ",
            name, "; a set knows its splits by these names: give one another");
    sources.lists.push_back(name);
    collector.bit_of(name);
  }
  for (const std::filesystem::path& list : lists)
    collector.add(find_videos(root, list), collector.bit_of(list.filename().string()));
  if (lists.empty())
    collector.add(find_videos(root), 0);
  else
    sources.unlisted = detail::count_unlisted(root, sources);
  sources.listed = static_cast<std::int64_t>(sources.videos.size());
  if (parts > 1)
    std::erase_if(sources.videos, [&](const SetSource& source) { return detail::part_of(source.name, parts) != part; });
  return sources;
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
