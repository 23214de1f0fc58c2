// Where a run's clips come from: moving shapes or video files, behind one type.
#pragma once

#include <fmt/core.h>

#include <dvd/data/moving_shapes.hpp>
#include <dvd/data/video_folder.hpp>
#include <functional>
#include <memory>

#include "options.hpp"

namespace examples {

/// A clip source of either kind.
struct DataSet {
  std::function<dvd::LabelledClip(const dvd::Random&)> draw_clip;
  std::vector<std::string> names;
  std::string description;

  dvd::LabelledClip draw(const dvd::Random& random) const { return draw_clip(random); }
  dvd::Index classes() const { return static_cast<dvd::Index>(names.size()); }
  const std::vector<std::string>& class_names() const { return names; }
};

/// Opens what `--data` names, or moving shapes. Files that cannot be used are named on the error output, once each.
inline std::unique_ptr<DataSet> open_data(const TrainOptions& options) {
  if (options.data.empty()) {
    const dvd::MovingShapes shapes({.frames = options.model.frames, .resolution = options.model.resolution});
    return std::make_unique<DataSet>(
        DataSet{[shapes](const dvd::Random& random) { return shapes.draw(random); }, shapes.class_names(), ""});
  }
  const auto folder = std::make_shared<dvd::VideoFolder>(
      options.data,
      dvd::VideoFolderOptions{.frames = options.model.frames,
                              .resolution = options.model.resolution,
                              .stride = options.stride,
                              .random_crop = !options.center_crop,
                              .split = options.split,
                              .warn = [](const std::string& line) { fmt::print(stderr, "warning: {}\n", line); }});
  return std::make_unique<DataSet>(DataSet{[folder](const dvd::Random& random) { return folder->draw(random); },
                                           folder->class_names(),
                                           fmt::format(", {} videos, {} skipped", folder->size(), folder->skipped())});
}

}  // namespace examples
