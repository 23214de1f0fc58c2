// The gradient of a convolution's weight, by the method that the convolution itself takes (see cpu/filter.hpp).
//
// It is a sum over all pixels. Pieces of the batch are summed apart, each into an array of its own, and the pieces then
// added in order: their number depends on sizes alone, so the bits do not depend on threads. Where the arrays are large
// there are fewer pieces, and the outputs are cut into parts instead.
#pragma once

#include "dvd/device/cpu/convolve.hpp"

namespace dvd::cpu {

namespace detail {

/// c [rows, columns] from `a`, whose rows are neighbours in memory.
template <class T>
void multiply_transposed(const ProductStrides<T>& strides, Index rows, Index columns, const T* a, const T* b, T* c,
                         Index c_row) {
  constexpr Index chunk = 60;
  for (Index row = 0; row < rows;) {
    RowGroup groups[chunk];
    Index count = 0;
    for (; count < chunk && row < rows; ++count, row += group_rows)
      groups[count] = {row, row * c_row, std::min(group_rows + Index{0}, rows - row)};
    product(strides, a, b, c, c_row, groups, count, columns, nullptr);
  }
}

/// How the sum of `units` arrays of `size`, each worth a task, is cut: pieces of units, parts of outputs.
struct SumPlan {
  Index pieces, parts;

  template <class T>
  static SumPlan make(Index units, Index size, Index outputs) {
    const Index parts = std::clamp<Index>(outputs / (2 * panel_columns<T>), 1, 8);
    // At most sixteen pieces, and at most 16 MB in all.
    const Index most = std::clamp<Index>((Index{16} << 20) / (size * static_cast<Index>(sizeof(T))), 1, 16);
    return {std::max<Index>(1, std::min({units, most, (16 + parts - 1) / parts})), parts};
  }
};

template <class T>
void weight_gradient_winograd(const ConvolutionSize& size, const BandSource<T>& x, const BandSource<T>& dy, T factor,
                              T* dweight) {
  const FrameWindow window(size, 1);
  const Index inputs = size.inputs, outputs = size.outputs, taps = window.taps;
  const Index across = (size.width + 3) / 4, down = (size.height + 3) / 4, lines = window.images * down;
  const Index matrix = inputs * outputs, whole = taps * winograd::points * matrix;
  // A piece has 128 tiles, so that adding to its array of sums costs little beside what is added; fewer only where
  // there would be less than four pieces.
  const Index tiles = lines * across,
              worthwhile = std::max(window.outputs * tiles / 128, std::min<Index>(4, tiles / 16));
  const SumPlan plan = SumPlan::make<T>(std::clamp<Index>(worthwhile, 1, lines), whole, outputs);
  const Index pieces = plan.pieces, parts = plan.parts;

  const Index columns_in_part = (outputs + parts - 1) / parts + panel_columns<T>;
  const Index tile_bytes = winograd::points * (inputs * taps + columns_in_part) * static_cast<Index>(sizeof(T));
  const Index most_tiles = std::clamp<Index>(3 * block_bytes / tile_bytes, 16, 128);
  const Index block = std::max<Index>(1, most_tiles / across);
  const Index band_columns = 4 * across + 2, line_elements = 64 / static_cast<Index>(sizeof(T));
  const Index v_point = block * across * inputs + line_elements;
  const Index m_point = block * across * columns_in_part + line_elements;

  const Scratch<T> sums(pieces * whole);
  parallel_for(pieces * parts, [&](Index task) {
    const Index piece = task / parts, part = task % parts, first = part_begin<T>(part, parts, outputs);
    const Index columns = part_begin<T>(part + 1, parts, outputs) - first;
    const Index piece_begin = lines * piece / pieces, piece_end = lines * (piece + 1) / pieces;
    BandSource<T> dy_part = dy;
    dy_part.x += first;
    dy_part.channels = columns;
    T* sum = sums.data() + piece * whole + first;
    const auto [band, v, m] = Workspace::arrays<T, 3>(
        {6 * band_columns * std::max(inputs, columns), taps * winograd::points * v_point, winograd::points * m_point});
    std::array<bool, 8> begun{};

    for (Index begin = piece_begin; begin < piece_end; begin += block) {
      const Index end = std::min(piece_end, begin + block), depth = (end - begin) * across;
      Index held[8];
      std::fill(held, held + taps, Index{-1});
      for (Index t = 0; t < window.outputs; ++t) {
        if (t / dy.repeat_frames >= dy.frames) continue;  // frames that no pair covers
        for (Index line = begin; line < end; ++line) {
          const Index image = t / dy.repeat_frames * window.images + line / down;
          load_band(dy_part, image, line % down * 4, 4, band_columns, band);
          for (Index tile = 0; tile < across; ++tile)
            winograd::transform_output_gradient(columns, band + (4 * tile + 1) * columns,
                                                m + ((line - begin) * across + tile) * columns,
                                                {band_columns * columns, columns, m_point});
        }
        for (Index k = 0; k < taps; ++k) {
          const Index frame = window.source(t, k, x);
          if (frame < 0) continue;
          T* place = v + frame % taps * winograd::points * v_point;
          if (held[frame % taps] != frame) {
            held[frame % taps] = frame;
            for (Index line = begin; line < end; ++line) {
              load_band(x, frame * window.images + line / down, line % down * 4 - 1, 6, band_columns, band);
              for (Index tile = 0; tile < across; ++tile)
                winograd::transform_input(inputs, band + tile * 4 * inputs,
                                          place + ((line - begin) * across + tile) * inputs,
                                          {band_columns * inputs, inputs, v_point});
            }
          }
          const ProductStrides<T> strides{1, depth, 1, 0, inputs, 0, columns, begun[static_cast<std::size_t>(k)]};
          for (Index point = 0; point < winograd::points; ++point)
            multiply_transposed(strides, inputs, columns, place + point * v_point, m + point * m_point,
                                sum + (k * winograd::points + point) * matrix, outputs);
          begun[static_cast<std::size_t>(k)] = true;
        }
      }
    }
    // A tap that never met a frame, of a video of one.
    for (Index k = 0; k < taps; ++k)
      for (Index i = 0; !begun[static_cast<std::size_t>(k)] && i < winograd::points * inputs; ++i)
        std::fill_n(sum + (k * winograd::points * inputs + i) * outputs, columns, T{0});
  });

  parallel_chunks(taps * inputs, std::max<Index>(1, 1024 / outputs), [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      const Index tap = i / inputs, input = i % inputs;
      const T* from = sums.data() + (tap * winograd::points * inputs + input) * outputs;
      const auto get = [&](Index point, Index c, auto lanes) {
        using V = Vector<T, lanes>;
        V total = load<V>(from + point * matrix + c);
        for (Index piece = 1; piece < pieces; ++piece) total += load<V>(from + piece * whole + point * matrix + c);
        return total;
      };
      winograd::transform_weight_gradient(outputs, get, factor, dweight + (tap * 9 * inputs + input) * outputs, matrix);
    }
  });
}

template <class T>
void weight_gradient_direct(const ConvolutionSize& size, const BandSource<T>& x, const BandSource<T>& dy, T factor,
                            T* dweight) {
  const FrameWindow window(size, 1);
  const Index inputs = size.inputs, outputs = size.outputs, taps = window.taps;
  const Index height = size.height, width = size.width;
  const Index row = (width + 2) * inputs, image = (height + 2) * row, dy_row = (width + 2) * outputs;
  const Index whole = 9 * taps * inputs * outputs;
  const Index frames = taps == 1 ? 1 : size.frames, images = frames * window.images;
  const Index pieces = SumPlan::make<T>(images, whole, 1).pieces;
  // Images at a time: small ones together.
  const Index most =
      std::clamp<Index>(block_bytes / ((image * taps + height * dy_row) * static_cast<Index>(sizeof(T))), 1, 16);

  const Scratch<T> sums(pieces * whole);
  parallel_for(pieces, [&](Index piece) {
    const Index piece_begin = images * piece / pieces, piece_end = images * (piece + 1) / pieces;
    T* sum = sums.data() + piece * whole;
    std::fill(sum, sum + whole, T{0});
    const auto [bands, upstream] =
        Workspace::arrays<T, 2>({most * image + group_rows * inputs, most * height * dy_row});

    for (Index begin = piece_begin; begin < piece_end;) {
      // Some images of one frame.
      const Index t = begin / window.images;
      const Index end = std::min({piece_end, begin + most, (t + 1) * window.images}), count = end - begin;
      if (t / dy.repeat_frames < dy.frames) {
        for (Index i = begin; i < end; ++i)
          load_band(dy, t / dy.repeat_frames * window.images + i % window.images, 0, height, width + 2,
                    upstream + (i - begin) * height * dy_row);
        for (Index k = 0; k < taps; ++k) {
          const Index frame = window.source(t, k, x);
          if (frame < 0) continue;
          for (Index i = begin; i < end; ++i)
            load_band(x, frame * window.images + i % window.images, -1, height + 2, width + 2,
                      bands + (i - begin) * image);
          for (Index kernel_row = 0; kernel_row < 3; ++kernel_row) {
            const T* a = bands + kernel_row * row;
            const T* b = upstream + outputs;
            T* part = sum + (k * 3 + kernel_row) * 3 * inputs * outputs;
            // Either an image at a time or a row of all images at a time, whichever runs over the sums fewer times.
            if (height < count) {
              const ProductStrides<T> strides{count, width, 1, image, inputs, height * dy_row, outputs, true};
              for (Index h = 0; h < height; ++h)
                multiply_transposed(strides, 3 * inputs, outputs, a + h * row, b + h * dy_row, part, outputs);
            } else {
              const ProductStrides<T> strides{height, width, 1, row, inputs, dy_row, outputs, true};
              for (Index i = 0; i < count; ++i)
                multiply_transposed(strides, 3 * inputs, outputs, a + i * image, b + i * height * dy_row, part,
                                    outputs);
            }
          }
        }
      }
      begin = end;
    }
  });
  parallel_chunks(whole, 4096, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      T total = sums.data()[i];
      for (Index piece = 1; piece < pieces; ++piece) total += sums.data()[piece * whole + i];
      dweight[i] = factor * total;
    }
  });
}

/// Of a 1x1 convolution or a matrix product.
template <class T>
void weight_gradient_rows(Index rows, Index inputs, Index outputs, const T* x, const T* dy, Index dy_pixel,
                          T* dweight) {
  const Index whole = inputs * outputs;
  const Index pieces = std::min(SumPlan::make<T>(rows, whole, 1).pieces, std::max<Index>(1, rows / 256));
  const Scratch<T> sums(pieces * whole);
  parallel_for(pieces, [&](Index piece) {
    const Index begin = rows * piece / pieces, end = rows * (piece + 1) / pieces;
    const ProductStrides<T> strides{1, end - begin, 1, 0, inputs, 0, dy_pixel, false};
    multiply_transposed(strides, inputs, outputs, x + begin * inputs, dy + begin * dy_pixel,
                        sums.data() + piece * whole, outputs);
  });
  parallel_chunks(whole, 4096, [&](Index begin, Index end) {
    std::copy(sums.data() + begin, sums.data() + end, dweight + begin);
    for (Index piece = 1; piece < pieces; ++piece)
      for (Index i = begin; i < end; ++i) dweight[i] += sums.data()[piece * whole + i];
  });
}

}  // namespace detail

}  // namespace dvd::cpu
