// A 3x3 convolution from a band source to a band sink, by either method; see cpu/filter.hpp. The gradient of the input
// is such a convolution too.
//
// Work is cut into blocks of image rows, in sizes such that what a block computes on stays in the second-level cache:
// load a band, (transform it,) multiply, (transform back,) store. Blocks share nothing, so no thread waits for another.
// A kernel over three frames slides in time within a block: what was loaded for one frame serves its neighbours.
#pragma once

#include <vector>

#include "dvd/device/cpu/band.hpp"
#include "dvd/device/cpu/band_sink.hpp"
#include "dvd/device/cpu/filter.hpp"

namespace dvd::cpu {

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

namespace detail {

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

template <class T>
void convolve_winograd(const ConvolutionSize& size, const FrameWindow& window, const BandSource<T>& source,
                       const Filter<T>& filter, const BandSink<T>& sink) {
  const Index inputs = size.inputs, outputs = size.outputs;
  const Index across = (size.width + 3) / 4, down = (size.height + 3) / 4;  // tiles
  const Index lines = window.images * down;                                 // rows of tiles in a frame

  const Index tile_bytes = winograd::points * (inputs * window.taps + outputs) * static_cast<Index>(sizeof(T));
  const Index most_tiles = std::clamp<Index>(block_bytes / tile_bytes, 12, 48);
  Index block = std::max<Index>(1, most_tiles / across);
  block = std::min(block, std::max<Index>((12 + across - 1) / across, (lines + 3) / 4));
  // A task is a block unless the sink wants whole images: then it is an image in several blocks, or some images.
  const Index task_lines = sink.whole_images() ? std::max<Index>(1, block / down) * down : block;
  block = std::min(block, task_lines);
  const Index tasks = (lines + task_lines - 1) / task_lines, parts = column_parts<T>(tasks, outputs);

  const Index columns_in_part = (outputs + parts - 1) / parts + panel_columns<T>;
  const Index band_columns = 4 * across + 2, band_row = band_columns * inputs;
  const Index most = block * across, groups_of_tiles = (most + group_rows - 1) / group_rows;
  const Index line_elements = 64 / static_cast<Index>(sizeof(T));
  const Index v_point = groups_of_tiles * group_rows * inputs + line_elements;
  const Index m_point = most * columns_in_part + line_elements;
  const Index out_lines = sink.whole_images() ? down : 1;

  parallel_for(tasks * parts, [&](Index task) {
    const Index task_begin = task / parts * task_lines, task_end = std::min(lines, task_begin + task_lines);
    const Index part = task % parts, first = part_begin<T>(part, parts, outputs);
    const Index columns = part_begin<T>(part + 1, parts, outputs) - first;
    const auto [band, v, m, out] =
        Workspace::arrays<T, 4>({6 * band_row, window.taps * winograd::points * v_point, winograd::points * m_point,
                                 out_lines * 16 * across * columns_in_part});
    const Index out_row = 4 * across * columns;
    RowGroup groups[64];
    ProductStrides<T> strides{1, inputs, inputs, 0, 1, 0, filter.panel_width(), false, filter.panel()};
    Index held[8];  // the source frame in each place of v
    std::fill(held, held + window.taps, Index{-1});

    for (Index t = 0; t < window.outputs; ++t)
      for (Index begin = task_begin; begin < task_end; begin += block) {
        const Index end = std::min(task_end, begin + block), tiles = (end - begin) * across;
        const Index count = (tiles + group_rows - 1) / group_rows;
        if (block < task_lines) std::fill(held, held + window.taps, Index{-1});

        for (Index k = 0; k < window.taps; ++k) {
          const Index frame = window.source(t, k, source);
          if (frame < 0 || held[frame % window.taps] == frame) continue;
          held[frame % window.taps] = frame;
          T* place = v + frame % window.taps * winograd::points * v_point;
          for (Index line = begin; line < end; ++line) {
            load_band(source, frame * window.images + line / down, line % down * 4 - 1, 6, band_columns, band);
            for (Index tile = 0; tile < across; ++tile)
              winograd::transform_input(inputs, band + tile * 4 * inputs,
                                        place + ((line - begin) * across + tile) * inputs, {band_row, inputs, v_point});
          }
        }

        for (Index g = 0; g < count; ++g)
          groups[g] = {g * group_rows * inputs, g * group_rows * columns,
                       std::min(group_rows + Index{0}, tiles - g * group_rows)};
        for (Index point = 0; point < winograd::points; ++point) {
          strides.accumulate = false;
          for (Index k = 0; k < window.taps; ++k) {
            const Index frame = window.source(t, k, source);
            if (frame < 0) continue;
            product(strides, v + (frame % window.taps * winograd::points + point) * v_point,
                    filter.frame(k, first) + point * filter.matrix(), m + point * m_point, columns, groups, count,
                    columns, nullptr);
            strides.accumulate = true;
          }
        }

        for (Index line = begin; line < end; ++line) {
          const Index image = t * window.images + line / down, row = line % down * 4;
          const T* from = m + (line - begin) * across * columns;
          if (sink.plain() && row + 4 <= size.height && size.width % 4 == 0) {
            T* to = sink.y + (image * size.height + row) * size.width * sink.pixel + first;
            for (Index tile = 0; tile < across; ++tile)
              winograd::transform_output(columns, from + tile * columns, sink.bias ? sink.bias + first : nullptr,
                                         to + tile * 4 * sink.pixel, {size.width * sink.pixel, sink.pixel, m_point});
            continue;
          }
          T* place = out + (sink.whole_images() ? row * out_row : 0);
          for (Index tile = 0; tile < across; ++tile)
            winograd::transform_output<T>(columns, from + tile * columns, nullptr, place + tile * 4 * columns,
                                          {out_row, columns, m_point});
          if (!sink.whole_images())
            sink.store(image, row, std::min<Index>(4, size.height - row), place, out_row, first, columns);
          else if (row + 4 >= size.height)
            sink.store(image, 0, size.height, out, out_row, first, columns);
        }
      }
  });
}

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
  const bool in_place = !sink.reduces() && !sink.mask;

  parallel_for(blocks * parts, [&](Index task) {
    const Index begin = task / parts * block, end = std::min(strips, begin + block), part = task % parts;
    const Index first = part_begin<T>(part, parts, outputs), columns = part_begin<T>(part + 1, parts, outputs) - first;
    const auto [bands, out] = Workspace::arrays<T, 2>({window.taps * block * band_size + group_rows * inputs,
                                                       in_place ? 0 : block * strip * width * columns_in_part});
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

}  // namespace detail

/// sink = convolution of source with filter. `pool_frames` is 2 where pairs of frames are summed, for which the filter
/// has one tap more.
template <class T>
void convolve_bands(const ConvolutionSize& size, Index pool_frames, const BandSource<T>& source,
                    const Filter<T>& filter, const BandSink<T>& sink) {
  const FrameWindow window(size, pool_frames);
  if (filter.method() == Method::winograd)
    detail::convolve_winograd(size, window, source, filter, sink);
  else
    detail::convolve_direct(size, window, source, filter, sink);
}

}  // namespace dvd::cpu
