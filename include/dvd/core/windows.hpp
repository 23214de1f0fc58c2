// Windows that slide over images and videos: what convolutions of any kernel and poolings of any window have in common.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>

#include "dvd/core/shape.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// How windows lie along one axis: tap k of window o is at `o * stride + k * dilation - padding`. What lies outside
/// 0 .. inputs - 1 is padding.
struct WindowAxis {
  Index inputs = 1;   ///< positions that the windows slide over
  Index outputs = 1;  ///< windows
  Index kernel = 1;   ///< taps of a window
  Index stride = 1, dilation = 1;
  Index padding = 0;  ///< positions before the first one
  /// Taps of the last window that lie behind even the padding: averages do not count them.
  Index overhang = 0;

  /// Where a tap of a window lies, or -1 in the padding.
  constexpr Index position(Index window, Index tap) const {
    const Index place = window * stride + tap * dilation - padding;
    return place >= 0 && place < inputs ? place : -1;
  }
  /// The window whose tap lies at a position, or -1.
  constexpr Index window(Index position, Index tap) const {
    const Index distance = position + padding - tap * dilation;
    return distance >= 0 && distance % stride == 0 && distance / stride < outputs ? distance / stride : -1;
  }

  /// The first and the last position that taps of windows `from` .. `to` may lie at.
  constexpr Index first_reached(Index from) const { return std::max<Index>(from * stride - padding, 0); }
  constexpr Index last_reached(Index to) const {
    return std::min(to * stride - padding + (kernel - 1) * dilation, inputs - 1);
  }

  // Where dilation is 1, as it is in pooling: the first and the last window over a position, and how many positions of
  // a window are none of the padding.
  constexpr Index first_window(Index position) const {
    const Index past = position + padding - kernel + 1;
    return past > 0 ? (past + stride - 1) / stride : 0;
  }
  constexpr Index last_window(Index position) const { return std::min((position + padding) / stride, outputs - 1); }
  constexpr Index inside(Index window) const {
    const Index begin = window * stride - padding;
    return std::min(begin + kernel, inputs) - std::max<Index>(begin, 0);
  }
  // How many of its taps an average is taken over that counts padding, or does not.
  constexpr Index counted(Index window, bool count_padding) const {
    if (!count_padding) return inside(window);
    return window == outputs - 1 ? kernel - overhang : kernel;
  }
};

/// Some rows of some images of some frames.
struct WindowLines {
  Index time = 0, times = 0, image = 0, images = 0, row = 0, rows = 0;  ///< the first of each, and how many

  constexpr Index count() const { return times * images * rows; }
};

/// Windows over `[time, batch, height, width, channels]`, an axis each but for the batch. Windows are counted in that
/// order, `[time, batch, height, width]`, and the taps of one `[time, height, width]`.
struct WindowSize {
  Index batch, channels;
  WindowAxis time, height, width;

  constexpr Index taps() const { return time.kernel * height.kernel * width.kernel; }
  constexpr Index windows() const { return time.outputs * batch * height.outputs * width.outputs; }
  /// Positions that windows slide over.
  constexpr Index pixels() const { return time.inputs * batch * height.inputs * width.inputs; }

  /// How many taps the average of a window is taken over. Dilation is 1.
  constexpr Index counted(Index window, bool count_padding) const {
    const Index line = window / width.outputs, image = line / height.outputs;
    return time.counted(image / batch, count_padding) * height.counted(line % height.outputs, count_padding) *
           width.counted(window % width.outputs, count_padding);
  }

  /// The positions and the window of a tap that are counted as above: -1 where there is none.
  constexpr Index pixel(Index window, Index tap) const {
    const Index line = window / width.outputs, image = line / height.outputs;
    const Index t = time.position(image / batch, tap / (height.kernel * width.kernel));
    const Index h = height.position(line % height.outputs, tap / width.kernel % height.kernel);
    const Index w = width.position(window % width.outputs, tap % width.kernel);
    return t < 0 || h < 0 || w < 0 ? -1 : ((t * batch + image % batch) * height.inputs + h) * width.inputs + w;
  }
  constexpr Index window(Index pixel, Index tap) const {
    const Index line = pixel / width.inputs, image = line / height.inputs;
    const Index t = time.window(image / batch, tap / (height.kernel * width.kernel));
    const Index h = height.window(line % height.inputs, tap / width.kernel % height.kernel);
    const Index w = width.window(pixel % width.inputs, tap % width.kernel);
    return t < 0 || h < 0 || w < 0 ? -1 : ((t * batch + image % batch) * height.outputs + h) * width.outputs + w;
  }

  /// The lines of pixels that windows `first` .. `first + count - 1`, one at least, may reach.
  constexpr WindowLines lines(Index first, Index count) const {
    const Index begin = first / width.outputs, end = (first + count - 1) / width.outputs;  // lines of windows
    const Index first_image = begin / height.outputs, last_image = end / height.outputs;
    const Index first_time = first_image / batch, last_time = last_image / batch;
    const bool one_time = first_time == last_time, one_image = first_image == last_image;
    WindowLines result;
    result.time = time.first_reached(first_time);
    result.times = time.last_reached(last_time) - result.time + 1;
    result.image = one_time ? first_image % batch : 0;
    result.images = one_time ? last_image - first_image + 1 : batch;
    result.row = height.first_reached(one_image ? begin % height.outputs : 0);
    result.rows = height.last_reached(one_image ? end % height.outputs : height.outputs - 1) - result.row + 1;
    result.times = std::max<Index>(result.times, 0);
    result.rows = std::max<Index>(result.rows, 0);
    return result;
  }
  /// Line number `i` of those, counted over all pixels.
  constexpr Index line(const WindowLines& lines, Index i) const {
    const Index t = lines.time + i / (lines.images * lines.rows), n = lines.image + i / lines.rows % lines.images;
    return (t * batch + n) * height.inputs + lines.row + i % lines.rows;
  }
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
