// A clip in host memory: as files hold it, in 8 bits, or as numbers of any kind.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/core/is_finite.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// The sizes of a clip.
struct ClipSize {
  std::int64_t frames = 0;
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t channels = 3;

  friend bool operator==(const ClipSize&, const ClipSize&) = default;
};

/// For messages: "8 frames of 64x96 pixels", height first, and behind it " of 2 channels" where they are not RGB.
inline void append_to(std::string& text, const ClipSize& size) {
  text += concat(size.frames, " frames of ", size.height, "x", size.width, " pixels");
  if (size.channels != 3) text += concat(" of ", size.channels, size.channels == 1 ? " channel" : " channels");
}

/// Frames of equal size, 8 bits a channel, row-major `[frames, height, width, channels]`: 3 channels are RGB, 1 is
/// grey.
struct Clip {
  std::int64_t frames = 0;
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t channels = 3;
  std::vector<std::uint8_t> pixels;

  Clip() = default;
  /// A black clip.
  Clip(std::int64_t frame_count, std::int64_t rows, std::int64_t columns, std::int64_t channel_count = 3)
      : frames(frame_count),
        height(rows),
        width(columns),
        channels(channel_count),
        pixels(static_cast<std::size_t>(frame_count * rows * columns * channel_count)) {}

  ClipSize size() const { return {frames, height, width, channels}; }
  std::uint8_t* frame(std::int64_t t) { return pixels.data() + t * height * width * channels; }
  const std::uint8_t* frame(std::int64_t t) const { return pixels.data() + t * height * width * channels; }
};

/// The same of numbers: what a model is given as it is. They should lie in [-1, 1], which is all that a generator can
/// make; what lies beyond is the user's affair, but all must be finite.
struct FloatClip {
  std::int64_t frames = 0;
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t channels = 3;
  std::vector<float> values;

  FloatClip() = default;
  /// A clip of zeros.
  FloatClip(std::int64_t frame_count, std::int64_t rows, std::int64_t columns, std::int64_t channel_count = 3)
      : frames(frame_count),
        height(rows),
        width(columns),
        channels(channel_count),
        values(static_cast<std::size_t>(frame_count * rows * columns * channel_count)) {}

  ClipSize size() const { return {frames, height, width, channels}; }
  float* frame(std::int64_t t) { return values.data() + t * height * width * channels; }
  const float* frame(std::int64_t t) const { return values.data() + t * height * width * channels; }
};

namespace detail {

// A value in [-1, 1] as one of 0 .. 255; what lies beyond is clamped, and what is no number is 0.
template <class Number>
std::uint8_t byte_of(Number value) {
  const Number level = (value + 1) * Number(127.5) + Number(0.5);
  return static_cast<std::uint8_t>(level > 0 ? std::min(level, Number{255}) : Number{0});
}

// Throws ArgumentError unless a clip of this size, which is at least one of each, has so many values.
inline void check_clip_size(const ClipSize& size, std::size_t held, const char* what) {
  constexpr std::int64_t largest = 1 << 20, most_channels = 1 << 16;
  const bool sizes = std::min({size.frames, size.height, size.width, size.channels}) >= 1 &&
                     std::max({size.frames, size.height, size.width}) <= largest && size.channels <= most_channels;
  // Divided, not multiplied: the product of all four may be beyond 64 bits.
  const auto columns = static_cast<std::size_t>(sizes ? size.frames * size.height * size.channels : 1);
  require(sizes && held % columns == 0 && held / columns == static_cast<std::size_t>(size.width), "a clip says ",
          size.frames, " frames of ", size.height, "x", size.width, " pixels of ", size.channels,
          " channels and holds ", held, " ", what, " (expected 1 to ", largest, " frames, rows and columns, 1 to ",
          most_channels, " channels, and one of ", what, " for each channel of each pixel)");
}

}  // namespace detail

/// Throws ArgumentError unless a clip holds the pixels that its sizes promise, at least one.
inline void check_pixels(const Clip& clip) { detail::check_clip_size(clip.size(), clip.pixels.size(), "bytes"); }

/// Throws ArgumentError unless a clip holds the values that its sizes promise, at least one, and all are finite.
inline void check_pixels(const FloatClip& clip) {
  detail::check_clip_size(clip.size(), clip.values.size(), "values");
  const auto found = std::find_if_not(clip.values.begin(), clip.values.end(), is_finite<float>);
  if (found == clip.values.end()) return;
  const std::int64_t place = found - clip.values.begin();
  const std::int64_t pixel = place / clip.channels;
  throw ArgumentError(concat("a clip holds a value that is not finite, channel ", place % clip.channels,
                             " of the pixel at row ", pixel / clip.width % clip.height, ", column ", pixel % clip.width,
                             " of frame ", pixel / clip.width / clip.height,
                             "; expected numbers, in [-1, 1] if the model is to make such"));
}

/// A clip and the index of its class.
struct LabelledClip {
  Clip clip;
  std::int64_t label = 0;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
