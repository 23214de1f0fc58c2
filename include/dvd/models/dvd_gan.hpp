// The whole model: generator, its average, and both discriminators.
#pragma once

#include "dvd/models/generator.hpp"
#include "dvd/models/sampling.hpp"
#include "dvd/models/spatial_discriminator.hpp"
#include "dvd/models/temporal_discriminator.hpp"

namespace dvd {

/// The parts of a DVD-GAN that can be exchanged. To exchange one, derive and name another type:
///
///     struct MyParts : dvd::DvdGanParts<float> {
///       using Recurrent = MyUnit;
///     };
///     dvd::DvdGan<float, dvd::Cpu, MyParts> gan({...});
template <Scalar T, Device D = Cpu>
struct DvdGanParts {
  using Recurrent = ConvGRU<T, D>;                ///< a RecurrentUnit
  using Sampler = FrameSampler;                   ///< a FrameSampling
  using Downsampler = TemporalDownsampler<T, D>;  ///< a TemporalDownsampling
};

/// A DVD-GAN: everything that training changes, and sampling. Weights start random, a function of the seed alone.
///
///     dvd::DvdGan<float> gan({.frames = 8, .resolution = 32, .channels = 8, .classes = 12});
template <Scalar T, Device D = Cpu, class PartsType = DvdGanParts<T, D>>
requires DeviceFor<D, T> && FrameSampling<typename PartsType::Sampler>
class DvdGan {
 public:
  using scalar_type = T;
  using device_type = D;
  using Parts = PartsType;
  using GeneratorType = Generator<T, D, typename Parts::Recurrent>;
  using SpatialType = SpatialDiscriminator<T, D>;
  using TemporalType = TemporalDiscriminator<T, D, typename Parts::Downsampler>;

  GeneratorType generator;
  SpatialType spatial;
  TemporalType temporal;
  GeneratorType average;  ///< the moving average of the generator; samples come from it

  /// Throws ArgumentError, naming the field, if the configuration makes no sense.
  explicit DvdGan(const DvdGanConfig& config, std::uint64_t seed = 0)
      : generator(config, Random(seed).stream("generator")),
        spatial(config, Random(seed).stream("spatial")),
        temporal(config, Random(seed).stream("temporal")),
        average(generator.clone()) {}

  // Optimizers and averages point to parameters, so the model stays where it is.
  DvdGan(const DvdGan&) = delete;
  DvdGan& operator=(const DvdGan&) = delete;

  const DvdGanConfig& config() const { return generator.config(); }

  /// Videos `[T, N, R, R, 3]` in [-1, 1] from the averaged weights. Throws ArgumentError for a label out of range.
  Tensor<T, D> sample(const SampleOptions& options = {}) {
    const Labels labels(static_cast<std::size_t>(options.count), options.label);
    return average.forward(draw_latents<T, D>(config().latent_dim, options), labels, Pass::evaluate());
  }

  /// Calls `f(name, parameter-or-buffer)` for all four networks, under the names of a checkpoint.
  template <class F>
  void visit(const std::string& prefix, F& f) {
    generator.visit(prefix + "generator.", f);
    spatial.visit(prefix + "spatial.", f);
    temporal.visit(prefix + "temporal.", f);
    average.visit(prefix + "ema.generator.", f);
  }
};

}  // namespace dvd
