// What the ways of computing a 3x3 convolution and its gradients share: how frames hang together, and how outputs are
// cut into parts.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/device/cpu/band.hpp"
#include "dvd/device/cpu/product.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cpu {

/// How a convolution's frames hang together: output frame t is the sum over taps k of the convolved source frame
/// `stride * t + k - reach`.
struct FrameWindow {
  Index images;   ///< in a frame
  Index outputs;  ///< frames; 1 where all frames are images of one
  Index taps, stride, reach;

  FrameWindow(const ConvolutionSize& size, Index pool_frames)
      : images(size.kernel_frames == 1 ? size.frames * size.batch : size.batch),
        outputs(size.kernel_frames == 1 ? 1 : size.frames / pool_frames),
        taps(size.kernel_frames + pool_frames - 1),
        stride(pool_frames),
        reach(size.kernel_frames / 2) {}

  /// The stored frame that tap k of output t reads, or -1.
  template <class T>
  Index source(Index t, Index k, const BandSource<T>& from) const {
    if (taps == 1) return 0;
    const Index frame = stride * t + k - reach;
    return frame >= 0 && frame / from.repeat_frames < from.frames ? frame / from.repeat_frames : -1;
  }
};

/// Bytes of the second-level cache that a block may fill.
inline constexpr Index block_bytes = 512 * 1024;

/// Into how many parts of whole panels the outputs are cut where there are fewer than eight blocks of rows.
template <class T>
Index column_parts(Index blocks, Index outputs) {
  if (blocks >= 8) return 1;
  return std::clamp<Index>(outputs / (2 * panel_columns<T>), 1, 8 / std::max<Index>(blocks, 1));
}

/// The first column of a part; parts are whole panels.
template <class T>
Index part_begin(Index part, Index parts, Index outputs) {
  const Index panels = (outputs + panel_columns<T> - 1) / panel_columns<T>;
  return std::min(outputs, panels * part / parts * panel_columns<T>);
}

}  // namespace dvd::cpu

#include "dvd/core/macros_end.hpp"
