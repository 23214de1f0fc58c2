// Clips from video files.
#include <dvd/core/utf8.hpp>
#include <dvd/data/video_folder.hpp>

#include "data.hpp"

namespace examples {

std::unique_ptr<DataSet> open_video_folder(const TrainOptions& options, std::function<void(const std::string&)> warn) {
  const auto folder = std::make_shared<dvd::VideoFolder>(
      options.data, dvd::VideoFolderOptions{.frames = options.model.video_frames(),
                                            .height = options.model.image_height(),
                                            .width = options.model.image_width(),
                                            .image_channels = options.model.image_channels,
                                            .stride = options.stride,
                                            .random_crop = !options.center_crop,
                                            .split = options.split,
                                            .keep_index = options.index != "none",
                                            .index_file = options.index == "none" ? "" : options.index,
                                            .warn = std::move(warn)});
  std::vector<std::string> names;  // as text, which is what files of a run hold
  for (const std::string& name : folder->class_names()) names.push_back(dvd::utf8_text(name));
  return std::make_unique<DataSet>(DataSet{
      [folder](const dvd::Random& random) { return folder->draw(random); }, [folder] { return folder->skipped(); },
      std::move(names), fmt::format(", {} videos, {} skipped", folder->size(), folder->skipped()), nullptr});
}

}  // namespace examples
