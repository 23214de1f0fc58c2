// A clip in host memory as files hold it: what readers of video files return and writers of pictures take.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <cstdint>
#include <vector>

#include "dvd/core/error.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

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

/// Throws ArgumentError unless a clip holds the pixels that its sizes promise, at least one.
inline void check_pixels(const Clip& clip) {
  constexpr std::int64_t largest = 1 << 20;  // keeps the product within 64 bits
  const bool sizes = clip.frames >= 1 && clip.height >= 1 && clip.width >= 1 && clip.frames <= largest &&
                     clip.height <= largest && clip.width <= largest;
  require(sizes && clip.pixels.size() == static_cast<std::size_t>(clip.frames * clip.height * clip.width * 3),
          "a clip says ", clip.frames, " frames of ", clip.height, "x", clip.width, " pixels and holds ",
          clip.pixels.size(), " bytes (expected 1 to ", largest, " of each, and 3 bytes a pixel)");
}

/// A clip and the index of its class.
struct LabelledClip {
  Clip clip;
  std::int64_t label = 0;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
