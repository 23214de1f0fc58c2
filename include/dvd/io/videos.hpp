// Pictures of videos that are on a device.
#pragma once

#include <filesystem>
#include <vector>

#include "dvd/data/clip_source.hpp"
#include "dvd/io/images.hpp"

namespace dvd {

/// Writes videos `[T, N, H, W, 3]` in [-1, 1] as a PNG: a row a video, its frames from left to right, scaled up so that
/// small ones are legible. Throws ArgumentError for another shape and FileError if the file cannot be written.
template <class T, class D>
void write_png_grid(const std::filesystem::path& path, const Tensor<T, D>& videos) {
  const std::vector<Clip> clips = to_clips(videos);
  write_png(path, film_strips(clips, legible_scale(videos.extent(2)), 2));
}

/// Videos `[T, N, H, W, 3]` as files hold them: values in the order `[N, T, 3, H, W]`.
template <class T, class D>
std::vector<T> to_file_order(const Tensor<T, D>& videos) {
  const Shape& shape = videos.shape();
  require(shape.rank() == 5, "expected videos [T, N, H, W, C], not ", shape);
  const Index frames = shape[0], batch = shape[1], pixels = shape[2] * shape[3], channels = shape[4];
  const std::vector<T> from = videos.to_vector();
  std::vector<T> to(from.size());
  for (Index n = 0; n < batch; ++n)
    for (Index t = 0; t < frames; ++t)
      for (Index c = 0; c < channels; ++c)
        for (Index p = 0; p < pixels; ++p)
          to[static_cast<std::size_t>(((n * frames + t) * channels + c) * pixels + p)] =
              from[static_cast<std::size_t>(((t * batch + n) * pixels + p) * channels + c)];
  return to;
}

}  // namespace dvd
