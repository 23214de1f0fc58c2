// A clip in host memory as files hold it: what readers of video files return and writers of pictures take.
#pragma once

#include <cstdint>
#include <vector>

namespace dvd {

/// RGB frames of equal size, 8 bits a channel, row-major `[frames, height, width, 3]`.
struct Clip {
  std::int64_t frames = 0;
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::vector<std::uint8_t> pixels;

  Clip() = default;
  /// A black clip.
  Clip(std::int64_t frame_count, std::int64_t rows, std::int64_t columns)
      : frames(frame_count),
        height(rows),
        width(columns),
        pixels(static_cast<std::size_t>(frame_count * rows * columns * 3)) {}

  std::uint8_t* frame(std::int64_t t) { return pixels.data() + t * height * width * 3; }
  const std::uint8_t* frame(std::int64_t t) const { return pixels.data() + t * height * width * 3; }
};

/// A clip and the index of its class.
struct LabelledClip {
  Clip clip;
  std::int64_t label = 0;
};

}  // namespace dvd
