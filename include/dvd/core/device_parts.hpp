// The kernel contract of core/device.hpp, which says in words what each kernel does, part by part: a device that lacks
// a kernel is told so by the name of its part.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "dvd/core/arrays.hpp"
#include "dvd/core/attention.hpp"
#include "dvd/core/convolution.hpp"
#include "dvd/core/gru_gates.hpp"
#include "dvd/core/random.hpp"
#include "dvd/core/rows.hpp"
#include "dvd/core/tensor.hpp"
#include "dvd/core/windows.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Memory and copies of the contract.
template <class D, class T>
concept DeviceCopies = DeviceMemory<D> && requires(const T* x, T* y, Index n, const std::vector<RowsToCopy<T>>& list) {
  { D::peak_memory() } -> std::convertible_to<std::size_t>;
  { D::queues_work } -> std::convertible_to<bool>;
  { D::name } -> std::convertible_to<const char*>;
  D::copy_rows(n, n, n, x, n, n, y, n, n);
  D::copy_rows(list);
  { D::Recording::replays } -> std::convertible_to<bool>;
  typename D::Recording;
} && requires(typename D::Recording& recording, void (*work)()) {
  recording.run(work);
  recording.reset();
};

/// Pointwise kernels of the contract.
template <class D, class T>
concept DevicePointwise = requires(const T* x, T* y, T value, Index n, const GruGates<T>& gates,
                                   const GruGates<const T>& kept_gates) {
  D::fill(n, value, y);
  D::add(n, x, y);
  D::scale(n, value, x, y);
  D::relu(n, x, y);
  D::relu_backward(n, x, x, y);
  D::sigmoid(n, x, y);
  D::sigmoid_backward(n, x, x, y);
  D::tanh(n, x, y);
  D::tanh_backward(n, x, x, y);
  D::blend(n, x, x, x, y);
  D::blend_backward(n, x, x, x, x, y, y, y);
  { D::gru_gates_apart } -> std::convertible_to<bool>;
  D::gru_reset(n, n, gates, x, y, true);
  D::gru_output(n, n, gates, x, y, true, true);
  D::gru_output_backward(n, n, kept_gates, x, x, x, gates, y, true);
  D::gru_reset_backward(n, n, kept_gates, x, x, gates, y);
  D::multiply_columns(n, n, x, n, x, y);
  D::moving_average(n, value, x, y);
};

/// Kernels of a ConvLSTM's gates of the contract.
template <class D, class T, class F>
concept DeviceLstm = requires(const T* x, T* y, const F* precise_x, F* precise_y, Index n) {
  D::lstm_output(n, n, y, precise_x, precise_y, y);
  D::lstm_output_backward(n, n, x, precise_x, precise_x, x, x, precise_y, y);
};

/// Pointwise kernels of the contract that take a function or random numbers.
template <class D, class T, class F>
concept DeviceMapping = requires(const T* x, T* y, Index n, double probability, const Random& random, F (&one)(F),
                                 F (&two)(F, F)) {
  D::map(n, one, x, y);
  D::map(n, two, x, x, y);
  D::dropout(n, random, std::uint64_t{}, probability, x, y);
};

/// Conversion between T and FullPrecision<T>, of the contract.
template <class D, class T, class F>
concept DeviceConversion = requires(const T* x, T* y, const F* precise_x, F* precise_y, Index n) {
  D::convert(n, x, precise_y);
  D::convert(n, precise_x, y);
};

/// Kernels over lists of arrays of the contract.
template <class D, class F>
concept DeviceLists = requires(F value, const F* x, F* y, const std::vector<AdamArrays<F>>& parameters,
                               const std::vector<ArrayPair<F>>& pairs, const std::vector<ArrayView<F>>& views,
                               const std::vector<SpectralArrays<F>>& weights,
                               const std::vector<MomentumArrays<F>>& moving,
                               const std::vector<MutableArray<F>>& changed) {
  D::adam(parameters, value, value, value, x, x);
  D::momentum(moving, value, true, value, x, x);
  D::fill_arrays(changed, value);
  D::scale_arrays(changed, x, x);
  D::follow(pairs, x, x);
  D::copy_arrays(pairs, x);
  D::sum_squares(views, y);
  D::check_finite(views, y);
  D::power_iterations(weights, true);
};

/// A weight made ready for convolutions.
template <class D, class T>
using FilterOf = decltype(D::filter(std::declval<const ConvolutionSize&>(), std::declval<const T*>()));

/// Convolution kernels of the contract.
template <class D, class T, class F>
concept DeviceConvolution = requires(const ConvolutionSize& size, const ConvolutionInput<T>& input, const T* x, T* y,
                                     const F* bias, Index n) {
  { D::stores_rectified } -> std::convertible_to<bool>;
  D::convolve(size, input, D::filter(size, x), bias, y, n, true);
  D::convolve_backward_input(size, input, x, n, D::backward_filter(size, x), y, true);
  D::convolve_backward_weight(size, input, x, n, y);
  { D::filters_fit_all_sizes } -> std::convertible_to<bool>;
  { D::prepares_inputs } -> std::convertible_to<bool>;
  { D::pairs_products } -> std::convertible_to<bool>;
}
&&(!D::prepares_inputs ||
   requires(const ConvolutionSize& size, const ConvolutionInput<T>& input) {
     { D::prepare(size, input) } -> std::same_as<std::shared_ptr<void>>;
   }) &&
    (!D::filters_fit_all_sizes || requires(const std::vector<PackedWeight<T>>& weights) { D::filters(weights); }) &&
    (D::filters_fit_all_sizes || requires(const FilterOf<D, T>& filter, const ConvolutionSize& size) {
      { filter.fits(size) } -> std::same_as<bool>;
    });

/// Linear maps in pairs, of the contract.
template <class D, class T>
concept DevicePairs =
    !D::pairs_products || requires(const T* x, T* y, const std::array<const T*, 2>& weights, Index n) {
  D::linear_pair(n, n, n, x, weights, y);
  D::linear_pair_backward_weight(n, n, n, x, x, y);
};

/// Normalisation kernels of the contract.
template <class D, class T, class F>
concept DeviceNormalization = requires(const T* x, T* y, const F* precise_x, F* precise_y, F value, Index n,
                                       const RunningStatistics<F>& running) {
  D::moments(n, n, n, x, precise_y, precise_y);
  D::scale_shift(n, n, n, x, precise_x, precise_x, true, y);
  D::follow_statistics(n, value, value, precise_x, precise_x, precise_y, precise_y);
  D::batch_norm_coefficients(n, n, n, precise_x, precise_x, x, x, value, precise_y, precise_y);
  D::batch_norm_statistics(n, n, n, n, x, x, x, value, precise_y, precise_y, running, precise_y, precise_y);
  D::batch_norm_backward(n, n, n, n, x, x, precise_x, precise_x, x, precise_x, precise_x, value, true, true, y, y, y);
  D::group_moments(n, n, n, n, x, precise_y, precise_y);
  D::group_norm(n, n, n, n, x, precise_x, precise_x, precise_x, precise_x, value, y);
  D::group_norm_backward(n, n, n, n, x, x, precise_x, precise_x, precise_x, value, true, precise_y, precise_y, y);
  D::sum_rows(n, n, n, x, n, y, true);
  D::sum_rows(n, n, n, x, n, precise_y, true);
  D::dot(n, x, x, precise_y);
};

/// Kernels for batch norms over parts of a batch, of the contract.
template <class D, class T, class F>
concept DeviceSharedBatchNorm = requires(const T* x, T* y, const F* precise_x, F* precise_y, F value, Index n,
                                         const double* sums, double* new_sums) {
  D::moment_sums(n, n, precise_x, precise_x, precise_x, new_sums);
  D::moments_of_sums(n, n, sums, precise_x, precise_y, precise_y);
  D::batch_norm_gradient_sums(n, n, n, n, x, x, precise_x, precise_x, precise_x, precise_x, value, true, y, y,
                              new_sums);
  D::batch_norm_gradient_sums(n, n, n, n, x, x, precise_x, precise_x, precise_x, precise_x, value, true, precise_y,
                              precise_y, new_sums);
  D::batch_norm_gradient(n, n, n, n, x, x, precise_x, precise_x, precise_x, precise_x, value, true, n, sums, y);
};

/// Resampling kernels of the contract.
template <class D, class T>
concept DeviceResampling = requires(const T* x, T* y, Index n) {
  D::upsample_nearest(n, n, n, n, x, y);
  D::upsample_nearest_backward(n, n, n, n, x, y);
  D::upsample_bilinear(n, n, n, n, x, y);
  D::upsample_bilinear_backward(n, n, n, n, x, y);
  D::average_pool(n, n, n, n, n, n, x, y);
  D::average_pool_backward(n, n, n, n, n, n, x, y);
  D::max_pool(n, n, n, n, x, y);
  D::max_pool_backward(n, n, n, n, x, x, y);
  D::warp(n, n, n, n, x, x, y);
  D::warp_backward(n, n, n, n, x, x, x, y, y);
};

/// Window kernels of the contract.
template <class D, class T>
concept DeviceWindows = requires(const WindowSize& size, const T* x, T* y, Index n) {
  { D::columns_bytes } -> std::convertible_to<Index>;
  D::unfold(size, n, n, x, n, y);
  D::fold(size, n, n, x, y, n);
  D::max_windows(size, x, y);
  D::max_windows_backward(size, x, x, y);
  D::average_windows(size, true, x, y);
  D::average_windows_backward(size, true, x, y);
  { D::convolves_windows } -> std::convertible_to<bool>;
}
&&(!D::convolves_windows || requires(const WindowSize& size, const T* x, T* y, const FullPrecision<T>* bias, Index n) {
  { D::convolves(size) } -> std::convertible_to<bool>;
  D::convolve_windows(size, x, D::window_filter(size, n, x), bias, true, y);
});

/// Attention kernels of the contract.
template <class D, class T>
concept DeviceAttention = requires(const AttentionSize& size, const T* x, T* y) {
  D::attend(size, x, x, x, y);
  D::attend_backward(size, x, x, x, x, y, y, y);
};

/// Row kernels of the contract.
template <class D, class T, class F>
concept DeviceRows = requires(const T* x, T* y, const F* precise_x, F* precise_y, Index n, const Index* rows,
                              std::pair<F, F> (&term)(F)) {
  D::gather_rows(n, n, x, rows, y);
  D::scatter_add_rows(n, n, x, rows, y);
  D::scatter_add_rows(n, n, x, rows, precise_y);
  D::broadcast_rows(n, n, n, x, y);
  D::row_dots(n, n, x, x, precise_y);
  D::scale_rows(n, n, precise_x, x, y);
  D::mean_loss(n, precise_x, term, precise_y, precise_y);
};

/// Weight kernels of the contract.
template <class D, class T, class F>
concept DeviceWeights = requires(const T* x, T* y, const F* precise_x, F* precise_y, T value, Index n,
                                 const Random& random, const std::vector<WeightToPack<T>>& weights) {
  D::pack_weight(n, n, n, precise_x, precise_x, y);
  D::pack_weights(weights);
  D::unpack_weight_gradient(n, n, n, x, x, precise_x, precise_x, precise_x, precise_y);
  { D::unpacks_together } -> std::convertible_to<bool>;
  D::transpose(n, n, n, x, y);
  D::random_normal(n, random, value, y);
  D::random_uniform(n, random, value, value, y);
}
&&(!D::unpacks_together ||
   requires(const std::vector<WeightGradientToUnpack<T>>& gradients, const ConvolutionSize& size,
            const ConvolutionInput<T>& input, const T* x, Index n) {
     D::unpack_weight_gradients(gradients);
     { D::weight_gradient(size, input, x, n) } -> std::same_as<FilterOf<D, T>>;
   });

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
