// How pictures of predictions tell the frames that were given from those that were made.
#pragma once

#include <dvd/io/images.hpp>

namespace examples {

/// The clip enlarged, with an amber border inside its first `given` frames.
inline dvd::Clip with_marked_frames(const dvd::Clip& clip, std::int64_t given, int scale) {
  constexpr std::uint8_t amber[] = {255, 176, 0};
  dvd::Clip result = dvd::tile_clips(std::span(&clip, 1), 1, scale, 0);
  const std::int64_t thickness = std::max<std::int64_t>(1, std::min(result.height, result.width) / 40);
  for (std::int64_t t = 0; t < std::min(given, result.frames); ++t)
    for (std::int64_t y = 0; y < result.height; ++y)
      for (std::int64_t x = 0; x < result.width; ++x)
        if (std::min({x, y, result.width - 1 - x, result.height - 1 - y}) < thickness)
          std::copy_n(amber, 3, result.frame(t) + (y * result.width + x) * 3);
  return result;
}

}  // namespace examples
