// The sizes of a DVD-GAN, and what follows from them.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <string>
#include <vector>

#include "dvd/layers/upsample.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Sizes of a DVD-GAN. The widths of its networks are `channels` times lists that depend on the resolution.
struct DvdGanConfig {
  Index frames = 12;         ///< T, frames that the generator makes
  Index resolution = 64;     ///< R, pixels: 16, 32, 64, 128 or 256
  Index channels = 8;        ///< ch, the width multiplier; 128 in the paper at 64 pixels
  Index classes = 1;         ///< K
  Index latent_dim = 120;    ///< length of z
  Index embed_dim = 120;     ///< length of a class embedding
  Index spatial_frames = 8;  ///< k, frames of a video that the spatial discriminator sees (all, if there are fewer)
  /// C, frames that DVD-GAN-FP is given and continues; 0: videos are made from nothing but z and a class.
  Index condition_frames = 0;
  Upsampling upsample = Upsampling::bilinear;

  friend bool operator==(const DvdGanConfig&, const DvdGanConfig&) = default;

  /// Throws ArgumentError, naming the field, unless all sizes make sense.
  void validate() const {
    const auto positive = [](const char* name, Index value, Index most) {
      require(value >= 1 && value <= most, name, " must be between 1 and ", most, ", not ", value);
    };
    require(multipliers() != nullptr, "resolution must be 16, 32, 64, 128 or 256, not ", resolution);
    positive("frames", frames, 4096);
    positive("channels", channels, 1024);
    positive("classes", classes, 1'000'000);
    positive("latent_dim", latent_dim, 65536);
    positive("embed_dim", embed_dim, 65536);
    positive("spatial_frames", spatial_frames, 4096);
    require(condition_frames >= 0 && condition_frames <= 4096, "condition_frames must be between 0 and 4096, not ",
            condition_frames);
  }

  /// Length of the condition [z; e(y)].
  Index condition_dim() const { return latent_dim + embed_dim; }

  /// Frames of a whole video: those given and those made.
  Index video_frames() const { return condition_frames + frames; }

  /// How many frames of a video the spatial discriminator sees.
  Index frames_judged() const { return std::min(spatial_frames, frames); }

  /// Channels before every stage of the generator and after the last one.
  std::vector<Index> generator_widths() const { return times_channels(&Multipliers::generator); }

  /// Channels after every block of a discriminator.
  std::vector<Index> discriminator_widths() const { return times_channels(&Multipliers::discriminator); }

 private:
  struct Multipliers {
    Index resolution;
    std::vector<Index> generator, discriminator;
  };

  // BigGAN's lists for 64 and 128 pixels; those for 16, 32 and 256 pixels are this project's.
  const Multipliers* multipliers() const {
    static const Multipliers lists[] = {
        {16, {8, 4, 2}, {2, 4, 8}},
        {32, {8, 8, 4, 2}, {2, 4, 8, 16}},
        {64, {8, 8, 8, 4, 2}, {2, 4, 8, 16, 16}},
        {128, {8, 8, 8, 4, 2, 1}, {1, 2, 4, 8, 16, 16}},
        {256, {8, 8, 8, 4, 4, 2, 1}, {1, 2, 4, 8, 8, 16, 16}},
    };
    for (const Multipliers& list : lists)
      if (list.resolution == resolution) return &list;
    return nullptr;
  }

  std::vector<Index> times_channels(std::vector<Index> Multipliers::*list) const {
    validate();
    std::vector<Index> widths = multipliers()->*list;
    for (Index& width : widths) width *= channels;
    return widths;
  }
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
