// The vendor's libraries as loops on the host, with sums in double; in TF32, where that is allowed, as they do.
#include "cuda/libraries.hpp"

#include <cuda_runtime_api.h>

#include <bit>
#include <cstdint>
#include <vector>

#include "dvd/device/cpu/parallel.hpp"
#include "dvd/device/cuda/context.cuh"
#include "dvd/device/cuda/memory.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::cuda {

namespace {

/// Whether what is submitted may use TF32, while it runs.
bool in_tf32 = false;

/// A factor of a product: float32 to TF32's 10 bits of fraction, ties to even.
double factor(float x) {
  if (!in_tf32) return static_cast<double>(x);
  const auto bits = std::bit_cast<std::uint32_t>(x);
  return static_cast<double>(std::bit_cast<float>((bits + 0xFFFu + ((bits >> 13) & 1u)) & ~0x1FFFu));
}
double factor(bfloat16 x) { return static_cast<double>(x); }

/// Calls `work` with a null pointer of the type of numbers.
template <class Work>
void with_type(NumberType type, const Work& work) {
  if (type == NumberType::float32)
    work(static_cast<float*>(nullptr));
  else
    work(static_cast<bfloat16*>(nullptr));
}

void submit(const std::function<void()>& work) {
  EmulatedGpu::instance().submit(stream(), [work, tf32 = Memory::tf32_allowed()] {
    in_tf32 = tf32;
    work();
  });
}

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

}  // namespace

void library_convolve(const ConvolutionProblem& p, const void* x, const void* weight, const void* bias, void* y) {
  submit([=] {
    with_type(p.type, [&]<class T>(T*) {
      const Index taps = p.kernel_frames * 9;
      const T* const from = static_cast<const T*>(x);
      const T* const w = static_cast<const T*>(weight);
      cpu::parallel_for(p.images * p.frames * p.height, [&](Index line) {
        std::vector<double> sums(static_cast<std::size_t>(p.width * p.outputs));
        for_taps(p, line / p.height / p.frames, line / p.height % p.frames, line % p.height,
                 [&](Index source, Index place, Index tap) {
                   double* const sum = sums.data() + place % p.width * p.outputs;
                   for (Index o = 0; o < p.outputs; ++o) {
                     double total = 0;
                     for (Index i = 0; i < p.inputs; ++i)
                       total += factor(from[source * p.inputs + i]) * factor(w[(o * taps + tap) * p.inputs + i]);
                     sum[o] += total;
                   }
                 });
        for (Index i = 0; i < p.width * p.outputs; ++i)
          static_cast<T*>(y)[line * p.width * p.outputs + i] =
              T(sums[static_cast<std::size_t>(i)] +
                (bias ? static_cast<double>(static_cast<const T*>(bias)[i % p.outputs]) : 0));
      });
    });
  });
}

void library_convolve_backward_input(const ConvolutionProblem& p, const void* dy, const void* weight, void* dx) {
  submit([=] {
    with_type(p.type, [&]<class T>(T*) {
      const Index taps = p.kernel_frames * 9;
      const T* const from = static_cast<const T*>(dy);
      const T* const w = static_cast<const T*>(weight);
      cpu::parallel_for(p.images * p.frames * p.height, [&](Index line) {
        std::vector<double> sums(static_cast<std::size_t>(p.width * p.inputs));
        for_taps(p, line / p.height / p.frames, line / p.height % p.frames, line % p.height,
                 [&](Index source, Index place, Index tap) {
                   double* const sum = sums.data() + place % p.width * p.inputs;
                   for (Index o = 0; o < p.outputs; ++o) {
                     const double upstream = factor(from[source * p.outputs + o]);
                     for (Index i = 0; i < p.inputs; ++i)
                       sum[i] += upstream * factor(w[(o * taps + taps - 1 - tap) * p.inputs + i]);
                   }
                 });
        for (Index i = 0; i < p.width * p.inputs; ++i)
          static_cast<T*>(dx)[line * p.width * p.inputs + i] = T(sums[static_cast<std::size_t>(i)]);
      });
    });
  });
}

void library_convolve_backward_weight(const ConvolutionProblem& p, const void* x, const void* dy, void* dweight) {
  submit([=] {
    with_type(p.type, [&]<class T>(T*) {
      const Index taps = p.kernel_frames * 9;
      const T* const from = static_cast<const T*>(x);
      const T* const upstream = static_cast<const T*>(dy);
      cpu::parallel_for(p.outputs, [&](Index o) {
        std::vector<double> sums(static_cast<std::size_t>(taps * p.inputs));
        for (Index line = 0; line < p.images * p.frames * p.height; ++line)
          for_taps(p, line / p.height / p.frames, line / p.height % p.frames, line % p.height,
                   [&](Index source, Index place, Index tap) {
                     const double above = factor(upstream[place * p.outputs + o]);
                     for (Index i = 0; i < p.inputs; ++i)
                       sums[static_cast<std::size_t>(tap * p.inputs + i)] +=
                           above * factor(from[source * p.inputs + i]);
                   });
        for (Index i = 0; i < taps * p.inputs; ++i)
          static_cast<T*>(dweight)[o * taps * p.inputs + i] = T(sums[static_cast<std::size_t>(i)]);
      });
    });
  });
}

void library_multiply(const ProductProblem& p, const ProductSide& a, const ProductSide& b, void* result,
                      Index result_row, Index result_batch, const void* bias) {
  submit([=] {
    with_type(p.type, [&]<class T>(T*) {
      with_type(p.result_type, [&]<class R>(R*) {
        const auto at = [](const ProductSide& side, Index batch, Index row, Index column) {
          if (side.transposed) std::swap(row, column);
          return factor(static_cast<const T*>(side.data)[batch * side.batch + row * side.row + column]);
        };
        cpu::parallel_for(p.batches * p.rows, [&](Index i) {
          const Index batch = i / p.rows, row = i % p.rows;
          R* const to = static_cast<R*>(result) + batch * result_batch + row * result_row;
          std::vector<double> sums(static_cast<std::size_t>(p.columns));
          for (Index d = 0; d < p.depth; ++d) {
            const double left = at(a, batch, row, d);
            for (Index column = 0; column < p.columns; ++column)
              sums[static_cast<std::size_t>(column)] += left * at(b, batch, d, column);
          }
          for (Index column = 0; column < p.columns; ++column) {
            double sum = sums[static_cast<std::size_t>(column)];
            if (bias) sum += static_cast<double>(static_cast<const R*>(bias)[column]);
            if (p.accumulate) sum += static_cast<double>(to[column]);
            to[column] = R(sum);
          }
        });
      });
    });
  });
}

}  // namespace dvd::cuda
