// A 3x3 convolution from a band source to a band sink, by either method; see cpu/filter.hpp. The gradient of the input
// is such a convolution too.
//
// Work is cut into blocks of image rows, in sizes such that what a block computes on stays in the second-level cache.
// Blocks share nothing, so no thread waits for another. A kernel over three frames slides in time within a block: what
// was loaded for one frame serves its neighbours.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/device/cpu/convolve_direct.hpp"
#include "dvd/device/cpu/convolve_winograd.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cpu {

/// sink = convolution of source with filter. `pool_frames` is 2 where pairs of frames are summed, for which the filter
/// has one tap more.
template <class T>
void convolve_bands(const ConvolutionSize& size, Index pool_frames, const BandSource<T>& source,
                    const Filter<T>& filter, const BandSink<T>& sink) {
  const FrameWindow window(size, pool_frames);
  switch (filter.method()) {
    case Method::winograd:
      return WinogradConvolution<winograd::Plain, T>(size, window, source, filter, sink).run();
    case Method::winograd_pooled:
      return WinogradConvolution<winograd::Pooled, T>(size, window, source, filter, sink).run();
    case Method::winograd_repeated:
      return WinogradConvolution<winograd::Repeated, T>(size, window, source, filter, sink).run();
    default:
      convolve_direct(size, window, source, filter, sink);
  }
}

}  // namespace dvd::cpu

#include "dvd/core/macros_end.hpp"
