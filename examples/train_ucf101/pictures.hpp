// What a run shows of itself: samples of fixed latents, so that pictures of different steps can be compared.
#pragma once

#include <dvd/io/video_writer.hpp>
#include <dvd/io/videos.hpp>
#include <dvd/models/dvd_gan.hpp>

namespace examples {

/// Writes a PNG with a row a class (at most twelve), each row the frames of one sample, and a GIF with four samples a
/// class, all from the averaged weights.
template <class Gan>
void write_pictures(Gan& gan, std::uint64_t seed, double truncation, const std::filesystem::path& png,
                    const std::filesystem::path& gif) {
  constexpr dvd::Index columns = 4;
  const dvd::DvdGanConfig& config = gan.config();
  const dvd::Index rows = std::min<dvd::Index>(config.classes, 12);
  std::vector<dvd::Clip> strips, grid;
  for (dvd::Index label = 0; label < rows; ++label) {
    auto clips =
        dvd::to_clips(gan.sample({.label = label,
                                  .count = columns,
                                  .seed = dvd::Random(seed).stream("pictures").bits(static_cast<std::uint64_t>(label)),
                                  .truncation = truncation}));
    strips.push_back(clips.front());
    for (dvd::Clip& clip : clips) grid.push_back(std::move(clip));
  }
  const int scale = dvd::legible_scale(config.resolution);
  dvd::write_png(png, dvd::film_strips(strips, scale, 2));
  dvd::write_gif(gif, dvd::tile_clips(grid, columns, std::max(1, scale / 2), 2), 8);
}

}  // namespace examples
