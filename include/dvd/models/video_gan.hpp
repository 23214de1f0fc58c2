// What a video GAN is: a generator and some discriminators, each with its own view of the videos.
//
// Training, checkpoints, reports and the search for faults are written on the concepts of this file and know no
// generator and no discriminator by name. `DvdGan` is one VideoGan; `Gan` (models/gan.hpp) makes another one out of any
// generator and any discriminators.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <concepts>
#include <string>
#include <type_traits>

#include "dvd/layers/frame_sampler.hpp"
#include "dvd/layers/layer.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// What training has to know of the videos of a GAN, and of what they are made from.
struct VideoSizes {
  Index frames = 1;            ///< that the generator makes
  Index height = 0;            ///< of a frame, pixels
  Index width = 0;             ///< of a frame, pixels
  Index channels = 3;          ///< of an image
  Index latent_dim = 120;      ///< length of z
  Index classes = 0;           ///< 0: videos have no labels
  Index condition_frames = 0;  ///< that a generated video continues; 0: none
  Index condition_dim = 0;     ///< length of the vector that comes with every video; 0: none

  friend bool operator==(const VideoSizes&, const VideoSizes&) = default;

  /// Frames of a whole video: those given and those made.
  Index video_frames() const { return condition_frames + frames; }

  /// Whether a generated video needs something of a real one: the frames that it continues, or a vector.
  bool given_something() const { return condition_frames > 0 || condition_dim > 0; }
};

/// What videos are generated under.
template <Scalar T, Device D = Cpu>
struct Conditions {
  Rows<D> labels{};                 ///< the class of each; empty where the GAN has none
  ConstTensorView<T, D> frames{};   ///< `[condition_frames, N, H, W, C]`, to be continued; empty where there are none
  ConstTensorView<T, D> vectors{};  ///< `[N, condition_dim]`; empty where there are none
};

/// A batch of videos as a discriminator is given it.
template <Scalar T, Device D = Cpu>
struct VideoBatch {
  ConstTensorView<T, D> videos;     ///< `[condition_frames + frames, N, H, W, C]` in [-1, 1]
  Rows<D> labels{};                 ///< the class of each video; empty where the GAN has none
  ChosenFrames<D> frames{};         ///< drawn for a discriminator that samples frames, counted from the first of all
  ConstTensorView<T, D> vectors{};  ///< `[N, condition_dim]`; empty where there are none
};

/// What makes videos. `generate(z, conditions, pass, cache)` makes `[frames, N, H, W, C]` from latents
/// `[N, latent_dim]`; `backward(dvideos, cache, gradients)` adds to the gradients of parameters, which is all
/// that training asks it for, and lets go of a cache that is moved in. It is a value: a copy, which the moving average
/// is at first, has parameters of its own.
///
/// Laws, which training relies on: `generate` is a function of its arguments, parameters and buffers alone; in a
/// training pass it moves buffers once; it throws before it changes anything, or its buffers can be put back; by
/// running statistics (`Pass::evaluate`), without a cache, it changes nothing at all, so that threads may call it at
/// once.
template <class G>
concept VideoGenerator = Visitable<G> && std::copy_constructible<G> && std::default_initializable<typename G::Cache> &&
    requires(G& generator, const G& same, const ViewOf<G>& x,
             const Conditions<typename G::scalar_type, typename G::device_type>& conditions, Pass pass,
             typename G::Cache& cache, Gradients gradients) {
  { same.sizes() } -> std::convertible_to<VideoSizes>;
  { generator.generate(x, conditions, pass) } -> std::same_as<TensorOf<G>>;
  { generator.generate(x, conditions, pass, &cache) } -> std::same_as<TensorOf<G>>;
  generator.backward(x, std::move(cache), gradients);
};

/// The videos that a generator makes of latents z by running statistics, of `frames` frames: 0 are as many as it was
/// made for, another number is for generators whose `generate` takes one. Throws ArgumentError where it does not.
template <VideoGenerator G>
TensorOf<G> generate_frames(G& generator, const ViewOf<G>& z,
                            const Conditions<typename G::scalar_type, typename G::device_type>& conditions, Pass pass,
                            Index frames) {
  if constexpr (requires { generator.generate(z, conditions, pass, nullptr, frames); }) {
    return generator.generate(z, conditions, pass, nullptr, frames);
  } else {
    const VideoSizes sizes = generator.sizes();
    require(frames == 0 || frames == sizes.frames, "this generator makes ", sizes.frames, " frames, not ", frames);
    return generator.generate(z, conditions, pass);
  }
}

namespace detail {

template <class X>
inline constexpr bool samples_frames_or_not = true;
template <class X>
requires requires { typename X::Sampler; }
inline constexpr bool samples_frames_or_not<X> =
    FrameSampling<typename X::Sampler> && requires(const X& discriminator) {
  { discriminator.sampled_frames() } -> std::convertible_to<Index>;
};

/// A type that names a Sampler must name a FrameSampling, and have `sampled_frames()`.
template <class X>
concept SamplesFramesOrNot = samples_frames_or_not<X>;

}  // namespace detail

/// What scores videos: `forward(batch, pass, cache)` gives a score `[N]` for each, in full precision, the higher the
/// more it takes the video for a real one; `backward(dscores, cache, gradients)` adds to the gradients of parameters
/// and returns that of all of the batch's videos, empty unless wanted.
///
/// It may also have, each where it wants to:
///
///     using Loss = ...;             its loss, where it is not that of the Trainer
///     double share() const;         what its loss counts in the generator's, 0 or more; 1 by default
///     using Sampler = ...;          a FrameSampling: it is given `sampled_frames()` frames of every video, drawn anew
///     Index sampled_frames() const;     for real and for generated ones, as `VideoBatch::frames`
///     R regularizer() const;        a term of its loss beside that of scores: see training/regularizer.hpp. A
///                                   VideoGenerator may have one, too
///     static constexpr bool draws_at_random = true;     its work differs from pass to pass (see Pass::random), so a
///                                                       device must not record it
///     std::vector<double> settings() const;     values that its work depends on and that may change between updates,
///                                               besides parameters and buffers: see settings_of. A VideoGenerator
///                                               may have it, too
///
/// In an update of the discriminators it is given real and generated videos as one batch, real ones first; in one of
/// the generator generated ones alone, unless a loss sees real scores, too.
///
/// Laws: the score of a video does not depend on the others of its batch, unless the loss is one that bears it; and as
/// of a VideoGenerator.
template <class X>
concept VideoDiscriminator = Visitable<X> && detail::SamplesFramesOrNot<X> &&
    std::default_initializable<typename X::Cache> &&
    requires(X& discriminator, const VideoBatch<typename X::scalar_type, typename X::device_type>& batch,
             const PreciseTensorView<typename X::scalar_type, typename X::device_type>& dscores, Pass pass,
             typename X::Cache& cache, const typename X::Cache& kept, Gradients gradients) {
  {
    discriminator.forward(batch, pass)
    } -> std::same_as<PreciseTensor<typename X::scalar_type, typename X::device_type>>;
  {
    discriminator.forward(batch, pass, &cache)
    } -> std::same_as<PreciseTensor<typename X::scalar_type, typename X::device_type>>;
  { discriminator.backward(dscores, kept, gradients) } -> std::same_as<TensorOf<X>>;
};

/// A discriminator that is given frames drawn at random.
template <class X>
concept FrameSamplingDiscriminator = VideoDiscriminator<X> && FrameSampling<typename X::Sampler> &&
    requires(const X& discriminator) {
  { discriminator.sampled_frames() } -> std::convertible_to<Index>;
};

namespace detail {

/// Stands for whoever calls `for_each_discriminator`; fails to compile for what is no VideoDiscriminator.
struct AnyDiscriminator {
  template <VideoDiscriminator X>
  void operator()(const std::string&, X&) const {}
};

}  // namespace detail

/// A generator, its average and a list of discriminators:
///
///     gan.networks()                    the VideoGenerator that is trained
///     gan.average                       another one of its type: the moving average, which samples are made from
///     gan.for_each_discriminator(f)     calls f(name, discriminator) for each VideoDiscriminator, in a fixed order
///     gan.visit(prefix, f)              all of it, under the names of a checkpoint: `networks()` under `prefix`
///     itself,
///                                       each discriminator under `prefix + name + "."`, the average under "ema."
///
/// All stay where they are as long as the GAN lives: optimizers point to their parameters.
template <class G>
concept VideoGan = Visitable<G> && requires(G& gan, const detail::AnyDiscriminator& f) {
  requires VideoGenerator<std::remove_cvref_t<decltype(gan.networks())>>;
  requires std::same_as<std::remove_cvref_t<decltype(gan.average)>, std::remove_cvref_t<decltype(gan.networks())>>;
  gan.for_each_discriminator(f);
};

/// What a discriminator's loss counts in the generator's.
template <VideoDiscriminator X>
double share_of(const X& discriminator) {
  if constexpr (requires { discriminator.share(); })
    return discriminator.share();
  else
    return 1;
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
