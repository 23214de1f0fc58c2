// Clips from a folder of video files, or of class folders of them: UCF-101 as published, or any other.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <iterator>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/core/random.hpp"
#include "dvd/data/folder_lists.hpp"
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
  /// A list of the videos to use, "Class/video.avi" a line, or "video.avi" where there are no classes, a number behind
  /// it ignored: a path, or the name of a file in UCF-101's `ucfTrainTestlist`, such as trainlist01.txt. Empty: all.
  std::filesystem::path split = {};
  /// Told once, in one line, of each file that is skipped and each class without videos; by one thread at a time, on
  /// whichever drew. It may ask the folder, and draw from it.
  std::function<void(const std::string&)> warn = {};
};

/// Draws random clips from a folder that holds one folder a class with video files of any container and codec that
/// FFmpeg reads. Hidden files are ignored. UCF-101 may be given as the folder that holds `UCF-101` and
/// `ucfTrainTestlist`, or as `UCF-101` itself with `ucfTrainTestlist` beside it.
///
/// A folder that holds no folders but files is a set without labels: `classes()` is 0.
///
/// Classes are numbered from 0 in the order of `ucfTrainTestlist/classInd.txt` where that names any of the folders,
/// those it does not name behind it; else in the order of their names; whatever the split. Every file is opened once at
/// construction, in parallel; those that cannot be decoded, have no video track or are too short for a clip are named
/// through `warn`, counted and skipped.
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
    find_folders(root);
    find_classes();
    open_videos(options_.split.empty() ? all_files() : listed_files());
  }

  std::int64_t classes() const { return static_cast<std::int64_t>(class_names_.size()); }
  const std::vector<std::string>& class_names() const { return class_names_; }
  /// Videos to draw from.
  std::int64_t size() const { return static_cast<std::int64_t>(videos_.size()); }
  /// Files skipped so far: at construction, and those that could not be decoded when they were drawn.
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
      const std::int64_t first = choice.below(1, video.file.info().frames - span() + 1);
      const double position = options_.random_crop ? choice.uniform(2) : 0.5;
      try {
        return {video.file.read(first, options_.frames, options_.stride, framing(position)), video.label};
      } catch (const FileError& error) {
        report_failure(index, error.what());
      }
    }
  }

 private:
  struct Candidate {
    std::filesystem::path path;
    std::int64_t label;
  };
  struct Video {
    VideoFile file;
    std::int64_t label;
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

  // While the folder is being opened.
  void skip(const std::string& why) {
    ++skipped_;
    warnings_.add(why + "; skipped");
  }

  void find_folders(const std::filesystem::path& root) {
    std::error_code error;
    const auto is_folder = [&](const std::filesystem::path& path) {
      return std::filesystem::is_directory(path, error);
    };
    if (!is_folder(root)) throw FileError(concat(root.string(), ": no such folder"));
    videos_folder_ = is_folder(root / "UCF-101") ? root / "UCF-101" : root;
    // "/videos/UCF-101/" without its last slash, and "." by its name: then the parent is the folder around it.
    std::filesystem::path whole = std::filesystem::absolute(root).lexically_normal();
    if (!whole.has_filename()) whole = whole.parent_path();
    for (const auto& folder : {root / lists_name, whole.parent_path() / lists_name})
      if (lists_folder_.empty() && is_folder(folder)) lists_folder_ = folder;
  }

  void find_classes() {
    for (const std::filesystem::path& entry : detail::visible_entries(videos_folder_))
      if (std::filesystem::is_directory(entry) && entry.filename() != lists_name)
        class_names_.push_back(entry.filename().string());
    if (class_names_.empty()) return;  // a set without labels

    std::error_code error;
    const std::filesystem::path list = lists_folder_ / "classInd.txt";
    if (lists_folder_.empty() || !std::filesystem::exists(list, error)) return;
    std::vector<std::string> listed;  // lines: "1 ApplyEyeMakeup"
    for (const std::string& line : detail::read_lines(list)) {
      const auto [number, name] = detail::split_at_last_blank(line);
      if (number != std::to_string(listed.size() + 1))
        throw FileError(concat(list.string(), ": line \"", line, "\" should be ", listed.size() + 1, " and a class"));
      listed.push_back(name);
    }
    // Lists that know none of the folders belong to another data set.
    const auto is_listed = [&](const std::string& name) {
      return std::find(listed.begin(), listed.end(), name) != listed.end();
    };
    if (std::none_of(class_names_.begin(), class_names_.end(), is_listed)) return;
    std::remove_copy_if(class_names_.begin(), class_names_.end(), std::back_inserter(listed), is_listed);
    class_names_ = std::move(listed);
  }

  std::vector<Candidate> all_files() const {
    std::vector<Candidate> files;
    std::error_code error;
    const auto add = [&](const std::filesystem::path& folder, std::int64_t label) {
      for (const std::filesystem::path& path : detail::visible_entries(folder))
        if (!std::filesystem::is_directory(path, error)) files.push_back({path, label});
    };
    if (class_names_.empty()) add(videos_folder_, 0);
    for (std::int64_t label = 0; label < classes(); ++label) {
      const std::filesystem::path folder = videos_folder_ / class_names_[static_cast<std::size_t>(label)];
      if (std::filesystem::is_directory(folder, error)) add(folder, label);  // else a class of classInd.txt alone
    }
    return files;
  }

  std::vector<Candidate> listed_files() {
    std::error_code error;
    const bool is_named = !lists_folder_.empty() && std::filesystem::exists(lists_folder_ / options_.split, error);
    const std::filesystem::path list = is_named ? lists_folder_ / options_.split : options_.split;
    if (!std::filesystem::is_regular_file(list, error))
      throw FileError(
          concat(list.string(), ": no such split; expected the path of a list of videos, or the name of one in ",
                 lists_folder_.empty() ? "a folder ucfTrainTestlist beside the videos" : lists_folder_.string()));
    std::vector<Candidate> files;
    std::set<std::string> seen;
    for (const std::string& line : detail::read_lines(list)) {
      const auto [front, back] = detail::split_at_last_blank(line);
      const std::string& name = detail::is_number(back) ? front : line;
      if (!seen.insert(name).second) continue;
      if (class_names_.empty()) {
        files.push_back({videos_folder_ / name, 0});
        continue;
      }
      const std::string class_name = name.substr(0, name.find('/'));
      const auto found = std::find(class_names_.begin(), class_names_.end(), class_name);
      if (found == class_names_.end())
        skip(concat(list.string(), ": ", name, " is in no class folder"));
      else
        files.push_back({videos_folder_ / name, found - class_names_.begin()});
    }
    return files;
  }

  void open_videos(const std::vector<Candidate>& files) {
    // By index, and reported in order afterwards: the outcome does not depend on the threads.
    std::vector<std::optional<VideoFile>> opened(files.size());
    std::vector<std::string> failures(files.size());
    cpu::parallel_calls(static_cast<Index>(files.size()), [&](Index number) {
      const auto i = static_cast<std::size_t>(number);
      try {
        VideoFile file(files[i].path);
        if (file.info().frames >= span())
          opened[i] = std::move(file);
        else
          failures[i] = concat(files[i].path.string(), ": has ", file.info().frames, " frames, a clip needs ", span());
      } catch (const FileError& error) {
        failures[i] = error.what();
      }
    });
    std::vector<std::int64_t> videos_of_class(class_names_.size());
    for (std::size_t i = 0; i < files.size(); ++i) {
      if (!opened[i]) {
        skip(failures[i]);
        continue;
      }
      videos_.push_back({std::move(*opened[i]), files[i].label});
      if (!class_names_.empty()) ++videos_of_class[static_cast<std::size_t>(files[i].label)];
    }
    failed_.resize(videos_.size());
    if (videos_.empty()) fail_without_videos(files.size());
    for (std::size_t label = 0; label < class_names_.size(); ++label)
      if (videos_of_class[label] == 0)
        warnings_.add(concat(videos_folder_.string(), ": class ", class_names_[label], " has no usable video"));
  }

  [[noreturn]] void fail_without_videos(std::size_t files) const {
    const std::string expected = concat("; expected videos of at least ", span(), " frames");
    if (!class_names_.empty())
      throw FileError(concat(videos_folder_.string(), ": no usable video in ", classes(), " class folders, ", skipped_,
                             " files skipped", expected));
    if (files > 0)
      throw FileError(concat(videos_folder_.string(), ": holds no class folders, and no usable video among its ", files,
                             files == 1 ? " file" : " files", expected));
    throw FileError(concat(videos_folder_.string(),
                           ": holds neither folders nor files; expected one folder a class, with videos, or videos "
                           "without classes"));
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

  static constexpr const char* lists_name = "ucfTrainTestlist";

  VideoFolderOptions options_;  // without `warn`
  mutable detail::WarningQueue warnings_;
  std::filesystem::path videos_folder_, lists_folder_;
  std::vector<std::string> class_names_;
  std::vector<Video> videos_;
  mutable std::mutex mutex_;  // guards what follows, once the constructor is done
  mutable std::int64_t skipped_ = 0;
  mutable std::vector<bool> failed_;
  mutable std::size_t failures_ = 0;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
