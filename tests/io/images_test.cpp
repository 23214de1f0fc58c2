// Film strips, grids and PNG files: where every pixel lands, and what is refused.
#include "dvd/io/images.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "dvd/core/random.hpp"
#include "support/stb_image.hpp"

namespace {

namespace fs = std::filesystem;
using dvd::Clip;
using dvd::Image;

constexpr int grey = 48;

struct TemporaryFolder {
  fs::path path = fs::temp_directory_path() / dvd::concat("dvd-images-test-", ::getpid());
  TemporaryFolder() { fs::create_directories(path); }
  ~TemporaryFolder() { fs::remove_all(path); }
};

Clip noise(std::uint64_t seed, std::int64_t frames, std::int64_t height, std::int64_t width) {
  Clip clip(frames, height, width);
  const dvd::Random random(seed);
  for (std::size_t i = 0; i < clip.pixels.size(); ++i) clip.pixels[i] = static_cast<std::uint8_t>(random.below(i, 256));
  return clip;
}

// The layout by its definition: the channel of canvas pixel (y, x), where cell (row, column) shows frame(row, column),
// a pointer that is null where the cell is empty.
template <class Frame>
int expected(std::int64_t y, std::int64_t x, std::int64_t channel, const Clip& like, int scale, int gap, Frame frame) {
  const std::int64_t row_step = like.height * scale + gap, column_step = like.width * scale + gap;
  const std::int64_t in_row = y % row_step - gap, in_column = x % column_step - gap;
  if (in_row < 0 || in_column < 0) return grey;
  const std::uint8_t* pixels = frame(y / row_step, x / column_step);
  return pixels == nullptr ? grey : pixels[(in_row / scale * like.width + in_column / scale) * 3 + channel];
}

template <class Frame>
std::int64_t differences(const std::uint8_t* canvas, std::int64_t height, std::int64_t width, const Clip& like,
                         int scale, int gap, Frame frame) {
  std::int64_t count = 0;
  for (std::int64_t y = 0; y < height; ++y)
    for (std::int64_t x = 0; x < width; ++x)
      for (std::int64_t c = 0; c < 3; ++c)
        count += canvas[(y * width + x) * 3 + c] != expected(y, x, c, like, scale, gap, frame);
  return count;
}

TEST_CASE("film strips put every pixel in its place") {
  const std::vector<Clip> clips = {noise(1, 4, 3, 5), noise(2, 4, 3, 5)};
  for (const int scale : {1, 2, 3})
    for (const int gap : {0, 1, 4}) {
      const Image image = dvd::film_strips(clips, scale, gap);
      CHECK(image.height == gap + 2 * (3 * scale + gap));
      CHECK(image.width == gap + 4 * (5 * scale + gap));
      REQUIRE(image.pixels.size() == static_cast<std::size_t>(image.height * image.width * 3));
      const auto frame = [&](std::int64_t row, std::int64_t column) {
        return clips.at(static_cast<std::size_t>(row)).frame(column);
      };
      CHECK(differences(image.pixels.data(), image.height, image.width, clips[0], scale, gap, frame) == 0);
    }
}

TEST_CASE("a grid plays every clip in its place, row by row") {
  const std::vector<Clip> clips = {noise(1, 2, 3, 4), noise(2, 2, 3, 4), noise(3, 2, 3, 4), noise(4, 2, 3, 4),
                                   noise(5, 2, 3, 4)};
  for (const std::int64_t columns : {1, 2, 3, 5, 9}) {
    const int scale = 2, gap = 3;
    const std::int64_t across = std::min<std::int64_t>(columns, 5);
    const std::int64_t down = (5 + across - 1) / across;
    const Clip grid = dvd::tile_clips(clips, columns, scale, gap);
    CHECK(grid.frames == 2);
    CHECK(grid.height == gap + down * (3 * scale + gap));
    CHECK(grid.width == gap + across * (4 * scale + gap));
    for (std::int64_t t = 0; t < 2; ++t) {
      const auto frame = [&](std::int64_t row, std::int64_t column) -> const std::uint8_t* {
        const std::int64_t i = row * across + column;
        return i < 5 ? clips.at(static_cast<std::size_t>(i)).frame(t) : nullptr;
      };
      CHECK(differences(grid.frame(t), grid.height, grid.width, clips[0], scale, gap, frame) == 0);
    }
  }
}

TEST_CASE("clips that cannot be laid out are refused") {
  const Clip good = noise(1, 2, 3, 4);
  Clip cut = good;
  cut.pixels.pop_back();
  Clip negative = good;
  negative.frames = -2;
  Clip huge;
  huge.frames = huge.height = huge.width = std::int64_t{1} << 62;
  for (const Clip& bad : {noise(1, 3, 3, 4), noise(1, 2, 4, 4), noise(1, 2, 3, 3), Clip(), cut, negative, huge}) {
    const std::vector<Clip> clips = {good, bad};
    CHECK_THROWS_AS(dvd::film_strips(clips, 1, 1), dvd::ArgumentError);
    CHECK_THROWS_AS(dvd::tile_clips(clips, 2, 1, 1), dvd::ArgumentError);
  }
  const std::vector<Clip> clips = {good};
  CHECK_THROWS_AS(dvd::film_strips({}, 1, 1), dvd::ArgumentError);
  CHECK_THROWS_AS(dvd::film_strips(clips, 0, 1), dvd::ArgumentError);
  CHECK_THROWS_AS(dvd::film_strips(clips, 257, 1), dvd::ArgumentError);
  CHECK_THROWS_AS(dvd::film_strips(clips, 1, -1), dvd::ArgumentError);
  CHECK_THROWS_AS(dvd::film_strips(clips, 1, 1025), dvd::ArgumentError);
  CHECK_THROWS_AS(dvd::tile_clips({}, 1, 1, 1), dvd::ArgumentError);
  CHECK_THROWS_AS(dvd::tile_clips(clips, 0, 1, 1), dvd::ArgumentError);
  CHECK_NOTHROW(dvd::film_strips(clips, 1, 0));
}

TEST_CASE("small frames are enlarged to about 128 pixels") {
  CHECK(dvd::legible_scale(1) == 128);
  CHECK(dvd::legible_scale(16) == 8);
  CHECK(dvd::legible_scale(32) == 4);
  CHECK(dvd::legible_scale(48) == 2);
  CHECK(dvd::legible_scale(64) == 2);
  CHECK(dvd::legible_scale(128) == 1);
  CHECK(dvd::legible_scale(1024) == 1);
  CHECK_THROWS_AS(dvd::legible_scale(0), dvd::ArgumentError);
}

TEST_CASE("a PNG file decodes to the same pixels") {
  const TemporaryFolder folder;
  const std::string path = folder.path / "picture.png";
  for (const auto& [height, width] : {std::pair{1, 1}, std::pair{7, 13}, std::pair{120, 200}}) {
    const Clip clip = noise(7, 1, height, width);
    dvd::write_png(path, Image{height, width, clip.pixels});
    int decoded_width = 0, decoded_height = 0, channels = 0;
    std::uint8_t* decoded = stbi_load(path.c_str(), &decoded_width, &decoded_height, &channels, 0);
    REQUIRE(decoded != nullptr);
    CHECK(decoded_height == height);
    CHECK(decoded_width == width);
    REQUIRE(channels == 3);
    CHECK(std::equal(clip.pixels.begin(), clip.pixels.end(), decoded));
    stbi_image_free(decoded);
  }
}

TEST_CASE("pictures that are no pictures are refused, and nothing is written") {
  const TemporaryFolder folder;
  const fs::path path = folder.path / "picture.png";
  constexpr std::int64_t huge = std::int64_t{1} << 62;
  for (const Image& bad : {Image{}, Image{0, 4, {}}, Image{2, 2, std::vector<std::uint8_t>(11)},
                           Image{-1, -1, std::vector<std::uint8_t>(3)}, Image{huge, huge, {}}, Image{huge, 1, {}},
                           Image{1, huge, {}}, Image{20'000, 20'000, {}}})
    CHECK_THROWS_AS(dvd::write_png(path, bad), dvd::ArgumentError);
  CHECK_FALSE(fs::exists(path));
  CHECK_THROWS_AS(dvd::write_png(folder.path / "missing" / "picture.png", Image{1, 1, {1, 2, 3}}), dvd::FileError);
}

}  // namespace
