// Clips from a folder of video files, or of class folders of them: UCF-101, Kinetics, or any other.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/core/random.hpp"
#include "dvd/data/folder_index.hpp"
#include "dvd/data/video_list.hpp"
#include "dvd/data/warning_queue.hpp"
#include "dvd/device/cpu/parallel.hpp"
#include "dvd/io/clip.hpp"
#include "dvd/io/framing.hpp"
#include "dvd/io/picture_files.hpp"
#include "dvd/io/video_file.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// What a VideoFolder draws.
struct VideoFolderOptions {
  std::int64_t frames = 16;         ///< of a clip
  std::int64_t resolution = 64;     ///< pixels: height and width of a clip, where these are not given
  std::int64_t height = 0;          ///< pixels; 0: as `resolution` says
  std::int64_t width = 0;           ///< pixels; 0: as `resolution` says
  std::int64_t image_channels = 3;  ///< 3: RGB; 1: grey
  std::int64_t stride = 1;          ///< of a video's frames, a clip takes every stride-th
  bool random_crop = true;  ///< what is cut from a frame lies anywhere along the side that is cut; else in the middle
  /// The videos to use, as `find_videos` takes it: a list, such as trainlist01.txt of UCF-101 or "kinetics.csv#train",
  /// or a folder of class folders, such as train. Empty: all.
  std::filesystem::path split = {};
  /// Whether to keep what is found out about the files, so that they need not be read when the folder is opened again;
  /// those that have changed since are. A file that cannot be written is no error.
  bool keep_index = true;
  std::filesystem::path index_file = {};  ///< where; empty: in the user's cache, `default_index_path`
  /// Told once, in one line, of each file that is skipped and each class without videos; by one thread at a time, on
  /// whichever drew. It may ask the folder, and draw from it.
  std::function<void(const std::string&)> warn = {};
};

/// Draws random clips from the videos that `find_videos` finds in a folder, of any container and codec that FFmpeg
/// reads; its remarks go to `warn`. In a set without labels `classes()` is 0.
///
/// Every file is opened once at construction, in parallel, unless its index was kept; those that cannot be decoded,
/// have no video track or are too short for a clip are named through `warn`, counted and skipped. A folder of pictures
/// is taken for a video of 25 frames a second.
class VideoFolder {
 public:
  /// Throws FileError where the folder or the split is missing or holds no usable video, and ArgumentError for frames,
  /// height, width or stride below one (height and width: or beyond 8192), and channels other than 1 and 3.
  explicit VideoFolder(const std::filesystem::path& root, VideoFolderOptions options = {})
      : options_(std::move(options)), warnings_(std::exchange(options_.warn, nullptr)) {
    require(options_.frames >= 1 && options_.frames <= most_frames, "VideoFolder: ", options_.frames,
            " frames are outside 1 to ", most_frames);
    require(options_.stride >= 1 && options_.stride <= most_frames, "VideoFolder: stride ", options_.stride,
            " is outside 1 to ", most_frames);
    framing(0.5).validate();
    VideoListing listing = find_videos(root, options_.split);
    for (std::string& remark : listing.remarks) warnings_.add(std::move(remark));
    videos_folder_ = std::move(listing.folder);
    class_names_ = std::move(listing.class_names);
    skipped_ = listing.missing;
    open_videos(listing.videos);
  }

  std::int64_t classes() const { return static_cast<std::int64_t>(class_names_.size()); }
  const std::vector<std::string>& class_names() const { return class_names_; }
  /// Videos to draw from; the functions below take their numbers, from 0.
  std::int64_t size() const { return static_cast<std::int64_t>(videos_.size()); }

  /// What `find_videos` knows the video by.
  const std::string& name(std::int64_t i) const { return video(i).name; }
  std::int64_t label(std::int64_t i) const { return video(i).label; }
  std::int64_t frames(std::int64_t i) const { return video(i).frames; }

  /// Frames first, first + stride, ... of video i, cropped in the middle. Throws ArgumentError where it has no such
  /// video or frames, FileError where they cannot be decoded. Several threads may read at once.
  Clip clip(std::int64_t i, std::int64_t first, std::int64_t frames, std::int64_t stride = 1) const {
    const Video& from = video(i);
    require(first >= 0 && frames >= 1 && stride >= 1 && first < from.frames &&
                frames - 1 <= (from.frames - 1 - first) / stride,
            "VideoFolder: video ", i, " has ", from.frames, " frames, too few for ", frames, " at stride ", stride,
            " from frame ", first, " on");
    return std::visit([&](const auto& file) { return file.read(from.first + first, frames, stride, framing(0.5)); },
                      from.file);
  }

  /// Files that could not be used so far: those that a list names and that are not there, those skipped at
  /// construction, and those of which a clip could not be decoded when it was drawn.
  std::int64_t skipped() const {
    const std::lock_guard lock(mutex_);
    return skipped_;
  }

  /// A clip [frames, height, width] from a video chosen uniformly, starting at a frame chosen uniformly; the largest
  /// part of its frames of that shape at a random place, or in the middle, scaled. Depends on `random` and the files
  /// alone.
  ///
  /// Where a clip cannot be decoded, its video is named through `warn` the first time, and another clip is drawn, of
  /// this video or of another one. Throws FileError where none of any video can be decoded. Several threads may draw at
  /// once.
  LabelledClip draw(const Random& random) const {
    for (std::uint64_t attempt = 0; attempt < most_attempts; ++attempt) {
      const Random choice = random.stream(attempt);
      const auto index = static_cast<std::size_t>(choice.below(0, size()));
      const std::int64_t start = choice.below(1, videos_[index].frames - span() + 1);
      LabelledClip drawn;
      if (read(index, start, options_.random_crop ? choice.uniform(2) : 0.5, drawn)) return drawn;
    }
    return draw_whatever_can_be(random);
  }

 private:
  struct Video {
    std::variant<VideoFile, PictureFiles> file;
    std::int64_t label;
    std::int64_t first, frames;  // of the file, to draw from
    std::string name;            // as listed
  };

  static constexpr std::int64_t most_frames = 1 << 20;  // of a clip, and the largest stride
  static constexpr std::uint64_t most_attempts = 64;    // at drawing a clip by chance

  // Frames of a video that a clip reaches over.
  std::int64_t span() const { return (options_.frames - 1) * options_.stride + 1; }

  Framing framing(double position) const {
    return {.resolution = options_.resolution,
            .position = position,
            .height = options_.height,
            .width = options_.width,
            .image_channels = options_.image_channels};
  }

  // Clip number `start` of a video's; false, and the failure is told, where it cannot be decoded.
  bool read(std::size_t index, std::int64_t start, double position, LabelledClip& drawn) const {
    const Video& video = videos_[index];
    try {
      drawn.label = video.label;
      drawn.clip = std::visit(
          [&](const auto& file) {
            return file.read(video.first + start, options_.frames, options_.stride, framing(position));
          },
          video.file);
      return true;
    } catch (const FileError& error) {
      report_failure(index, error.what());
      return false;
    }
  }

  // Once chance has failed so often, a search: a few clips of each video, from one on that chance gives.
  LabelledClip draw_whatever_can_be(const Random& random) const {
    constexpr std::int64_t most_clips = 16;
    const auto begin = static_cast<std::size_t>(random.stream(most_attempts).below(0, size()));
    for (std::size_t i = 0; i < videos_.size(); ++i) {
      const std::size_t index = (begin + i) % videos_.size();
      const std::int64_t starts = videos_[index].frames - span() + 1, clips = std::min(most_clips, starts);
      LabelledClip drawn;
      for (std::int64_t clip = 0; clip < clips; ++clip)
        if (read(index, clip * starts / clips, 0.5, drawn)) return drawn;
    }
    const std::lock_guard lock(mutex_);
    throw FileError(concat(videos_folder_.string(), ": none of its ", videos_.size(),
                           " videos can be decoded any more; the last one: ", last_failure_));
  }

  // What is found out about files that nothing was kept of.
  struct News {
    std::mutex mutex;
    std::vector<std::pair<std::filesystem::path, detail::FolderIndex::Entry>> entries;
  };

  // From what was kept of the file, if it is the same, or from the file itself.
  static VideoFile open_file(const std::filesystem::path& path, const detail::FolderIndex& kept, News& news) {
    const auto identity = detail::FolderIndex::identity(path);
    const auto* const entry = identity ? kept.find(path, *identity) : nullptr;
    if (entry) try {
        return VideoFile(path, entry->index);
      } catch (const FileError&) {  // an index that does not hold
      }
    VideoFile file(path);
    if (identity) {
      detail::FolderIndex::Entry found{*identity, file.saved_index()};
      const std::lock_guard lock(news.mutex);
      news.entries.emplace_back(path, std::move(found));
    }
    return file;
  }

  // The frames that are the listed video. Throws FileError where these are too few.
  Video video_of(VideoFile file, const ListedVideo& listed) const {
    const std::int64_t frames = file.info().frames;
    const bool is_part = listed.end > 0;
    std::int64_t first = 0, end = frames;
    // Some name the part as they name the whole: a file no longer than the part is that.
    if (is_part && file.seconds(frames - 1) > listed.end - listed.start + 1) {
      const auto frames_before = [&](double second) {
        const std::int64_t frame = file.frame_at(second);
        return file.seconds(frame) < second - 0.0005 ? frame + 1 : frame;
      };
      first = frames_before(listed.start);
      end = frames_before(listed.end);
    }
    check_frames(listed, end - first,
                 is_part ? concat(" from ", listed.start, " s to ", listed.end, " s") : std::string());
    return {std::move(file), listed.label, first, end - first, listed.name};
  }

  Video video_of(PictureFiles pictures, const ListedVideo& listed) const {
    const std::int64_t frames = pictures.info().frames;
    check_frames(listed, frames, "");
    return {std::move(pictures), listed.label, 0, frames, listed.name};
  }

  const Video& video(std::int64_t i) const {
    require(i >= 0 && i < size(), "VideoFolder: there is no video ", i, " (expected 0 to ", size() - 1, ")");
    return videos_[static_cast<std::size_t>(i)];
  }

  void check_frames(const ListedVideo& listed, std::int64_t frames, const std::string& where) const {
    if (frames >= span()) return;
    throw FileError(concat(listed.path.string(), ": has ", frames, frames == 1 ? " frame" : " frames", where,
                           ", a clip needs ", span()));
  }

  std::filesystem::path index_path() const {
    if (!options_.keep_index) return {};
    return options_.index_file.empty() ? default_index_path(videos_folder_) : options_.index_file;
  }

  void open_videos(const std::vector<ListedVideo>& listed) {
    using Clock = std::chrono::steady_clock;
    constexpr std::size_t at_once = 1024;
    constexpr auto between_saves = std::chrono::seconds(60);  // so that little is lost where this is stopped
    detail::FolderIndex kept(index_path(), videos_folder_);
    // By index, and reported in order afterwards: the outcome does not depend on the threads.
    std::vector<std::optional<Video>> opened(listed.size());
    std::vector<std::string> failures(listed.size());
    Clock::time_point saved = Clock::now();
    for (std::size_t begin = 0; begin < listed.size(); begin += at_once) {
      News news;
      cpu::parallel_calls(static_cast<Index>(std::min(at_once, listed.size() - begin)), [&](Index number) {
        const std::size_t i = begin + static_cast<std::size_t>(number);
        try {
          opened[i] = listed[i].pictures.empty() ? video_of(open_file(listed[i].path, kept, news), listed[i])
                                                 : video_of(PictureFiles(listed[i].pictures), listed[i]);
        } catch (const FileError& error) {
          failures[i] = error.what();
        }
      });
      for (auto& [path, entry] : news.entries) kept.put(path, std::move(entry));
      if (begin + at_once >= listed.size() || Clock::now() - saved > between_saves) {
        kept.save();
        saved = Clock::now();
      }
    }
    std::vector<bool> has_videos(class_names_.size());
    for (std::size_t i = 0; i < listed.size(); ++i) {
      if (!opened[i]) {
        ++skipped_;
        warnings_.add(failures[i] + "; skipped");
        continue;
      }
      if (!class_names_.empty()) has_videos[static_cast<std::size_t>(opened[i]->label)] = true;
      videos_.push_back(std::move(*opened[i]));
    }
    failed_.resize(videos_.size());
    if (videos_.empty()) fail_without_videos(listed.size());
    std::vector<std::string> without;
    for (std::size_t label = 0; label < class_names_.size(); ++label)
      if (!has_videos[label]) without.push_back(class_names_[label]);
    if (!without.empty())
      warnings_.add(concat(videos_folder_.string(), ": no usable video of the ",
                           without.size() == 1 ? "class " : "classes ", detail::first_few(without)));
  }

  [[noreturn]] void fail_without_videos(std::size_t files) const {
    throw FileError(concat(videos_folder_.string(), ": no usable video among ",
                           detail::counted(static_cast<std::int64_t>(files), "file"),
                           class_names_.empty() ? std::string(", which lie in no class folders")
                                                : concat(" of ", classes(), classes() == 1 ? " class" : " classes"),
                           "; expected videos of at least ", span(), " frames"));
  }

  // The memory of failures serves the reports alone: were it to steer the choice, draws would depend on earlier ones.
  void report_failure(std::size_t index, const std::string& why) const {
    {
      const std::lock_guard lock(mutex_);
      last_failure_ = why;
      if (failed_[index]) return;
      failed_[index] = true;
      ++skipped_;
    }
    warnings_.add(why + "; another clip is drawn in its place");
  }

  VideoFolderOptions options_;  // without `warn`
  mutable detail::WarningQueue warnings_;
  std::filesystem::path videos_folder_;
  std::vector<std::string> class_names_;
  std::vector<Video> videos_;
  mutable std::mutex mutex_;  // guards what follows, once the constructor is done
  mutable std::int64_t skipped_ = 0;
  mutable std::vector<bool> failed_;
  mutable std::string last_failure_;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
