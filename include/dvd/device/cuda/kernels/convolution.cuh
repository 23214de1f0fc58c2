// Convolutions: what surrounds the libraries' calls.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/device/cuda/convolution.hpp"

#include <algorithm>
#include <cstdint>
#include <numeric>

#include "dvd/device/cuda/definition.hpp"
#include "dvd/device/cuda/kernels/convolution_passes.cuh"
#include "dvd/device/cuda/libraries/libraries.hpp"
#include "dvd/device/cuda/pointwise.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

namespace detail {

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
          size.kernel_frames,
          size.pool};
}

inline FrameOrder order_of(const ConvolutionSize& size) { return {size.frames, size.batch, size.kernel_frames > 1}; }

/// Pixels of the library's output.
inline Index library_pixels(const ConvolutionSize& size) {
  return size.frames * size.batch * size.output_height() * size.output_width();
}

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
  if (input.prepared) return {nullptr, input.prepared};
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

/// A bias in the type of numbers, which the libraries want: the filter's or, where that has none, one made now.
template <class T>
LibraryArray<T> library_bias(const ConvolutionSize& size, const Filter<T>& filter, const float* bias) {
  if constexpr (std::same_as<T, float>) {
    return {nullptr, bias};
  } else {
    if (!bias || filter.bias) return {nullptr, bias ? filter.bias : nullptr};
    const auto memory = scratch<T>(size.outputs);
    Pointwise::convert(size.outputs, bias, static_cast<T*>(memory.get()));
    return {memory, static_cast<const T*>(memory.get())};
  }
}

template <class T>
LibraryArray<T> library_gradient(const ConvolutionSize& size, const T* dy, Index dy_pixel) {
  const Index outputs = padded(size.outputs);
  if (size.kernel_frames == 1 && outputs == size.outputs && dy_pixel == outputs && aligned(dy)) return {nullptr, dy};
  const auto memory = scratch<T>(library_pixels(size) * outputs);
  T* const y = static_cast<T*>(memory.get());
  for_each_row_lanes<T>(library_pixels(size), outputs, std::gcd(std::gcd(outputs, size.outputs), dy_pixel),
                        SpreadGradient<T>{dy, dy_pixel, order_of(size), size.output_height() * size.output_width(),
                                          size.outputs, outputs, size.pool_frames > 1, y},
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
std::shared_ptr<void> Convolution::prepare(const ConvolutionSize& size, const ConvolutionInput<T>& input) {
  return size.kernel == 1 ? nullptr : detail::library_input(size, input).memory;
}

template <CudaScalar T>
Filter<T> Convolution::filter(const ConvolutionSize& size, const T* weight) {
  if (size.kernel == 1) return {nullptr, weight};
  const Index inputs = padded(size.inputs), outputs = padded(size.outputs),
              taps = detail::library_taps(size.taps(), size.pool);
  auto memory = detail::scratch<T>(outputs * taps * inputs);
  T* const library_weight = static_cast<T*>(memory.get());
  if (inputs != size.inputs || outputs != size.outputs)
    Pointwise::fill(outputs * taps * inputs, T(0.0f), library_weight);
  dvd::cuda::transpose(
      taps, size.inputs, size.outputs,
      detail::FilterForLibrary<T>{weight, taps, size.inputs, size.outputs, inputs, size.pool, library_weight});
  return {std::move(memory), library_weight};
}

template <CudaScalar T>
Filter<T> Convolution::backward_filter(const ConvolutionSize& size, const T* weight) {
  return filter(size, weight);  // both directions read it the same way
}

template <CudaScalar T>
std::vector<Filter<T>> Convolution::filters(const std::vector<PackedWeight<T>>& weights) {
  static_assert(sizeof(detail::FiltersForLibrary<T>) <= launch_bytes);
  std::vector<Filter<T>> result;
  while (result.size() < weights.size()) {
    detail::FiltersForLibrary<T> table;
    while (result.size() < weights.size() && table.count < table.capacity) {
      const PackedWeight<T>& w = weights[result.size()];
      // A kernel of 1 is read as it is; its bias is not.
      const Index inputs = padded(w.inputs), outputs = padded(w.outputs),
                  taps = w.taps == 1 ? 0 : detail::library_taps(w.taps, w.pool), size = outputs * taps * inputs;
      const bool with_bias = w.bias && !std::same_as<T, float>;
      auto memory = detail::scratch<T>(size + (with_bias ? outputs : 0));
      T* const library_weight = static_cast<T*>(memory.get());
      T* const bias = with_bias ? library_weight + size : nullptr;
      table.add({w.packed, taps, w.inputs, w.outputs, inputs, w.pool, library_weight}, outputs, w.bias, bias);
      result.push_back({std::move(memory), taps > 0 ? library_weight : w.packed, bias});
    }
    transpose_tiles(table.tiles, table);
  }
  return result;
}

template <CudaScalar T>
void Convolution::convolve(const ConvolutionSize& size, const ConvolutionInput<T>& input, const Filter<T>& filter,
                           const float* bias, std::type_identity_t<T>* y, Index y_pixel, bool accumulate) {
  if (size.kernel == 1) {
    const auto library_bias = detail::library_bias<T>(size, filter, bias);
    library_multiply({.type = number_type<T>,
                      .rows = size.positions(),
                      .columns = size.outputs,
                      .depth = size.inputs,
                      .accumulate = accumulate},
                     {input.x, size.inputs}, {filter.weight, size.outputs}, y, y_pixel, 0, library_bias.data);
    if (size.rectify)
      for_each_row_lanes<T>(size.positions(), size.outputs, std::gcd(size.outputs, y_pixel),
                            detail::RectifyRows<T>{y, y_pixel}, static_cast<const T*>(y));
    return;
  }
  const ConvolutionProblem problem = detail::problem_for<T>(size);
  const auto x = detail::library_input(size, input);
  if (size.kernel_frames == 1 && problem.outputs == size.outputs && y_pixel == size.outputs &&
      (bias || !size.rectify) && detail::aligned(y))
    return library_convolve(problem, x.data, filter.weight, detail::library_bias<T>(size, filter, bias).data, y,
                            accumulate, size.rectify);
  const auto result = detail::scratch<T>(detail::library_pixels(size) * problem.outputs);
  library_convolve(problem, x.data, filter.weight, nullptr, result.get(), false, false);
  const T* const values = static_cast<const T*>(result.get());
  const Index pixels = size.output_size() / size.outputs;
  for_each_row_lanes<T>(
      pixels, size.outputs, std::gcd(std::gcd(size.outputs, problem.outputs), y_pixel),
      detail::FinishOutput<T>{values, bias, detail::order_of(size), size.output_height() * size.output_width(),
                              problem.outputs, size.pool_frames > 1, accumulate, size.rectify, y, y_pixel},
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
  const Filter<T> gradient = weight_gradient(size, input, dy, dy_pixel);
  dvd::cuda::transpose(size.taps(), size.outputs, size.inputs,
                       detail::GradientFromLibrary<T>{gradient.weight, size.taps(), size.inputs, size.outputs,
                                                      padded(size.inputs), size.pool, dweight});
}

template <CudaScalar T>
Filter<T> Convolution::weight_gradient(const ConvolutionSize& size, const ConvolutionInput<T>& input,
                                       const std::type_identity_t<T>* dy, Index dy_pixel) {
  const ConvolutionProblem problem = detail::problem_for<T>(size);
  const auto x = detail::library_input(size, input);
  const auto gradient = detail::library_gradient<T>(size, dy, dy_pixel);
  auto memory = detail::scratch<T>(problem.outputs * problem.taps() * problem.inputs);
  library_convolve_backward_weight(problem, x.data, gradient.data, memory.get());
  const T* const result = static_cast<const T*>(memory.get());
  return {std::move(memory), result};
}

template <CudaScalar T>
void Convolution::linear_pair(Index vectors, Index inputs, Index outputs, const T* x,
                              const std::array<const T*, 2>& weights, T* y) {
  ProductProblem problem{.type = number_type<T>, .rows = vectors, .columns = outputs, .depth = inputs};
  const auto apart =
      static_cast<Index>(reinterpret_cast<std::intptr_t>(weights[1]) - reinterpret_cast<std::intptr_t>(weights[0]));
  if (apart > 0 && apart % lane_bytes == 0) {
    problem.batches = 2;
    library_multiply(problem, {x, inputs}, {weights[0], outputs, false, apart / static_cast<Index>(sizeof(T))}, y,
                     outputs, vectors * outputs, nullptr);
  } else {
    for (const T* const weight : weights) {
      library_multiply(problem, {x, inputs}, {weight, outputs}, y, outputs, 0, nullptr);
      y += vectors * outputs;
    }
  }
}

template <CudaScalar T>
void Convolution::linear_pair_backward_weight(Index vectors, Index inputs, Index outputs, const T* x, const T* dy,
                                              T* dweight) {
  library_multiply({.type = number_type<T>, .rows = inputs, .columns = outputs, .depth = vectors, .batches = 2},
                   {x, inputs, true}, {dy, outputs, false, vectors * outputs}, dweight, outputs, inputs * outputs,
                   nullptr);
}

#define DVD_INSTANTIATE(T)                                                                                          \
  template void Convolution::linear_pair(Index, Index, Index, const T*, const std::array<const T*, 2>&, T*);        \
  template void Convolution::linear_pair_backward_weight(Index, Index, Index, const T*, const T*, T*);              \
  template std::shared_ptr<void> Convolution::prepare(const ConvolutionSize&, const ConvolutionInput<T>&);          \
  template Filter<T> Convolution::filter(const ConvolutionSize&, const T*);                                         \
  template Filter<T> Convolution::backward_filter(const ConvolutionSize&, const T*);                                \
  template std::vector<Filter<T>> Convolution::filters(const std::vector<PackedWeight<T>>&);                        \
  template void Convolution::convolve(const ConvolutionSize&, const ConvolutionInput<T>&, const Filter<T>&,         \
                                      const float*, T*, Index, bool);                                               \
  template void Convolution::convolve_backward_input(const ConvolutionSize&, const ConvolutionInput<T>&, const T*,  \
                                                     Index, const Filter<T>&, T*, bool);                            \
  template void Convolution::convolve_backward_weight(const ConvolutionSize&, const ConvolutionInput<T>&, const T*, \
                                                      Index, T*);                                                   \
  template Filter<T> Convolution::weight_gradient(const ConvolutionSize&, const ConvolutionInput<T>&, const T*, Index);
DVD_INSTANTIATE(float)
DVD_INSTANTIATE(bfloat16)
#undef DVD_INSTANTIATE

}  // namespace dvd::cuda

#include "dvd/core/macros_end.hpp"
