// A 3x3 convolution of few input channels, or of few pixels: products straight from bands of the image.
//
// The 3 * inputs values under a row of the kernel are contiguous in a band, for every pixel, so a convolution is the
// product of cpu/product.hpp with three segments: no gathering of patches. Bound by arithmetic at 9 multiplications an
// output from 16 outputs on; narrower outputs leave lanes of the vectors empty.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/device/cpu/band.hpp"
#include "dvd/device/cpu/band_sink.hpp"
#include "dvd/device/cpu/filter.hpp"
#include "dvd/device/cpu/frame_window.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cpu {

template <class T>
void convolve_direct(const ConvolutionSize& size, const FrameWindow& window, const BandSource<T>& source,
                     const Filter<T>& filter, const BandSink<T>& sink) {
  const Index inputs = size.inputs, outputs = size.outputs, width = size.width;
  const Index strip = sink.whole_images() ? size.height : std::min<Index>(size.height, 8);  // rows; an even number
  const Index down = (size.height + strip - 1) / strip, strips = window.images * down;
  const Index across = (width + group_rows - 1) / group_rows;  // groups in a row
  constexpr Index chunk = 60;                                  // groups at a time

  const Index work = strip * width * 9 * inputs * outputs * window.taps;
  const Index block = std::clamp<Index>(2'000'000 / work, 1, std::max<Index>(1, strips / 4));
  const Index blocks = (strips + block - 1) / block, parts = column_parts<T>(blocks, outputs);
  const Index columns_in_part = (outputs + parts - 1) / parts + panel_columns<T>;
  const Index row = (width + 2) * inputs, band_size = (strip + 2) * row;
  const bool in_place = !sink.reduces() && !sink.mask && !sink.rectify;

  parallel_for(blocks * parts, [&](Index task) {
    const Index begin = task / parts * block, end = std::min(strips, begin + block), part = task % parts;
    const Index first = part_begin<T>(part, parts, outputs), columns = part_begin<T>(part + 1, parts, outputs) - first;
    const auto arrays = Workspace::arrays<T, 2>({window.taps * block * band_size + group_rows * inputs,
                                                 in_place ? 0 : block * strip * width * columns_in_part});
    T *const bands = arrays[0], *const out = arrays[1];
    // The 3 * inputs values under a row of the kernel are neighbours in the band.
    ProductStrides<T> strides{
        3, 3 * inputs, inputs, row, 1, 3 * inputs * filter.panel_width(), filter.panel_width(), false, filter.panel()};

    for (Index t = 0; t < window.outputs; ++t) {
      for (Index k = 0; k < window.taps; ++k) {
        const Index frame = window.source(t, k, source);
        for (Index s = begin; frame >= 0 && s < end; ++s)
          load_band(source, frame * window.images + s / down, s % down * strip - 1, strip + 2, width + 2,
                    bands + (k * block + s - begin) * band_size);
      }
      T* to = in_place ? sink.y + first : out;
      const Index c_row = in_place ? sink.pixel : columns;
      RowGroup groups[chunk];
      Index count = 0;
      const auto flush = [&] {
        strides.accumulate = in_place && sink.accumulate;
        bool biased = in_place && sink.bias;
        for (Index k = 0; k < window.taps; ++k) {
          if (window.source(t, k, source) < 0) continue;
          product(strides, bands + k * block * band_size, filter.frame(k, first), to, c_row, groups, count, columns,
                  biased ? sink.bias + first : nullptr);
          strides.accumulate = true;
          biased = false;
        }
        count = 0;
      };
      for (Index s = begin; s < end; ++s) {
        const Index top = s % down * strip, rows = std::min(strip, size.height - top);
        const Index image = t * window.images + s / down;
        for (Index r = 0; r < rows; ++r)
          for (Index w = 0; w < across; ++w) {
            const Index left = w * group_rows;
            const Index position =
                in_place ? (image * size.height + top + r) * width + left : ((s - begin) * strip + r) * width + left;
            groups[count++] = {(s - begin) * band_size + r * row + left * inputs, position * c_row,
                               std::min(group_rows + Index{0}, width - left)};
            if (count == chunk) flush();
          }
      }
      if (count > 0) flush();
      for (Index s = begin; !in_place && s < end; ++s) {
        const Index top = s % down * strip;
        sink.store(t * window.images + s / down, top, std::min(strip, size.height - top),
                   out + (s - begin) * strip * width * columns, width * columns, first, columns);
      }
    }
  });
}

}  // namespace dvd::cpu

#include "dvd/core/macros_end.hpp"
