// The gradient of a convolution's weight where the convolution is computed directly or is a matrix product; for
// Winograd's method see cpu/weight_gradient_winograd.hpp.
//
// It is a sum over all pixels. Pieces of the batch are summed apart, each into an array of its own, and the pieces then
// added in order: their number depends on sizes alone, so the bits do not depend on threads.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/device/cpu/band.hpp"
#include "dvd/device/cpu/filter.hpp"
#include "dvd/device/cpu/frame_window.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cpu {

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

/// Into how many pieces a sum of `units` arrays of `size` is cut, each worth a task: at most 32, and 48 MB in all.
template <class T>
Index sum_pieces(Index units, Index size) {
  const Index most = std::clamp<Index>((Index{48} << 20) / (size * static_cast<Index>(sizeof(T))), 1, 32);
  return std::clamp<Index>(units, 1, most);
}

template <class T>
void weight_gradient_direct(const ConvolutionSize& size, const BandSource<T>& x, const BandSource<T>& dy, T factor,
                            T* dweight) {
  const FrameWindow window(size, 1);
  const Index inputs = size.inputs, outputs = size.outputs, taps = window.taps;
  const Index height = size.height, width = size.width;
  const Index row = (width + 2) * inputs, image = (height + 2) * row, all_dy_row = (width + 2) * outputs;
  const Index whole = 9 * taps * inputs * outputs;
  const Index frames = taps == 1 ? 1 : size.frames, images = frames * window.images;
  // Large weights are cut into parts of their outputs, a task each. A piece has 512 pixels, so that adding to its sums
  // costs little beside what is added; fewer only where there would be less than four tasks.
  const Index parts = column_parts<T>(whole < 65536 ? 8 : 1, outputs);
  const Index worthwhile = std::max((parts + 3) / parts, images * height * width / 512);
  const Index pieces = sum_pieces<T>(std::min(images, worthwhile), whole);
  // Images at a time: small ones together.
  const Index most =
      std::clamp<Index>(block_bytes / ((image * taps + height * all_dy_row) * static_cast<Index>(sizeof(T))), 1, 16);

  const Scratch<T> sums(pieces == 1 ? 0 : pieces * whole);
  T* const first_sum = pieces == 1 ? dweight : sums.data();
  parallel_for(pieces * parts, [&](Index task) {
    const Index piece = task / parts, first = part_begin<T>(task % parts, parts, outputs);
    const BandSource<T> gradient = dy.part(first, part_begin<T>(task % parts + 1, parts, outputs) - first);
    const Index columns = gradient.channels, dy_row = (width + 2) * columns;
    const Index piece_begin = images * piece / pieces, piece_end = images * (piece + 1) / pieces;
    T* const sum = first_sum + piece * whole + first;
    for (Index i = 0; i < whole / outputs; ++i) std::fill_n(sum + i * outputs, columns, T{0});
    const auto [bands, upstream] =
        Workspace::arrays<T, 2>({most * image + group_rows * inputs, most * height * dy_row});

    for (Index begin = piece_begin; begin < piece_end;) {
      // Some images of one frame.
      const Index t = begin / window.images;
      const Index end = std::min({piece_end, begin + most, (t + 1) * window.images}), count = end - begin;
      if (t / dy.repeat_frames < dy.frames) {
        for (Index i = begin; i < end; ++i)
          load_band(gradient, t / dy.repeat_frames * window.images + i % window.images, 0, height, width + 2,
                    upstream + (i - begin) * height * dy_row);
        for (Index k = 0; k < taps; ++k) {
          const Index frame = window.source(t, k, x);
          if (frame < 0) continue;
          for (Index i = begin; i < end; ++i)
            load_band(x, frame * window.images + i % window.images, -1, height + 2, width + 2,
                      bands + (i - begin) * image);
          for (Index kernel_row = 0; kernel_row < 3; ++kernel_row) {
            const T* a = bands + kernel_row * row;
            const T* b = upstream + columns;
            T* part = sum + (k * 3 + kernel_row) * 3 * inputs * outputs;
            // Either an image at a time or a row of all images at a time, whichever runs over the sums fewer times.
            if (height < count) {
              const ProductStrides<T> strides{count, width, 1, image, inputs, height * dy_row, columns, true};
              for (Index h = 0; h < height; ++h)
                multiply_transposed(strides, 3 * inputs, columns, a + h * row, b + h * dy_row, part, outputs);
            } else {
              const ProductStrides<T> strides{height, width, 1, row, inputs, dy_row, columns, true};
              for (Index i = 0; i < count; ++i)
                multiply_transposed(strides, 3 * inputs, columns, a + i * image, b + i * height * dy_row, part,
                                    outputs);
            }
          }
        }
      }
      begin = end;
    }
  });
  if (pieces == 1 && factor == T{1}) return;
  parallel_chunks(whole, 4096, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      T total = first_sum[i];
      for (Index piece = 1; piece < pieces; ++piece) total += first_sum[piece * whole + i];
      dweight[i] = factor * total;
    }
  });
}

/// Of a 1x1 convolution or a matrix product.
template <class T>
void weight_gradient_rows(Index rows, Index inputs, Index outputs, const T* x, const T* dy, Index dy_pixel,
                          T* dweight) {
  const Index whole = inputs * outputs;
  const Index pieces = sum_pieces<T>(rows / 256, whole);
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

#include "dvd/core/macros_end.hpp"
