// The discriminators: one that looks at frames, one that looks at how they follow each other.
#pragma once

#include <dvd/layers/frame_sampler.hpp>
#include <dvd/layers/general_convolution.hpp>
#include <dvd/layers/pointwise_layer.hpp>
#include <dvd/layers/sequential.hpp>
#include <dvd/layers/spectral_norm.hpp>
#include <dvd/layers/temporal_downsampler.hpp>
#include <dvd/models/layer_discriminator.hpp>

namespace nowcasting {

template <class T, class D>
auto spatial_layers(const dvd::Random& random) {
  using Conv = dvd::SpectralNorm<dvd::Conv2D<T, D>>;
  const auto conv = [&](std::uint64_t number, dvd::Index inputs, dvd::Index outputs) {
    const dvd::Random own = random.stream(number);
    return Conv(own.stream("u"), inputs, outputs, dvd::ConvolutionOptions{.kernel = 4, .stride = 2, .padding = 1}, own);
  };
  return dvd::Sequential(conv(0, 1, 16), dvd::LeakyReLU<T, D>(0.2), conv(1, 16, 32), dvd::LeakyReLU<T, D>(0.2),
                         conv(2, 32, 48), dvd::LeakyReLU<T, D>(0.2), conv(3, 48, 1));
}

/// Judges patches of some frames of what is made, one by one: whether rain looks like that.
template <dvd::Scalar T, dvd::Device D = dvd::Cpu>
class SpatialDiscriminator {
 public:
  using Judge = dvd::LayerDiscriminator<decltype(spatial_layers<T, D>(dvd::Random(0)))>;
  using scalar_type = T;
  using device_type = D;
  using Sampler = dvd::FrameSampler;

  struct Cache {
    dvd::ChosenFrames<D> frames;
    dvd::Index total = 0;
    typename Judge::Cache judge;
  };

  explicit SpatialDiscriminator(const dvd::Random& random) : judge(spatial_layers<T, D>(random)) {}

  dvd::Index sampled_frames() const { return 6; }

  dvd::PreciseTensor<T, D> forward(const dvd::VideoBatch<T, D>& batch, dvd::Pass pass, Cache* cache = nullptr) {
    if (cache) *cache = {batch.frames, batch.videos.extent(0), {}};
    return judge.forward({dvd::select_frames(batch.videos, batch.frames)}, pass, dvd::part(cache, &Cache::judge));
  }

  dvd::Tensor<T, D> backward(const dvd::PreciseTensorView<T, D>& dscores, const Cache& cache,
                             dvd::Gradients gradients) {
    const dvd::Tensor<T, D> dframes = judge.backward(dscores, cache.judge, gradients);
    return dframes ? dvd::select_frames_backward(dframes, cache.frames, cache.total) : dvd::Tensor<T, D>();
  }

  template <class F>
  void visit(const std::string& prefix, F& f) {
    judge.visit(prefix, f);
  }

 private:
  Judge judge;
};

template <class T, class D>
auto temporal_layers(const dvd::Random& random) {
  using Conv = dvd::SpectralNorm<dvd::Conv3D<T, D>>;
  const auto conv = [&](std::uint64_t number, dvd::Index inputs, dvd::Index outputs, dvd::Index frames) {
    const dvd::Random own = random.stream(number);
    return Conv(own.stream("u"), inputs, outputs,
                dvd::ConvolutionOptions{.kernel = {4, 4, 4}, .stride = {frames, 2, 2}, .padding = {1, 1, 1}}, own);
  };
  return dvd::Sequential(dvd::RandomHalfCrop<T, D>(), conv(0, 1, 12, 1), dvd::LeakyReLU<T, D>(0.2), conv(1, 12, 24, 2),
                         dvd::LeakyReLU<T, D>(0.2), conv(2, 24, 48, 2), dvd::LeakyReLU<T, D>(0.2), conv(3, 48, 1, 2));
}

/// Judges how a forecast goes on from what was seen, by patches of a window of all frames, those seen included.
template <class T, class D = dvd::Cpu>
auto temporal_discriminator(const dvd::Random& random) {
  return dvd::LayerDiscriminator(temporal_layers<T, D>(random));
}

}  // namespace nowcasting
