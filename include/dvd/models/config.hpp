// The sizes of a DVD-GAN, and what follows from them.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "dvd/layers/upsample.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Sizes of a DVD-GAN. Each stage of the generator doubles height and width, which start at 4 pixels or a little more,
/// and the discriminators halve them as often. The widths of all networks are `channels` times a list of multipliers.
///
///     dvd::DvdGanConfig{.frames = 12, .resolution = 64, .channels = 8, .classes = 101}
///     dvd::DvdGanConfig{.frames = 18, .height = 64, .width = 96, .image_channels = 1, .channels = 8, .classes = 0}
struct DvdGanConfig {
  Index frames = 12;         ///< T, frames that the generator makes
  Index resolution = 64;     ///< R, pixels: height and width, where these are not given
  Index height = 0;          ///< H, pixels; 0: as `resolution` says
  Index width = 0;           ///< W, pixels; 0: as `resolution` says
  Index image_channels = 3;  ///< P: 1 for grey images or radar, 3 for RGB, ...
  Index channels = 8;        ///< ch, the width multiplier; 128 in the paper at 64 pixels
  Index classes = 1;         ///< K; 0: an unconditional model, which knows no labels
  Index latent_dim = 120;    ///< length of z
  Index embed_dim = 120;     ///< length of a class embedding; without classes it means nothing
  Index spatial_frames = 8;  ///< k, frames of a video that the spatial discriminator sees (all, if there are fewer)
  /// C, frames that DVD-GAN-FP is given and continues; 0: videos are made from nothing but z and a class.
  Index condition_frames = 0;
  Upsampling upsample = Upsampling::bilinear;
  /// Channels before every stage of the generator and after the last one, as multiples of `channels`: stages() + 1
  /// numbers. Empty: BigGAN's lists, for up to 6 stages.
  std::vector<Index> generator_multipliers = {};
  /// The same after every block of the discriminators and of the conditioning stack.
  std::vector<Index> discriminator_multipliers = {};

  /// Whether both describe the same model, whatever they leave to defaults.
  friend bool operator==(const DvdGanConfig& a, const DvdGanConfig& b) {
    return a.frames == b.frames && a.image_height() == b.image_height() && a.image_width() == b.image_width() &&
           a.image_channels == b.image_channels && a.channels == b.channels && a.classes == b.classes &&
           a.latent_dim == b.latent_dim && (a.classes == 0 || a.embed_dim == b.embed_dim) &&
           a.spatial_frames == b.spatial_frames && a.condition_frames == b.condition_frames &&
           a.upsample == b.upsample && a.generator_list() == b.generator_list() &&
           a.discriminator_list() == b.discriminator_list();
  }

  /// Throws ArgumentError, naming the field, unless all sizes make sense.
  void validate() const;

  /// H and W.
  Index image_height() const { return height != 0 ? height : resolution; }
  Index image_width() const { return width != 0 ? width : resolution; }

  /// S: how often height and width can be halved and both stay at least 4. 0: never, which no model can have.
  Index stages() const {
    Index stages = 0;
    for (Index h = image_height(), w = image_width(); h % 2 == 0 && w % 2 == 0 && std::min(h, w) >= 8; h /= 2, w /= 2)
      ++stages;
    return stages;
  }

  /// Height and width that the generator starts at.
  Index base_height() const { return image_height() >> stages(); }
  Index base_width() const { return image_width() >> stages(); }

  /// Length of the condition [z; e(y)]; that of z alone where there are no classes.
  Index condition_dim() const { return latent_dim + (classes > 0 ? embed_dim : 0); }

  /// Frames of a whole video: those given and those made.
  Index video_frames() const { return condition_frames + frames; }

  /// How many frames of a video the spatial discriminator sees.
  Index frames_judged() const { return std::min(spatial_frames, frames); }

  /// Channels before every stage of the generator and after the last one. Throws as `validate`.
  std::vector<Index> generator_widths() const { return times_channels(generator_list()); }

  /// Channels after every block of a discriminator. Throws as `validate`.
  std::vector<Index> discriminator_widths() const { return times_channels(discriminator_list()); }

  /// The list of multipliers where none is given: BigGAN's for 4 and 5 stages (64 and 128 pixels), this project's for
  /// fewer and for 6; empty for more.
  static std::vector<Index> default_generator_multipliers(Index stages);
  static std::vector<Index> default_discriminator_multipliers(Index stages);

 private:
  std::vector<Index> generator_list() const {
    return generator_multipliers.empty() ? default_generator_multipliers(stages()) : generator_multipliers;
  }
  std::vector<Index> discriminator_list() const {
    return discriminator_multipliers.empty() ? default_discriminator_multipliers(stages()) : discriminator_multipliers;
  }

  std::vector<Index> times_channels(std::vector<Index> multipliers) const {
    validate();
    for (Index& multiplier : multipliers) multiplier *= channels;
    return multipliers;
  }
};

inline std::vector<Index> DvdGanConfig::default_generator_multipliers(Index stages) {
  switch (stages) {
    case 1:
      return {4, 2};
    case 2:
      return {8, 4, 2};
    case 3:
      return {8, 8, 4, 2};
    case 4:
      return {8, 8, 8, 4, 2};
    case 5:
      return {8, 8, 8, 4, 2, 1};
    case 6:
      return {8, 8, 8, 4, 4, 2, 1};
    default:
      return {};
  }
}

inline std::vector<Index> DvdGanConfig::default_discriminator_multipliers(Index stages) {
  switch (stages) {
    case 1:
      return {2, 4};
    case 2:
      return {2, 4, 8};
    case 3:
      return {2, 4, 8, 16};
    case 4:
      return {2, 4, 8, 16, 16};
    case 5:
      return {1, 2, 4, 8, 16, 16};
    case 6:
      return {1, 2, 4, 8, 8, 16, 16};
    default:
      return {};
  }
}

inline void DvdGanConfig::validate() const {
  const auto within = [](const char* name, Index value, Index least, Index most) {
    require(value >= least && value <= most, name, " must be between ", least, " and ", most, ", not ", value);
  };
  within("frames", frames, 1, 4096);
  const auto side = [](const char* name, Index value) {
    require(value >= 8 && value <= 4096 && value % 2 == 0, name, " must be even and between 8 and 4096, not ", value,
            " (each further halving that height and width allow, down to 4 pixels, is a stage of the networks)");
  };
  side(height != 0 ? "height" : "resolution", image_height());
  side(width != 0 ? "width" : "resolution", image_width());
  within("image_channels", image_channels, 1, 1024);
  within("channels", channels, 1, 1024);
  within("classes", classes, 0, 1'000'000);
  within("latent_dim", latent_dim, 1, 65536);
  if (classes > 0) within("embed_dim", embed_dim, 1, 65536);
  within("spatial_frames", spatial_frames, 1, 4096);
  within("condition_frames", condition_frames, 0, 4096);
  const auto list = [&](const char* name, const std::vector<Index>& given, const std::vector<Index>& used) {
    require(!used.empty(), name, " must be given for ", stages(), " stages (", image_height(), "x", image_width(),
            " pixels): ", stages() + 1, " numbers");
    require(static_cast<Index>(used.size()) == stages() + 1, name, " must be ", stages() + 1, " numbers for ", stages(),
            " stages (", image_height(), "x", image_width(), " pixels), not ", given.size());
    for (const Index multiplier : used)
      require(multiplier >= 1 && multiplier <= 4096, name, " must be between 1 and 4096, not ", multiplier);
  };
  list("generator_multipliers", generator_multipliers, generator_list());
  list("discriminator_multipliers", discriminator_multipliers, discriminator_list());
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
