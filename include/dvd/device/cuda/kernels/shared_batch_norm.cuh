// Batch norms over a batch whose parts are apart.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/device/cuda/definition.hpp"
#include "dvd/device/cuda/kernels/batch_norm_gradient.cuh"
#include "dvd/device/cuda/normalization.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

namespace detail {

struct MomentSums {
  Index size;
  double count;
  const float *mean, *variance, *reference;
  double* sums;

  DVD_DEVICE void operator()(Index i) const {
    const double distance = static_cast<double>(read(mean + i)) - static_cast<double>(read(reference + i));
    write(sums + i, count * distance);
    write(sums + size + i, count * (static_cast<double>(read(variance + i)) + distance * distance));
  }
};

struct MomentsOfSums {
  Index size;
  double count;
  const double* sums;
  const float* reference;
  float *mean, *variance;

  DVD_DEVICE void operator()(Index i) const {
    const double distance = read(sums + i) / count, square = read(sums + size + i) / count - distance * distance;
    write(mean + i, static_cast<float>(static_cast<double>(read(reference + i)) + distance));
    write(variance + i, square < 0 ? 0 : static_cast<float>(square));  // a NaN stays one
  }
};

/// Of a frame, the sums over its images of scale times what was summed there. A row is a frame.
struct FrameSums {
  Index frames, batch, channels;
  const UpstreamSums* of_images;
  const float* scale;
  double* sums;

  template <int>
  DVD_DEVICE void operator()(Index frame, Index channel) const {
    double total = 0, moment = 0;
    for (Index n = 0; n < batch; ++n) {
      const Index image = (frame * batch + n) * channels + channel;
      const UpstreamSums sum = read(of_images + image);
      const double factor = static_cast<double>(read(scale + image));
      total += factor * sum.total;
      moment += factor * sum.moment;
    }
    write(sums + frame * channels + channel, total);
    write(sums + (frames + frame) * channels + channel, moment);
  }
};

/// What the sums over all `count` pixels of a frame say of each of them.
struct TermsOfSums {
  Index size;
  double count;
  const double* sums;
  const float* variance;
  float epsilon;
  float *slope, *offset;

  DVD_DEVICE void operator()(Index i) const {
    const double square = static_cast<double>(read(variance + i)) + static_cast<double>(epsilon);
    write(slope + i, static_cast<float>(read(sums + size + i) / (count * square)));
    write(offset + i, static_cast<float>(read(sums + i) / count));
  }
};

}  // namespace detail

DVD_CUDA_DEFINITION void SharedBatchNorm::moment_sums(Index size, Index count, const float* mean, const float* variance,
                                                      const float* reference, double* sums) {
  for_each(size, detail::MomentSums{size, static_cast<double>(count), mean, variance, reference, sums});
}

DVD_CUDA_DEFINITION void SharedBatchNorm::moments_of_sums(Index size, Index count, const double* sums,
                                                          const float* reference, float* mean, float* variance) {
  for_each(size, detail::MomentsOfSums{size, static_cast<double>(count), sums, reference, mean, variance});
}

template <CudaScalar T, CudaScalar Gradient>
void SharedBatchNorm::batch_norm_gradient_sums(Index frames, Index batch, Index rows, Index channels, const T* x,
                                               const T* dy, const float* mean, const float* variance,
                                               const float* scale, const float* shift, float epsilon, bool rectify,
                                               Gradient* dgain, Gradient* dbias, double* sums) {
  const auto memory = detail::image_sums(frames, batch, rows, channels, x, dy, mean, scale, shift, rectify);
  const auto* const of_images = static_cast<const detail::UpstreamSums*>(memory.get());
  // One element at a time: these arrays are small.
  for_each_row_lanes<T>(batch + frames, channels, 1,
                        detail::OneAfterTheOther<detail::GainBiasGradient<Gradient>, detail::FrameSums>{
                            {frames, batch, channels, of_images, variance, epsilon, dgain, dbias},
                            batch,
                            {frames, batch, channels, of_images, scale, sums}});
}

template <CudaScalar T>
void SharedBatchNorm::batch_norm_gradient(Index frames, Index batch, Index rows, Index channels, const T* x,
                                          const T* dy, const float* mean, const float* variance, const float* scale,
                                          const float* shift, float epsilon, bool rectify, Index count,
                                          const double* sums, T* dx) {
  const Index size = frames * channels;
  const detail::FrameTerms terms(size);
  for_each(size,
           detail::TermsOfSums{size, static_cast<double>(count), sums, variance, epsilon, terms.slope, terms.offset});
  detail::input_gradient(frames, batch, rows, channels, x, dy, mean, scale, shift, terms, rectify, dx);
}

#define DVD_INSTANTIATE(T)                                                                                         \
  template void SharedBatchNorm::batch_norm_gradient_sums(Index, Index, Index, Index, const T*, const T*,          \
                                                          const float*, const float*, const float*, const float*,  \
                                                          float, bool, float*, float*, double*);                   \
  template void SharedBatchNorm::batch_norm_gradient_sums(Index, Index, Index, Index, const T*, const T*,          \
                                                          const float*, const float*, const float*, const float*,  \
                                                          float, bool, bfloat16*, bfloat16*, double*);             \
  template void SharedBatchNorm::batch_norm_gradient(Index, Index, Index, Index, const T*, const T*, const float*, \
                                                     const float*, const float*, const float*, float, bool, Index, \
                                                     const double*, T*);
DVD_INSTANTIATE(float)
DVD_INSTANTIATE(bfloat16)
#undef DVD_INSTANTIATE

}  // namespace dvd::cuda

#include "dvd/core/macros_end.hpp"
