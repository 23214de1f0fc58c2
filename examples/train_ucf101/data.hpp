// Where a run's clips come from: moving shapes, a prepared set or video files, behind one type.
#pragma once

#include <fmt/core.h>

#include <algorithm>
#include <dvd/core/utf8.hpp>
#include <dvd/data/flipped_clips.hpp>
#include <dvd/data/function_source.hpp>
#include <dvd/data/moving_shapes.hpp>
#include <dvd/data/video_set.hpp>
#include <functional>
#include <memory>

#include "../common/video_files.hpp"
#include "options.hpp"

namespace examples {

/// A clip source of any kind.
struct DataSet {
  std::function<dvd::LabelledClip(const dvd::Random&)> draw_clip;
  std::function<dvd::Index()> count_skipped;
  std::vector<std::string> names;
  std::string description;
  dvd::Json prepared = nullptr;  ///< how the frames of a prepared set were made

  dvd::LabelledClip draw(const dvd::Random& random) const { return draw_clip(random); }
  /// 0: the set has no labels.
  dvd::Index classes() const { return static_cast<dvd::Index>(names.size()); }
  const std::vector<std::string>& class_names() const { return names; }
  /// Files that could not be used so far.
  dvd::Index skipped_files() const { return count_skipped(); }
};

/// Opens the videos that `--data` names (in data_video.cpp).
std::unique_ptr<DataSet> open_video_folder(const TrainOptions& options, std::function<void(const std::string&)> warn);

/// Opens the prepared set that `--data` names.
inline std::unique_ptr<DataSet> open_video_set(const TrainOptions& options,
                                               std::function<void(const std::string&)> warn) {
  const auto set =
      std::make_shared<dvd::VideoSet>(options.data, dvd::VideoSetOptions{.frames = options.model.video_frames(),
                                                                         .stride = options.stride,
                                                                         .split = options.split,
                                                                         .warn = std::move(warn)});
  dvd::DvdGanConfig fitting = options.model;
  set_size(fitting, fmt::format("{}x{}", set->height(), set->width()));
  fitting.image_channels = set->channels();
  dvd::require(size_text(fitting) == size_text(options.model) && fitting.image_channels == options.model.image_channels,
               "--data ", options.data, " is a set of ", pixels_text(fitting), ", and the model is to make ",
               pixels_text(options.model), "; give --resolution ", resolution_text(fitting), " --image-channels ",
               fitting.image_channels, ", or prepare another set");
  std::vector<std::string> names;  // as text, which is what files of a run hold
  for (const std::string& name : set->class_names()) names.push_back(dvd::utf8_text(name));
  return std::make_unique<DataSet>(
      DataSet{.draw_clip = [set](const dvd::Random& random) { return set->draw(random); },
              .count_skipped = [set] { return set->skipped(); },
              .names = std::move(names),
              .description = fmt::format(", a prepared set of {} videos, {} skipped", set->size(), set->skipped()),
              .prepared = dvd::detail::format_json(set->index().format)});
}

/// Numbers the classes of a set as a run that goes on has them, if that knows them all: some of its classes may have
/// lost their videos since, and were numbered in another way by earlier versions.
inline void number_as(DataSet& set, const std::vector<std::string>& known) {
  std::vector<dvd::Index> numbers;
  for (const std::string& name : set.names) {
    const auto found = std::find(known.begin(), known.end(), name);
    if (found == known.end()) return;
    numbers.push_back(found - known.begin());
  }
  if (set.names.empty() || set.names == known) return;
  set.names = known;
  set.draw_clip = [draw = std::move(set.draw_clip), numbers](const dvd::Random& random) {
    dvd::LabelledClip drawn = draw(random);
    drawn.label = numbers[static_cast<std::size_t>(drawn.label)];
    return drawn;
  };
}

/// Opens what `--data` names, or moving shapes. `warn` is told of files that cannot be used, once of each, now and
/// later, by any thread. Throws ArgumentError where there is no such folder, and in a build without video files.
inline std::unique_ptr<DataSet> open_data(const TrainOptions& options, std::function<void(const std::string&)> warn) {
  if (options.data.empty()) {
    const dvd::MovingShapes shapes({.frames = options.model.video_frames(),
                                    .height = options.model.image_height(),
                                    .width = options.model.image_width(),
                                    .image_channels = options.model.image_channels});
    return std::make_unique<DataSet>(DataSet{[shapes](const dvd::Random& random) { return shapes.draw(random); },
                                             [] { return dvd::Index{0}; }, shapes.class_names(), "", nullptr});
  }
  if (dvd::is_video_set(options.data) || dvd::is_unfinished_video_set(options.data))
    return open_video_set(options, std::move(warn));
  require_video_files("--data");
  dvd::require(
      std::filesystem::is_directory(options.data), "--data ", options.data,
      std::filesystem::exists(options.data) ? " is not a folder" : ": no such folder",
      "; expected a set of prepare_videos, UCF-101, a folder of class folders of videos, or a folder of videos");
  if constexpr (with_video_files) return open_video_folder(options, std::move(warn));
  return nullptr;
}

/// What a run trains on: the clips of a set, which must outlive this, mirrored at random if that is asked for. What is
/// shown and scored are the clips as they are.
inline dvd::FunctionSource clips_to_train_on(const TrainOptions& options, const DataSet& data) {
  if (!options.flip)
    return dvd::FunctionSource([&data](const dvd::Random& random) { return data.draw(random); }, data.names);
  return dvd::FunctionSource(
      [flipped = dvd::FlippedClips(data)](const dvd::Random& random) { return flipped.draw(random); }, data.names);
}

}  // namespace examples
