// What a GPU needs: the library's kernels for our function and our loss, and kernels of our own. nvcc compiles this
// file, with the flags in ${dvd_cuda_flags}; the rest of the program is C++ and includes no header of CUDA's.
#include <dvd/device/cuda/loss.cuh>
#include <dvd/device/cuda/map.cuh>
#include <dvd/training/loss_terms.hpp>

#include "functions.hpp"
#include "pixel_norm_kernels.hpp"

using dvd::Index;

// 1. The activation: asked of the library's kernel for functions, for the numbers that a tensor may hold.
#define INSTANTIATE(T)                                                                       \
  template void dvd::cuda::Mapping::map(Index, const examples::Swish<float>&, const T*, T*); \
  template void dvd::cuda::Mapping::map(Index, const examples::Swish<float>&, const T*, const T*, T*);
INSTANTIATE(float)
INSTANTIATE(dvd::bfloat16)

// 2. The loss: asked of the library's kernel for means. Scores are float, whatever the networks compute in.
template void dvd::cuda::Gathering::mean_loss(Index, const float*, dvd::RealTerm<examples::SmoothedLeastSquares>,
                                              float*, float*);
template void dvd::cuda::Gathering::mean_loss(Index, const float*, dvd::FakeTerm<examples::SmoothedLeastSquares>,
                                              float*, float*);
template void dvd::cuda::Gathering::mean_loss(Index, const float*, dvd::GeneratorTerm<examples::SmoothedLeastSquares>,
                                              float*, float*);

// 3. The layer: a kernel is a struct that holds what a thread needs, and what it does for one number, here a pixel. The
// launch, for_each, is recorded with all others when a training step becomes a CUDA graph.
namespace examples {

template <class T>
struct Normalize {
  Index channels;
  const T* x;
  T* y;

  DVD_DEVICE float inverse_length(Index pixel) const {
    float squares = 0;
    for (Index c = 0; c < channels; ++c) {
      const float value = static_cast<float>(x[pixel * channels + c]);
      squares += value * value;
    }
    return 1 / std::sqrt(squares / static_cast<float>(channels) + 1e-8f);
  }
  DVD_DEVICE void operator()(Index pixel) const {
    const float inverse = inverse_length(pixel);
    for (Index c = 0; c < channels; ++c)
      y[pixel * channels + c] = T(static_cast<float>(x[pixel * channels + c]) * inverse);
  }
};

template <class T>
struct NormalizeBackward {
  Normalize<T> forward;
  const T* dy;
  T* dx;

  DVD_DEVICE void operator()(Index pixel) const {
    const Index channels = forward.channels;
    const T *const from = forward.x + pixel * channels, *const upstream = dy + pixel * channels;
    const float inverse = forward.inverse_length(pixel);
    float along = 0;
    for (Index c = 0; c < channels; ++c)
      along += static_cast<float>(upstream[c]) * static_cast<float>(from[c]) * inverse;
    along /= static_cast<float>(channels);
    for (Index c = 0; c < channels; ++c)
      dx[pixel * channels + c] =
          T(inverse * (static_cast<float>(upstream[c]) - static_cast<float>(from[c]) * inverse * along));
  }
};

template <class T>
void PixelNormKernels<dvd::Cuda>::forward(Index pixels, Index channels, const T* x, T* y) {
  dvd::cuda::for_each(pixels, Normalize<T>{channels, x, y});
}
template <class T>
void PixelNormKernels<dvd::Cuda>::backward(Index pixels, Index channels, const T* x, const T* dy, T* dx) {
  dvd::cuda::for_each(pixels, NormalizeBackward<T>{{channels, x, nullptr}, dy, dx});
}

#define INSTANTIATE_LAYER(T)                                                      \
  template void PixelNormKernels<dvd::Cuda>::forward(Index, Index, const T*, T*); \
  template void PixelNormKernels<dvd::Cuda>::backward(Index, Index, const T*, const T*, T*);
INSTANTIATE_LAYER(float)
INSTANTIATE_LAYER(dvd::bfloat16)

}  // namespace examples
