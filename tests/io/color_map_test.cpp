// Clips of any channels as pictures show them.
#include "dvd/io/color_map.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <vector>

#include "dvd/core/random.hpp"
#include "dvd/device/cpu.hpp"
#include "dvd/io/videos.hpp"
#include "support/stb_image.hpp"
#include "support/temporary_folder.hpp"

namespace {

using namespace dvd;
using Bytes = std::vector<std::uint8_t>;

Clip noise(std::uint64_t seed, const ClipSize& size) {
  Clip clip(size.frames, size.height, size.width, size.channels);
  for (std::size_t i = 0; i < clip.pixels.size(); ++i)
    clip.pixels[i] = static_cast<std::uint8_t>(Random(seed).below(i, 256));
  return clip;
}

Bytes rgb_of(std::int64_t channels, const Bytes& pixel, ColorMap map = ColorMap::grey) {
  Clip clip(1, 1, 1, channels);
  clip.pixels = pixel;
  const Clip rgb = to_rgb(clip, map);
  CHECK(rgb.size() == ClipSize{1, 1, 1, 3});
  return rgb.pixels;
}

TEST_CASE("what becomes of one, two, three and more channels") {
  for (const int level : {0, 1, 77, 254, 255}) {
    const auto byte = static_cast<std::uint8_t>(level);
    CHECK(rgb_of(1, {byte}) == Bytes{byte, byte, byte});
  }
  CHECK(rgb_of(2, {0, 0}) == Bytes{0, 0, 0});
  CHECK(rgb_of(2, {255, 0}) == Bytes{255, 128, 0});
  CHECK(rgb_of(2, {0, 255}) == Bytes{0, 128, 255});
  CHECK(rgb_of(2, {200, 200}) == Bytes{200, 200, 200});
  for (const std::int64_t channels : {3, 4, 9})
    for (const ColorMap map : {ColorMap::grey, ColorMap::viridis}) {
      Bytes pixel(static_cast<std::size_t>(channels), 17);
      pixel[0] = 1, pixel[1] = 2, pixel[2] = 3;
      CHECK(rgb_of(channels, pixel, map) == Bytes{1, 2, 3});
    }
}

TEST_CASE("viridis grows brighter level by level, from violet to yellow") {
  CHECK(rgb_of(1, {0}, ColorMap::viridis) == Bytes{68, 1, 84});
  CHECK(rgb_of(1, {255}, ColorMap::viridis) == Bytes{253, 231, 37});
  double before = -1;
  for (int level = 0; level < 256; ++level) {
    const Bytes color = rgb_of(1, {static_cast<std::uint8_t>(level)}, ColorMap::viridis);
    const double luma = 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2];
    CHECK(luma > before - 0.5);  // bytes are rounded
    if (level % 4 == 0) {
      CHECK(luma > before);
      before = luma;
    }
  }
}

TEST_CASE("numbers become bytes, whatever they are") {
  FloatClip clip(1, 1, 7, 1);
  clip.values = {-1, 1, 0, -50, 1e30f, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()};
  CHECK(to_clip(clip).pixels == Bytes{0, 255, 128, 0, 255, 255, 0});
  CHECK(to_rgb(clip).pixels.size() == 21);
  CHECK(to_rgb(clip).pixels[6] == 128);
  clip.values.pop_back();
  CHECK_THROWS_AS(to_clip(clip), ArgumentError);
}

TEST_CASE("strips, grids and PNG files of clips that are not RGB are those of their colours") {
  const TemporaryFolder folder;
  for (const std::int64_t channels : {1, 2, 4, 5})
    for (const ColorMap map : {ColorMap::grey, ColorMap::viridis}) {
      const ClipSize size{3, 4, 6, channels};
      const std::vector<Clip> clips = {noise(1, size), noise(2, size), noise(3, size)};
      std::vector<Clip> rgb;
      for (const Clip& clip : clips) rgb.push_back(to_rgb(clip, map));
      CHECK(film_strips(clips, 2, 1, map).pixels == film_strips(rgb, 2, 1).pixels);
      const Clip grid = tile_clips(clips, 2, 2, 1, map);
      CHECK(grid.size() == ClipSize{3, 19, 27, 3});
      CHECK(grid.pixels == tile_clips(rgb, 2, 2, 1).pixels);

      const std::string path = folder.path() / "grid.png";
      write_png_grid(path, to_tensor<float>(clips), map);
      int width = 0, height = 0, depth = 0;
      std::uint8_t* const decoded = stbi_load(path.c_str(), &width, &height, &depth, 0);
      REQUIRE(decoded != nullptr);
      const Image expected = film_strips(rgb, 32, 2);
      CHECK(height == expected.height);
      CHECK(width == expected.width);
      CHECK(Bytes(decoded, decoded + expected.pixels.size()) == expected.pixels);
      stbi_image_free(decoded);
    }
  CHECK_THROWS_AS(film_strips(std::vector<Clip>{Clip(1, 2, 2, 1), Clip(1, 2, 2, 3)}, 1, 1), ArgumentError);
}

TEST_CASE("frames that are not square are enlarged by their shorter side, unless they grow too long") {
  CHECK(legible_scale(64, 96) == 2);
  CHECK(legible_scale(96, 64) == 2);
  CHECK(legible_scale(16, 24) == 8);
  CHECK(legible_scale(16, 128) == 2);
  CHECK(legible_scale(16, 1000) == 1);
  CHECK(legible_scale(240, 320) == 1);
  for (const std::int64_t side : {1, 8, 16, 32, 48, 64, 128, 1024})
    CHECK(legible_scale(side, side) == legible_scale(side));
  CHECK_THROWS_AS(legible_scale(16, 0), ArgumentError);
}

TEST_CASE("malformed clips have no colours") {
  Clip cut(1, 2, 2, 2), none(1, 2, 2, 2);
  cut.pixels.pop_back();
  none.channels = 0;
  for (const Clip& bad : {Clip(), cut, none}) CHECK_THROWS_AS(to_rgb(bad), ArgumentError);
}

}  // namespace
