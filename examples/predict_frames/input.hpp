// What predict_frames continues.
#pragma once

#include <cmath>
#include <dvd/data/moving_shapes.hpp>
#include <dvd/io/video_file.hpp>
#include <dvd/models/config.hpp>
#include <optional>

#include "options.hpp"

namespace examples {

/// The frames given to the model and, as far as the file goes on, those that it should find.
struct Input {
  dvd::Clip clip;  ///< given frames first
  double frames_per_second = 0;
  std::optional<dvd::Index> label = {};  ///< where it is known
};

inline std::string count_of(dvd::Index count, const std::string& what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

/// Reads them from the file that is named. Throws ArgumentError where the file ends before the last given frame,
/// FileError where it is damaged.
inline Input read_input(const PredictOptions& options, const dvd::DvdGanConfig& config, dvd::Index stride,
                        dvd::Index steps) {
  dvd::require(!options.input->empty(), "--input names no file");
  const dvd::VideoFile video(*options.input);
  const dvd::VideoInfo info = video.info();
  const double rate = info.frames_per_second, end = video.seconds(info.frames - 1) + 1 / rate;
  const dvd::Index first = video.frame_at(options.start);
  const dvd::Index given = config.condition_frames, needed = first + (given - 1) * stride + 1;
  if (needed > info.frames || options.start >= end) {
    const dvd::Index latest = info.frames - (given - 1) * stride - 1;
    // Rounded down, so that it can be followed to the letter.
    const double latest_start = latest >= 0 ? std::floor(1000 * video.seconds(latest)) / 1000 : 0;
    throw dvd::ArgumentError(
        fmt::format("{} has {} ({:.2f} s); the model is given {}{} from second {:g} on, which is too late; {}",
                    *options.input, count_of(info.frames, "frame"), end, count_of(given, "frame"),
                    stride > 1 ? fmt::format(", every {}. one,", stride) : "", options.start,
                    latest >= 0  ? fmt::format("--start may be at most {:.3f}", latest_start)
                    : stride > 1 ? "use a longer video, or a lower --stride"
                                 : "use a longer video"));
  }
  dvd::require(config.image_channels == 1 || config.image_channels == 3, "the model continues videos of ",
               config.image_channels, " channels; video files have 3, or 1 in grey");
  const dvd::Framing framing{
      .height = config.image_height(), .width = config.image_width(), .image_channels = config.image_channels};
  const auto read = [&](dvd::Index frames) {
    return Input{video.read(first, frames, stride, framing), rate / static_cast<double>(stride)};
  };
  // Where the file is damaged further on, there is less to compare with.
  Input input = read(given);
  dvd::Index readable = given, wanted = std::min(given + steps, (info.frames - 1 - first) / stride + 1);
  for (dvd::Index frames = wanted; readable < wanted; frames = readable + (wanted - readable + 1) / 2) try {
      input = read(frames);
      readable = frames;
    } catch (const dvd::FileError&) {
      wanted = frames - 1;
    }
  return input;
}

/// A clip of moving shapes that no training has seen, of the class `label` or, without one, of a class that the seed
/// draws; as long as the model's own, which is all that there is of it.
inline Input draw_input(const PredictOptions& options, const dvd::DvdGanConfig& config,
                        std::optional<dvd::Index> label) {
  const dvd::MovingShapes shapes({.frames = config.video_frames(),
                                  .height = config.image_height(),
                                  .width = config.image_width(),
                                  .image_channels = config.image_channels});
  const dvd::Random random = dvd::Random(options.common.seed).stream("shown by predict_frames");
  const dvd::Index drawn = label ? *label : random.stream("class").below(0, shapes.classes());
  return {shapes.draw(random, drawn).clip, 8, drawn};
}

}  // namespace examples
