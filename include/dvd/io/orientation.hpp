// Which way up a frame is shown: what a display matrix says, and pictures turned and mirrored accordingly.
#pragma once

#include "dvd/core/macros_begin.hpp"

extern "C" {
#include <libavutil/display.h>
#include <libavutil/frame.h>
}

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "dvd/core/is_finite.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::detail {

/// A display matrix as files have it: 3 x 3 numbers in fixed point (libavutil/display.h).
using DisplayMatrix = std::array<std::int32_t, 9>;

/// One of the eight ways in which a picture can lie: first its rows and columns change places, if they do, then it is
/// mirrored left to right, top to bottom, or both.
struct Orientation {
  bool transposed = false;
  bool mirrored = false;  ///< left to right
  bool flipped = false;   ///< top to bottom

  friend bool operator==(const Orientation&, const Orientation&) = default;
};

/// What the ffmpeg program does by itself with such a matrix; nothing for one that turns by other angles than quarters.
inline std::optional<Orientation> orientation_of(const DisplayMatrix& matrix) {
  const double turn = av_display_rotation_get(matrix.data());  // counter-clockwise, -180 to 180
  if (!is_finite(turn)) return Orientation{};                  // a matrix of zeros says nothing
  switch ((360 - std::lround(turn)) % 360) {
    case 359:
    case 0:
    case 1:
      return Orientation{.flipped = matrix[4] < 0};
    case 90:
      return Orientation{.transposed = true, .mirrored = matrix[3] <= 0};
    case 180:
      return Orientation{.mirrored = matrix[0] < 0, .flipped = matrix[4] < 0};
    case 270:
      return Orientation{.transposed = true, .mirrored = matrix[3] < 0, .flipped = true};
    default:
      return std::nullopt;
  }
}

/// Copies a picture of 1 or 3 bytes a pixel as it is to be shown.
inline void copy_oriented(const AVFrame& picture, std::ptrdiff_t bytes, const Orientation& shown,
                          std::uint8_t* target) {
  const std::ptrdiff_t row = picture.linesize[0];
  const std::ptrdiff_t columns = shown.transposed ? picture.height : picture.width;
  const std::ptrdiff_t rows = shown.transposed ? picture.width : picture.height;
  // Steps in `picture` from a pixel of the target to its neighbours to the right and below, and to the first one.
  std::ptrdiff_t right = shown.transposed ? row : bytes, below = shown.transposed ? bytes : row, start = 0;
  if (shown.mirrored) start += (columns - 1) * right, right = -right;
  if (shown.flipped) start += (rows - 1) * below, below = -below;
  for (std::ptrdiff_t y = 0; y < rows; ++y) {
    const std::uint8_t* const source = picture.data[0] + start + y * below;
    if (right == bytes) {
      target = std::copy_n(source, columns * bytes, target);
    } else {
      for (std::ptrdiff_t x = 0; x < columns; ++x) target = std::copy_n(source + x * right, bytes, target);
    }
  }
}

}  // namespace dvd::inline DVD_INSTRUCTION_SET::detail

#include "dvd/core/macros_end.hpp"
