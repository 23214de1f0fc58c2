// A video GAN out of any generator and any discriminators.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <set>
#include <string>
#include <utility>

#include "dvd/layers/sequential.hpp"
#include "dvd/models/sampling.hpp"
#include "dvd/models/video_gan.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// A discriminator and its name in checkpoints and reports, which `Gan` checks.
template <VideoDiscriminator X>
struct NamedDiscriminator {
  std::string name;
  X discriminator;

  NamedDiscriminator(std::string called, X judge) : name(std::move(called)), discriminator(std::move(judge)) {}
};

/// A VideoGan of a generator and at least one discriminator, all over the generator's elements and device:
///
///     dvd::Gan gan(MyGenerator(...), dvd::NamedDiscriminator{"frames", MyDiscriminator(...)},
///                  dvd::NamedDiscriminator{"motion", dvd::LayerDiscriminator(dvd::Sequential(...))});
///     dvd::Trainer trainer(gan, {.batch = 8});
///
/// The generator of a DVD-GAN is `DvdGenerator`, its discriminators are SpatialDiscriminator and
/// TemporalDiscriminator: so a DVD-GAN with one of them, or with a third, is made.
template <VideoGenerator Generator, VideoDiscriminator... Discriminators>
requires(sizeof...(Discriminators) > 0 &&
         (std::same_as<typename Generator::scalar_type, typename Discriminators::scalar_type> && ...) &&
         (std::same_as<typename Generator::device_type, typename Discriminators::device_type> && ...)) class Gan {
 public:
  using scalar_type = typename Generator::scalar_type;
  using device_type = typename Generator::device_type;

  Generator generator;
  Generator average;  ///< the moving average of the generator; samples come from it

  /// Throws ArgumentError for a name that is empty, used twice, or would be mistaken in a checkpoint for something
  /// else.
  explicit Gan(Generator made_by, NamedDiscriminator<Discriminators>... judged_by)
      : generator(std::move(made_by)), average(clone(generator)), discriminators_(std::move(judged_by)...) {
    std::set<std::string> names = {"", "ema", "optimizer", "generator", "conditioning"};
    for_each_discriminator([&](const std::string& name, const auto&) {
      require(names.insert(name).second && name.find('.') == std::string::npos, "a discriminator cannot be called \"",
              name, "\": give each a name of its own, without dots");
    });
    names.clear();  // from here on, those of parameters and buffers
    const auto all = contents(*this);
    const auto check = [&](const std::string& name) {
      require(names.insert(name).second, "two parts of a GAN have something called \"", name,
              "\": give the discriminator another name");
    };
    for (const auto& [name, parameter] : all.parameters) check(name);
    for (const auto& [name, buffer] : all.buffers) check(name);
  }

  // Optimizers and averages point to parameters, so the model stays where it is.
  Gan(const Gan&) = delete;
  Gan& operator=(const Gan&) = delete;

  Generator& networks() { return generator; }
  const Generator& networks() const { return generator; }
  VideoSizes sizes() const { return generator.sizes(); }

  /// Calls `f(name, discriminator)` for each, in their order.
  template <class F>
  void for_each_discriminator(F&& f) {
    for_each(f, std::make_integer_sequence<int, sizeof...(Discriminators)>{});
  }

  /// Discriminator number `position`, counted from 0.
  template <int position>
  auto& discriminator() {
    return detail::at<position>(discriminators_).discriminator;
  }

  /// Videos `[frames, N, H, W, C]` in [-1, 1] from the averaged weights. Throws ArgumentError for a label out of range,
  /// for other numbers of frames than the generator can make, and for a GAN whose videos are made from more than z and
  /// a label: give the conditions then.
  Tensor<scalar_type, device_type> sample(const SampleOptions& options = {}) {
    options.validate();
    return sample(options, {.labels = labels_for(sizes(), options)});
  }

  /// The same under given conditions, of as many videos as `options.samples()`: labels, frames to be continued or
  /// vectors. Of the options, the label does not matter.
  Tensor<scalar_type, device_type> sample(const SampleOptions& options,
                                          const Conditions<scalar_type, device_type>& conditions) {
    options.validate();
    const auto z = draw_latents<scalar_type, device_type>(sizes().latent_dim, options);
    return generate_frames(average, z, conditions, Pass::evaluate(), options.frames);
  }

  /// Calls `f(name, parameter-or-buffer)` for all networks, under the names of a checkpoint.
  template <class F>
  void visit(const std::string& prefix, F& f) {
    generator.visit(prefix, f);
    for_each_discriminator(
        [&](const std::string& name, auto& discriminator) { discriminator.visit(prefix + name + ".", f); });
    average.visit(prefix + "ema.", f);
  }

 private:
  template <class F, int... Positions>
  void for_each(F& f, std::integer_sequence<int, Positions...>) {
    (f(std::as_const(detail::at<Positions>(discriminators_).name),
       detail::at<Positions>(discriminators_).discriminator),
     ...);
  }

  detail::PackOf<NamedDiscriminator<Discriminators>...> discriminators_;
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
