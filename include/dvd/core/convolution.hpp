// What a convolution's kernels need to know: sizes, and what is done to the input on its way in and to the output on
// its way out, without a pass over memory of its own.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <optional>

#include "dvd/core/bfloat16.hpp"
#include "dvd/core/shape.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// How an image is enlarged to twice its height and width.
enum class Upsampling {
  bilinear,  ///< half-pixel centres, edges repeated
  nearest,
};

/// A convolution of frames `[frames, batch, height, width, inputs]` to `[..., outputs]`, stride 1, "same" zero padding.
/// Kernels take the weight as `[kernel_frames, kernel, kernel, inputs, outputs]`. The kernel is 1x1(x1), 3x3 or 3x3x3;
/// a kernel over one frame has kernel_frames 1, and then frames and batch are interchangeable.
///
/// A 3x3 kernel may slide over an enlarged input and may have its outputs averaged: frames, height and width are those
/// that the kernel slides over, so that an enlarged input is stored with half of height and width, and averaged outputs
/// with half of them, rounded down.
struct ConvolutionSize {
  Index frames, batch, height, width, inputs, outputs;
  Index kernel_frames, kernel;
  std::optional<Upsampling> upsample = {};  ///< enlarge the input first
  bool pool = false;                        ///< average the outputs over 2x2 pixels
  Index pool_frames = 1;  ///< and, if 2, over pairs of frames; only with `pool` and three kernel_frames
  bool rectify = false;   ///< max(., 0) of the outputs, at last; only of a convolution that adds to nothing

  Index taps() const { return kernel_frames * kernel * kernel; }
  /// Pixels in all frames that the kernel slides over.
  Index positions() const { return frames * batch * height * width; }

  Index input_height() const { return upsample ? height / 2 : height; }
  Index input_width() const { return upsample ? width / 2 : width; }
  Index output_frames() const { return frames / pool_frames; }
  Index output_height() const { return pool ? height / 2 : height; }
  Index output_width() const { return pool ? width / 2 : width; }
  /// Elements of the stored input and output.
  Index input_size() const { return frames * batch * input_height() * input_width() * inputs; }
  Index output_size() const { return output_frames() * batch * output_height() * output_width() * outputs; }
};

/// The input of a convolution: x or, with a scale and a shift per image and channel (`[frames * batch, inputs]`),
/// scale * x + shift; then max(., 0) if `rectify`; then enlarged, if the size says so. Where x is `rectified`, which
/// goes with `rectify` and without a scale, that has been done already, and only the gradient is to know of it.
/// `prepared`, if not null, is what the device has made of all this before, for convolutions of the same size.
template <class T>
struct ConvolutionInput {
  const T* x = nullptr;
  const FullPrecision<T>* scale = nullptr;
  const FullPrecision<T>* shift = nullptr;
  bool rectify = false;
  bool rectified = false;
  const T* prepared = nullptr;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
