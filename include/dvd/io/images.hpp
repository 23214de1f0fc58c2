// Clips as pictures: film strips, grids of clips playing together, PNG files.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/io/atomic_file.hpp"
#include "dvd/io/clip.hpp"
#include "dvd/io/color_map.hpp"
#include "dvd/io/stb_image_write.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// An RGB picture, 8 bits a channel, row-major `[height, width, 3]`.
struct Image {
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::vector<std::uint8_t> pixels;
};

namespace detail {

inline constexpr std::uint8_t background = 48;  // dark grey: black and white clips both stand out

// Throws ArgumentError unless the clips can be laid out together.
inline void check_layout(std::span<const Clip> clips, int scale, int gap) {
  require(!clips.empty(), "no clips to show (expected at least one)");
  require(1 <= scale && scale <= 256, "scale is ", scale, " (expected 1 to 256)");
  require(0 <= gap && gap <= 1024, "gap is ", gap, " pixels (expected 0 to 1024)");
  const Clip& first = clips.front();
  for (const Clip& clip : clips) {
    check_pixels(clip);
    require(clip.size() == first.size(), "a clip has ", clip.size(), " (expected ", first.size(), " as the first one)");
  }
}

// Draws frame t of an RGB clip, `scale` pixels for one, with its corner at (top, left) of an RGB canvas.
inline void draw_frame(const Clip& clip, std::int64_t t, int scale, std::uint8_t* canvas, std::int64_t canvas_width,
                       std::int64_t top, std::int64_t left) {
  const std::uint8_t* source = clip.frame(t);
  for (std::int64_t y = 0; y < clip.height; ++y) {
    std::uint8_t* const line = canvas + ((top + y * scale) * canvas_width + left) * 3;
    std::uint8_t* target = line;
    for (std::int64_t x = 0; x < clip.width; ++x, source += 3)
      for (int copy = 0; copy < scale; ++copy) target = std::copy_n(source, 3, target);
    for (int copy = 1; copy < scale; ++copy) std::copy(line, target, line + copy * canvas_width * 3);
  }
}

}  // namespace detail

/// A picture with one row per clip, its frames from left to right, every pixel enlarged to `scale` x `scale` (1 to 256)
/// and `gap` pixels (0 to 1024) of dark grey around every frame; clips that are not RGB as `to_rgb` shows them, and
/// clips of numbers once `to_clip` or `to_rgb` has made bytes of them. ArgumentError where there is no clip, a clip is
/// empty or malformed, or the clips differ in length, size or channels.
inline Image film_strips(std::span<const Clip> rows, int scale, int gap, ColorMap map = ColorMap::grey) {
  detail::check_layout(rows, scale, gap);
  const std::int64_t row_step = rows[0].height * scale + gap;
  const std::int64_t column_step = rows[0].width * scale + gap;
  Image image{gap + static_cast<std::int64_t>(rows.size()) * row_step, gap + rows[0].frames * column_step, {}};
  image.pixels.assign(static_cast<std::size_t>(image.height * image.width * 3), detail::background);
  std::int64_t top = gap;
  for (const Clip& row : rows) {
    const Clip clip = to_rgb(row, map);
    for (std::int64_t t = 0; t < clip.frames; ++t)
      detail::draw_frame(clip, t, scale, image.pixels.data(), image.width, top, gap + t * column_step);
    top += row_step;
  }
  return image;
}

/// A grid of clips that play together, as one RGB clip: row by row, `columns` to a row (no more than there are clips),
/// enlarged and spaced as in film_strips; what the last row lacks is grey. ArgumentError as for film_strips, and where
/// `columns` is not positive.
inline Clip tile_clips(std::span<const Clip> clips, std::int64_t columns, int scale, int gap,
                       ColorMap map = ColorMap::grey) {
  detail::check_layout(clips, scale, gap);
  require(columns >= 1, "columns is ", columns, " (expected at least 1)");
  const auto count = static_cast<std::int64_t>(clips.size());
  columns = std::min(columns, count);
  const std::int64_t rows = (count + columns - 1) / columns;
  const std::int64_t row_step = clips[0].height * scale + gap;
  const std::int64_t column_step = clips[0].width * scale + gap;
  Clip grid(clips[0].frames, gap + rows * row_step, gap + columns * column_step);
  std::ranges::fill(grid.pixels, detail::background);
  for (std::int64_t i = 0; i < count; ++i) {
    const Clip clip = to_rgb(clips[static_cast<std::size_t>(i)], map);
    for (std::int64_t t = 0; t < grid.frames; ++t)
      detail::draw_frame(clip, t, scale, grid.frame(t), grid.width, gap + i / columns * row_step,
                         gap + i % columns * column_step);
  }
  return grid;
}

/// The factor by which to enlarge frames of `resolution` pixels so that they are legible at a glance, at about 128
/// pixels: 16 -> 8, 32 -> 4, 64 -> 2, 128 and more -> 1. ArgumentError where `resolution` is not positive.
inline int legible_scale(std::int64_t resolution) {
  require(resolution >= 1, "resolution is ", resolution, " pixels (expected at least 1)");
  return static_cast<int>(std::max<std::int64_t>(1, 128 / resolution));
}

/// The same of frames that are not square: by the shorter side, as long as the longer one stays within 256 pixels.
inline int legible_scale(std::int64_t height, std::int64_t width) {
  const int by_shorter = legible_scale(std::min(height, width));
  return static_cast<int>(std::max<std::int64_t>(1, std::min<std::int64_t>(by_shorter, 256 / std::max(height, width))));
}

/// The bytes of the picture as a PNG file. ArgumentError where it is empty, malformed or larger than 512 MiB
/// uncompressed; Error where it cannot be encoded.
inline std::string encode_png(const Image& image) {
  constexpr std::int64_t most_bytes = 512 << 20;  // the encoder counts bytes in ints and doubles its buffers
  require(1 <= image.height && 1 <= image.width && image.width <= most_bytes / 3 - 1 &&
              image.height <= most_bytes / (image.width * 3 + 1) &&
              image.pixels.size() == static_cast<std::size_t>(image.height * image.width * 3),
          "a picture says ", image.height, "x", image.width, " pixels and holds ", image.pixels.size(),
          " bytes (expected at least 1x1, 3 bytes a pixel, and at most ", most_bytes, " bytes)");
  std::string file;
  const auto append = [](void* context, void* data, int size) {
    static_cast<std::string*>(context)->append(static_cast<const char*>(data), static_cast<std::size_t>(size));
  };
  const int height = static_cast<int>(image.height);
  const int width = static_cast<int>(image.width);
  const int encoded =
      detail::stb::stbi_write_png_to_func(append, &file, width, height, 3, image.pixels.data(), width * 3);
  if (encoded == 0) throw Error("a picture cannot be encoded as PNG (out of memory?)");
  return file;
}

/// Writes the picture as a PNG file, all or nothing (see write_file_atomically). ArgumentError and Error as encode_png;
/// FileError where it cannot be written.
inline void write_png(const std::filesystem::path& path, const Image& image) {
  write_file_atomically(path, encode_png(image));
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
