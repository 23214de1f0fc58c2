// What is to be known of a video before it is read.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <cstdint>

#include "dvd/core/instruction_set.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// What a video holds.
struct VideoInfo {
  std::int64_t width = 0;   ///< pixels, as shown: turned and mirrored as the file asks for
  std::int64_t height = 0;  ///< pixels, as shown
  /// Frames that are shown. Where a file need not be decoded to count them, those that turn out to be damaged count.
  std::int64_t frames = 0;
  double frames_per_second = 0;  ///< the mean where the rate varies; 25 where the file does not say
};

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
