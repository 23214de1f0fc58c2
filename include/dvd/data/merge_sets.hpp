// Joining the parts of a set, which several machines have prepared.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/data/video_set.hpp"
#include "dvd/data/video_set_index.hpp"
#include "dvd/io/atomic_file.hpp"
#include "dvd/io/folder_lock.hpp"
#include "dvd/io/mapped_file.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

namespace detail {

struct SetPart {
  std::filesystem::path folder;
  VideoSetIndex index;
};

[[noreturn]] inline void fail_merge(const SetPart& part, const std::string& what) {
  throw FileError(concat(part.folder.string(), ": ", what));
}

// All parts, by number. Throws FileError unless each is there once and all are parts of one set.
inline std::vector<SetPart> read_parts(const std::vector<std::filesystem::path>& folders) {
  std::vector<SetPart> parts;
  for (const std::filesystem::path& folder : folders) {
    if (is_unfinished_video_set(folder))
      throw FileError(concat(folder.string(), ": is a part whose preparation has not ended; run it again first"));
    parts.push_back({folder, read_set_index(folder)});
  }
  const SetPart& first = parts.front();
  for (const SetPart& part : parts) {
    VideoSetFormat format = part.index.format;
    format.part = first.index.format.part;
    if (format.parts == 1) fail_merge(part, "is a whole set, not a part of one (expected what --shard I/N made)");
    if (const std::string other = difference(format, first.index.format); !other.empty())
      fail_merge(part, concat("was made with ", other, " as in ", first.folder.string(),
                              "; all parts must be made with the same options"));
    if (part.index.class_names != first.index.class_names || part.index.split_names != first.index.split_names)
      fail_merge(part, concat("has other ", part.index.class_names != first.index.class_names ? "classes" : "splits",
                              " than ", first.folder.string(), "; were they made from the same folder?"));
    if (part.index.listed != first.index.listed)
      fail_merge(part, concat("was made of a listing of ", part.index.listed, " videos, ", first.folder.string(),
                              " of one of ", first.index.listed, "; prepare both again from the same folder"));
  }
  std::sort(parts.begin(), parts.end(),
            [](const SetPart& a, const SetPart& b) { return a.index.format.part < b.index.format.part; });
  const std::int64_t wanted = parts.front().index.format.parts;
  for (std::int64_t number = 1; number <= wanted; ++number) {
    const auto place = static_cast<std::size_t>(number - 1);
    if (place < parts.size() && parts[place].index.format.part == number) continue;
    if (place > 0 && place < parts.size() && parts[place].index.format.part == number - 1)
      fail_merge(parts[place], concat("is part ", number - 1, "/", wanted, ", and so is ",
                                      parts[place - 1].folder.string(), "; expected each part once"));
    throw FileError(concat(parts.front().folder.string(), ": part ", number, "/", wanted, " is missing; expected all ",
                           wanted, " parts, which the others belong to"));
  }
  if (static_cast<std::int64_t>(parts.size()) > wanted)
    fail_merge(parts.back(), concat("is part ", wanted, "/", wanted, ", and so is another; expected each part once"));
  return parts;
}

// Copies or links a file, whole or not at all.
inline void bring_file(const std::filesystem::path& from, const std::filesystem::path& to, std::uint64_t size) {
  std::error_code error;
  std::filesystem::remove(to, error);
  std::filesystem::create_hard_link(from, to, error);
  if (!error) return;
  const MappedFile file(from, size);
  const std::span<const std::byte> bytes = file.bytes();
  write_file_atomically(to, std::span(&bytes, 1));
}

}  // namespace detail

/// Joins parts 1/N to N/N, in any order, into the set that one preparation of the whole would have made: the index
/// lists the same videos in the same order with the same frames; what may differ is how they are spread over shards.
///
///     dvd::SetMerge({"part-1", "part-2"}, "ucf-64").run();
class SetMerge {
 public:
  /// Checks all; changes nothing. Throws FileError where a part is missing, given twice, damaged, or made with other
  /// options or of another listing, and where there is a set at `set` already.
  SetMerge(const std::vector<std::filesystem::path>& folders, std::filesystem::path set) : set_(std::move(set)) {
    require(!folders.empty(), "there are no parts to merge (expected the folders that --shard I/N made)");
    const std::vector<detail::SetPart> parts = detail::read_parts(folders);
    if (is_video_set(set_) || is_unfinished_video_set(set_))
      throw FileError(concat(set_.string(), ": is a set already; name a new folder"));
    const VideoSetIndex& first = parts.front().index;
    merged_.format = first.format;
    merged_.format.part = merged_.format.parts = 1;
    merged_.class_names = first.class_names;
    merged_.split_names = first.split_names;
    merged_.listed = first.listed;
    places_.assign(static_cast<std::size_t>(first.listed), {nullptr, 0, 0});
    for (const detail::SetPart& part : parts) add_part(part);
    for (std::size_t i = 0; i < places_.size(); ++i) add_video(i);
    for (const Shard& shard : shards_) merged_.shards.push_back(shard.to);
    places_.clear();
  }

  /// Links the shards into the set where it is on the parts' file system, copies them where not, and writes the index,
  /// which it returns. Throws FileError where the disk is full; once there is room, it can be called again.
  const VideoSetIndex& run() const {
    std::error_code error;
    std::filesystem::create_directories(set_, error);
    if (error) throw FileError(concat(set_.string(), ": cannot create the folder (", error.message(), ")"));
    detail::Descriptor lock;
    detail::lock_folder(lock, set_);
    detail::remove_half_written(set_);
    for (const Shard& shard : shards_)
      detail::bring_file(shard.from, shard_of_set(set_, shard.to.number), static_cast<std::uint64_t>(shard.to.size));
    write_set_index(set_, merged_);
    return merged_;
  }

 private:
  // Where a video of the merged set lies.
  struct Place {
    const detail::SetPart* part;
    std::size_t video;
    std::int64_t shard;
  };
  struct Shard {
    std::filesystem::path from;
    VideoSetIndex::Shard to;
  };

  void add_part(const detail::SetPart& part) {
    const VideoSetIndex& index = part.index;
    const auto first = static_cast<std::int64_t>(shards_.size());
    for (const VideoSetIndex::Shard& shard : index.shards) {
      const std::filesystem::path path = shard_of_set(part.folder, shard.number);
      const MappedFile file(path, static_cast<std::uint64_t>(shard.size));
      if (detail::safetensors_header_hash(file.bytes()) != shard.header_hash)
        throw FileError(concat(path.string(), ": is not the shard that its set's index describes"));
      shards_.push_back({path, {static_cast<std::int64_t>(shards_.size()), shard.size, shard.header_hash}});
    }
    for (std::size_t i = 0; i < index.videos.size(); ++i) {
      Place& place = places_[static_cast<std::size_t>(index.videos[i].place)];
      if (place.part)
        detail::fail_merge(part, concat("holds ", index.text(i, VideoSetIndex::name), " in the place of ",
                                        place.part->index.text(place.video, VideoSetIndex::name), " in ",
                                        place.part->folder.string(), "; prepare both again from the same folder"));
      const VideoSetIndex::Shard* const shard = index.find_shard(index.videos[i].shard);
      place = {&part, i, shard ? first + (shard - index.shards.data()) : 0};
    }
  }

  void add_video(std::size_t i) {
    const Place& place = places_[i];
    if (!place.part)
      throw FileError(concat(set_.string(), ": video ", i, " of ", merged_.listed,
                             " is in none of the parts; were they "
                             "made from the same folder? Prepare them again"));
    const VideoSetIndex& index = place.part->index;
    VideoSetIndex::Video video = index.videos[place.video];
    video.shard = place.shard;
    merged_.add(video, index.text(place.video, VideoSetIndex::name), index.text(place.video, VideoSetIndex::path),
                index.text(place.video, VideoSetIndex::remark));
  }

  std::filesystem::path set_;
  VideoSetIndex merged_;
  std::vector<Place> places_;
  std::vector<Shard> shards_;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
