// The whole model: generator, its average, and both discriminators.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include "dvd/models/generator_networks.hpp"
#include "dvd/models/sampling.hpp"
#include "dvd/models/spatial_discriminator.hpp"
#include "dvd/models/temporal_discriminator.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

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
  using GeneratorAttention = NoAttention<T, D>;   ///< a VideoAttention, at half the resolution of the videos
  using SpatialAttention = NoAttention<T, D>;     ///< a VideoAttention, after the first block of D_S
  using TemporalAttention = NoAttention<T, D>;    ///< a VideoAttention, after the first block of D_T
};

/// The generator of a DVD-GAN, with the conditioning stack where there are conditioning frames: for a `Gan` of other
/// discriminators.
template <Scalar T, Device D = Cpu>
using DvdGenerator = GeneratorNetworks<Generator<T, D>>;

/// A part that computes with elements of type T on D.
template <class P, class T, class D>
concept PartFor = std::same_as<typename P::scalar_type, T> && std::same_as<typename P::device_type, D>;

/// The parts of a DVD-GAN over elements of type T on D: see DvdGanParts.
template <class P, class T, class D>
concept PartsFor = RecurrentUnit<typename P::Recurrent> && FrameSampling<typename P::Sampler> &&
    TemporalDownsampling<typename P::Downsampler> && VideoAttention<typename P::GeneratorAttention> &&
    VideoAttention<typename P::SpatialAttention> && VideoAttention<typename P::TemporalAttention> &&
    PartFor<typename P::Recurrent, T, D> && PartFor<typename P::Downsampler, T, D> &&
    PartFor<typename P::GeneratorAttention, T, D> && PartFor<typename P::SpatialAttention, T, D> &&
    PartFor<typename P::TemporalAttention, T, D>;

/// A DVD-GAN: everything that training changes, and sampling. Weights start random, a function of the seed alone. With
/// conditioning frames it is DVD-GAN-FP, which continues videos.
///
///     dvd::DvdGan<float> gan({.frames = 8, .resolution = 32, .channels = 8, .classes = 12});
template <Scalar T, DeviceFor<T> D = Cpu, PartsFor<T, D> PartsType = DvdGanParts<T, D>>
class DvdGan
    : public GeneratorNetworks<Generator<T, D, typename PartsType::Recurrent, typename PartsType::GeneratorAttention>> {
 public:
  using scalar_type = T;
  using device_type = D;
  using View = ConstTensorView<T, D>;
  using Parts = PartsType;
  using GeneratorType = Generator<T, D, typename Parts::Recurrent, typename Parts::GeneratorAttention>;
  /// The generator and, where there is one, its conditioning stack: what this class derives from.
  using Networks = GeneratorNetworks<GeneratorType>;
  using SpatialType = SpatialDiscriminator<T, D, typename Parts::SpatialAttention, typename Parts::Sampler>;
  using TemporalType = TemporalDiscriminator<T, D, typename Parts::Downsampler, typename Parts::TemporalAttention>;

  SpatialType spatial;
  TemporalType temporal;
  Networks average;  ///< the moving average of generator and conditioning stack; samples come from it

  /// Throws ArgumentError, naming the field, if the configuration makes no sense.
  explicit DvdGan(const DvdGanConfig& config, std::uint64_t seed = 0);

  /// The same with weights drawn from `random`; with Random::none(), all zero, for a checkpoint to be loaded.
  DvdGan(const DvdGanConfig& config, const Random& random);
  ~DvdGan();

  // Optimizers and averages point to parameters, so the model stays where it is.
  DvdGan(const DvdGan&) = delete;
  DvdGan& operator=(const DvdGan&) = delete;

  const DvdGanConfig& config() const { return this->generator.config(); }

  /// Generator and conditioning stack as they are trained.
  Networks& networks() { return *this; }
  const Networks& networks() const { return *this; }

  /// Videos `[frames, N, H, W, C]` in [-1, 1] from the averaged weights. Throws ArgumentError for a label out of range,
  /// and for a model with conditioning frames, which `predict` is for. Who samples again and again, or from several
  /// threads, makes a ServedGenerator.
  Tensor<T, D> sample(const SampleOptions& options = {});

  /// How videos that begin with `condition` `[condition_frames, N, H, W, C]` may go on: the next frames,
  /// `[frames, N, H, W, C]`, from the averaged weights. Of the options, `count` does not matter: there is one
  /// continuation a video. Throws ArgumentError for frames of another shape and for a model without conditioning
  /// frames.
  Tensor<T, D> predict(const View& condition, SampleOptions options = {});

  /// Calls `f(name, discriminator)` for both.
  template <class F>
  void for_each_discriminator(F&& f) {
    f("spatial", spatial);
    f("temporal", temporal);
  }

  /// Calls `f(name, parameter-or-buffer)` for all networks, under the names of a checkpoint.
  template <class F>
  void visit(const std::string& prefix, F& f) {
    networks().visit(prefix, f);
    spatial.visit(prefix + "spatial.", f);
    temporal.visit(prefix + "temporal.", f);
    average.visit(prefix + "ema.", f);
  }
};

// What programs call is defined outside the class: a program that has it compiled in a library (dvd::compiled) then
// compiles none of it.

template <Scalar T, DeviceFor<T> D, PartsFor<T, D> PartsType>
DvdGan<T, D, PartsType>::DvdGan(const DvdGanConfig& config, std::uint64_t seed) : DvdGan(config, Random(seed)) {}

template <Scalar T, DeviceFor<T> D, PartsFor<T, D> PartsType>
DvdGan<T, D, PartsType>::DvdGan(const DvdGanConfig& config, const Random& random)
    : Networks(config, random),
      spatial(config, random.stream("spatial")),
      temporal(config, random.stream("temporal")),
      average(clone(networks())) {}

template <Scalar T, DeviceFor<T> D, PartsFor<T, D> PartsType>
DvdGan<T, D, PartsType>::~DvdGan() = default;

template <Scalar T, DeviceFor<T> D, PartsFor<T, D> PartsType>
Tensor<T, D> DvdGan<T, D, PartsType>::sample(const SampleOptions& options) {
  options.validate();
  return average.generate(draw_latents<T, D>(config().latent_dim, options), labels_for(config().classes, options), {},
                          Pass::evaluate(), nullptr, options.frames);
}

template <Scalar T, DeviceFor<T> D, PartsFor<T, D> PartsType>
Tensor<T, D> DvdGan<T, D, PartsType>::predict(const View& condition, SampleOptions options) {
  require(config().condition_frames > 0, "this model makes videos from nothing; sample() is for it, not predict()");
  options.count = condition.shape().rank() == 5 ? condition.extent(1) : 1;
  options.validate();
  return average.generate(draw_latents<T, D>(config().latent_dim, options), labels_for(config().classes, options),
                          condition, Pass::evaluate(), nullptr, options.frames);
}

#ifdef DVD_COMPILED
extern template class DvdGan<float>;
#endif

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
