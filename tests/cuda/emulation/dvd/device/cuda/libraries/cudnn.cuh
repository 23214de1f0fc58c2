// Convolutions as loops on the host, with sums in double: in the place of cuDNN's.
#pragma once

#include <vector>

#include "dvd/device/cpu/parallel.hpp"
#include "dvd/device/cuda/definition.hpp"
#include "dvd/device/cuda/libraries/emulated.cuh"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

namespace detail {

/// Calls f(from, to, tap) for all positions `to` of an image and the positions `from` that its kernel sees there.
template <class F>
void for_taps(const ConvolutionProblem& p, Index image, Index frame, Index row, const F& f) {
  const Index reach = p.kernel_frames / 2;
  for (Index dt = -reach; dt <= reach; ++dt)
    for (Index dh = -1; dh <= 1; ++dh) {
      const Index t = frame + dt, h = row + dh;
      if (t < 0 || t >= p.frames || h < 0 || h >= p.height) continue;
      for (Index w = 0; w < p.width; ++w)
        for (Index dw = -1; dw <= 1; ++dw) {
          if (w + dw < 0 || w + dw >= p.width) continue;
          f(((image * p.frames + t) * p.height + h) * p.width + w + dw,
            ((image * p.frames + frame) * p.height + row) * p.width + w, ((dt + reach) * 3 + dh + 1) * 3 + dw + 1);
        }
    }
}

}  // namespace detail

DVD_CUDA_DEFINITION void library_convolve(const ConvolutionProblem& p, const void* x, const void* weight,
                                          const void* bias, void* y, bool accumulate, bool rectify) {
  detail::submit([=] {
    detail::with_type(p.type, [&]<class T>(T*) {
      const Index taps = p.kernel_frames * 9;
      const T* const from = static_cast<const T*>(x);
      const T* const w = static_cast<const T*>(weight);
      cpu::parallel_for(p.images * p.frames * p.height, [&](Index line) {
        std::vector<double> sums(static_cast<std::size_t>(p.width * p.outputs));
        detail::for_taps(p, line / p.height / p.frames, line / p.height % p.frames, line % p.height,
                         [&](Index source, Index place, Index tap) {
                           double* const sum = sums.data() + place % p.width * p.outputs;
                           for (Index o = 0; o < p.outputs; ++o) {
                             double total = 0;
                             for (Index i = 0; i < p.inputs; ++i)
                               total += static_cast<double>(from[source * p.inputs + i]) *
                                        static_cast<double>(w[(o * taps + tap) * p.inputs + i]);
                             sum[o] += total;
                           }
                         });
        for (Index i = 0; i < p.width * p.outputs; ++i) {
          T& to = static_cast<T*>(y)[line * p.width * p.outputs + i];
          const double sum = sums[static_cast<std::size_t>(i)] + (accumulate ? static_cast<double>(to) : 0) +
                             (bias ? static_cast<double>(static_cast<const T*>(bias)[i % p.outputs]) : 0);
          to = T(rectify && sum < 0 ? 0.0 : sum);
        }
      });
    });
  });
}

DVD_CUDA_DEFINITION void library_convolve_backward_input(const ConvolutionProblem& p, const void* dy,
                                                         const void* weight, void* dx, bool accumulate) {
  detail::submit([=] {
    detail::with_type(p.type, [&]<class T>(T*) {
      const Index taps = p.kernel_frames * 9;
      const T* const from = static_cast<const T*>(dy);
      const T* const w = static_cast<const T*>(weight);
      cpu::parallel_for(p.images * p.frames * p.height, [&](Index line) {
        std::vector<double> sums(static_cast<std::size_t>(p.width * p.inputs));
        detail::for_taps(p, line / p.height / p.frames, line / p.height % p.frames, line % p.height,
                         [&](Index source, Index place, Index tap) {
                           double* const sum = sums.data() + place % p.width * p.inputs;
                           for (Index o = 0; o < p.outputs; ++o) {
                             const double upstream = static_cast<double>(from[source * p.outputs + o]);
                             for (Index i = 0; i < p.inputs; ++i)
                               sum[i] += upstream * static_cast<double>(w[(o * taps + taps - 1 - tap) * p.inputs + i]);
                           }
                         });
        for (Index i = 0; i < p.width * p.inputs; ++i) {
          T& to = static_cast<T*>(dx)[line * p.width * p.inputs + i];
          to = T(sums[static_cast<std::size_t>(i)] + (accumulate ? static_cast<double>(to) : 0));
        }
      });
    });
  });
}

DVD_CUDA_DEFINITION void library_convolve_backward_weight(const ConvolutionProblem& p, const void* x, const void* dy,
                                                          void* dweight) {
  detail::submit([=] {
    detail::with_type(p.type, [&]<class T>(T*) {
      const Index taps = p.kernel_frames * 9;
      const T* const from = static_cast<const T*>(x);
      const T* const upstream = static_cast<const T*>(dy);
      cpu::parallel_for(p.outputs, [&](Index o) {
        std::vector<double> sums(static_cast<std::size_t>(taps * p.inputs));
        for (Index line = 0; line < p.images * p.frames * p.height; ++line)
          detail::for_taps(p, line / p.height / p.frames, line / p.height % p.frames, line % p.height,
                           [&](Index source, Index place, Index tap) {
                             const double factor = static_cast<double>(upstream[place * p.outputs + o]);
                             for (Index i = 0; i < p.inputs; ++i)
                               sums[static_cast<std::size_t>(tap * p.inputs + i)] +=
                                   factor * static_cast<double>(from[source * p.inputs + i]);
                           });
        for (Index i = 0; i < taps * p.inputs; ++i)
          static_cast<T*>(dweight)[o * taps * p.inputs + i] = T(sums[static_cast<std::size_t>(i)]);
      });
    });
  });
}

}  // namespace dvd::cuda
