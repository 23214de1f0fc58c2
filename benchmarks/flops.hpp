// How many floating-point operations a DVD-GAN's forward passes ask for: two a multiply-add, convolutions and matrix
// products alone, counted as this library orders them (shortcuts at the smaller resolution, no work for a zero state).
#pragma once

#include <dvd/models/config.hpp>

namespace benchmarks {

using dvd::Index;

/// A convolution with `taps` taps at every one of `positions` pixels.
inline double convolution_flops(Index positions, Index inputs, Index outputs, Index taps) {
  return 2.0 * static_cast<double>(positions) * static_cast<double>(inputs * outputs * taps);
}

/// One forward pass of the generator over `batch` videos.
inline double generator_flops(const dvd::DvdGanConfig& config, Index batch) {
  const auto widths = config.generator_widths();
  const Index condition = config.condition_dim();
  Index pixels = config.base_height() * config.base_width();
  double total = convolution_flops(batch, condition, pixels * widths[0], 1);
  for (std::size_t i = 0; i + 1 < widths.size(); ++i, pixels *= 4) {
    const Index in = widths[i], out = widths[i + 1], frame = batch * pixels, all = config.frames * frame;
    total += convolution_flops(i == 0 ? frame : all, in, 3 * in, 9);         // the input's part of the gates
    total += convolution_flops(frame * (config.frames - 1), in, 3 * in, 9);  // the state's
    total += 2 * convolution_flops(all, in, in, 9);                          // block 0
    total += convolution_flops(4 * all, in, out, 9) + convolution_flops(4 * all, out, out, 9);
    total += convolution_flops(all, in, out, 1);
    total += 2 * convolution_flops(batch, condition, 3 * in + out, 1);  // gains and biases of four norms
  }
  total += 2 * convolution_flops(batch, condition, widths.back(), 1);
  return total + convolution_flops(config.frames * batch * pixels, widths.back(), config.image_channels, 9);
}

/// One forward pass of a discriminator's blocks over frames of `height` x `width` pixels; the first `video_blocks` are
/// three-dimensional and halve the frames too.
inline double discriminator_flops(const dvd::DvdGanConfig& config, Index frames, Index batch, Index height, Index width,
                                  std::size_t video_blocks) {
  const auto widths = config.discriminator_widths();
  double total = 0;
  Index inputs = config.image_channels;
  for (std::size_t i = 0; i < widths.size(); ++i) {
    const bool down = i + 1 < widths.size();
    const Index taps = i < video_blocks ? 27 : 9, positions = frames * batch * height * width;
    total += convolution_flops(positions, inputs, widths[i], taps) +
             convolution_flops(positions, widths[i], widths[i], taps);
    if (down) {
      height /= 2;
      width /= 2;
      if (i < video_blocks && frames > 1) frames /= 2;
    }
    if (down || inputs != widths[i]) total += convolution_flops(frames * batch * height * width, inputs, widths[i], 1);
    inputs = widths[i];
  }
  return total;
}

/// Both discriminators on `batch` videos.
inline double discriminators_flops(const dvd::DvdGanConfig& config, Index batch) {
  const Index height = config.image_height(), width = config.image_width();
  return discriminator_flops(config, config.frames_judged(), batch, height, width, 0) +
         discriminator_flops(config, config.frames, batch, height / 2, width / 2, 2);
}

/// A training step with two updates of the discriminators: twice a forward pass of G and, on twice the batch, forward
/// and both gradients of D; then forward and both gradients of G, and forward and the input's gradient of D.
inline double step_flops(const dvd::DvdGanConfig& config, Index batch) {
  const double g = generator_flops(config, batch), d = discriminators_flops(config, batch);
  return 2 * (g + 3 * 2 * d) + 3 * g + 2 * d;
}

}  // namespace benchmarks
