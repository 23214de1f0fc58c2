// Videos of any kind behind one type: sets, folders of files, files of numbers, moving shapes.
#pragma once

#include <dvd/core/tensor.hpp>
#include <dvd/device/cpu.hpp>
#include <dvd/io/clip.hpp>
#include <dvd/metrics/clip_choice.hpp>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace examples {

/// A dvd::VideoCollection.
class Videos {
 public:
  virtual ~Videos() = default;

  virtual dvd::Index size() const = 0;
  virtual std::string name(dvd::Index i) const = 0;
  virtual dvd::Index label(dvd::Index i) const = 0;
  virtual dvd::Index frames(dvd::Index i) const = 0;
  virtual dvd::Clip clip(dvd::Index i, dvd::Index first, dvd::Index frames, dvd::Index stride) const = 0;
  /// Clips `[T, N, H, W, C]` in [-1, 1].
  virtual dvd::Tensor<float> clips(std::span<const dvd::ChosenClip> chosen, dvd::Index frames, dvd::Index stride) const;

  dvd::Index classes() const { return static_cast<dvd::Index>(class_names.size()); }

  std::vector<std::string> class_names;  ///< none: no labels
  std::string description;               ///< for people
  std::string identity;                  ///< what tells these videos from others, for fingerprints
  dvd::Index height = 0, width = 0, channels = 3;
};

/// What videos are opened for.
struct VideosRequest {
  std::string flag;   ///< for messages: "--real"
  std::string place;  ///< what it names
  std::string split = {}, index = {};
  dvd::Index frames = 0;  ///< of a clip; 0: as the first video has
  dvd::Index stride = 1;
  dvd::Index height = 0, width = 0;  ///< 0: as the first video has
  dvd::Index channels = 3;
  std::uint64_t seed = 0;  ///< of moving shapes
  dvd::Index shapes = 0;   ///< of moving shapes: how many
  std::function<void(const std::string&)> warn = {};
};

/// Opens what `request.place` names. Throws ArgumentError where it is nothing of the kind, FileError where it is
/// damaged.
std::unique_ptr<Videos> open_videos(const VideosRequest& request);

/// Opens a folder of video files (in videos_video.cpp).
std::unique_ptr<Videos> open_folder(const VideosRequest& request);

/// Whether a safetensors file is one of videos, rather than a checkpoint.
bool is_file_of_videos(const std::string& path);

}  // namespace examples
