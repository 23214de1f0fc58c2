// Convolutions with stride 1 and "same" padding in channels-last layout, and their two gradients.
//
// Forward: the input is copied once into frames with a border of zeros. There, the 3 * inputs values under one row of a
// 3x3 kernel are contiguous for every pixel, so the convolution is the product of cpu/product.hpp with three segments:
// no gathering of patches, no packing. 2 * 9 * outputs operations answer every value copied, so from 16 channels on the
// kernel is bound by arithmetic. A 1x1 convolution is the same product on the input as it is.
//
// Gradient of the input: the same with the kernel mirrored and transposed. Gradient of the weight: a product whose rows
// are the 3 * inputs values, summed over pixels. A kernel of three frames is three 2-D convolutions accumulated.
#pragma once

#include <cstring>

#include "dvd/core/convolution_size.hpp"
#include "dvd/device/cpu/memory.hpp"
#include "dvd/device/cpu/parallel.hpp"
#include "dvd/device/cpu/product.hpp"

namespace dvd::cpu {

namespace detail {

/// Copies images `[count, height, width, channels]` (pixels `x_pixel` elements apart) into images with a border of one
/// zero pixel all around.
template <class T>
void pad_images(Index count, Index height, Index width, Index channels, const T* x, Index x_pixel, T* y) {
  const Index row = (width + 2) * channels;
  parallel_for(count, [=](Index image) {
    T* to = y + image * (height + 2) * row;
    const T* from = x + image * height * width * x_pixel;
    std::fill(to, to + row, T{0});
    for (Index h = 0; h < height; ++h) {
      T* line = to + (h + 1) * row;
      std::fill(line, line + channels, T{0});
      if (x_pixel == channels) {
        std::memcpy(line + channels, from + h * width * channels,
                    static_cast<std::size_t>(width * channels) * sizeof(T));
      } else {
        for (Index w = 0; w < width; ++w)
          std::memcpy(line + (w + 1) * channels, from + (h * width + w) * x_pixel,
                      static_cast<std::size_t>(channels) * sizeof(T));
      }
      std::fill(line + row - channels, line + row, T{0});
    }
    std::fill(to + (height + 1) * row, to + (height + 2) * row, T{0});
  });
}

/// The padded form of a batch of frames, readable a few pixels past its end (a group of four pixels may hang over).
template <class T>
Scratch<T> padded(const ConvolutionSize& size, Index channels, const T* x, Index x_pixel) {
  const Index frame = (size.height + 2) * (size.width + 2) * channels;
  const Index total = size.frames * size.batch * frame;
  Scratch<T> result(total + group_rows * channels);
  std::fill(result.data() + total, result.data() + total + group_rows * channels, T{0});
  pad_images(size.frames * size.batch, size.height, size.width, channels, x, x_pixel, result.data());
  return result;
}

/// Row groups that one task of a product takes, such that its work is about two million multiply-adds.
inline Index groups_per_task(Index depth, Index columns) {
  return std::clamp<Index>(500'000 / std::max<Index>(1, depth * columns), 6, 60);
}

/// The product of `rows` rows, `a_row` apart, with a matrix [depth, columns].
template <class T>
void multiply_rows(Index rows, Index depth, Index columns, const T* a, Index a_row, const T* b,
                   const std::type_identity_t<T>* bias, T* c, Index c_row, bool accumulate) {
  const ProductStrides<T> strides{1, depth, a_row, 0, 1, 0, columns, accumulate};
  const Index whole = rows / group_rows;
  parallel_chunks(whole, groups_per_task(depth, columns), [=](Index begin, Index end) {
    RowGroup groups[60];
    for (Index g = begin; g < end; ++g)
      groups[g - begin] = {g * group_rows * a_row, g * group_rows * c_row, group_rows};
    product(strides, a, b, c, c_row, groups, end - begin, columns, bias);
  });
  // The last one to three rows: groups of one row repeated, so that nothing is read past the end of `a`.
  ProductStrides<T> repeated = strides;
  repeated.a_row = 0;
  for (Index row = whole * group_rows; row < rows; ++row) {
    const RowGroup group{row * a_row, row * c_row, 1};
    product(repeated, a, b, c, c_row, &group, 1, columns, bias);
  }
}

/// y = convolution of padded frames with `weight`; outputs' pixels lie `y_pixel` apart.
template <class T>
void convolve_padded(const ConvolutionSize& size, const T* padded, const T* weight, const std::type_identity_t<T>* bias,
                     T* y, Index y_pixel, bool accumulate) {
  const Index inputs = size.inputs, outputs = size.outputs, height = size.height, width = size.width;
  const Index row = (width + 2) * inputs, image = (height + 2) * row;
  const Index across = (width + group_rows - 1) / group_rows;  // groups in an image row
  const Index groups_in_frame = size.batch * height * across;
  const Index grain = groups_per_task(9 * inputs * size.kernel_frames, outputs);
  const Index tasks_in_frame = (groups_in_frame + grain - 1) / grain;
  const ProductStrides<T> strides{3, 3 * inputs, inputs, row, 1, 3 * inputs * outputs, outputs, true};

  parallel_for(size.frames * tasks_in_frame, [=](Index task) {
    const Index frame = task / tasks_in_frame, begin = task % tasks_in_frame * grain;
    const Index end = std::min(groups_in_frame, begin + grain);
    RowGroup groups[60];
    for (Index g = begin; g < end; ++g) {
      const Index left = g % across * group_rows, line = g / across, top = line % height, n = line / height;
      groups[g - begin] = {n * image + top * row + left * inputs, (line * width + left) * y_pixel,
                           std::min(group_rows + Index{0}, width - left)};
    }
    T* to = y + frame * size.batch * height * width * y_pixel;
    const Index reach = size.kernel_frames / 2;
    bool first = true;
    for (Index tap = 0; tap < size.kernel_frames; ++tap) {
      const Index source = frame + tap - reach;
      if (source < 0 || source >= size.frames) continue;
      ProductStrides<T> here = strides;
      here.accumulate = accumulate || !first;
      product(here, padded + source * size.batch * image, weight + tap * 9 * inputs * outputs, to, y_pixel, groups,
              end - begin, outputs, first ? bias : nullptr);
      first = false;
    }
  });
}

/// [taps, inputs, outputs] -> [taps in reverse, outputs, inputs].
template <class T>
void mirror_weight(Index taps, Index inputs, Index outputs, const T* weight, T* mirrored) {
  parallel_for(taps, [=](Index tap) {
    const T* from = weight + tap * inputs * outputs;
    T* to = mirrored + (taps - 1 - tap) * inputs * outputs;
    for (Index i = 0; i < inputs; ++i)
      for (Index o = 0; o < outputs; ++o) to[o * inputs + i] = from[i * outputs + o];
  });
}

}  // namespace detail

/// Convolution kernels of the contract; see core/device.hpp.
struct Convolution {
  template <class T>
  static void convolve(const ConvolutionSize& size, const T* x, const T* weight, const std::type_identity_t<T>* bias,
                       T* y, Index y_pixel, bool accumulate) {
    if (size.kernel == 1) {
      detail::multiply_rows(size.positions(), size.inputs, size.outputs, x, size.inputs, weight, bias, y, y_pixel,
                            accumulate);
      return;
    }
    const auto padded = detail::padded(size, size.inputs, x, size.inputs);
    detail::convolve_padded(size, padded.data(), weight, bias, y, y_pixel, accumulate);
  }

  template <class T>
  static void convolve_backward_input(const ConvolutionSize& size, const T* dy, Index dy_pixel, const T* weight, T* dx,
                                      bool accumulate) {
    const Index taps = size.taps();
    const Scratch<T> mirrored(taps * size.inputs * size.outputs);
    detail::mirror_weight(taps, size.inputs, size.outputs, weight, mirrored.data());
    ConvolutionSize back = size;
    std::swap(back.inputs, back.outputs);
    if (size.kernel == 1) {
      detail::multiply_rows(back.positions(), back.inputs, back.outputs, dy, dy_pixel, mirrored.data(), nullptr, dx,
                            back.outputs, accumulate);
      return;
    }
    const auto padded = detail::padded(back, back.inputs, dy, dy_pixel);
    detail::convolve_padded(back, padded.data(), mirrored.data(), nullptr, dx, back.outputs, accumulate);
  }

  template <class T>
  static void convolve_backward_weight(const ConvolutionSize& size, const T* x, const T* dy, Index dy_pixel,
                                       T* dweight) {
    const Index inputs = size.inputs, outputs = size.outputs;
    const Index weights = size.taps() * inputs * outputs;
    // Pieces of the batch are summed apart and then added in order. Their number depends on sizes alone; it is small
    // where the weight is large, because every piece has a copy of it.
    const Index images = size.frames * size.batch;
    const Index most_pieces = std::clamp<Index>((Index{1} << 22) / weights, 1, 16);

    if (size.kernel == 1) {
      const Index rows = size.positions(), pieces = std::clamp<Index>(rows / 256, 1, most_pieces);
      sum_pieces<T>(pieces, weights, dweight, 1, [=](Index piece, Index, T* sum) {
        const Index begin = rows * piece / pieces, end = rows * (piece + 1) / pieces;
        const ProductStrides<T> strides{1, end - begin, 1, 0, inputs, 0, dy_pixel, false};
        multiply_inputs(strides, inputs, outputs, x + begin * inputs, dy + begin * dy_pixel, sum);
      });
      return;
    }

    const auto padded_input = detail::padded(size, inputs, x, inputs);
    const T* padded = padded_input.data();
    const Index height = size.height, width = size.width;
    const Index row = (width + 2) * inputs, image = (height + 2) * row, dy_image = height * width * dy_pixel;
    const Index pieces = std::min(images, most_pieces);
    // A task sums one piece for one row of the kernel: 3 * inputs rows of the weight.
    sum_pieces<T>(pieces, weights, dweight, 3 * size.kernel_frames, [=](Index piece, Index kernel_row, T* sum) {
      const Index tap = kernel_row / 3, shift = tap - size.kernel_frames / 2;
      T* part = sum + kernel_row * 3 * inputs * outputs;
      // Frames whose neighbour at this tap exists, in this piece of the images.
      const Index first = std::max(images * piece / pieces, std::max<Index>(0, -shift) * size.batch);
      const Index last =
          std::min(images * (piece + 1) / pieces, (size.frames - std::max<Index>(0, shift)) * size.batch);
      if (first >= last) {
        std::fill(part, part + 3 * inputs * outputs, T{0});
        return;
      }
      const T* a = padded + (first + shift * size.batch) * image + kernel_row % 3 * row;
      const T* b = dy + first * dy_image;
      const Index count = last - first;
      // Either an image at a time or an image row at a time, whichever runs over the sums fewer times.
      ProductStrides<T> strides{height, width, 1, row, inputs, width * dy_pixel, dy_pixel, false};
      Index passes = count, a_step = image, b_step = dy_image;
      if (height < count) {
        strides = {count, width, 1, image, inputs, dy_image, dy_pixel, false};
        passes = height, a_step = row, b_step = width * dy_pixel;
      }
      for (Index pass = 0; pass < passes; ++pass) {
        strides.accumulate = pass > 0;
        multiply_inputs(strides, 3 * inputs, outputs, a + pass * a_step, b + pass * b_step, part);
      }
    });
  }

 private:
  /// c [rows, columns] from `a`, whose rows are neighbours in memory.
  template <class T>
  static void multiply_inputs(const ProductStrides<T>& strides, Index rows, Index columns, const T* a, const T* b,
                              T* c) {
    for (Index row = 0; row < rows;) {
      RowGroup groups[60];
      Index count = 0;
      for (; count < 60 && row < rows; ++count, row += group_rows)
        groups[count] = {row, row * columns, std::min(group_rows + Index{0}, rows - row)};
      product(strides, a, b, c, columns, groups, count, columns, nullptr);
    }
  }

  /// `result` = sum over pieces of what `task(piece, part, sum)` leaves in its `sum`; all parts of a piece share one.
  template <class T, class Task>
  static void sum_pieces(Index pieces, Index size, T* result, Index parts, const Task& task) {
    if (pieces == 1) {
      parallel_for(parts, [&](Index part) { task(0, part, result); });
      return;
    }
    const Scratch<T> sums(pieces * size);
    parallel_for(pieces * parts, [&](Index i) { task(i / parts, i % parts, sums.data() + i / parts * size); });
    parallel_chunks(size, 4096, [&](Index begin, Index end) {
      std::copy(sums.data() + begin, sums.data() + end, result + begin);
      for (Index piece = 1; piece < pieces; ++piece) {
        const T* from = sums.data() + piece * size;
        for (Index i = begin; i < end; ++i) result[i] += from[i];
      }
    });
  }
};

}  // namespace dvd::cpu
