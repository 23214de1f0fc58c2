// Clips from a folder of video files, or of class folders of them: UCF-101, Kinetics, or any other.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/core/random.hpp"
#include "dvd/data/video_list.hpp"
#include "dvd/data/warning_queue.hpp"
#include "dvd/device/cpu/parallel.hpp"
#include "dvd/io/clip.hpp"
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
  /// Told once, in one line, of each file that is skipped and each class without videos; by one thread at a time, on
  /// whichever drew. It may ask the folder, and draw from it.
  std::function<void(const std::string&)> warn = {};
};

/// Draws random clips from the videos that `find_videos` finds in a folder, of any container and codec that FFmpeg
/// reads; its remarks go to `warn`. In a set without labels `classes()` is 0.
///
/// Every file is opened once at construction, in parallel; those that cannot be decoded, have no video track or are too
/// short for a clip are named through `warn`, counted and skipped.
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
  /// Videos to draw from.
  std::int64_t size() const { return static_cast<std::int64_t>(videos_.size()); }
  /// Files skipped so far: those that a list names and that are not there, those skipped at construction, and those
  /// that could not be decoded when they were drawn.
  std::int64_t skipped() const {
    const std::lock_guard lock(mutex_);
    return skipped_;
  }

  /// A clip [frames, height, width] from a video chosen uniformly, starting at a frame chosen uniformly; the largest
  /// part of its frames of that shape at a random place, or in the middle, scaled. Depends on `random` and the files
  /// alone.
  ///
  /// A video that fails to decode is named through `warn` the first time, and another is drawn. Throws FileError once
  /// all have failed. Several threads may draw at once.
  LabelledClip draw(const Random& random) const {
    for (std::uint64_t attempt = 0;; ++attempt) {
      const Random choice = random.stream(attempt);
      const auto index = static_cast<std::size_t>(choice.below(0, size()));
      const Video& video = videos_[index];
      const std::int64_t first = video.first + choice.below(1, video.frames - span() + 1);
      const double position = options_.random_crop ? choice.uniform(2) : 0.5;
      try {
        return {video.file.read(first, options_.frames, options_.stride, framing(position)), video.label};
      } catch (const FileError& error) {
        report_failure(index, error.what());
      }
    }
  }

 private:
  struct Video {
    VideoFile file;
    std::int64_t label;
    std::int64_t first, frames;  // of the file, to draw from
  };

  static constexpr std::int64_t most_frames = 1 << 20;  // of a clip, and the largest stride

  // Frames of a video that a clip reaches over.
  std::int64_t span() const { return (options_.frames - 1) * options_.stride + 1; }

  Framing framing(double position) const {
    return {.resolution = options_.resolution,
            .position = position,
            .height = options_.height,
            .width = options_.width,
            .image_channels = options_.image_channels};
  }

  static VideoFile open_video(const ListedVideo& listed) {
    if (!listed.pictures.empty()) throw FileError(concat(listed.path.string(), ": pictures cannot be read yet"));
    return VideoFile(listed.path);
  }

  // The frames of a file that are the listed video. Throws FileError where these are too few.
  Video video_of(VideoFile file, const ListedVideo& listed) const {
    const VideoInfo& info = file.info();
    const auto frame_at = [&](double seconds) {
      return std::min(info.frames, static_cast<std::int64_t>(std::llround(seconds * info.frames_per_second)));
    };
    std::int64_t first = frame_at(listed.start), end = listed.end > 0 ? frame_at(listed.end) : info.frames;
    // Some name the part as they name the whole: a file no longer than the part is that.
    if (listed.end > 0 && info.frames <= frame_at(listed.end - listed.start + 1)) {
      first = 0;
      end = info.frames;
    }
    if (end - first < span())
      throw FileError(
          concat(file.path().string(), ": has ", std::max<std::int64_t>(end - first, 0), " frames",
                 listed.end > 0 ? concat(" from ", listed.start, " s to ", listed.end, " s") : std::string(),
                 ", a clip needs ", span()));
    return {std::move(file), listed.label, first, end - first};
  }

  void open_videos(const std::vector<ListedVideo>& listed) {
    // By index, and reported in order afterwards: the outcome does not depend on the threads.
    std::vector<std::optional<Video>> opened(listed.size());
    std::vector<std::string> failures(listed.size());
    cpu::parallel_calls(static_cast<Index>(listed.size()), [&](Index number) {
      const auto i = static_cast<std::size_t>(number);
      try {
        opened[i] = video_of(open_video(listed[i]), listed[i]);
      } catch (const FileError& error) {
        failures[i] = error.what();
      }
    });
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
    bool first, all;
    {
      const std::lock_guard lock(mutex_);
      first = !failed_[index];
      if (first) {
        failed_[index] = true;
        ++failures_;
        ++skipped_;
      }
      all = failures_ == videos_.size();
    }
    if (first) warnings_.add(why + "; skipped");
    if (all)
      throw FileError(concat(videos_folder_.string(), ": none of its ", videos_.size(),
                             " videos can be decoded any more; the last one: ", why));
  }

  VideoFolderOptions options_;  // without `warn`
  mutable detail::WarningQueue warnings_;
  std::filesystem::path videos_folder_;
  std::vector<std::string> class_names_;
  std::vector<Video> videos_;
  mutable std::mutex mutex_;  // guards what follows, once the constructor is done
  mutable std::int64_t skipped_ = 0;
  mutable std::vector<bool> failed_;
  mutable std::size_t failures_ = 0;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
