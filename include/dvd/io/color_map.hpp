// Clips of any channels in the three colours that pictures have.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

#include "dvd/core/error.hpp"
#include "dvd/io/clip.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// How a picture shows a clip of one channel.
enum class ColorMap {
  grey,     ///< black to white
  viridis,  ///< dark violet by green to yellow: equal steps look equal, in grey and to colour-blind eyes, too
};

/// A clip of numbers in 8 bits: -1 .. 1 become 0 .. 255, what lies beyond is clamped, and what is no number is black.
inline Clip to_clip(const FloatClip& clip) {
  detail::check_clip_size(clip.size(), clip.values.size(), "values");
  Clip result(clip.frames, clip.height, clip.width, clip.channels);
  std::transform(clip.values.begin(), clip.values.end(), result.pixels.begin(), detail::byte_of<float>);
  return result;
}

namespace detail {

using Rgb = std::array<std::uint8_t, 3>;
using RgbTable = std::array<Rgb, 256>;

/// The colour of each level of a clip of one channel.
inline RgbTable color_table(ColorMap map) {
  // Matplotlib's viridis (van der Walt and Smith, 2015; public domain) at eighths, in between on straight lines.
  constexpr int viridis[9][3] = {{68, 1, 84},    {71, 44, 122}, {59, 81, 139},  {44, 113, 142}, {33, 144, 141},
                                 {39, 173, 129}, {92, 200, 99}, {170, 220, 50}, {253, 231, 37}};
  RgbTable table;
  for (int level = 0; level < 256; ++level)
    for (std::size_t c = 0; c < 3; ++c) {
      const int place = level * 8, below = std::min(place / 255, 7), rest = place - below * 255;
      const int mixed = (viridis[below][c] * (255 - rest) + viridis[below + 1][c] * rest + 127) / 255;
      table[static_cast<std::size_t>(level)][c] = static_cast<std::uint8_t>(map == ColorMap::grey ? level : mixed);
    }
  return table;
}

}  // namespace detail

/// A clip as pictures show it. One channel becomes grey, or what the map says. Of two the first is orange and the
/// second blue, which together are white. Three are RGB. Of four and more the first three are taken for RGB, and the
/// others, such as an alpha channel, are not seen. ArgumentError where the clip is empty or malformed.
inline Clip to_rgb(const Clip& clip, ColorMap map = ColorMap::grey) {
  check_pixels(clip);
  if (clip.channels == 3) return clip;
  const detail::RgbTable table = detail::color_table(map);
  Clip result(clip.frames, clip.height, clip.width);
  const std::uint8_t* from = clip.pixels.data();
  for (auto to = result.pixels.begin(); to != result.pixels.end(); to += 3, from += clip.channels)
    if (clip.channels == 1) {
      std::ranges::copy(table[*from], to);
    } else if (clip.channels == 2) {
      to[0] = from[0];
      to[1] = static_cast<std::uint8_t>((from[0] + from[1] + 1) / 2);
      to[2] = from[1];
    } else {
      std::copy_n(from, 3, to);
    }
  return result;
}

/// The same of a clip of numbers, see `to_clip`.
inline Clip to_rgb(const FloatClip& clip, ColorMap map = ColorMap::grey) { return to_rgb(to_clip(clip), map); }

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
