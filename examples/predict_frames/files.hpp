// What predict_frames says and writes.
#pragma once

#include <algorithm>
#include <cmath>
#include <dvd/device/cpu.hpp>
#include <dvd/io/clip_tensor.hpp>
#include <dvd/io/safetensors.hpp>
#include <dvd/io/video_writer.hpp>
#include <dvd/layers/embedding.hpp>

#include "../common/given_frames.hpp"
#include "../common/psnr.hpp"
#include "../common/sizes.hpp"
#include "input.hpp"

namespace examples {

inline constexpr std::int64_t most_frames_in_a_picture = 64;

/// Says how near the continuations come to what the file shows, and how near its last given frame, repeated, does.
inline void compare(const dvd::Clip& truth, dvd::Index given, const std::vector<dvd::Clip>& made) {
  const dvd::Index shared = std::min(truth.frames - given, made.front().frames - given);
  if (shared < 1) return;
  const std::int64_t size = truth.height * truth.width * truth.channels;
  double mean = 0, best = -1, repeated = 0;
  for (const dvd::Clip& clip : made) {
    double one = 0;
    for (dvd::Index t = given; t < given + shared; ++t) one += psnr(truth.frame(t), clip.frame(t), size);
    one /= static_cast<double>(shared);
    mean += one / static_cast<double>(made.size());
    best = std::max(best, one);
  }
  for (dvd::Index t = given; t < given + shared; ++t)
    repeated += psnr(truth.frame(t), truth.frame(given - 1), size) / static_cast<double>(shared);
  fmt::print(
      "PSNR       {:.1f} dB over the {} that followed (best continuation {:.1f}); repeating the last "
      "given frame: {:.1f} dB\n",
      mean, count_of(shared, "frame"), best, repeated);
}

/// `clip` with grey frames behind it, `frames` in all.
inline dvd::Clip padded(const dvd::Clip& clip, dvd::Index frames) {
  dvd::Clip result(frames, clip.height, clip.width, clip.channels);
  std::ranges::fill(result.pixels, dvd::detail::background);
  std::copy_n(clip.pixels.begin(), std::min(clip.pixels.size(), result.pixels.size()), result.pixels.begin());
  return result;
}

/// The first frames of clips: a picture of more would be too wide to look at.
inline std::vector<dvd::Clip> beginnings(std::vector<dvd::Clip> clips) {
  for (dvd::Clip& clip : clips) {
    clip.frames = std::min<std::int64_t>(clip.frames, most_frames_in_a_picture);
    clip.pixels.resize(static_cast<std::size_t>(clip.frames * clip.height * clip.width * clip.channels));
  }
  return clips;
}

/// What the safetensors file has beside the truth.
struct Numbers {
  std::vector<float> videos;          ///< [count, frames, P, H, W], given frames first
  std::vector<std::vector<float>> z;  ///< of every round: [count, latent_dim]
};

/// Writes truth, if the file goes on, and continuations side by side. Returns what was written.
inline std::vector<std::filesystem::path> write(const PredictOptions& options, const dvd::DvdGanConfig& config,
                                                const Input& input, const std::vector<dvd::Clip>& made,
                                                const Numbers& numbers, const dvd::Labels& labels) {
  const std::filesystem::path folder = options.common.out;
  const dvd::Index given = config.condition_frames, frames = made.front().frames;
  std::vector<dvd::Clip> rows;
  if (input.clip.frames > given) rows.push_back(padded(input.clip, frames));
  rows.insert(rows.end(), made.begin(), made.end());
  for (dvd::Clip& row : rows) row = with_marked_frames(row, given, dvd::legible_scale(row.height, row.width));
  const auto columns = static_cast<dvd::Index>(std::ceil(std::sqrt(static_cast<double>(rows.size()))));
  const dvd::Index side_by_side = rows.size() <= 5 ? static_cast<dvd::Index>(rows.size()) : columns;
  const double fps = options.fps > 0 ? options.fps : std::clamp(input.frames_per_second, 0.1, 240.0);

  std::vector<std::filesystem::path> files;
  std::vector<std::string> formats = options.formats;  // the numbers first: pictures can be made from them again
  std::stable_partition(formats.begin(), formats.end(),
                        [](const std::string& format) { return format == "safetensors"; });
  for (const std::string& format : formats) {
    const std::filesystem::path path = folder / ("prediction." + format);
    if (std::ranges::find(files, path) != files.end()) continue;
    files.push_back(path);
    if (format == "png") {
      dvd::write_png(path, dvd::film_strips(beginnings(rows), 1, 2));
    } else if (format == "gif") {
      dvd::write_gif(path, dvd::tile_clips(rows, side_by_side, 1, 2), fps);
    } else if (format == "mp4") {
      dvd::write_mp4(path, dvd::tile_clips(rows, side_by_side, 1, 2), fps);
    } else {
      const auto count = static_cast<dvd::Index>(made.size());
      const std::vector<dvd::Clip> truth_clips = {input.clip};
      const std::vector<float> truth = dvd::to_file_order(dvd::to_tensor<float>(truth_clips));
      dvd::SafetensorsWriter writer;
      const dvd::Clip& clip = input.clip;
      writer.add<float>("videos", {count, frames, clip.channels, clip.height, clip.width}, numbers.videos);
      writer.add<float>("truth", {clip.frames, clip.channels, clip.height, clip.width}, truth);
      if (!labels.empty()) writer.add<std::int64_t>("labels", {count}, labels);
      std::vector<float> z;
      for (const std::vector<float>& round : numbers.z) z.insert(z.end(), round.begin(), round.end());
      writer.add<float>("z", {static_cast<dvd::Index>(numbers.z.size()), count, config.latent_dim}, z);
      writer.set_metadata("condition_frames", std::to_string(given));
      writer.write(path);
    }
  }
  return files;
}

/// Throws ArgumentError for pictures beyond reason, before anything is computed.
inline void check_size(const PredictOptions& options, const dvd::DvdGanConfig& config, dvd::Index steps) {
  constexpr double most_bytes = 4e9;
  const dvd::Index height = config.image_height(), width = config.image_width();
  const double scale = dvd::legible_scale(height, width), pixels = static_cast<double>(height * width) * scale * scale;
  const double bytes =
      3 * pixels * static_cast<double>(options.count + 1) * static_cast<double>(config.condition_frames + steps);
  dvd::require(bytes <= most_bytes, "--steps ", steps, " with --count ", options.count, " would make ",
               fmt::format("{:.0f}", bytes / 1e9), " GB of frames; use fewer steps or continuations");
}

}  // namespace examples
