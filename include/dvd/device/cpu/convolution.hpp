// Convolutions with stride 1 and "same" padding in channels-last layout, and their two gradients: the kernels of the
// contract, put together from bands, filters and products.
//
// What is fused into them follows from reading and writing bands: the gradient of averaged outputs is a nearest
// upsampling on the way in, the gradient of an upsampled input a reduction on the way out.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/device/cpu/convolve.hpp"
#include "dvd/device/cpu/weight_gradient.hpp"
#include "dvd/device/cpu/weight_gradient_winograd.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cpu {

namespace detail {

/// Row groups that one task of a product takes, such that its work is about two million multiply-adds.
inline Index groups_per_task(Index depth, Index columns) {
  return std::clamp<Index>(500'000 / std::max<Index>(1, depth * columns), 6, 60);
}

/// y = max(y, 0), of rows `y_row` apart.
template <class T>
void rectify_rows(Index rows, Index width, T* y, Index y_row) {
  for (Index row = 0; row < rows; ++row)
    for_lanes<T>(width, [=](Index i, auto lanes) {
      T* const to = y + row * y_row + i;
      dvd::cpu::store(to, rectified(load<Vector<T, lanes>>(to)));
    });
}

/// The product of `rows` rows, `a_row` apart, with a filter of the method `rows`; then ReLU, if `rectify`.
template <class T>
void multiply_rows(Index rows, Index depth, Index columns, const T* a, Index a_row, const Filter<T>& filter,
                   const T* bias, T* c, Index c_row, bool accumulate, bool rectify = false) {
  const ProductStrides<T> strides{1, depth, a_row, 0, 1, 0, filter.panel_width(), accumulate, filter.panel()};
  const T* b = filter.frame(0);
  const Index whole = rows / group_rows;
  parallel_chunks(whole, groups_per_task(depth, columns), [=](Index begin, Index end) {
    RowGroup groups[60];
    for (Index g = begin; g < end; ++g)
      groups[g - begin] = {g * group_rows * a_row, g * group_rows * c_row, group_rows};
    product(strides, a, b, c, c_row, groups, end - begin, columns, bias);
    if (rectify) rectify_rows((end - begin) * group_rows, columns, c + begin * group_rows * c_row, c_row);
  });
  // The last one to three rows: groups of one row repeated, so that nothing is read past the end of `a`.
  ProductStrides<T> repeated = strides;
  repeated.a_row = 0;
  for (Index row = whole * group_rows; row < rows; ++row) {
    const RowGroup group{row * a_row, row * c_row, 1};
    product(repeated, a, b, c, c_row, &group, 1, columns, bias);
    if (rectify) rectify_rows(1, columns, c + row * c_row, c_row);
  }
}

template <class T>
BandSource<T> input_source(const ConvolutionSize& size, const ConvolutionInput<T>& input) {
  return {input.x,       size.inputs, size.frames, size.batch,  size.input_height(), size.input_width(), size.inputs,
          size.upsample, 1,           input.scale, input.shift, input.rectify,       size.inputs};
}

/// The gradient of the outputs, spread over the pixels that were averaged, but for the factor of the average.
template <class T>
BandSource<T> gradient_source(const ConvolutionSize& size, const T* dy, Index dy_pixel) {
  const std::optional<Upsampling> spread = size.pool ? std::optional(Upsampling::nearest) : std::nullopt;
  return {dy,
          dy_pixel,
          size.output_frames(),
          size.batch,
          size.output_height(),
          size.output_width(),
          size.outputs,
          spread,
          size.pool_frames,
          nullptr,
          nullptr,
          false,
          0};
}

/// What averaging divides by.
template <class T>
T pool_factor(const ConvolutionSize& size) {
  return size.pool ? T{1} / static_cast<T>(4 * size.pool_frames) : T{1};
}

}  // namespace detail

/// Convolution kernels of the contract; see core/device.hpp.
struct Convolution {
  // ReLUs cost nothing on the way in.
  static constexpr bool stores_rectified = false;

  static constexpr bool prepares_inputs = false, pairs_products = false;
  static constexpr bool filters_fit_all_sizes = false;  // see Method
  template <class T>
  static Filter<T> filter(const ConvolutionSize& size, const T* weight);
  template <class T>
  static Filter<T> backward_filter(const ConvolutionSize& size, const T* weight);
  template <class T>
  static void convolve(const ConvolutionSize& size, const ConvolutionInput<T>& input, const Filter<T>& filter,
                       const std::type_identity_t<T>* bias, std::type_identity_t<T>* y, Index y_pixel, bool accumulate);
  template <class T>
  static void convolve_backward_input(const ConvolutionSize& size, const ConvolutionInput<T>& input,
                                      const std::type_identity_t<T>* dy, Index dy_pixel, const Filter<T>& filter,
                                      std::type_identity_t<T>* dx, bool accumulate);
  template <class T>
  static void convolve_backward_weight(const ConvolutionSize& size, const ConvolutionInput<T>& input,
                                       const std::type_identity_t<T>* dy, Index dy_pixel,
                                       std::type_identity_t<T>* dweight);

 private:
  /// The convolution by which the gradient of the input is computed: it repeats what was pooled and pools what was
  /// repeated.
  static ConvolutionSize reversed(const ConvolutionSize& size) {
    ConvolutionSize result{size.frames,  size.batch,  size.height,        size.width,
                           size.outputs, size.inputs, size.kernel_frames, size.kernel};
    if (size.pool) result.upsample = Upsampling::nearest;
    result.pool = size.upsample == Upsampling::nearest;
    return result;
  }
};

template <class T>
Filter<T> Convolution::filter(const ConvolutionSize& size, const T* weight) {
  const Method method = method_for(size);
  if (size.pool_frames == 1) return {method, size.kernel_frames, size.inputs, size.outputs, weight};
  // The sum of two neighbouring frames' outputs is one convolution by a kernel one frame longer.
  const Index frame = 9 * size.inputs * size.outputs, taps = size.kernel_frames + 1;
  const Scratch<T> both(taps * frame);
  parallel_chunks(frame, 4096, [&](Index begin, Index end) {
    for (Index tap = 0; tap < taps; ++tap)
      for (Index i = begin; i < end; ++i)
        both.data()[tap * frame + i] = (tap < size.kernel_frames ? weight[tap * frame + i] : T{0}) +
                                       (tap > 0 ? weight[(tap - 1) * frame + i] : T{0});
  });
  return {method, taps, size.inputs, size.outputs, both.data()};
}

template <class T>
Filter<T> Convolution::backward_filter(const ConvolutionSize& size, const T* weight) {
  const Scratch<T> mirrored(size.taps() * size.inputs * size.outputs);
  mirror_weight(size.taps(), size.inputs, size.outputs, detail::pool_factor<T>(size), weight, mirrored.data());
  return {method_for(reversed(size)), size.kernel_frames, size.outputs, size.inputs, mirrored.data()};
}

template <class T>
void Convolution::convolve(const ConvolutionSize& size, const ConvolutionInput<T>& input, const Filter<T>& filter,
                           const std::type_identity_t<T>* bias, std::type_identity_t<T>* y, Index y_pixel,
                           bool accumulate) {
  if (filter.method() == Method::rows) {
    detail::multiply_rows(size.positions(), size.inputs, size.outputs, input.x, size.inputs, filter, bias, y, y_pixel,
                          accumulate, size.rectify);
    return;
  }
  BandSink<T> sink{y, y_pixel, size.height, size.width};
  if (size.pool) sink.reduction = BandSink<T>::Reduction::sum;
  sink.factor = detail::pool_factor<T>(size);
  sink.bias = bias;
  sink.accumulate = accumulate;
  sink.rectify = size.rectify;
  convolve_bands(size, size.pool_frames, detail::input_source(size, input), filter, sink);
}

template <class T>
void Convolution::convolve_backward_input(const ConvolutionSize& size, const ConvolutionInput<T>& input,
                                          const std::type_identity_t<T>* dy, Index dy_pixel, const Filter<T>& filter,
                                          std::type_identity_t<T>* dx, bool accumulate) {
  if (filter.method() == Method::rows) {
    detail::multiply_rows<T>(size.positions(), size.outputs, size.inputs, dy, dy_pixel, filter, nullptr, dx,
                             size.inputs, accumulate);
    return;
  }
  BandSink<T> sink{dx, size.inputs, size.height, size.width};
  if (size.upsample)
    sink.reduction =
        *size.upsample == Upsampling::nearest ? BandSink<T>::Reduction::sum : BandSink<T>::Reduction::bilinear;
  sink.accumulate = accumulate;
  if (input.rectify && !input.scale) {
    sink.mask = input.x;
    sink.mask_pixel = size.inputs;
  }
  convolve_bands(reversed(size), 1, detail::gradient_source(size, dy, dy_pixel), filter, sink);
}

template <class T>
void Convolution::convolve_backward_weight(const ConvolutionSize& size, const ConvolutionInput<T>& input,
                                           const std::type_identity_t<T>* dy, Index dy_pixel,
                                           std::type_identity_t<T>* dweight) {
  if (size.kernel == 1) {
    detail::weight_gradient_rows(size.positions(), size.inputs, size.outputs, input.x, dy, dy_pixel, dweight);
    return;
  }
  const auto x = detail::input_source(size, input);
  const auto upstream = detail::gradient_source<T>(size, dy, dy_pixel);
  const T factor = detail::pool_factor<T>(size);
  switch (method_for(size)) {
    case Method::winograd:
      return WinogradWeightGradient<winograd::Plain, T>(size, x, upstream, factor, dweight).run();
    case Method::winograd_pooled:
      return WinogradWeightGradient<winograd::Pooled, T>(size, x, upstream, factor, dweight).run();
    case Method::winograd_repeated:
      return WinogradWeightGradient<winograd::Repeated, T>(size, x, upstream, factor, dweight).run();
    default:
      detail::weight_gradient_direct(size, x, upstream, factor, dweight);
  }
}

}  // namespace dvd::cpu

#include "dvd/core/macros_end.hpp"
