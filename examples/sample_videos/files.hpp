// What sample_videos writes.
#pragma once

#include <cmath>
#include <deque>
#include <dvd/io/images.hpp>
#include <dvd/io/safetensors.hpp>
#include <map>

#include "../common/video_files.hpp"
#include "request.hpp"

namespace examples {

/// Writes all videos as one picture, or one file a video, or one safetensors file. Returns what was written.
inline std::vector<std::filesystem::path> write(const SampleProgramOptions& options, const Request& request,
                                                const std::vector<std::string>& names, const std::vector<float>& values,
                                                const std::vector<dvd::Clip>& clips) {
  const std::filesystem::path folder = options.common.out;
  const auto count = static_cast<dvd::Index>(clips.size());
  const dvd::Clip& first = clips.front();
  if (options.format == "safetensors") {
    dvd::SafetensorsWriter writer;
    const std::vector<float> z = request.z.to_vector();
    writer.add<float>("videos", {count, first.frames, first.channels, first.height, first.width}, values);
    if (!request.labels.empty()) writer.add<std::int64_t>("labels", {count}, request.labels);
    writer.add<float>("z", {count, request.z.extent(1)}, z);
    writer.write(folder / "videos.safetensors");
    return {folder / "videos.safetensors"};
  }
  const int scale = dvd::legible_scale(first.height, first.width);
  if (options.format == "png") {
    dvd::write_png(folder / "videos.png", dvd::film_strips(clips, scale, 2));
    return {folder / "videos.png"};
  }
  std::vector<std::filesystem::path> files;
  const auto write_clip = [&](const std::string& name, const dvd::Clip& clip) {
    files.push_back(folder / (name + "." + options.format));
    if (options.format == "gif")
      write_gif(files.back(), clip, options.fps);
    else
      write_mp4(files.back(), clip, options.fps);
  };
  for (dvd::Index i = 0; i < count; ++i) {
    std::string name = fmt::format("{:04}", i);
    if (!names.empty()) name += "-" + names[static_cast<std::size_t>(request.labels[static_cast<std::size_t>(i)])];
    for (char& letter : name)
      if (letter == '/' || letter == '\\' || static_cast<unsigned char>(letter) < 32) letter = '_';
    if (name.size() > 200) {  // file systems allow 255 bytes
      std::size_t end = 200;
      while ((static_cast<unsigned char>(name[end]) & 0xc0) == 0x80) --end;  // within a character
      name.resize(end);
    }
    write_clip(name, dvd::tile_clips(std::span(&clips[static_cast<std::size_t>(i)], 1), 1, scale, 0));
  }
  if (count > 1 && count <= 64) {
    const auto columns = static_cast<dvd::Index>(std::ceil(std::sqrt(static_cast<double>(count))));
    write_clip("all", dvd::tile_clips(clips, columns, scale, 2));
  }
  return files;
}

/// Writes a generator in half precision, under the names that a checkpoint gives to its only weights.
template <class Generator>
void save_generator(const std::filesystem::path& path, Generator& generator,
                    const std::map<std::string, std::string>& metadata) {
  dvd::SafetensorsWriter writer;
  std::deque<std::vector<float>> values;  // the writer refers to what is not converted
  const auto add = [&](const std::string& name, const auto& tensor) {
    values.push_back(tensor.to_vector());
    const bool fits = std::all_of(values.back().begin(), values.back().end(),
                                  [](float value) { return std::abs(value) <= 65504; });  // the largest half
    writer.add(name, {tensor.shape().begin(), tensor.shape().end()}, values.back(),
               fits ? dvd::DataType::F16 : dvd::DataType::F32);
  };
  const auto all = dvd::contents(generator, "generator.");
  for (const auto& [name, parameter] : all.parameters) add(name, parameter->value);
  for (const auto& [name, buffer] : all.buffers) add(name, buffer->value);
  for (const char* key : {"config", "dvd.version"})
    if (metadata.contains(key)) writer.set_metadata(key, metadata.at(key));
  writer.add_checksum();
  writer.write(path);
}

}  // namespace examples
