// Clips from a prepared set: frames decoded and scaled once, by prepare_videos, and mapped into memory.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/core/random.hpp"
#include "dvd/data/video_set_index.hpp"
#include "dvd/io/clip.hpp"
#include "dvd/io/mapped_file.hpp"
#include "dvd/io/safetensors_header.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Whether a folder is a set that is complete: has an index.
inline bool is_video_set(const std::filesystem::path& folder) {
  std::error_code error;
  return std::filesystem::is_regular_file(index_of_set(folder), error);
}

/// Whether a folder is a set that is being prepared, or whose preparation was cut short before it ever ended.
inline bool is_unfinished_video_set(const std::filesystem::path& folder) {
  std::error_code error;
  return !is_video_set(folder) && std::filesystem::is_regular_file(folder / "unfinished" / "plan.json", error);
}

/// What a VideoSet draws.
struct VideoSetOptions {
  std::int64_t frames = 16;  ///< of a clip
  std::int64_t stride = 1;   ///< of a video's frames, a clip takes every stride-th
  /// The videos of one split: the name of a list that the set was made from, such as trainlist01.txt, or trainlist01,
  /// or the path of such a list. Empty: all.
  std::filesystem::path split = {};
  /// Told once, in one line, how many videos are too short for a clip, and of each class without videos.
  std::function<void(const std::string&)> warn = {};
};

/// The videos of a set, mapped into memory. Needs no FFmpeg. Opening checks the index and the sizes of all shards;
/// drawing copies contiguous frames.
///
///     dvd::VideoSet videos("ucf-64", {.frames = 16, .split = "trainlist01.txt"});
///     dvd::LabelledClip clip = videos.draw(random);
class VideoSet {
 public:
  /// Throws FileError where the set is missing, unfinished or damaged, has no such split or no video long enough;
  /// ArgumentError for frames and strides below one.
  explicit VideoSet(std::filesystem::path root, VideoSetOptions options = {})
      : root_(std::move(root)), options_(std::move(options)) {
    require(options_.frames >= 1 && options_.frames <= most_frames, "VideoSet: ", options_.frames,
            " frames are outside 1 to ", most_frames);
    require(options_.stride >= 1 && options_.stride <= most_frames, "VideoSet: stride ", options_.stride,
            " is outside 1 to ", most_frames);
    if (is_unfinished_video_set(root_))
      fail("is a set whose preparation has not ended; run the same prepare_videos again, which goes on");
    index_ = read_set_index(root_);
    map_shards();
    choose_videos();
    options_.warn = nullptr;
  }

  std::int64_t classes() const { return static_cast<std::int64_t>(index_.class_names.size()); }
  const std::vector<std::string>& class_names() const { return index_.class_names; }
  std::int64_t height() const { return index_.format.height; }
  std::int64_t width() const { return index_.format.width; }
  std::int64_t channels() const { return index_.format.channels; }
  /// All that the set knows about itself.
  const VideoSetIndex& index() const { return index_; }

  /// Videos to draw from; the functions below take their numbers, from 0.
  std::int64_t size() const { return static_cast<std::int64_t>(videos_.size()); }
  /// Videos that there would be, were they not too short or skipped when the set was prepared.
  std::int64_t skipped() const { return skipped_; }

  std::string_view name(std::int64_t i) const { return index_.text(number_of(i), VideoSetIndex::name); }
  std::int64_t label(std::int64_t i) const { return video(i).label; }
  std::int64_t frames(std::int64_t i) const { return video(i).frames; }
  double frames_per_second(std::int64_t i) const { return video(i).frames_per_second; }

  /// Frames first, first + stride, ... of video i. Throws ArgumentError where it has no such video or frames.
  Clip clip(std::int64_t i, std::int64_t first, std::int64_t frames, std::int64_t stride = 1) const {
    const VideoSetIndex::Video& source = video(i);
    require(first >= 0 && frames >= 1 && stride >= 1 && first < source.frames &&
                frames - 1 <= (source.frames - 1 - first) / stride,
            "VideoSet: video ", i, " has ", source.frames, " frames, too few for ", frames, " at stride ", stride,
            " from frame ", first, " on");
    Clip result;
    result.frames = frames;
    result.height = height();
    result.width = width();
    result.channels = channels();
    const auto bytes = static_cast<std::size_t>(index_.format.frame_bytes());
    const std::uint8_t* const begin = starts_[static_cast<std::size_t>(i)] + static_cast<std::size_t>(first) * bytes;
    if (stride == 1) {
      result.pixels.assign(begin, begin + static_cast<std::size_t>(frames) * bytes);
    } else {
      result.pixels.reserve(static_cast<std::size_t>(frames) * bytes);
      for (std::int64_t t = 0; t < frames; ++t) {
        const std::uint8_t* const frame = begin + static_cast<std::size_t>(t * stride) * bytes;
        result.pixels.insert(result.pixels.end(), frame, frame + bytes);
      }
    }
    return result;
  }

  /// A clip from a video chosen uniformly, starting at a frame chosen uniformly. Depends on `random` and the set alone.
  /// Several threads may draw at once.
  LabelledClip draw(const Random& random) const {
    const std::int64_t i = random.below(0, size());
    const std::int64_t first = random.below(1, frames(i) - span() + 1);
    return {clip(i, first, options_.frames, options_.stride), label(i)};
  }

 private:
  static constexpr std::int64_t most_frames = 1 << 20;  // of a clip, and the largest stride

  [[noreturn]] void fail(const std::string& what) const { throw FileError(concat(root_.string(), ": ", what)); }

  // Frames of a video that a clip reaches over.
  std::int64_t span() const { return (options_.frames - 1) * options_.stride + 1; }

  std::size_t number_of(std::int64_t i) const {
    require(i >= 0 && i < size(), "VideoSet: there is no video ", i, " (expected 0 to ", size() - 1, ")");
    return videos_[static_cast<std::size_t>(i)];
  }
  const VideoSetIndex::Video& video(std::int64_t i) const { return index_.videos[number_of(i)]; }

  // All at once: what is mapped stays, whatever happens to the files later.
  void map_shards() {
    for (const VideoSetIndex::Shard& shard : index_.shards) {
      const std::filesystem::path path = shard_of_set(root_, shard.number);
      shards_.emplace_back(path, static_cast<std::uint64_t>(shard.size));
      if (detail::safetensors_header_hash(shards_.back().bytes()) != shard.header_hash)
        throw FileError(concat(path.string(),
                               ": is not the shard that the set's index describes; prepare the set "
                               "again, or bring the shard back"));
    }
  }

  std::uint64_t wanted_splits() const {
    if (options_.split.empty()) return 0;
    const std::string wanted = options_.split.filename().string();
    std::string names;
    for (std::size_t i = 0; i < index_.split_names.size(); ++i) {
      const std::string& name = index_.split_names[i];
      if (name == wanted || std::filesystem::path(name).stem() == wanted) return std::uint64_t{1} << i;
      names += (names.empty() ? "" : ", ") + name;
    }
    fail(concat("was prepared without the split ", options_.split.string(), " (expected ",
                names.empty() ? "none: it knows no splits; prepare it again with --split LIST" : "one of " + names,
                ")"));
  }

  void choose_videos() {
    const std::uint64_t splits = wanted_splits();
    std::unordered_map<std::int64_t, std::size_t> shard_places;
    for (std::size_t i = 0; i < index_.shards.size(); ++i) shard_places.emplace(index_.shards[i].number, i);
    std::vector<std::int64_t> videos_of_class(index_.class_names.size());
    std::int64_t listed = 0, too_short = 0;
    for (std::size_t i = 0; i < index_.videos.size(); ++i) {
      const VideoSetIndex::Video& each = index_.videos[i];
      if (splits != 0 && (each.splits & splits) == 0) continue;
      ++listed;
      if (each.frames < span()) {
        too_short += each.frames > 0;
        continue;
      }
      const MappedFile& shard = shards_[shard_places.at(each.shard)];
      videos_.push_back(static_cast<std::uint32_t>(i));
      starts_.push_back(reinterpret_cast<const std::uint8_t*>(shard.bytes().data()) + each.offset);
      if (!videos_of_class.empty()) ++videos_of_class[static_cast<std::size_t>(each.label)];
    }
    skipped_ = listed - size();
    const std::string clips = concat("a clip of ", options_.frames, " frames at stride ", options_.stride);
    if (videos_.empty())
      fail(concat("none of its ", listed, listed == 1 ? " video" : " videos",
                  options_.split.empty() ? "" : " in " + options_.split.string(), " is long enough for ", clips,
                  "; ask for fewer frames or a smaller stride"));
    if (!options_.warn) return;
    if (too_short > 0)
      options_.warn(concat(root_.string(), ": ", too_short, " of ", listed, listed == 1 ? " video " : " videos ",
                           too_short == 1 ? "is" : "are", " too short for ", clips, "; left out"));
    for (std::size_t label = 0; label < videos_of_class.size(); ++label)
      if (videos_of_class[label] == 0)
        options_.warn(concat(root_.string(), ": class ", index_.class_names[label], " has no usable video"));
  }

  std::filesystem::path root_;
  VideoSetOptions options_;
  VideoSetIndex index_;
  std::vector<MappedFile> shards_;
  std::vector<std::uint32_t> videos_;        // numbers in the index
  std::vector<const std::uint8_t*> starts_;  // of their first frames
  std::int64_t skipped_ = 0;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
