// What a convolution's kernels need to know about sizes.
#pragma once

#include "dvd/core/shape.hpp"

namespace dvd {

/// A convolution of frames `[frames, batch, height, width, inputs]` to `[..., outputs]`, stride 1, "same" zero padding.
/// Kernels take the weight as `[kernel_frames, kernel, kernel, inputs, outputs]`. The kernel is 1x1(x1), 3x3 or 3x3x3;
/// a kernel over one frame has kernel_frames 1, and then frames and batch are interchangeable.
struct ConvolutionSize {
  Index frames, batch, height, width, inputs, outputs;
  Index kernel_frames, kernel;

  Index taps() const { return kernel_frames * kernel * kernel; }
  /// Pixels in all frames of the batch.
  Index positions() const { return frames * batch * height * width; }
};

}  // namespace dvd
