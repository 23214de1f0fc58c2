// The gradients of an update: the passes over the networks, and the numbers that they leave.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <optional>
#include <string>
#include <utility>

#include "dvd/layers/weight_gradients.hpp"
#include "dvd/training/augmented_videos.hpp"
#include "dvd/training/batch_parts.hpp"
#include "dvd/training/gan_networks.hpp"
#include "dvd/training/gradient_buckets.hpp"
#include "dvd/training/input_checks.hpp"
#include "dvd/training/regularizer.hpp"
#include "dvd/training/score_gradients.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// The numbers that an update leaves on the device: of each discriminator a ScoreNumber each, the square of its
/// gradient's norm and what its regularizer adds. The generator's update has a loss, a norm and what its regularizer
/// adds in the places of the first.
struct UpdateNumbers {
  static constexpr Index squared_norm = score_numbers, regularization = score_numbers + 1, each = score_numbers + 2;
  static Index first(std::size_t discriminator) { return static_cast<Index>(discriminator) * each; }
};

/// Adds to the gradients of a GAN's networks what an update makes of a part of its batch that counts `weight`, and to
/// `numbers` what there is to tell. Refers to all that it is made of.
template <VideoGan Gan, AnyGanLoss Loss>
class UpdateGradients {
 public:
  using T = typename Gan::scalar_type;
  using D = typename Gan::device_type;
  using P = FullPrecision<T>;

  /// `augmentation` is what all discriminators see videos through. `buckets` are told which gradients are complete, if
  /// there are any and this is the last part.
  UpdateGradients(GanNetworks<Gan>& gan, const ExpectedInputs& expected, const Augmentation<T, D>& augmentation,
                  Tensor<P, D>& numbers, GradientBuckets<P, D>* buckets = nullptr)
      : gan_(gan), expected_(expected), augmentation_(augmentation), numbers_(numbers), buckets_(buckets) {}

  void of_discriminators(const UpdateBatch<T, D>& batch, double weight, const Pass& pass) {
    VideoBatch<T, D> videos = augmented(augmentation_, batch.videos(generated(batch, pass)), pass);
    WeightGradients together;
    std::size_t number = 0;
    for_each_discriminator(batch, videos, [&]<class X>(const std::string& name, X& discriminator, std::size_t sampler) {
      P* const numbers = numbers_.data() + UpdateNumbers::first(number++);
      typename X::Cache cache;
      const Tensor<P, D> scores = scores_of(name, discriminator, videos, pass, cache);
      // Before the scores' own gradients, whose listener is told that all of a weight's are there.
      detail::with_regularizer(discriminator, [&](const auto& regularizer) {
        add_number(regularizer(discriminator, batch.real(videos, sampler_of<X>(sampler)), weight, without_traces(pass)),
                   weight, numbers);
      });
      discriminator.backward(
          discriminator_gradient<LossOf<X, Loss>, P, D>(scores, batch.real_count(), weight, numbers, pass), cache,
          together.in(listened_to(Gradients::parameters, together)));
    });
    together.finish();
  }

  void of_generator(const UpdateBatch<T, D>& batch, double weight, const Pass& pass) {
    typename Generating::Cache generator_cache;
    Tensor<T, D> made = generated(batch, pass, &generator_cache), dmade;
    detail::with_regularizer(gan_.networks(), [&](const auto& regularizer) {
      require(bool{batch.truth()}, "the generator has a regularizer that it did not have when the trainer was made");
      auto [loss, slope] = regularizer(ConstTensorView<T, D>(made), batch.truth());
      add_number(loss, weight, numbers_.data());
      D::scale(slope.size(), static_cast<T>(weight), slope.data(), slope.data());
      dmade = std::move(slope);
    });
    typename Augmentation<T, D>::Cache augmentation_cache;
    VideoBatch<T, D> videos = augmented(augmentation_, batch.videos(std::move(made)), pass, &augmentation_cache);
    Tensor<T, D> dvideos;
    for_each_discriminator(batch, videos, [&]<class X>(const std::string& name, X& discriminator, std::size_t) {
      typename X::Cache cache;
      const Tensor<P, D> scores = scores_of(name, discriminator, videos, pass, cache);
      Tensor<T, D> from_this = discriminator.backward(
          generator_gradient<LossOf<X, Loss>, P, D>(scores, batch.real_count(), weight * share_of(discriminator),
                                                    numbers_.data() + loss_number, pass),
          cache, Gradients::inputs);
      require(from_this.shape() == videos.videos.shape(), "the discriminator \"", name, "\" gave a gradient of shape ",
              from_this.shape(), " for videos of shape ", videos.videos.shape());
      if (dvideos)
        D::add(dvideos.size(), from_this.data(), dvideos.data());
      else
        dvideos = std::move(from_this);
    });
    videos = {};
    if (augmentation_.options().any()) dvideos = augmentation_.backward(dvideos, augmentation_cache, Gradients::inputs);
    // Of the conditioning frames no gradient is wanted.
    ConstTensorView<T, D> from_all = batch.generated(dvideos, expected_.sizes.frames);
    if (dmade) {
      require(dmade.shape() == from_all.shape(), "the generator's regularizer gave a gradient of shape ", dmade.shape(),
              " for videos of shape ", from_all.shape());
      D::add(dmade.size(), from_all.data(), dmade.data());
      from_all = dmade;
    }
    WeightGradients together;
    gan_.networks().backward(from_all, std::move(generator_cache),
                             together.in(listened_to(Gradients::parameters, together)));
    together.finish();
  }

 private:
  using Generating = typename GanNetworks<Gan>::Generating;

  /// Calls `f(name, discriminator, sampler)` for every discriminator, with what it sees in `videos`; `sampler` counts
  /// those before it that sample frames.
  template <class F>
  void for_each_discriminator(const UpdateBatch<T, D>& batch, VideoBatch<T, D>& videos, const F& f) {
    std::size_t sampler = 0;
    gan_.for_each_discriminator([&]<class X>(const std::string& name, X& discriminator) {
      if constexpr (FrameSamplingDiscriminator<X>) videos.frames = batch.frames(sampler);
      f(name, discriminator, sampler);
      if constexpr (FrameSamplingDiscriminator<X>) ++sampler;
    });
  }

  template <class X>
  static std::optional<std::size_t> sampler_of(std::size_t number) {
    if constexpr (FrameSamplingDiscriminator<X>) return number;
    return std::nullopt;
  }

  /// A pass that sees what `pass` saw, and moves nothing any more.
  static Pass without_traces(Pass pass) {
    pass.power_iteration = false;
    pass.momentum = 0;
    return pass;
  }

  /// Adds what a regularizer gives for a part of a batch that counts `weight` to the numbers of its network.
  static void add_number(const Tensor<P, D>& loss, double weight, P* numbers) {
    require(loss.size() == 1, "a regularizer gave a loss of shape ", loss.shape(), ", not one number");
    Tensor<P, D> scaled(loss.shape());
    D::scale(1, static_cast<P>(weight), loss.data(), scaled.data());
    D::add(1, scaled.data(), numbers + UpdateNumbers::regularization);
  }

  /// What the generator makes, which is asked for its shape: all that follows trusts it.
  Tensor<T, D> generated(const UpdateBatch<T, D>& batch, const Pass& pass,
                         typename Generating::Cache* cache = nullptr) {
    Tensor<T, D> videos = gan_.networks().generate(batch.z, batch.conditions, pass, cache);
    const VideoSizes& sizes = expected_.sizes;
    const Shape expected{sizes.frames, batch.fake_count(), sizes.height, sizes.width, sizes.channels};
    require(videos.shape() == expected, "the generator made videos of shape ", videos.shape(), ", but its sizes() say ",
            expected);
    return videos;
  }

  /// The scores of a discriminator, which is asked for their shape.
  template <class X>
  Tensor<P, D> scores_of(const std::string& name, X& discriminator, const VideoBatch<T, D>& videos, const Pass& pass,
                         typename X::Cache& cache) {
    Tensor<P, D> scores = discriminator.forward(videos, pass, &cache);
    require(scores.shape() == Shape{videos.videos.extent(1)}, "the discriminator \"", name, "\" gave scores of shape ",
            scores.shape(), " for ", videos.videos.extent(1), " videos");
    return scores;
  }

  Gradients listened_to(Gradients gradients, WeightGradients& together) {
    if (buckets_) gradients.listener = &listener_.emplace(*buckets_, together);
    return gradients;
  }

  GanNetworks<Gan>& gan_;
  const ExpectedInputs& expected_;
  const Augmentation<T, D>& augmentation_;
  Tensor<P, D>& numbers_;
  GradientBuckets<P, D>* buckets_;
  std::optional<typename GradientBuckets<P, D>::Listener> listener_;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
