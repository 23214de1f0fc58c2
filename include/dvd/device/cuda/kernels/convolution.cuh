// Convolutions: what surrounds the libraries' calls.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/device/cuda/convolution.hpp"

#include <algorithm>
#include <numeric>

#include "dvd/device/cuda/definition.hpp"
#include "dvd/device/cuda/libraries/libraries.hpp"
#include "dvd/device/cuda/parallel.cuh"
#include "dvd/device/cuda/pointwise.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

namespace detail {

/// Tensor cores want channels in eights; others are padded with zeros.
constexpr Index channel_step = 8;
constexpr Index padded(Index channels) { return (channels + channel_step - 1) / channel_step * channel_step; }

/// Where the frames of a batch lie: [frames, batch] in the contract's arrays, [batch, frames] in those of a library
/// that convolves over frames. Positions are counted as the library has them.
struct FrameOrder {
  Index frames, batch;
  bool reordered;

  DVD_DEVICE Index frame(Index image) const { return reordered ? image % frames : image / batch; }
  DVD_DEVICE Index clip(Index image) const { return reordered ? image / frames : image % batch; }
};

/// The library's input: scale * x + shift, ReLU, upsampling, order of frames, padding. A row is a pixel that the kernel
/// slides over.
template <class T>
struct PrepareInput {
  ConvolutionInput<T> input;
  FrameOrder order;
  Index height, width, inputs, padded_inputs;  ///< of what the kernel slides over
  int upsampling;                              ///< 0: none, 1: nearest, 2: bilinear
  T* y;

  template <int N>
  DVD_DEVICE void operator()(Index pixel, Index channel) const {
    Lanes<N> value{};
    if (channel < inputs) {
      const Index across = pixel % width, down = pixel / width % height, place = pixel / width / height;
      const Index image = order.frame(place) * order.batch + order.clip(place);
      if (upsampling == 0) {
        value = at<N>(image, down, across, channel);
      } else if (upsampling == 1) {
        value = at<N>(image, down / 2, across / 2, channel);
      } else {
        const Index below = neighbour(down, height / 2), beside = neighbour(across, width / 2);
        const Lanes<N> here = at<N>(image, down / 2, across / 2, channel),
                       right = at<N>(image, down / 2, beside, channel),
                       under = at<N>(image, below, across / 2, channel), far = at<N>(image, below, beside, channel);
        for (int k = 0; k < N; ++k)
          value[k] = 0.75f * (0.75f * here[k] + 0.25f * under[k]) + 0.25f * (0.75f * right[k] + 0.25f * far[k]);
      }
    }
    store(y + pixel * padded_inputs + channel, value);
  }

 private:
  template <int N>
  DVD_DEVICE Lanes<N> at(Index image, Index down, Index across, Index channel) const {
    const Index rows = upsampling ? height / 2 : height, columns = upsampling ? width / 2 : width;
    Lanes<N> value = load<N>(input.x + ((image * rows + down) * columns + across) * inputs + channel);
    if (input.scale) {
      const Lanes<N> scale = load<N>(input.scale + image * inputs + channel),
                     shift = load<N>(input.shift + image * inputs + channel);
      for (int k = 0; k < N; ++k) value[k] = scale[k] * value[k] + shift[k];
    }
    if (input.rectify)
      for (int k = 0; k < N; ++k) value[k] = value[k] < 0 ? 0 : value[k];  // a NaN stays
    return value;
  }

  /// The second input that output `out` of a bilinear upsampling looks at.
  DVD_DEVICE static Index neighbour(Index out, Index size) {
    if (out % 2 == 0) return out > 0 ? out / 2 - 1 : 0;
    return out / 2 + 1 < size ? out / 2 + 1 : size - 1;
  }
};

/// The gradient of the library's output, from that of outputs that may have been averaged, lie `dy_pixel` apart and
/// have their frames in another order.
template <class T>
struct SpreadGradient {
  const T* dy;
  Index dy_pixel;
  FrameOrder order;
  Index height, width, outputs, padded_outputs;  ///< before averaging
  Index pool, pool_frames;                       ///< pixels and frames that were averaged along an axis
  T* y;

  template <int N>
  DVD_DEVICE void operator()(Index pixel, Index channel) const {
    Lanes<N> value{};
    const Index across = pixel % width / pool, down = pixel / width % height / pool, place = pixel / width / height;
    const Index frame = order.frame(place) / pool_frames, rows = height / pool, columns = width / pool;
    // Of the last frame, row or column of an odd number no average was taken.
    if (channel < outputs && across < columns && down < rows && frame < order.frames / pool_frames) {
      const Index image = frame * order.batch + order.clip(place);
      value = load<N>(dy + ((image * rows + down) * columns + across) * dy_pixel + channel);
      const float factor = 1.0f / static_cast<float>(pool * pool * pool_frames);
      for (int k = 0; k < N; ++k) value[k] *= factor;
    }
    store(y + pixel * padded_outputs + channel, value);
  }
};

/// y (+)= the library's output, averaged, plus the bias; then ReLU. A row is a pixel of y.
template <class T>
struct FinishOutput {
  const T* x;  ///< the library's output
  const float* bias;
  FrameOrder order;
  Index height, width, outputs, padded_outputs;  ///< before averaging
  Index pool, pool_frames;
  bool accumulate, rectify;
  T* y;
  Index y_pixel;

  template <int N>
  DVD_DEVICE void operator()(Index pixel, Index channel) const {
    const Index rows = height / pool, columns = width / pool;
    const Index across = pixel % columns * pool, down = pixel / columns % rows * pool, image = pixel / columns / rows;
    const Index first = image / order.batch * pool_frames, clip = image % order.batch;
    Lanes<N> sum{};
    for (Index frame = first; frame < first + pool_frames; ++frame) {
      const Index place = order.reordered ? clip * order.frames + frame : frame * order.batch + clip;
      for (Index row = down; row < down + pool; ++row)
        for (Index column = across; column < across + pool; ++column) {
          const Lanes<N> value = load<N>(x + ((place * height + row) * width + column) * padded_outputs + channel);
          for (int k = 0; k < N; ++k) sum[k] += value[k];
        }
    }
    const float factor = 1.0f / static_cast<float>(pool * pool * pool_frames);
    for (int k = 0; k < N; ++k) sum[k] *= factor;
    T* const to = y + pixel * y_pixel + channel;
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
};

/// dx (+)= the gradient of the library's input, through upsampling and ReLU. A row is a pixel of dx.
template <class T>
struct FinishGradient {
  const T* dy;    ///< the library's
  const T* mask;  ///< the input, where it was rectified; else null
  FrameOrder order;
  Index height, width, inputs, padded_inputs;  ///< of dx; the library's are twice as large if it was enlarged
  int upsampling;                              ///< 0: none, 1: nearest, 2: bilinear
  bool accumulate;
  T* dx;

  template <int N>
  DVD_DEVICE void operator()(Index pixel, Index channel) const {
    const Index across = pixel % width, down = pixel / width % height, image = pixel / width / height;
    const Index frame = image / order.batch, clip = image % order.batch;
    const Index place = order.reordered ? clip * order.frames + frame : image;
    const Index enlarged = upsampling ? 2 : 1, reach = upsampling == 2 ? 1 : 0;
    const Index first_row = start(down * enlarged - reach), first_column = start(across * enlarged - reach),
                last_row = stop((down + 1) * enlarged + reach, height * enlarged),
                last_column = stop((across + 1) * enlarged + reach, width * enlarged);
    Lanes<N> sum{};
    for (Index row = first_row; row < last_row; ++row)
      for (Index column = first_column; column < last_column; ++column) {
        const float weight = upsampling == 2 ? share(row, down, height) * share(column, across, width) : 1;
        const Lanes<N> value =
            load<N>(dy + ((place * height * enlarged + row) * width * enlarged + column) * padded_inputs + channel);
        for (int k = 0; k < N; ++k) sum[k] += weight * value[k];
      }
    T* const to = dx + pixel * inputs + channel;
    if (mask) {
      const Lanes<N> x = load<N>(mask + pixel * inputs + channel);
      for (int k = 0; k < N; ++k) sum[k] = x[k] > 0 ? sum[k] : 0;
    }
    if (accumulate) {
      const Lanes<N> before = load<N>(to);
      for (int k = 0; k < N; ++k) sum[k] += before[k];
    }
    store(to, sum);
  }

 private:
  DVD_DEVICE static Index start(Index position) { return position > 0 ? position : 0; }
  DVD_DEVICE static Index stop(Index position, Index size) { return position < size ? position : size; }

  /// How much output `out` of a bilinear upsampling looks at an input; at an edge the edge stands in for what is
  /// beyond.
  DVD_DEVICE static float share(Index out, Index input, Index size) {
    Index other = out % 2 == 0 ? out / 2 - 1 : out / 2 + 1;
    other = other < 0 ? 0 : (other < size ? other : size - 1);
    return (out / 2 == input ? 0.75f : 0) + (other == input ? 0.25f : 0);
  }
};

/// [taps, inputs, outputs] to [padded outputs, taps, padded inputs]; a batch is a tap.
template <class T>
struct FilterForLibrary {
  const T* packed;
  Index taps, inputs, outputs, padded_inputs;
  T* weight;

  DVD_DEVICE float load(Index tap, Index input, Index output) const {
    return packed[(tap * inputs + input) * outputs + output];
  }
  DVD_DEVICE void store(Index tap, Index input, Index output, float value) const {
    weight[(output * taps + tap) * padded_inputs + input] = T(value);
  }
};

/// And back.
template <class T>
struct GradientFromLibrary {
  const T* dweight;
  Index taps, inputs, outputs, padded_inputs;
  T* dpacked;

  DVD_DEVICE float load(Index tap, Index output, Index input) const {
    return dweight[(output * taps + tap) * padded_inputs + input];
  }
  DVD_DEVICE void store(Index tap, Index output, Index input, float value) const {
    dpacked[(tap * inputs + input) * outputs + output] = T(value);
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

template <class T>
std::shared_ptr<void> scratch(Index size) {
  return Memory::allocate(static_cast<std::size_t>(size) * sizeof(T));
}

template <class T>
ConvolutionProblem problem_for(const ConvolutionSize& size) {
  const bool over_frames = size.kernel_frames > 1;
  return {number_type<T>,
          over_frames ? size.batch : size.frames * size.batch,
          over_frames ? size.frames : Index{1},
          size.height,
          size.width,
          padded(size.inputs),
          padded(size.outputs),
          size.kernel_frames};
}

inline FrameOrder order_of(const ConvolutionSize& size) { return {size.frames, size.batch, size.kernel_frames > 1}; }

inline int upsampling_of(const ConvolutionSize& size) {
  return size.upsample ? (*size.upsample == Upsampling::nearest ? 1 : 2) : 0;
}

/// An array in the library's form: one that is so already, or scratch memory.
template <class T>
struct LibraryArray {
  std::shared_ptr<void> memory;
  const T* data;
};

template <class T>
LibraryArray<T> library_input(const ConvolutionSize& size, const ConvolutionInput<T>& input) {
  const Index inputs = padded(size.inputs);
  if (!input.scale && (!input.rectify || input.rectified) && !size.upsample && size.kernel_frames == 1 &&
      inputs == size.inputs && aligned(input.x))
    return {nullptr, input.x};
  const auto memory = scratch<T>(size.positions() * inputs);
  T* const y = static_cast<T*>(memory.get());
  for_each_row_lanes<T>(
      size.positions(), inputs, std::gcd(inputs, size.inputs),
      PrepareInput<T>{input, order_of(size), size.height, size.width, size.inputs, inputs, upsampling_of(size), y},
      input.x, input.scale, input.shift, y);
  return {memory, y};
}

/// A bias in the type of numbers, which the libraries want.
template <class T>
LibraryArray<T> library_bias(const ConvolutionSize& size, const float* bias) {
  if constexpr (std::same_as<T, float>) {
    return {nullptr, bias};
  } else {
    if (!bias) return {nullptr, nullptr};
    const auto memory = scratch<T>(size.outputs);
    Pointwise::convert(size.outputs, bias, static_cast<T*>(memory.get()));
    return {memory, static_cast<const T*>(memory.get())};
  }
}

template <class T>
LibraryArray<T> library_gradient(const ConvolutionSize& size, const T* dy, Index dy_pixel) {
  const Index outputs = padded(size.outputs);
  if (!size.pool && size.kernel_frames == 1 && outputs == size.outputs && dy_pixel == outputs && aligned(dy))
    return {nullptr, dy};
  const auto memory = scratch<T>(size.positions() * outputs);
  T* const y = static_cast<T*>(memory.get());
  for_each_row_lanes<T>(size.positions(), outputs, std::gcd(std::gcd(outputs, size.outputs), dy_pixel),
                        SpreadGradient<T>{dy, dy_pixel, order_of(size), size.height, size.width, size.outputs, outputs,
                                          size.pool ? Index{2} : Index{1}, size.pool_frames, y},
                        dy, y);
  return {memory, y};
}

}  // namespace detail

DVD_CUDA_DEFINITION void add_bias(NumberType type, Index rows, Index channels, const void* bias, bool rectify,
                                  void* y) {
  const auto add = [&]<class T>(const T* values, T* to) {
    for_each_row_lanes<T>(rows, channels, channels, detail::AddBias<T>{values, channels, rectify, to}, values,
                          static_cast<const T*>(to));
  };
  if (type == NumberType::float32)
    add(static_cast<const float*>(bias), static_cast<float*>(y));
  else
    add(static_cast<const bfloat16*>(bias), static_cast<bfloat16*>(y));
}

DVD_CUDA_DEFINITION void add_array(NumberType type, Index size, const void* x, void* y) {
  if (type == NumberType::float32)
    Pointwise::add(size, static_cast<const float*>(x), static_cast<float*>(y));
  else
    Pointwise::add(size, static_cast<const bfloat16*>(x), static_cast<bfloat16*>(y));
}

template <CudaScalar T>
Filter<T> Convolution::filter(const ConvolutionSize& size, const T* weight) {
  if (size.kernel == 1) return {nullptr, weight};
  const Index inputs = detail::padded(size.inputs), outputs = detail::padded(size.outputs), taps = size.taps();
  auto memory = detail::scratch<T>(outputs * taps * inputs);
  T* const library_weight = static_cast<T*>(memory.get());
  if (inputs != size.inputs || outputs != size.outputs)
    Pointwise::fill(outputs * taps * inputs, T(0.0f), library_weight);
  dvd::cuda::transpose(taps, size.inputs, size.outputs,
                       detail::FilterForLibrary<T>{weight, taps, size.inputs, size.outputs, inputs, library_weight});
  return {std::move(memory), library_weight};
}

template <CudaScalar T>
Filter<T> Convolution::backward_filter(const ConvolutionSize& size, const T* weight) {
  return filter(size, weight);  // both directions read it the same way
}

template <CudaScalar T>
void Convolution::convolve(const ConvolutionSize& size, const ConvolutionInput<T>& input, const Filter<T>& filter,
                           const float* bias, std::type_identity_t<T>* y, Index y_pixel, bool accumulate) {
  if (size.kernel == 1) {
    const auto library_bias = detail::library_bias<T>(size, bias);
    library_multiply({.type = number_type<T>,
                      .rows = size.positions(),
                      .columns = size.outputs,
                      .depth = size.inputs,
                      .accumulate = accumulate},
                     {input.x, size.inputs}, {filter.weight, size.outputs}, y, y_pixel, 0, library_bias.data);
    return;
  }
  const ConvolutionProblem problem = detail::problem_for<T>(size);
  const auto x = detail::library_input(size, input);
  if (!size.pool && size.kernel_frames == 1 && problem.outputs == size.outputs && y_pixel == size.outputs &&
      !(bias && accumulate) && (bias || !size.rectify) && detail::aligned(y))
    return library_convolve(problem, x.data, filter.weight, detail::library_bias<T>(size, bias).data, y, accumulate,
                            size.rectify);
  const auto result = detail::scratch<T>(size.positions() * problem.outputs);
  library_convolve(problem, x.data, filter.weight, nullptr, result.get(), false, false);
  const T* const values = static_cast<const T*>(result.get());
  const Index pixels = size.output_size() / size.outputs;
  for_each_row_lanes<T>(pixels, size.outputs, std::gcd(std::gcd(size.outputs, problem.outputs), y_pixel),
                        detail::FinishOutput<T>{values, bias, detail::order_of(size), size.height, size.width,
                                                size.outputs, problem.outputs, size.pool ? Index{2} : Index{1},
                                                size.pool_frames, accumulate, size.rectify, y, y_pixel},
                        values, bias, static_cast<const T*>(y));
}

template <CudaScalar T>
void Convolution::convolve_backward_input(const ConvolutionSize& size, const ConvolutionInput<T>& input,
                                          const std::type_identity_t<T>* dy, Index dy_pixel, const Filter<T>& filter,
                                          std::type_identity_t<T>* dx, bool accumulate) {
  if (size.kernel == 1) {
    library_multiply({.type = number_type<T>,
                      .rows = size.positions(),
                      .columns = size.inputs,
                      .depth = size.outputs,
                      .accumulate = accumulate},
                     {dy, dy_pixel}, {filter.weight, size.outputs, true}, dx, size.inputs, 0, nullptr);
    return;
  }
  const ConvolutionProblem problem = detail::problem_for<T>(size);
  const auto gradient = detail::library_gradient<T>(size, dy, dy_pixel);
  const T* const mask = input.rectify && !input.scale ? input.x : nullptr;
  if (!size.upsample && !mask && size.kernel_frames == 1 && problem.inputs == size.inputs && detail::aligned(dx))
    return library_convolve_backward_input(problem, gradient.data, filter.weight, dx, accumulate);
  const auto result = detail::scratch<T>(size.positions() * problem.inputs);
  library_convolve_backward_input(problem, gradient.data, filter.weight, result.get(), false);
  const T* const values = static_cast<const T*>(result.get());
  for_each_row_lanes<T>(
      size.input_size() / size.inputs, size.inputs, std::gcd(size.inputs, problem.inputs),
      detail::FinishGradient<T>{values, mask, detail::order_of(size), size.input_height(), size.input_width(),
                                size.inputs, problem.inputs, detail::upsampling_of(size), accumulate, dx},
      values, mask, static_cast<const T*>(dx));
}

template <CudaScalar T>
void Convolution::convolve_backward_weight(const ConvolutionSize& size, const ConvolutionInput<T>& input,
                                           const std::type_identity_t<T>* dy, Index dy_pixel,
                                           std::type_identity_t<T>* dweight) {
  if (size.kernel == 1) {
    library_multiply({.type = number_type<T>, .rows = size.inputs, .columns = size.outputs, .depth = size.positions()},
                     {input.x, size.inputs, true}, {dy, dy_pixel}, dweight, size.outputs, 0, nullptr);
    return;
  }
  const ConvolutionProblem problem = detail::problem_for<T>(size);
  const auto x = detail::library_input(size, input);
  const auto gradient = detail::library_gradient<T>(size, dy, dy_pixel);
  const Index taps = size.taps();
  const auto result = detail::scratch<T>(problem.outputs * taps * problem.inputs);
  library_convolve_backward_weight(problem, x.data, gradient.data, result.get());
  dvd::cuda::transpose(taps, size.outputs, size.inputs,
                       detail::GradientFromLibrary<T>{static_cast<const T*>(result.get()), taps, size.inputs,
                                                      size.outputs, problem.inputs, dweight});
}

#define DVD_INSTANTIATE(T)                                                                                          \
  template Filter<T> Convolution::filter(const ConvolutionSize&, const T*);                                         \
  template Filter<T> Convolution::backward_filter(const ConvolutionSize&, const T*);                                \
  template void Convolution::convolve(const ConvolutionSize&, const ConvolutionInput<T>&, const Filter<T>&,         \
                                      const float*, T*, Index, bool);                                               \
  template void Convolution::convolve_backward_input(const ConvolutionSize&, const ConvolutionInput<T>&, const T*,  \
                                                     Index, const Filter<T>&, T*, bool);                            \
  template void Convolution::convolve_backward_weight(const ConvolutionSize&, const ConvolutionInput<T>&, const T*, \
                                                      Index, T*);
DVD_INSTANTIATE(float)
DVD_INSTANTIATE(bfloat16)
#undef DVD_INSTANTIATE

}  // namespace dvd::cuda

#include "dvd/core/macros_end.hpp"
