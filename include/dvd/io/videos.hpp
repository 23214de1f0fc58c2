// Pictures of videos that are on a device.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <filesystem>
#include <vector>

#include "dvd/io/clip_tensor.hpp"
#include "dvd/io/images.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// Writes videos `[T, N, H, W, P]` in [-1, 1] as a PNG: a row a video, its frames from left to right, scaled up so that
/// small ones are legible, and in colours as `to_rgb` says. Throws ArgumentError for another shape and FileError if the
/// file cannot be written.
template <AnyTensor X>
void write_png_grid(const std::filesystem::path& path, const X& videos, ColorMap map = ColorMap::grey) {
  const std::vector<Clip> clips = to_clips(videos);
  write_png(path, film_strips(clips, legible_scale(videos.extent(2), videos.extent(3)), 2, map));
}

#ifdef DVD_COMPILED
extern template void write_png_grid(const std::filesystem::path&, const Tensor<float>&, ColorMap);
#endif

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
