// The passes over memory before and after a library's convolution.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>

#include "dvd/core/convolution.hpp"
#include "dvd/device/cuda/divide.hpp"
#include "dvd/device/cuda/kernels/find_entry.cuh"
#include "dvd/device/cuda/kernels/launch_bytes.cuh"
#include "dvd/device/cuda/kernels/pooled_kernel.cuh"
#include "dvd/device/cuda/parallel.cuh"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

namespace detail {

/// Where the frames of a batch lie: [frames, batch] in the contract's arrays, [batch, frames] in those of a library
/// that convolves over frames. Images are counted as the contract has them, places as the library does.
struct FrameOrder {
  FastDivide frames, batch;
  bool reordered;

  /// The frame and the clip that lie at a place.
  template <class I>
  DVD_DEVICE Divided<I> frame_and_clip(I place) const {
    if (!reordered) return batch.divide(place);
    const Divided<I> of_clip = frames.divide(place);
    return {of_clip.remainder, of_clip.quotient};
  }
  template <class I>
  DVD_DEVICE I image(I place) const {
    if (!reordered) return place;
    const Divided<I> of_clip = frames.divide(place);
    return of_clip.remainder * static_cast<I>(batch.value()) + of_clip.quotient;
  }
  template <class I>
  DVD_DEVICE I place(I frame, I clip) const {
    return reordered ? clip * static_cast<I>(frames.value()) + frame : frame * static_cast<I>(batch.value()) + clip;
  }
  Index images() const { return frames.value() * batch.value(); }
};

/// The library's input: scale * x + shift, ReLU, upsampling, order of frames, padding. A row is a pixel that the kernel
/// slides over.
template <class T>
struct PrepareInput {
  ConvolutionInput<T> input;
  FrameOrder order;
  FastDivide height, width;  ///< of what the kernel slides over
  Index inputs, padded_inputs;
  int upsampling;  ///< 0: none, 1: nearest, 2: bilinear
  T* y;

  Index largest() const { return order.images() * height.value() * width.value(); }

  template <int N, class I>
  DVD_DEVICE void operator()(I pixel, I channel) const {
    Lanes<N> value{};
    if (channel < static_cast<I>(inputs)) {
      const auto [line, across] = width.divide(pixel);
      const auto [place, down] = height.divide(line);
      const I image = order.image(place);
      if (upsampling == 0) {
        value = at<N>(image, down, across, channel);
      } else if (upsampling == 1) {
        value = at<N>(image, down / 2, across / 2, channel);
      } else {
        const I below = neighbour(down, static_cast<I>(height.value()) / 2),
                beside = neighbour(across, static_cast<I>(width.value()) / 2);
        const Lanes<N> here = at<N>(image, down / 2, across / 2, channel),
                       right = at<N>(image, down / 2, beside, channel),
                       under = at<N>(image, below, across / 2, channel), far = at<N>(image, below, beside, channel);
        for (int k = 0; k < N; ++k)
          value[k] = 0.75f * (0.75f * here[k] + 0.25f * under[k]) + 0.25f * (0.75f * right[k] + 0.25f * far[k]);
      }
    }
    store(y + (product(pixel, padded_inputs) + channel), value);
  }

 private:
  template <int N, class I>
  DVD_DEVICE Lanes<N> at(I image, I down, I across, I channel) const {
    const int halved = upsampling != 0;
    const I rows = static_cast<I>(height.value()) >> halved, columns = static_cast<I>(width.value()) >> halved;
    Lanes<N> value = load<N>(input.x + (product((image * rows + down) * columns + across, inputs) + channel));
    if (input.scale) {
      const Index coefficient = product(image, inputs) + channel;
      const Lanes<N> scale = load<N>(input.scale + coefficient), shift = load<N>(input.shift + coefficient);
      for (int k = 0; k < N; ++k) value[k] = scale[k] * value[k] + shift[k];
    }
    if (input.rectify)
      for (int k = 0; k < N; ++k) value[k] = value[k] < 0 ? 0 : value[k];  // a NaN stays
    return value;
  }

  /// The second input that output `out` of a bilinear upsampling looks at.
  template <class I>
  DVD_DEVICE static I neighbour(I out, I size) {
    if (out % 2 == 0) return out > 0 ? out / 2 - 1 : 0;
    return out / 2 + 1 < size ? out / 2 + 1 : size - 1;
  }
};

/// The gradient of the library's output, from that of outputs whose frames may have been averaged in pairs, lie in
/// another order, and whose pixels lie `dy_pixel` apart.
template <class T>
struct SpreadGradient {
  const T* dy;
  Index dy_pixel;
  FrameOrder order;
  FastDivide pixels;  ///< of an image
  Index outputs, padded_outputs;
  bool pool_frames;
  T* y;

  Index largest() const { return std::max(order.images() * pixels.value(), dy_pixel); }

  template <int N, class I>
  DVD_DEVICE void operator()(I pixel, I channel) const {
    Lanes<N> value{};
    const auto [place, within] = pixels.divide(pixel);
    const auto [frame, clip] = order.frame_and_clip(place);
    const I frames = static_cast<I>(order.frames.value()) >> pool_frames, of_frame = frame >> pool_frames;
    // Of the last frame of an odd number no average was taken.
    if (channel < static_cast<I>(outputs) && of_frame < frames) {
      const I image = of_frame * static_cast<I>(order.batch.value()) + clip;
      value = load<N>(dy + (product(image * static_cast<I>(pixels.value()) + within, dy_pixel) + channel));
      if (pool_frames)
        for (int k = 0; k < N; ++k) value[k] *= 0.5f;
    }
    store(y + (product(pixel, padded_outputs) + channel), value);
  }
};

/// y (+)= the library's output, averaged over pairs of frames if need be, plus the bias; then ReLU. A row is a pixel of
/// y.
template <class T>
struct FinishOutput {
  const T* x;  ///< the library's output
  const float* bias;
  FrameOrder order;
  FastDivide pixels;  ///< of an image
  Index padded_outputs;
  bool pool_frames;
  bool accumulate, rectify;
  T* y;
  Index y_pixel;

  Index largest() const { return std::max(order.images() * pixels.value(), y_pixel); }

  template <int N, class I>
  DVD_DEVICE void operator()(I pixel, I channel) const {
    const auto [image, within] = pixels.divide(pixel);
    const auto [frame, clip] = order.batch.divide(image);
    Lanes<N> sum = at<N>(order.place(frame << pool_frames, clip), within, channel);
    if (pool_frames) {
      const Lanes<N> next = at<N>(order.place((frame << 1) + 1, clip), within, channel);
      for (int k = 0; k < N; ++k) sum[k] = 0.5f * (sum[k] + next[k]);
    }
    T* const to = y + (product(pixel, y_pixel) + channel);
    if (bias) {
      const Lanes<N> offset = load<N>(bias + channel);
      for (int k = 0; k < N; ++k) sum[k] += offset[k];
    }
    if (accumulate) {
      const Lanes<N> before = load<N>(to);
      for (int k = 0; k < N; ++k) sum[k] += before[k];
    }
    if (rectify)
      for (int k = 0; k < N; ++k) sum[k] = sum[k] < 0 ? 0 : sum[k];  // a NaN stays
    store(to, sum);
  }

 private:
  template <int N, class I>
  DVD_DEVICE Lanes<N> at(I place, I within, I channel) const {
    const I pixel = place * static_cast<I>(pixels.value()) + within;
    return load<N>(x + (product(pixel, padded_outputs) + channel));
  }
};

/// dx (+)= the gradient of the library's input, through upsampling and ReLU. A row is a pixel of dx.
template <class T>
struct FinishGradient {
  const T* dy;    ///< the library's
  const T* mask;  ///< the input, where it was rectified; else null
  FrameOrder order;
  FastDivide height, width;  ///< of dx; the library's are twice as large if it was enlarged
  Index inputs, padded_inputs;
  int upsampling;  ///< 0: none, 1: nearest, 2: bilinear
  bool accumulate;
  T* dx;

  Index largest() const { return order.images() * height.value() * width.value() * (upsampling ? 4 : 1); }

  template <int N, class I>
  DVD_DEVICE void operator()(I pixel, I channel) const {
    const auto [line, across] = width.divide(pixel);
    const auto [image, down] = height.divide(line);
    I place = image;
    if (order.reordered) {
      const auto [frame, clip] = order.batch.divide(image);
      place = order.place(frame, clip);
    }
    const I rows = static_cast<I>(height.value()), columns = static_cast<I>(width.value());
    Lanes<N> sum{};
    if (upsampling == 0) {
      const Index pixel_there = product((place * rows + down) * columns + across, padded_inputs);
      const Lanes<N> value = load<N>(dy + (pixel_there + channel));
      for (int k = 0; k < N; ++k) sum[k] += value[k];
    } else {
      const I reach = upsampling == 2 ? 1 : 0;
      const I first_row = start(2 * down - reach), first_column = start(2 * across - reach),
              last_row = stop(2 * down + 2 + reach, 2 * rows), last_column = stop(2 * across + 2 + reach, 2 * columns);
      for (I row = first_row; row < last_row; ++row) {
        const float of_row = upsampling == 2 ? share(row, down, rows) : 1;
        const T* const of_line = dy + (product((place * 2 * rows + row) * 2 * columns, padded_inputs) + channel);
        for (I column = first_column; column < last_column; ++column) {
          const float weight = upsampling == 2 ? of_row * share(column, across, columns) : 1;
          const Lanes<N> value = load<N>(of_line + product(column, padded_inputs));
          for (int k = 0; k < N; ++k) sum[k] += weight * value[k];
        }
      }
    }
    const Index to = product(pixel, inputs) + channel;
    if (mask) {
      const Lanes<N> x = load<N>(mask + to);
      for (int k = 0; k < N; ++k) sum[k] = x[k] > 0 ? sum[k] : 0;
    }
    if (accumulate) {
      const Lanes<N> before = load<N>(dx + to);
      for (int k = 0; k < N; ++k) sum[k] += before[k];
    }
    store(dx + to, sum);
  }

 private:
  template <class I>
  DVD_DEVICE static I start(I position) {
    return position > 0 ? position : 0;
  }
  template <class I>
  DVD_DEVICE static I stop(I position, I size) {
    return position < size ? position : size;
  }

  /// How much output `out` of a bilinear upsampling looks at an input; at an edge the edge stands in for what is
  /// beyond.
  template <class I>
  DVD_DEVICE static float share(I out, I input, I size) {
    I other = out % 2 == 0 ? out / 2 - 1 : out / 2 + 1;
    other = other < 0 ? 0 : (other < size ? other : size - 1);
    return (out / 2 == input ? 0.75f : 0) + (other == input ? 0.25f : 0);
  }
};

/// [taps, inputs, outputs] to [padded outputs, library's taps, padded inputs]; a batch is one of the library's taps.
template <class T>
struct FilterForLibrary {
  const T* packed;
  Index taps, inputs, outputs, padded_inputs;
  bool pool;
  T* weight;

  DVD_DEVICE float load(Index tap, Index input, Index output) const {
    return to_library_tap(
        tap, pool, [&](Index i) { return static_cast<float>(read(packed + (i * inputs + input) * outputs + output)); });
  }
  DVD_DEVICE void store(Index tap, Index input, Index output, float value) const {
    write(weight + (output * taps + tap) * padded_inputs + input, T(value));
  }
};

/// FilterForLibrary of weights that one launch works on, cut into tiles, which are counted through all weights; writes
/// the zeros of padded channels, too, and rounds biases.
template <class T>
struct FiltersForLibrary {
  struct Entry {
    FilterForLibrary<T> filter;
    const float* bias;
    T* rounded_bias;  ///< null without one
    Index padded_outputs, first_tile;
  };
  static constexpr int capacity = (launch_bytes - 256) / static_cast<int>(sizeof(Entry));
  static constexpr Index most_taps = 64;  ///< more than any weight has; behind its taps comes its bias

  int count = 0;
  Index tiles = 0;
  Entry entry[std::size_t{capacity}];

  void add(const FilterForLibrary<T>& filter, Index padded_outputs, const float* bias, T* rounded_bias) {
    entry[count++] = {filter, bias, rounded_bias, padded_outputs, tiles};
    tiles += filter.taps * tiles_of(filter.padded_inputs) * tiles_of(padded_outputs);
    if (rounded_bias) tiles += tiles_of(filter.outputs);
  }

  /// An array is a tap of a weight, or a bias.
  DVD_DEVICE TransposedTile tile(Index i) const {
    const int low = find_entry(count, i, [this](int at) { return entry[at].first_tile; });
    const Entry& found = entry[low];
    const Index within = i - found.first_tile, rows = found.filter.padded_inputs, columns = found.padded_outputs,
                tap_tiles = tiles_of(rows) * tiles_of(columns), taps = found.filter.taps;
    if (within >= taps * tap_tiles)
      return tile_of(low * most_taps + taps, within - taps * tap_tiles, 1, found.filter.outputs);
    return tile_of(low * most_taps + within / tap_tiles, within % tap_tiles, rows, columns);
  }
  DVD_DEVICE float load(Index array, Index input, Index output) const {
    const FilterForLibrary<T>& filter = entry[array / most_taps].filter;
    if (array % most_taps == filter.taps) return read(entry[array / most_taps].bias + output);
    return input < filter.inputs && output < filter.outputs ? filter.load(array % most_taps, input, output) : 0;
  }
  DVD_DEVICE void store(Index array, Index input, Index output, float value) const {
    const Entry& here = entry[array / most_taps];
    if (array % most_taps == here.filter.taps)
      write(here.rounded_bias + output, T(value));
    else
      here.filter.store(array % most_taps, input, output, value);
  }
};

/// And back.
template <class T>
struct GradientFromLibrary {
  const T* dweight;
  Index taps, inputs, outputs, padded_inputs;
  bool pool;
  T* dpacked;

  DVD_DEVICE float load(Index tap, Index output, Index input) const {
    const T* const of_output = dweight + output * library_taps(taps, pool) * padded_inputs + input;
    return from_library_taps(tap, pool,
                             [&](Index i) { return static_cast<float>(read(of_output + i * padded_inputs)); });
  }
  DVD_DEVICE void store(Index tap, Index output, Index input, float value) const {
    write(dpacked + (tap * inputs + input) * outputs + output, T(value));
  }
};

/// ReLU of rows `y_row` apart, in place.
template <class T>
struct RectifyRows {
  T* y;
  Index y_row;

  template <int N>
  DVD_DEVICE void operator()(Index row, Index channel) const {
    T* const to = y + row * y_row + channel;
    Lanes<N> value = load<N>(to);
    for (int k = 0; k < N; ++k) value[k] = value[k] < 0 ? 0 : value[k];  // a NaN stays
    store(to, value);
  }
};

/// y[row] += bias; then ReLU.
template <class T>
struct AddBias {
  const T* bias;
  Index channels;
  bool rectify;
  T* y;

  template <int N>
  DVD_DEVICE void operator()(Index row, Index channel) const {
    Lanes<N> value = load<N>(y + row * channels + channel);
    const Lanes<N> offset = load<N>(bias + channel);
    for (int k = 0; k < N; ++k) value[k] += offset[k];
    if (rectify)
      for (int k = 0; k < N; ++k) value[k] = value[k] < 0 ? 0 : value[k];
    store(y + row * channels + channel, value);
  }
};

}  // namespace detail

}  // namespace dvd::cuda

#include "dvd/core/macros_end.hpp"
