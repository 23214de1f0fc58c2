// Written GIF and MP4 files hold the clip: its frames, colours, size and speed; and nothing is ever half-written.
#include "dvd/io/video_writer.hpp"

#include <doctest/doctest.h>
#include <malloc.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/io/video_file.hpp"
#include "support/video_fixtures.hpp"

using namespace dvd::testing;
using dvd::Clip;
using dvd::ColorMap;
using dvd::VideoFile;
using dvd::write_gif;
using dvd::write_mp4;

namespace {

// A square moving right before a gradient in all three channels, of more colours than a palette holds.
Clip moving_square(std::int64_t frames, std::int64_t height, std::int64_t width) {
  Clip clip(frames, height, width);
  for (std::int64_t t = 0; t < frames; ++t)
    for (std::int64_t y = 0; y < height; ++y)
      for (std::int64_t x = 0; x < width; ++x) {
        std::uint8_t* const pixel = clip.frame(t) + (y * width + x) * 3;
        const bool inside = std::abs(x - width / 4 - 2 * t) < width / 6 && std::abs(y - height / 2) < height / 6;
        pixel[0] = static_cast<std::uint8_t>(inside ? 230 : 90 * x / width);
        pixel[1] = static_cast<std::uint8_t>(inside ? 40 : 80 * y / height);
        pixel[2] = static_cast<std::uint8_t>(inside ? 90 : 60 - 50 * x / width);
      }
  return clip;
}

double mean_difference(const Clip& a, const Clip& b) {
  REQUIRE(a.pixels.size() == b.pixels.size());
  double sum = 0;
  for (std::size_t i = 0; i < a.pixels.size(); ++i) sum += std::abs(a.pixels[i] - b.pixels[i]);
  return sum / static_cast<double>(a.pixels.size());
}

Clip read_all(const std::filesystem::path& path) {
  const VideoFile file(path);
  return file.read(0, file.info().frames);
}

// What ffprobe prints for one entry of the file.
std::string probe(const std::filesystem::path& path, const std::string& entry) {
  const std::string output = path.string() + ".txt";
  const std::string command = "ffprobe -v error -select_streams v -count_frames -of default=nk=1:nw=1 -show_entries " +
                              entry + " '" + path.string() + "' > '" + output + "'";
  REQUIRE(std::system(command.c_str()) == 0);
  std::string text = read_bytes(output);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

std::size_t files_in(const std::filesystem::path& folder) {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
}

}  // namespace

TEST_CASE("a GIF keeps up to 256 colours exactly") {
  const TemporaryFolder folder;
  Clip clip(3, 16, 16);  // 256 colours, some of them next to each other
  for (std::size_t i = 0; i < 768; ++i) {
    const std::size_t colour = i % 256;
    clip.pixels[3 * i] = static_cast<std::uint8_t>(37 * colour + colour / 4);
    clip.pixels[3 * i + 1] = static_cast<std::uint8_t>(colour);
    clip.pixels[3 * i + 2] = static_cast<std::uint8_t>(colour / 16 * 3);
  }
  write_gif(folder / "colours.gif", clip, 25);
  CHECK(read_all(folder / "colours.gif").pixels == clip.pixels);
  write_gif(folder / "numbers.gif", numbered_clip(40), 25);
  CHECK(read_all(folder / "numbers.gif").pixels == numbered_clip(40).pixels);
}

TEST_CASE("a GIF keeps colours that only just differ, at any size") {
  const TemporaryFolder folder;
  const std::int64_t sizes[][2] = {{1, 1}, {1, 2}, {16, 17}, {33, 27}, {2, 300}};
  for (const auto& size : sizes)
    for (const std::size_t colours : {1u, 2u, 3u, 255u, 256u}) {
      CAPTURE(size[0]);
      CAPTURE(size[1]);
      CAPTURE(colours);
      Clip clip(4, size[0], size[1]);  // dark blues, one step apart; a quarter of the picture changes in every frame
      for (std::size_t i = 0; 3 * i < clip.pixels.size(); ++i) {
        const std::size_t pixels = clip.pixels.size() / 12, frame = i / pixels, place = i % pixels;
        const std::size_t colour = (place + (place % 4 == frame ? 5 : 0)) % colours;
        clip.pixels[3 * i + 1] = static_cast<std::uint8_t>(colour / 128);
        clip.pixels[3 * i + 2] = static_cast<std::uint8_t>(colour % 128);
      }
      write_gif(folder / "close.gif", clip, 25);
      CHECK(read_all(folder / "close.gif").pixels == clip.pixels);
    }
}

TEST_CASE("a GIF of many colours stays close, at any size") {
  const TemporaryFolder folder;
  const std::int64_t sizes[][2] = {{64, 64}, {27, 33}, {1, 1}, {2, 300}};
  for (const auto& size : sizes) {
    const std::int64_t height = size[0], width = size[1];
    CAPTURE(height);
    CAPTURE(width);
    const Clip clip = moving_square(16, height, width);
    write_gif(folder / "square.gif", clip, 12.5);
    const Clip back = read_all(folder / "square.gif");
    CHECK(back.frames == 16);
    CHECK(back.height == height);
    CHECK(back.width == width);
    CHECK(mean_difference(back, clip) < 2.5);
  }
}

TEST_CASE("a GIF repeats for ever and keeps its speed") {
  const TemporaryFolder folder;
  const std::filesystem::path path = folder / "speed.gif";
  for (const double rate : {0.5, 7.0, 12.5, 24.0, 29.97}) {
    CAPTURE(rate);
    write_gif(path, moving_square(30, 16, 16), rate);
    const std::string bytes = read_bytes(path);
    const std::size_t extension = bytes.find("NETSCAPE2.0");
    REQUIRE(extension != std::string::npos);
    CHECK(bytes.substr(extension + 11, 5) == std::string("\x03\x01\0\0\0", 5));  // repetitions: 0, for ever
    CHECK(std::abs(std::stod(probe(path, "format=duration")) - 30 / rate) < 0.0051);
  }
  write_gif(path, moving_square(30, 16, 16), 1000);
  CHECK(std::stod(probe(path, "format=duration")) == doctest::Approx(0.6));  // 50 a second at most
  for (const Clip& clip : {moving_square(2, 16, 16), moving_square(1, 16, 16), numbered_clip(1)}) {
    write_gif(path, clip, 4);
    CHECK(std::stod(probe(path, "format=duration")) == doctest::Approx(0.25 * static_cast<double>(clip.frames)));
  }
}

TEST_CASE("an MP4 keeps frames, colours and speed") {
  const TemporaryFolder folder;
  const Clip clip = moving_square(24, 64, 96);
  const std::filesystem::path path = folder / "square.mp4";
  for (const double rate : {0.5, 12.5, 23.976, 60.0}) {
    CAPTURE(rate);
    write_mp4(path, clip, rate);
    const VideoFile file(path);
    CHECK(file.info().frames == 24);
    CHECK(file.info().frames_per_second == doctest::Approx(rate).epsilon(1e-3));
    CHECK(std::stod(probe(path, "format=duration")) == doctest::Approx(24 / rate).epsilon(1e-3));
    CHECK(probe(path, "stream=pix_fmt") == "yuv420p");
    CHECK(probe(path, "stream=nb_read_frames") == "24");
    CHECK(mean_difference(file.read(0, 24), clip) < 3);
  }
  write_mp4(path, numbered_clip(70), 25);
  const Clip numbers = read_all(path);
  for (std::int64_t t = 0; t < 70; ++t) CHECK(number_shown(numbers, t) == t);
  const std::string bytes = read_bytes(path);
  CHECK(bytes.find("moov") < bytes.find("mdat"));  // playable while it loads
}

TEST_CASE("an MP4 of odd size repeats its last column and row") {
  const TemporaryFolder folder;
  const std::int64_t sizes[][4] = {{27, 33, 28, 34}, {1, 1, 2, 2}, {48, 17, 48, 18}, {2, 2, 2, 2}};
  for (const auto& size : sizes) {
    const std::int64_t height = size[0], width = size[1];
    CAPTURE(height);
    CAPTURE(width);
    Clip clip(2, height, width);  // grey, and lighter in the last column and row
    for (std::int64_t i = 0; i < 2 * height * width; ++i) {
      const bool last = i % width == width - 1 || i / width % height == height - 1;
      std::fill_n(clip.pixels.begin() + 3 * i, 3, std::uint8_t{last ? std::uint8_t{200} : std::uint8_t{80}});
    }
    write_mp4(folder / "odd.mp4", clip, 10);
    const Clip back = read_all(folder / "odd.mp4");
    CHECK(back.height == size[2]);
    CHECK(back.width == size[3]);
    CHECK(std::abs(back.pixels.back() - 200) <= 6);
  }
}

TEST_CASE("one frame is enough") {
  const TemporaryFolder folder;
  write_gif(folder / "one.gif", moving_square(1, 20, 20), 5);
  write_mp4(folder / "one.mp4", moving_square(1, 20, 20), 5);
  CHECK(read_all(folder / "one.gif").frames == 1);
  CHECK(read_all(folder / "one.mp4").frames == 1);
}

TEST_CASE("the same clip gives the same bytes") {
  const TemporaryFolder folder;
  const Clip clip = moving_square(8, 32, 32);
  // Whatever lies in memory that malloc returns: an encoder that reads what it has not written shows itself.
  for (const auto& [name, garbage] : {std::pair{"a", 1}, {"b", 85}, {"c", 255}}) {
    mallopt(M_PERTURB, garbage);
    write_gif(folder / (std::string(name) + ".gif"), clip, 10);
    write_mp4(folder / (std::string(name) + ".mp4"), clip, 10);
  }
  mallopt(M_PERTURB, 0);
  for (const char* other : {"b", "c"}) {
    CHECK(read_bytes(folder / "a.gif") == read_bytes(folder / (std::string(other) + ".gif")));
    CHECK(read_bytes(folder / "a.mp4") == read_bytes(folder / (std::string(other) + ".mp4")));
  }
}

TEST_CASE("clips of one channel, of two and of four are written in the colours that pictures give them") {
  const TemporaryFolder folder;
  const Clip coloured = moving_square(6, 32, 48);
  for (const std::int64_t channels : {1, 2, 4})
    for (const ColorMap map : {ColorMap::grey, ColorMap::viridis}) {
      Clip clip(6, 32, 48, channels);
      for (std::size_t i = 0; i < clip.pixels.size(); ++i)
        clip.pixels[i] =
            coloured.pixels[i / static_cast<std::size_t>(channels) * 3 + i % static_cast<std::size_t>(channels) % 3];
      const Clip shown = dvd::to_rgb(clip, map);
      write_gif(folder / "x.gif", clip, 10, map);
      write_mp4(folder / "x.mp4", clip, 10, map);
      if (channels == 1) CHECK(read_all(folder / "x.gif").pixels == shown.pixels);
      CHECK(mean_difference(read_all(folder / "x.gif"), shown) < 4);
      CHECK(mean_difference(read_all(folder / "x.mp4"), shown) < 6);
    }
}

TEST_CASE("clips that cannot be written are refused and leave nothing behind") {
  const TemporaryFolder folder;
  const Clip good = moving_square(2, 8, 8);
  Clip wrong = good;
  wrong.pixels.pop_back();
  for (const auto write : {write_gif, write_mp4}) {
    for (const Clip& empty : {Clip(), Clip(0, 8, 8), Clip(2, 0, 8), Clip(2, 8, 0), Clip(2, 8, 8, 0), wrong})
      CHECK_THROWS_AS(write(folder / "x", empty, 10, ColorMap::grey), dvd::ArgumentError);
    for (const double rate : {0.0, -1.0, 1e9, std::nan("")})
      CHECK_THROWS_AS(write(folder / "x", good, rate, ColorMap::grey), dvd::ArgumentError);
    CHECK_THROWS_AS(write(folder.path() / "no" / "folder", good, 10, ColorMap::grey), dvd::FileError);
    CHECK_THROWS_AS(write(folder.path(), good, 10, ColorMap::grey), dvd::FileError);  // a folder stands in its place
  }
  CHECK(files_in(folder.path()) == 0);
  write_gif(folder / "x", good, 10);
  CHECK(files_in(folder.path()) == 1);
}
