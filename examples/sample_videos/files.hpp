// What sample_videos writes.
#pragma once

#include <cmath>
#include <dvd/io/images.hpp>
#include <dvd/io/safetensors.hpp>

#include "../common/video_files.hpp"
#include "request.hpp"

namespace examples {

/// Videos that are small enough together for a picture of them all.
inline constexpr dvd::Index most_videos_in_a_picture = 64;

/// Whether every video is a file of its own.
inline bool has_a_file_a_video(const SampleProgramOptions& options) {
  return options.format == "gif" || options.format == "mp4";
}

/// Whether there is a file for which all videos have to be seen at once.
inline bool has_a_picture_of_all(const SampleProgramOptions& options, dvd::Index count) {
  return options.format == "png" || (has_a_file_a_video(options) && count > 1 && count <= most_videos_in_a_picture);
}

/// FOLDER/NAME.FORMAT
inline std::filesystem::path path_of(const SampleProgramOptions& options, const std::string& name) {
  return std::filesystem::path(options.common.out) / (name + "." + options.format);
}

/// Writes a clip as .gif or .mp4. Returns its path.
inline std::filesystem::path write_clip(const SampleProgramOptions& options, const std::string& name,
                                        const dvd::Clip& clip) {
  const std::filesystem::path path = path_of(options, name);
  if (options.format == "gif")
    write_gif(path, clip, options.fps);
  else
    write_mp4(path, clip, options.fps);
  return path;
}

/// The name of video number `i`: its number and, where there are any, its class.
inline std::string video_name(const Request& request, const std::vector<std::string>& names, dvd::Index i) {
  std::string name = fmt::format("{:04}", i);
  if (!names.empty()) name += "-" + names[static_cast<std::size_t>(request.labels[static_cast<std::size_t>(i)])];
  for (char& letter : name)
    if (letter == '/' || letter == '\\' || static_cast<unsigned char>(letter) < 32) letter = '_';
  if (name.size() > 200) {  // file systems allow 255 bytes
    std::size_t end = 200;
    while ((static_cast<unsigned char>(name[end]) & 0xc0) == 0x80) --end;  // within a character
    name.resize(end);
  }
  return name;
}

/// Writes videos number `first`, `first + 1`, ... to a file each.
inline void write_each(const SampleProgramOptions& options, const Request& request,
                       const std::vector<std::string>& names, dvd::Index first, const std::vector<dvd::Clip>& clips) {
  for (std::size_t i = 0; i < clips.size(); ++i) {
    const dvd::Clip& clip = clips[i];
    const int scale = dvd::legible_scale(clip.height, clip.width);
    write_clip(options, video_name(request, names, first + static_cast<dvd::Index>(i)),
               dvd::tile_clips(std::span(&clip, 1), 1, scale, 0));
  }
}

/// Writes all videos as one picture, side by side: `clips` are all.
inline std::filesystem::path write_picture(const SampleProgramOptions& options, const std::vector<dvd::Clip>& clips) {
  const int scale = dvd::legible_scale(clips.front().height, clips.front().width);
  if (options.format == "png") {
    const std::filesystem::path path = path_of(options, "videos");
    dvd::write_png(path, dvd::film_strips(clips, scale, 2));
    return path;
  }
  const auto columns = static_cast<dvd::Index>(std::ceil(std::sqrt(static_cast<double>(clips.size()))));
  return write_clip(options, "all", dvd::tile_clips(clips, columns, scale, 2));
}

/// Writes all videos as one safetensors file: `values` are their numbers, in its order.
inline std::filesystem::path write_numbers(const SampleProgramOptions& options, const dvd::DvdGanConfig& config,
                                           const Request& request, const std::vector<float>& values) {
  const std::filesystem::path path = path_of(options, "videos");
  const dvd::Index count = request.z.extent(0);
  dvd::SafetensorsWriter writer;
  const std::vector<float> z = request.z.to_vector();
  writer.add<float>("videos",
                    {count, config.frames, config.image_channels, config.image_height(), config.image_width()}, values);
  if (!request.labels.empty()) writer.add<std::int64_t>("labels", {count}, request.labels);
  writer.add<float>("z", {count, request.z.extent(1)}, z);
  writer.write(path);
  return path;
}

}  // namespace examples
