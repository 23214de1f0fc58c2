// What the temporal discriminator sees of a video.
#pragma once

#include "dvd/layers/avg_pool.hpp"

namespace dvd {

/// A map phi from videos `[T, N, R, R, 3]` to smaller ones, a layer that says by what it divides the resolution.
template <class L>
concept TemporalDownsampling = Layer<L> && requires {
  { L::factor } -> std::convertible_to<Index>;
};

/// DVD-GAN's phi: 2x2 average pooling of every frame (section 3.2).
template <Scalar T, Device D = Cpu>
class TemporalDownsampler : public AvgPool<T, D> {
 public:
  static constexpr Index factor = 2;
};

static_assert(TemporalDownsampling<TemporalDownsampler<float>>);

}  // namespace dvd
