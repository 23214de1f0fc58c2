// Pictures of one size out of frames of any.
#pragma once

#include "dvd/core/macros_begin.hpp"

extern "C" {
#include <libavutil/frame.h>
#include <libavutil/pixdesc.h>
}

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "dvd/core/error.hpp"
#include "dvd/io/orientation.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Pictures of one size cut out of frames of any shape: the largest rectangle of that shape, scaled.
struct Framing {
  std::int64_t resolution = 64;  ///< pixels: height and width, where these are not given
  /// Where the rectangle lies along the side of the frame that is cut: 0 left or top, 0.5 in the middle, 1 right or
  /// bottom.
  double position = 0.5;
  std::int64_t height = 0;          ///< pixels; 0: as `resolution` says
  std::int64_t width = 0;           ///< pixels; 0: as `resolution` says
  std::int64_t image_channels = 3;  ///< 3: RGB; 1: grey, which is the luma that libswscale gives

  std::int64_t image_height() const { return height != 0 ? height : resolution; }
  std::int64_t image_width() const { return width != 0 ? width : resolution; }

  /// Throws ArgumentError for a height or width below one or beyond 8192, a position outside [0, 1], and channels other
  /// than 1 and 3.
  void validate() const {
    for (const std::int64_t side : {image_height(), image_width()})
      require(side >= 1 && side <= 8192, "frames of a video cannot be brought to ", image_height(), "x", image_width(),
              " pixels (expected 1 to 8192 of each)");
    require(position >= 0 && position <= 1, "frames of a video cannot be cut at position ", position,
            " (expected 0 to 1)");
    require(image_channels == 1 || image_channels == 3, "frames of a video cannot have ", image_channels,
            " channels (expected 1, grey, or 3, RGB)");
  }
};

namespace detail {

// Cuts a frame that will be shown as `shown` says: what is left then has the shape of the framing, and lies at its
// position, as nearly as whole samples of colour allow.
inline void cut_frame(AVFrame& frame, const Framing& framing, const Orientation& shown) {
  const std::int64_t height = shown.transposed ? framing.image_width() : framing.image_height();
  const std::int64_t width = shown.transposed ? framing.image_height() : framing.image_width();
  const bool wide = frame.width * height > frame.height * width;
  const std::int64_t side = wide ? frame.width : frame.height;
  const AVPixFmtDescriptor* const format = av_pix_fmt_desc_get(static_cast<AVPixelFormat>(frame.format));
  const int shift = !format ? 0 : wide ? format->log2_chroma_w : format->log2_chroma_h;
  const std::int64_t grid = std::int64_t{1} << shift;  // pixels that share a sample of colour
  // Rounded to the nearest: a * b / c.
  const auto scaled = [](std::int64_t a, std::int64_t b, std::int64_t c) { return (a * b + c / 2) / c; };
  std::int64_t kept = wide ? scaled(frame.height, width, height) : scaled(frame.width, height, width);
  kept = std::clamp<std::int64_t>(kept, 1, side);
  if (kept < side && kept > grid) kept -= kept % grid;
  const std::int64_t spare = side - kept;
  const bool reversed = wide != shown.transposed ? shown.mirrored : shown.flipped;
  const std::int64_t offset = std::lround(framing.position * static_cast<double>(spare));
  std::int64_t before = reversed ? spare - offset : offset;
  before -= before % grid;
  (wide ? frame.crop_left : frame.crop_top) = static_cast<std::size_t>(before);
  (wide ? frame.crop_right : frame.crop_bottom) = static_cast<std::size_t>(spare - before);
  if (av_frame_apply_cropping(&frame, AV_FRAME_CROP_UNALIGNED) < 0) throw FileError("its frames cannot be cut");
}

}  // namespace detail

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
