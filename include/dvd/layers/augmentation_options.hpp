// What an augmentation may do to videos, and what it draws for one of them.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string_view>

#include "dvd/core/error.hpp"
#include "dvd/core/is_finite.hpp"
#include "dvd/core/random.hpp"
#include "dvd/core/shape.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// What an Augmentation does to videos; nothing by default.
struct AugmentationOptions {
  bool flip = false;       ///< half of the videos are mirrored: left becomes right
  bool color = false;      ///< brightness, saturation and contrast change
  double translation = 0;  ///< videos move by up to this part of each side; what comes in is 0. DiffAugment's is 0.125
  double cutout = 0;       ///< a rectangle whose sides are this part of theirs becomes 0. DiffAugment's is 0.5

  /// What DiffAugment does, by as much: colour, translation and cutout.
  static constexpr AugmentationOptions diff_augment() { return {false, true, 0.125, 0.5}; }

  /// The same, and flip, which DiffAugment leaves to the data: for those that may as well be mirrored.
  static constexpr AugmentationOptions all() { return {true, true, 0.125, 0.5}; }

  /// Whether there is anything to do.
  constexpr bool any() const { return flip || color || translation > 0 || cutout > 0; }

  /// Throws ArgumentError, naming the field, unless translation and cutout are parts of a side, from 0 to 1.
  void validate() const {
    const auto check = [](const char* name, double part) {
      require(is_finite(part) && part >= 0 && part <= 1, "an augmentation's ", name,
              " is a part of an image's side, from 0 (none) to 1 (all of it), not ", part);
    };
    check("translation", translation);
    check("cutout", cutout);
  }

  friend constexpr bool operator==(const AugmentationOptions&, const AugmentationOptions&) = default;
};

/// What is done to all frames of a video, in this order.
struct DrawnAugmentation {
  bool flip = false;                               ///< mirrored
  double brightness = 0;                           ///< is added
  double saturation = 1;                           ///< factor of what a pixel's channels differ by from their mean
  double contrast = 1;                             ///< factor of what the video differs by from its mean
  Index down = 0, right = 0;                       ///< pixels that it moves by
  Index top = 0, left = 0, height = 0, width = 0;  ///< the rectangle that becomes 0

  /// What video `number` of a batch gets from these random numbers, in the ranges of DiffAugment's reference program.
  /// Every quantity has a stream of its own: what else is switched on changes none. `size` is that of the videos,
  /// `[T, N, H, W, C]`.
  static DrawnAugmentation draw(const AugmentationOptions& options, const Random& random, std::uint64_t number,
                                const Shape& size) {
    DrawnAugmentation drawn;
    if (options.flip) drawn.flip = random.stream("flip").uniform(number) < 0.5;
    if (options.color) {
      drawn.brightness = random.stream("brightness").uniform(number, -0.5, 0.5);
      drawn.saturation = random.stream("saturation").uniform(number, 0, 2);
      drawn.contrast = random.stream("contrast").uniform(number, 0.5, 1.5);
    }
    const auto part_of = [](Index side, double part) {
      return static_cast<Index>(std::floor(static_cast<double>(side) * part + 0.5));
    };
    if (options.translation > 0) {
      const auto distance = [&](std::string_view stream, Index side) {
        const Index most = part_of(side, options.translation);
        return random.stream(stream).below(number, 2 * most + 1) - most;
      };
      drawn.down = distance("down", size[2]);
      drawn.right = distance("right", size[3]);
    }
    if (options.cutout > 0) {
      // The middle may be any pixel, and the rectangle lie across an edge: less is cut out then.
      const auto cut = [&](std::string_view stream, Index side, Index& first, Index& count) {
        const Index length = part_of(side, options.cutout);
        const Index begin = random.stream(stream).below(number, side + 1 - length % 2) - length / 2;
        first = std::max<Index>(begin, 0);
        count = std::min(begin + length, side) - first;
      };
      cut("top", size[2], drawn.top, drawn.height);
      cut("left", size[3], drawn.left, drawn.width);
    }
    return drawn;
  }
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
