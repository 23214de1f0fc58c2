#include "videos.hpp"

#include <fmt/core.h>

#include <dvd/core/utf8.hpp>
#include <dvd/data/moving_shapes.hpp>
#include <dvd/data/video_set.hpp>
#include <dvd/device/cpu.hpp>
#include <dvd/io/clip_tensor.hpp>
#include <dvd/io/content_hash.hpp>
#include <dvd/io/network_file.hpp>
#include <dvd/io/safetensors.hpp>
#include <filesystem>

#include "../common/video_files.hpp"

namespace examples {

dvd::Tensor<float> Videos::clips(std::span<const dvd::ChosenClip> chosen, dvd::Index frames, dvd::Index stride) const {
  std::vector<dvd::Clip> all(chosen.size());
  dvd::cpu::parallel_calls(static_cast<dvd::Index>(chosen.size()), [&](dvd::Index n) {
    const dvd::ChosenClip& each = chosen[static_cast<std::size_t>(n)];
    all[static_cast<std::size_t>(n)] = clip(each.video, each.first, frames, stride);
  });
  return dvd::to_tensor<float>(all);
}

namespace {

std::string size_text(const Videos& videos) {
  return fmt::format("{}x{} pixels{}", videos.height, videos.width, videos.channels == 1 ? " in grey" : "");
}

class ShapesVideos final : public Videos {
 public:
  explicit ShapesVideos(const VideosRequest& request)
      : count_(request.shapes),
        frames_(request.frames > 0 ? request.frames : 8),
        random_(dvd::Random(request.seed).stream("true shapes")),
        shapes_({.frames = frames_,
                 .height = request.height > 0 ? request.height : 32,
                 .width = request.width > 0 ? request.width : 32,
                 .image_channels = request.channels}) {
    height = request.height > 0 ? request.height : 32;
    width = request.width > 0 ? request.width : 32;
    channels = request.channels;
    class_names = shapes_.class_names();
    description = fmt::format("moving shapes (embedded), {} frames of {}", frames_, size_text(*this));
    identity = description;
  }
  dvd::Index size() const override { return count_; }
  std::string name(dvd::Index i) const override { return fmt::format("{:08}", i); }
  dvd::Index label(dvd::Index i) const override { return i % shapes_.classes(); }
  dvd::Index frames(dvd::Index) const override { return frames_; }
  dvd::Clip clip(dvd::Index i, dvd::Index first, dvd::Index frames, dvd::Index stride) const override {
    dvd::require(first == 0 && frames == frames_ && stride == 1, "moving shapes come in clips of ", frames_, " frames");
    return shapes_.draw(random_.stream(static_cast<std::uint64_t>(i)), label(i)).clip;
  }

 private:
  dvd::Index count_, frames_;
  dvd::Random random_;
  dvd::MovingShapes shapes_;
};

class SetVideos final : public Videos {
 public:
  explicit SetVideos(const VideosRequest& request)
      : set_(request.place, {.frames = std::max<dvd::Index>(request.frames, 1),
                             .stride = request.stride,
                             .split = request.split,
                             .warn = request.warn}) {
    height = set_.height();
    width = set_.width();
    channels = set_.channels();
    for (const std::string& each : set_.class_names()) class_names.push_back(dvd::utf8_text(each));
    description = fmt::format("{}, a prepared set of {} videos of {}", request.place, set_.size(), size_text(*this));
    dvd::detail::ContentHash hash;
    for (dvd::Index i = 0; i < set_.size(); ++i) {
      hash.add(set_.name(i));
      hash.add(dvd::concat(set_.frames(i), ' ', set_.label(i)));
    }
    for (const auto& shard : set_.index().shards) hash.add(dvd::concat(shard.size, ' ', shard.header_hash));
    identity = fmt::format("set of {} videos of {}, {}", set_.size(), size_text(*this), hash.text());
    if (!request.split.empty()) identity += ", split " + std::filesystem::path(request.split).filename().string();
  }
  dvd::Index size() const override { return set_.size(); }
  std::string name(dvd::Index i) const override { return std::string(set_.name(i)); }
  dvd::Index label(dvd::Index i) const override { return set_.label(i); }
  dvd::Index frames(dvd::Index i) const override { return set_.frames(i); }
  dvd::Clip clip(dvd::Index i, dvd::Index first, dvd::Index frames, dvd::Index stride) const override {
    return set_.clip(i, first, frames, stride);
  }

 private:
  dvd::VideoSet set_;
};

/// `videos` `[N, T, C, H, W]` in [-1, 1] and, where there are classes, `labels` `[N]`, as sample_videos writes them.
class FileVideos final : public Videos {
 public:
  explicit FileVideos(const std::string& path) {
    const dvd::SafetensorsFile file(path);
    dvd::check_checksum(file, path);
    const auto& shape = file.shape("videos");
    if (shape.size() != 5 || (shape[2] != 1 && shape[2] != 3) || shape[0] < 1 || shape[1] < 1 || shape[3] < 1 ||
        shape[4] < 1)
      throw dvd::FileError(
          dvd::concat(path, ": videos must have shape [N, T, 3, H, W], or 1 in the place of 3 in grey"));
    count_ = shape[0], frames_ = shape[1], channels = shape[2], height = shape[3], width = shape[4];
    values_ = file.read<float>("videos");
    if (file.contains("labels")) {
      labels_ = file.read<std::int64_t>("labels");
      if (static_cast<dvd::Index>(labels_.size()) != count_)
        throw dvd::FileError(dvd::concat(path, ": holds ", count_, " videos and ", labels_.size(), " labels"));
      dvd::Index classes = 0;
      for (const dvd::Index label : labels_) {
        if (label < 0 || label > 1'000'000)
          throw dvd::FileError(dvd::concat(path, ": label ", label, " is none (expected 0, 1, 2, ...)"));
        classes = std::max(classes, label + 1);
      }
      for (dvd::Index label = 0; label < classes; ++label) class_names.push_back(std::to_string(label));
    }
    description = fmt::format("{}, {} videos of {} frames of {}", path, count_, frames_, size_text(*this));
    dvd::detail::ContentHash hash;
    hash.add(std::as_bytes(std::span(values_)));
    identity = fmt::format("{} videos of {}, {}", count_, size_text(*this), hash.text());
  }
  dvd::Index size() const override { return count_; }
  std::string name(dvd::Index i) const override { return fmt::format("{:08}", i); }
  dvd::Index label(dvd::Index i) const override { return labels_.empty() ? 0 : labels_[static_cast<std::size_t>(i)]; }
  dvd::Index frames(dvd::Index) const override { return frames_; }
  dvd::Clip clip(dvd::Index i, dvd::Index first, dvd::Index frames, dvd::Index stride) const override {
    const dvd::ChosenClip chosen{i, first};
    return dvd::to_clips(clips(std::span(&chosen, 1), frames, stride)).front();
  }
  dvd::Tensor<float> clips(std::span<const dvd::ChosenClip> chosen, dvd::Index frames,
                           dvd::Index stride) const override {
    const auto count = static_cast<dvd::Index>(chosen.size());
    const dvd::Index pixels = height * width;
    dvd::Tensor<float> result(dvd::Shape{frames, count, height, width, channels});
    dvd::cpu::parallel_for(frames * count, [&](dvd::Index image) {
      const dvd::ChosenClip& from = chosen[static_cast<std::size_t>(image % count)];
      const dvd::Index t = from.first + image / count * stride;
      for (dvd::Index c = 0; c < channels; ++c)
        for (dvd::Index p = 0; p < pixels; ++p)
          result.data()[(image * pixels + p) * channels + c] =
              values_[static_cast<std::size_t>(((from.video * frames_ + t) * channels + c) * pixels + p)];
    });
    return result;
  }

 private:
  dvd::Index count_ = 0, frames_ = 0;
  std::vector<float> values_;
  std::vector<std::int64_t> labels_;
};

}  // namespace

bool is_file_of_videos(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) return false;
  for (const char* extension :
       {".mp4", ".avi", ".mkv", ".mov", ".webm", ".gif", ".mpg", ".png", ".json", ".pt", ".npz"})
    dvd::require(std::filesystem::path(path).extension() != extension, path,
                 ": is no safetensors file; videos are given by the folder that they are in");
  return dvd::SafetensorsFile(path).contains("videos");
}

std::unique_ptr<Videos> open_videos(const VideosRequest& request) {
  const std::string& place = request.place;
  std::error_code error;
  if (place == "shapes" && !std::filesystem::exists(place, error)) {
    dvd::require(request.split.empty(), request.flag, " shapes knows no splits");
    return std::make_unique<ShapesVideos>(request);
  }
  dvd::require(std::filesystem::exists(place, error), request.flag, ' ', place,
               ": there is no such file or folder; expected a set of prepare_videos, a folder of videos, a safetensors "
               "file of videos, or shapes");
  if (std::filesystem::is_directory(place)) {
    dvd::require(!std::filesystem::is_directory(std::filesystem::path(place) / "checkpoints", error), request.flag, ' ',
                 place, ": is the folder of a run, which holds no videos");
    dvd::require(!std::filesystem::exists(std::filesystem::path(place) / "videos.safetensors", error), request.flag,
                 ' ', place, ": holds videos.safetensors; give that file");
    if (dvd::is_video_set(place) || dvd::is_unfinished_video_set(place)) return std::make_unique<SetVideos>(request);
    require_video_files(request.flag + ' ' + place);
    if constexpr (with_video_files) return open_folder(request);
  }
  dvd::require(is_file_of_videos(place), request.flag, ' ', place,
               ": holds no tensor named videos; expected a file as sample_videos --format safetensors writes it");
  dvd::require(request.split.empty(), request.flag, ' ', place, ": a file of videos knows no splits");
  return std::make_unique<FileVideos>(place);
}

}  // namespace examples
