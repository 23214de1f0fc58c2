// The CPU's kernels for float, listed once: declarations for who uses dvd::compiled, where they are compiled, and their
// definitions for the one source that compiles them (dvd/compiled/cpu_kernels.cpp). Kernels that take a function of the
// caller's (a loss term) cannot be listed and are compiled by whoever calls them, as is everything for other scalars.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/device/cpu/attention.hpp"
#include "dvd/device/cpu/convolution.hpp"
#include "dvd/device/cpu/gathering.hpp"
#include "dvd/device/cpu/group_norm.hpp"
#include "dvd/device/cpu/lists.hpp"
#include "dvd/device/cpu/lstm.hpp"
#include "dvd/device/cpu/mapping.hpp"
#include "dvd/device/cpu/normalization.hpp"
#include "dvd/device/cpu/orthogonal.hpp"
#include "dvd/device/cpu/pointwise.hpp"
#include "dvd/device/cpu/resampling.hpp"
#include "dvd/device/cpu/shared_batch_norm.hpp"
#include "dvd/device/cpu/simd.hpp"
#include "dvd/device/cpu/warping.hpp"
#include "dvd/device/cpu/weights.hpp"
#include "dvd/device/cpu/windows.hpp"

#ifdef DVD_COMPILE_CPU_KERNELS
#define DVD_KERNEL template
#else
#define DVD_KERNEL extern template
#endif

namespace dvd::inline DVD_INSTRUCTION_SET::cpu {

namespace detail {

/// Defined in dvd::compiled for the vectors that it is compiled for. Whoever uses it and is compiled for others gets a
/// linker's error with this name.
template <int VectorBytes>
struct Compiled {
  static const char compile_dvd_compiled_for_the_same_processor;
};
#ifdef DVD_COMPILE_CPU_KERNELS
template <>
const char Compiled<vector_bytes>::compile_dvd_compiled_for_the_same_processor = 0;
#else
template <>
const char Compiled<vector_bytes>::compile_dvd_compiled_for_the_same_processor;
[[gnu::used]] static const char* const compiled = &Compiled<vector_bytes>::compile_dvd_compiled_for_the_same_processor;
#endif

}  // namespace detail

DVD_KERNEL void Pointwise::fill(Index, float, float*);
DVD_KERNEL void Pointwise::add(Index, const float*, float*);
DVD_KERNEL void Pointwise::scale(Index, float, const float*, float*);
DVD_KERNEL void Pointwise::convert(Index, const float*, float*);
DVD_KERNEL void Pointwise::relu(Index, const float*, float*);
DVD_KERNEL void Pointwise::relu_backward(Index, const float*, const float*, float*);
DVD_KERNEL void Pointwise::sigmoid(Index, const float*, float*);
DVD_KERNEL void Pointwise::sigmoid_backward(Index, const float*, const float*, float*);
DVD_KERNEL void Pointwise::tanh(Index, const float*, float*);
DVD_KERNEL void Pointwise::tanh_backward(Index, const float*, const float*, float*);
DVD_KERNEL void Pointwise::blend(Index, const float*, const float*, const float*, float*);
DVD_KERNEL void Pointwise::blend_backward(Index, const float*, const float*, const float*, const float*, float*, float*,
                                          float*);
DVD_KERNEL void Pointwise::copy_rows(Index, Index, Index, const float*, Index, Index, float*, Index, Index);
DVD_KERNEL void Pointwise::gru_reset(Index, Index, const GruGates<float>&, const float*, float*, bool);
DVD_KERNEL void Pointwise::gru_output(Index, Index, const GruGates<float>&, const float*, float*, bool, bool);
DVD_KERNEL void Pointwise::gru_output_backward(Index, Index, const GruGates<const float>&, const float*, const float*,
                                               const float*, const GruGates<float>&, float*, bool);
DVD_KERNEL void Pointwise::gru_reset_backward(Index, Index, const GruGates<const float>&, const float*, const float*,
                                              const GruGates<float>&, float*);
DVD_KERNEL void Pointwise::multiply_columns(Index, Index, const float*, Index, const float*, float*);
DVD_KERNEL void Pointwise::moving_average(Index, float, const float*, float*);

DVD_KERNEL void Lists::momentum(const std::vector<MomentumArrays<float>>&, float, bool, float, const float*,
                                const float*);
DVD_KERNEL void Lists::fill_arrays(const std::vector<MutableArray<float>>&, float);
DVD_KERNEL void Lists::scale_arrays(const std::vector<MutableArray<float>>&, const float*, const float*);
DVD_KERNEL void Lists::adam(const std::vector<AdamArrays<float>>&, float, float, float, const float*, const float*);
DVD_KERNEL void Lists::follow(const std::vector<ArrayPair<float>>&, const float*, const float*);
DVD_KERNEL void Lists::copy_arrays(const std::vector<ArrayPair<float>>&, const float*);
DVD_KERNEL void Lists::sum_squares(const std::vector<ArrayView<float>>&, float*);
DVD_KERNEL void Lists::check_finite(const std::vector<ArrayView<float>>&, float*);

DVD_KERNEL Filter<float> Convolution::filter(const ConvolutionSize&, const float*);
DVD_KERNEL Filter<float> Convolution::backward_filter(const ConvolutionSize&, const float*);
DVD_KERNEL void Convolution::convolve(const ConvolutionSize&, const ConvolutionInput<float>&, const Filter<float>&,
                                      const float*, float*, Index, bool);
DVD_KERNEL void Convolution::convolve_backward_input(const ConvolutionSize&, const ConvolutionInput<float>&,
                                                     const float*, Index, const Filter<float>&, float*, bool);
DVD_KERNEL void Convolution::convolve_backward_weight(const ConvolutionSize&, const ConvolutionInput<float>&,
                                                      const float*, Index, float*);

DVD_KERNEL void Normalization::moments(Index, Index, Index, const float*, float*, float*);
DVD_KERNEL void Normalization::scale_shift(Index, Index, Index, const float*, const float*, const float*, bool, float*);
DVD_KERNEL void Normalization::follow_statistics(Index, float, float, const float*, const float*, float*, float*);
DVD_KERNEL void Normalization::batch_norm_coefficients(Index, Index, Index, const float*, const float*, const float*,
                                                       const float*, float, float*, float*);
DVD_KERNEL void Normalization::batch_norm_statistics(Index, Index, Index, Index, const float*, const float*,
                                                     const float*, float, float*, float*,
                                                     const RunningStatistics<float>&, float*, float*);
DVD_KERNEL void Normalization::batch_norm_backward(Index, Index, Index, Index, const float*, const float*, const float*,
                                                   const float*, const float*, const float*, const float*, float, bool,
                                                   bool, float*, float*, float*);
DVD_KERNEL void Normalization::sum_rows(Index, Index, Index, const float*, Index, float*, bool);
DVD_KERNEL void Normalization::dot(Index, const float*, const float*, float*);

DVD_KERNEL void SharedBatchNorm::moment_sums(Index, Index, const float*, const float*, const float*, double*);
DVD_KERNEL void SharedBatchNorm::moments_of_sums(Index, Index, const double*, const float*, float*, float*);
DVD_KERNEL void SharedBatchNorm::batch_norm_gradient_sums(Index, Index, Index, Index, const float*, const float*,
                                                          const float*, const float*, const float*, const float*, float,
                                                          bool, float*, float*, double*);
DVD_KERNEL void SharedBatchNorm::batch_norm_gradient(Index, Index, Index, Index, const float*, const float*,
                                                     const float*, const float*, const float*, const float*, float,
                                                     bool, Index, const double*, float*);

DVD_KERNEL void GroupNorm::group_moments(Index, Index, Index, Index, const float*, float*, float*);
DVD_KERNEL void GroupNorm::group_norm(Index, Index, Index, Index, const float*, const float*, const float*,
                                      const float*, const float*, float, float*);
DVD_KERNEL void GroupNorm::group_norm_backward(Index, Index, Index, Index, const float*, const float*, const float*,
                                               const float*, const float*, float, bool, float*, float*, float*);

DVD_KERNEL void Mapping::dropout(Index, const Random&, std::uint64_t, double, const float*, float*);

DVD_KERNEL void Lstm::lstm_output(Index, Index, float*, const float*, float*, float*);
DVD_KERNEL void Lstm::lstm_output_backward(Index, Index, const float*, const float*, const float*, const float*,
                                           const float*, float*, float*);

DVD_KERNEL void Resampling::upsample_nearest(Index, Index, Index, Index, const float*, float*);
DVD_KERNEL void Resampling::upsample_nearest_backward(Index, Index, Index, Index, const float*, float*);
DVD_KERNEL void Resampling::upsample_bilinear(Index, Index, Index, Index, const float*, float*);
DVD_KERNEL void Resampling::upsample_bilinear_backward(Index, Index, Index, Index, const float*, float*);
DVD_KERNEL void Resampling::average_pool(Index, Index, Index, Index, Index, Index, const float*, float*);
DVD_KERNEL void Resampling::average_pool_backward(Index, Index, Index, Index, Index, Index, const float*, float*);
DVD_KERNEL void Resampling::max_pool(Index, Index, Index, Index, const float*, float*);
DVD_KERNEL void Resampling::max_pool_backward(Index, Index, Index, Index, const float*, const float*, float*);
DVD_KERNEL void Warping::warp(Index, Index, Index, Index, const float*, const float*, float*);
DVD_KERNEL void Warping::warp_backward(Index, Index, Index, Index, const float*, const float*, const float*, float*,
                                       float*);

DVD_KERNEL void Windows::unfold(const WindowSize&, Index, Index, const float*, Index, float*);
DVD_KERNEL void Windows::fold(const WindowSize&, Index, Index, const float*, float*, Index);
DVD_KERNEL void Windows::max_windows(const WindowSize&, const float*, float*);
DVD_KERNEL void Windows::max_windows_backward(const WindowSize&, const float*, const float*, float*);
DVD_KERNEL void Windows::average_windows(const WindowSize&, bool, const float*, float*);
DVD_KERNEL void Windows::average_windows_backward(const WindowSize&, bool, const float*, float*);
DVD_KERNEL WindowFilter<float> Windows::window_filter(const WindowSize&, Index, const float*);
DVD_KERNEL void Windows::convolve_windows(const WindowSize&, const float*, const WindowFilter<float>&, const float*,
                                          bool, float*);

DVD_KERNEL void Attention::attend(const AttentionSize&, const float*, const float*, const float*, float*);
DVD_KERNEL void Attention::attend_backward(const AttentionSize&, const float*, const float*, const float*, const float*,
                                           float*, float*, float*);

DVD_KERNEL void Gathering::gather_rows(Index, Index, const float*, const Index*, float*);
DVD_KERNEL void Gathering::scatter_add_rows(Index, Index, const float*, const Index*, float*);
DVD_KERNEL void Gathering::broadcast_rows(Index, Index, Index, const float*, float*);
DVD_KERNEL void Gathering::row_dots(Index, Index, const float*, const float*, float*);
DVD_KERNEL void Gathering::scale_rows(Index, Index, const float*, const float*, float*);

DVD_KERNEL void Weights::power_iterations(const std::vector<SpectralArrays<float>>&, bool);
DVD_KERNEL void Weights::pack_weight(Index, Index, Index, const float*, const float*, float*);
DVD_KERNEL void Weights::pack_weights(const std::vector<WeightToPack<float>>&);
DVD_KERNEL void Weights::unpack_weight_gradient(Index, Index, Index, const float*, const float*, const float*,
                                                const float*, const float*, float*);
DVD_KERNEL void Weights::transpose(Index, Index, Index, const float*, float*);
DVD_KERNEL void Weights::random_normal(Index, const Random&, float, float*);
DVD_KERNEL void Weights::random_uniform(Index, const Random&, float, float, float*);

DVD_KERNEL void orthonormalize_rows(Index, Index, float*);
DVD_KERNEL void random_orthogonal(Index, Index, const Random&, float*);

}  // namespace dvd::cpu

#undef DVD_KERNEL

#include "dvd/core/macros_end.hpp"
