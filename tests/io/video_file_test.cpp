// Every frame has its exact index, whatever the codec, and frames come out in the asked size and orientation.
#include "dvd/io/video_file.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "dvd/core/random.hpp"
#include "support/video_fixtures.hpp"

using namespace dvd::testing;
using dvd::Clip;
using dvd::VideoFile;

namespace {

struct Codec {
  const char* file;
  const char* encoder;
  const char* options;
};

// B-frames, long and short groups of pictures, open groups, no key frames at all, hidden frames, no time stamps.
const Codec codecs[] = {
    {"intra.mkv", "ffv1", "-pix_fmt yuv420p"},
    {"intra.avi", "mjpeg", "-q:v 2 -pix_fmt yuvj420p"},
    {"short.avi", "mpeg4", "-q:v 2 -g 5"},
    {"b-frames.avi", "mpeg4", "-q:v 2 -bf 2 -g 7"},
    {"b-frames.mp4", "mpeg4", "-q:v 2 -bf 2 -g 7"},
    {"b-frames.mpg", "mpeg2video", "-q:v 2 -bf 2 -g 9"},
    {"long.mp4", "libx264", "-bf 3 -g 1000 -pix_fmt yuv420p"},
    {"short.mkv", "libx264", "-bf 3 -g 12 -pix_fmt yuv420p"},
    {"b-frames-264.avi", "libx264", "-bf 3 -g 12 -pix_fmt yuv420p"},
    {"bare.h264", "libx264", "-bf 2 -g 12 -pix_fmt yuv420p"},
    {"transport.ts", "libx264", "-bf 2 -g 12 -pix_fmt yuv420p"},
    {"open.mp4", "libx264", "-bf 3 -x264-params open-gop=1:keyint=12 -pix_fmt yuv420p"},
    {"refresh.mkv", "libx264", "-x264-params intra-refresh=1:keyint=12 -pix_fmt yuv420p"},
    {"hidden.webm", "libvpx", "-auto-alt-ref 1 -lag-in-frames 16 -g 12 -b:v 400k"},
    {"super.webm", "libvpx-vp9", "-cpu-used 8 -g 12 -b:v 400k"},
};

// Over the pixels that are not within `margin` of the right or the lower edge.
int largest_difference(const Clip& a, const Clip& b, std::int64_t margin = 0) {
  REQUIRE(a.height == b.height);
  REQUIRE(a.width == b.width);
  REQUIRE(a.pixels.size() == b.pixels.size());
  int largest = 0;
  for (std::int64_t t = 0; t < a.frames; ++t)
    for (std::int64_t y = 0; y < a.height - margin; ++y)
      for (std::int64_t i = y * a.width * 3; i < ((y + 1) * a.width - margin) * 3; ++i)
        largest = std::max(largest, std::abs(a.frame(t)[i] - b.frame(t)[i]));
  return largest;
}

// A clip of one colour.
Clip flat_clip(std::int64_t frames, std::int64_t height, std::int64_t width, std::array<std::uint8_t, 3> colour) {
  Clip clip(frames, height, width);
  for (std::size_t i = 0; i < clip.pixels.size(); ++i) clip.pixels[i] = colour[i % 3];
  return clip;
}

}  // namespace

TEST_CASE("frame indices are exact and windows equal decoding from the start") {
  const TemporaryFolder folder;
  const Clip source = numbered_clip(61);
  for (const Codec& codec : codecs) {
    CAPTURE(std::string(codec.file));
    if (!has_encoder(codec.encoder)) {
      MESSAGE("this ffmpeg has no encoder " << codec.encoder);
      continue;
    }
    const auto path = folder / codec.file;
    encode_clip(path, source, std::string("-c:v ") + codec.encoder + " " + codec.options);
    const VideoFile file(path);
    CHECK(file.info().frames == 61);
    CHECK(file.info().width == 64);
    CHECK(file.info().height == 48);
    CHECK(file.info().frames_per_second == doctest::Approx(25));
    const Clip whole = file.read(0, 61);
    for (std::int64_t t = 0; t < 61; ++t) CHECK(number_shown(whole, t) == t);

    const dvd::Random random(7);
    for (std::uint64_t trial = 0; trial < 12; ++trial) {
      const std::int64_t stride = 1 + random.below(3 * trial, 4), frames = 1 + random.below(3 * trial + 1, 8);
      const std::int64_t first = random.below(3 * trial + 2, 61 - (frames - 1) * stride);
      const Clip window = file.read(first, frames, stride);
      bool equal = window.frames == frames;
      for (std::int64_t t = 0; t < frames; ++t)
        equal = equal && std::equal(window.frame(t), window.frame(t) + 64 * 48 * 3, whole.frame(first + t * stride));
      CAPTURE(first);
      CAPTURE(stride);
      CHECK(equal);
    }
  }
}

TEST_CASE("a video cut without encoding it again begins where it says") {
  const TemporaryFolder folder;
  if (!has_encoder("libx264")) return;
  encode_clip(folder / "whole.mp4", numbered_clip(60), "-c:v libx264 -bf 2 -g 15 -pix_fmt yuv420p");
  ffmpeg("-ss 0.8 -i '" + (folder / "whole.mp4").string() + "' -c copy", folder / "cut.mp4");
  const VideoFile file(folder / "cut.mp4");  // holds frames 15 to 19 too, marked as not to be shown
  CHECK(file.info().frames == 40);
  const Clip clip = file.read(0, 40);
  for (std::int64_t t = 0; t < 40; ++t) CHECK(number_shown(clip, t) == 20 + t);
  CHECK(numbers_shown(file.read(1, 3, 9)) == std::vector<std::int64_t>{21, 30, 39});
}

TEST_CASE("pixels survive a lossless codec in any pixel format and odd size") {
  const TemporaryFolder folder;
  const Clip flat = flat_clip(2, 27, 33, {200, 60, 90});
  for (const std::string format : {"yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "bgr0", "gbrp", "yuva420p"}) {
    CAPTURE(format);
    const auto path = folder / (format + ".mkv");
    encode_clip(path, flat, "-c:v ffv1 -pix_fmt " + format);
    const VideoFile file(path);
    CHECK(file.info().width == 33);
    CHECK(file.info().height == 27);
    // The ffmpeg program invents colours for the halved last column and row of an odd frame.
    CHECK(largest_difference(file.read(0, 2), flat, format.starts_with("yuv") ? 3 : 0) <= 4);
  }
  encode_clip(folder / "grey.mkv", flat, "-c:v ffv1 -pix_fmt gray");
  const Clip grey = VideoFile(folder / "grey.mkv").read(0, 1);
  CHECK(std::abs(grey.pixels[0] - 105) <= 3);  // 0.299 * 200 + 0.587 * 60 + 0.114 * 90
  CHECK(grey.pixels[0] == grey.pixels[1]);
  CHECK(grey.pixels[0] == grey.pixels[2]);
}

TEST_CASE("the colour matrix and range that a file names are followed") {
  const TemporaryFolder folder;
  const Clip flat = flat_clip(1, 32, 32, {30, 220, 40});
  for (const std::string filter : {"scale=out_color_matrix=bt709:out_range=tv,format=yuv444p -colorspace bt709",
                                   "scale=out_color_matrix=bt601:out_range=pc,format=yuv444p -color_range pc"}) {
    CAPTURE(filter);
    encode_clip(folder / "matrix.mkv", flat, "-c:v ffv1 -vf " + filter);
    CHECK(largest_difference(VideoFile(folder / "matrix.mkv").read(0, 1), flat) <= 3);
  }
}

TEST_CASE("framing cuts the largest square and scales it") {
  const TemporaryFolder folder;
  // Three vertical stripes, red, green and blue, each a square of the frame of 96 x 32.
  Clip stripes(1, 32, 96);
  for (std::int64_t y = 0; y < 32; ++y)
    for (std::int64_t x = 0; x < 96; ++x) stripes.pixels[static_cast<std::size_t>((y * 96 + x) * 3 + x / 32)] = 255;
  encode_clip(folder / "wide.mkv", stripes, "-c:v ffv1 -pix_fmt gbrp");
  const VideoFile wide(folder / "wide.mkv");
  encode_clip(folder / "high.mkv", stripes, "-vf transpose=1 -c:v ffv1 -pix_fmt gbrp");  // red on top
  const VideoFile high(folder / "high.mkv");
  CHECK(high.info().height == 96);

  for (const std::int64_t resolution : {1, 7, 16, 32, 50, 128})
    for (const VideoFile* file : {&wide, &high})
      for (const std::int64_t stripe : {0, 1, 2}) {
        CAPTURE(resolution);
        CAPTURE(stripe);
        const Clip clip = file->read(0, 1, 1, {resolution, static_cast<double>(stripe) / 2});
        CHECK(clip.height == resolution);
        CHECK(clip.width == resolution);
        REQUIRE(clip.pixels.size() == static_cast<std::size_t>(resolution * resolution * 3));
        bool pure = true;
        for (std::size_t i = 0; i < clip.pixels.size(); ++i)
          pure = pure && std::abs(clip.pixels[i] - (static_cast<std::int64_t>(i) % 3 == stripe ? 255 : 0)) <= 3;
        CHECK(pure);
      }
  CHECK_THROWS_AS(wide.read(0, 1, 1, {0, 0.5}), dvd::ArgumentError);
  CHECK_THROWS_AS(wide.read(0, 1, 1, {16, 1.5}), dvd::ArgumentError);
}

TEST_CASE("framing cuts the largest part of the shape that is asked for") {
  const TemporaryFolder folder;
  // Brightness tells the column, 0 to 119, in red and the row, 0 to 59, in green.
  Clip ramp(1, 60, 120);
  for (std::int64_t y = 0; y < 60; ++y)
    for (std::int64_t x = 0; x < 120; ++x) {
      ramp.frame(0)[(y * 120 + x) * 3] = static_cast<std::uint8_t>(2 * x);
      ramp.frame(0)[(y * 120 + x) * 3 + 1] = static_cast<std::uint8_t>(4 * y);
    }
  encode_clip(folder / "ramp.mkv", ramp, "-c:v ffv1 -pix_fmt gbrp");
  const VideoFile file(folder / "ramp.mkv");
  struct Case {
    std::int64_t height, width;
    double position;
    std::int64_t top, left, rows, columns;  // of what is cut out
  };
  const Case cases[] = {
      {60, 120, 0.3, 0, 0, 60, 120}, {60, 60, 0.0, 0, 0, 60, 60},   {60, 60, 1.0, 0, 60, 60, 60},
      {30, 40, 0.5, 0, 20, 60, 80},  {60, 80, 1.0, 0, 40, 60, 80},  {24, 16, 0.5, 0, 40, 60, 40},
      {10, 60, 0.5, 20, 0, 20, 120}, {10, 60, 1.0, 40, 0, 20, 120}, {20, 120, 0.0, 0, 0, 20, 120},
  };
  for (const Case& each : cases) {
    CAPTURE(each.height);
    CAPTURE(each.width);
    CAPTURE(each.position);
    const Clip clip = file.read(0, 1, 1, {.position = each.position, .height = each.height, .width = each.width});
    REQUIRE(clip.size() == dvd::ClipSize{1, each.height, each.width, 3});
    // A pixel is the mean of those of the frame that it covers.
    const auto expected = [](std::int64_t first, std::int64_t of, std::int64_t size, std::int64_t i) {
      const double step = static_cast<double>(of) / static_cast<double>(size);
      return static_cast<double>(first) + (static_cast<double>(i) + 0.5) * step - 0.5;
    };
    double worst = 0;
    for (std::int64_t y = 0; y < each.height; ++y)
      for (std::int64_t x = 0; x < each.width; ++x) {
        const std::uint8_t* const pixel = clip.frame(0) + (y * each.width + x) * 3;
        worst = std::max({worst, std::abs(pixel[0] - 2 * expected(each.left, each.columns, each.width, x)),
                          std::abs(pixel[1] - 4 * expected(each.top, each.rows, each.height, y))});
      }
    CHECK(worst <= 3);
  }
  // Rows and columns change places for a frame that is to be turned.
  encode_clip(folder / "high.mkv", ramp, "-vf transpose=1 -c:v ffv1 -pix_fmt gbrp");
  CHECK(VideoFile(folder / "high.mkv").read(0, 1, 1, {.height = 40, .width = 30}).size() ==
        dvd::ClipSize{1, 40, 30, 3});
  // However thin, something is left.
  CHECK(file.read(0, 1, 1, {.height = 8192, .width = 1}).height == 8192);
  for (const dvd::Framing& bad : {dvd::Framing{.height = -1},
                                  {.width = 8193},
                                  {.image_channels = 2},
                                  {.image_channels = 0},
                                  {.position = -0.1},
                                  {.position = std::nan("")}})
    CHECK_THROWS_AS(file.read(0, 1, 1, bad), dvd::ArgumentError);
}

TEST_CASE("grey frames are the luma of the coloured ones, whatever the file's format, matrix and range") {
  const TemporaryFolder folder;
  for (const std::string codec :
       {"-c:v ffv1 -pix_fmt gbrp", "-c:v ffv1 -pix_fmt bgr0", "-c:v ffv1 -pix_fmt yuv444p", "-c:v ffv1 -pix_fmt gray",
        "-c:v ffv1 -pix_fmt yuv420p", "-c:v ffv1 -pix_fmt yuv420p10le", "-c:v mjpeg -q:v 1 -pix_fmt yuvj444p",
        "-c:v ffv1 -vf scale=out_color_matrix=bt601:out_range=pc,format=yuv444p -color_range pc"})
    for (const auto& [red, green, blue] :
         {std::tuple{200, 60, 90}, {255, 255, 255}, {0, 0, 0}, {20, 20, 20}, {10, 240, 30}}) {
      CAPTURE(codec);
      CAPTURE(red);
      const Clip flat = flat_clip(
          2, 32, 48,
          {static_cast<std::uint8_t>(red), static_cast<std::uint8_t>(green), static_cast<std::uint8_t>(blue)});
      encode_clip(folder / "flat.mkv", flat, codec);
      const Clip grey = VideoFile(folder / "flat.mkv").read(0, 2, 1, {.height = 16, .width = 24, .image_channels = 1});
      REQUIRE(grey.size() == dvd::ClipSize{2, 16, 24, 1});
      REQUIRE(grey.pixels.size() == 2 * 16 * 24);
      const double luma = 0.299 * red + 0.587 * green + 0.114 * blue;
      for (const std::uint8_t value : grey.pixels) REQUIRE(std::abs(value - luma) <= 3);
    }
}

TEST_CASE("shrinking averages: a fine chequerboard becomes grey") {
  const TemporaryFolder folder;
  Clip board(1, 64, 64);
  for (std::size_t i = 0; i < board.pixels.size(); ++i) board.pixels[i] = (i / 3 % 64 + i / 3 / 64) % 2 ? 255 : 0;
  encode_clip(folder / "board.mkv", board, "-c:v ffv1 -pix_fmt gbrp");
  for (const std::uint8_t value : VideoFile(folder / "board.mkv").read(0, 1, 1, {16, 0.5}).pixels)
    CHECK(std::abs(value - 128) <= 4);
}

TEST_CASE("tiny frames can be enlarged and large ones reduced to a pixel") {
  const TemporaryFolder folder;
  const std::int64_t sizes[][2] = {{1, 1}, {2, 2}, {5, 3}, {1, 17}, {480, 640}};
  for (const auto& size : sizes)
    for (const std::string format : {"yuv444p", "yuv420p", "gray", "bgr0"}) {
      CAPTURE(size[0]);
      CAPTURE(format);
      const Clip flat = flat_clip(2, size[0], size[1], {90, 90, 90});
      encode_clip(folder / "flat.mkv", flat, "-c:v ffv1 -pix_fmt " + format);
      const VideoFile file(folder / "flat.mkv");
      CHECK(largest_difference(file.read(0, 2), flat) <= 2);
      for (const std::int64_t resolution : {1, 2, 9, 64})
        CHECK(largest_difference(file.read(0, 2, 1, {resolution, 0.3}),
                                 flat_clip(2, resolution, resolution, {90, 90, 90})) <= 2);
    }
}

TEST_CASE("a phone's portrait video comes upright") {
  const TemporaryFolder folder;
  Clip scene(1, 32, 64);  // stored lying: left half red, right half blue, the lower quarter of it green
  for (std::int64_t y = 0; y < 32; ++y)
    for (std::int64_t x = 0; x < 64; ++x)
      scene.pixels[static_cast<std::size_t>((y * 64 + x) * 3 + (x < 32 ? 0 : y < 24 ? 2 : 1))] = 255;
  encode_clip(folder / "stored.mp4", scene, "-c:v mpeg4 -q:v 1");
  // How often the player has to turn the stored picture clockwise, and the corners it then shows: clockwise from the
  // upper left one. Channel numbers: 0 red, 1 green, 2 blue; stored corners: red, blue, green, red.
  const int stored[] = {0, 2, 1, 0};
  std::string bytes = read_bytes(folder / "stored.mp4");
  const std::size_t header = bytes.find("tkhd");
  REQUIRE(header != std::string::npos);
  const auto put = [&](int word, int value) {  // of the track's matrix, behind 44 bytes of header, big endian
    for (int i = 0; i < 4; ++i)
      bytes[header + 44 + 4 * static_cast<std::size_t>(word) + static_cast<std::size_t>(i)] =
          static_cast<char>(static_cast<unsigned>(value) >> (24 - 8 * i));
  };
  const int one = 1 << 16;
  const int cosine[] = {one, 0, -one, 0}, sine[] = {0, one, 0, -one};
  for (int turns = 0; turns < 4; ++turns) {
    CAPTURE(turns);
    put(0, cosine[turns]);
    put(1, sine[turns]);
    put(3, -sine[turns]);
    put(4, cosine[turns]);
    write_bytes(folder / "turned.mp4", bytes);
    const VideoFile file(folder / "turned.mp4");
    CHECK(file.info().width == (turns % 2 ? 32 : 64));
    CHECK(file.info().height == (turns % 2 ? 64 : 32));
    const Clip clip = file.read(0, 1);
    const std::int64_t right = clip.width - 3, below = clip.height - 3;
    const std::int64_t corners[][2] = {{2, 2}, {2, right}, {below, right}, {below, 2}};
    for (int corner = 0; corner < 4; ++corner) {
      CAPTURE(corner);
      const std::uint8_t* const pixel = clip.frame(0) + (corners[corner][0] * clip.width + corners[corner][1]) * 3;
      CHECK(pixel[stored[(corner + 4 - turns) % 4]] > 180);
    }
    // In grey every corner is as bright as its colour: red 76, green 150, blue 29.
    const Clip grey = file.read(0, 1, 1, {.height = clip.height, .width = clip.width, .image_channels = 1});
    for (int corner = 0; corner < 4; ++corner) {
      const int luma[] = {76, 150, 29};
      const std::uint8_t pixel = grey.frame(0)[corners[corner][0] * grey.width + corners[corner][1]];
      CHECK(std::abs(pixel - luma[stored[(corner + 4 - turns) % 4]]) < 25);
    }
    // The square at the end of the shown picture: right or bottom.
    const Clip square = file.read(0, 1, 1, {32, 1.0});
    const bool red = turns == 2 || turns == 3;
    CHECK((square.frame(0)[(16 * 32 + 16) * 3] > 180) == red);
  }
}

TEST_CASE("frames that change their size on the way are brought to the first one's") {
  const TemporaryFolder folder;
  make_video(folder / "small.mjpeg", 5, "64x48", "-c:v mjpeg -pix_fmt yuvj420p");
  make_video(folder / "large.mjpeg", 5, "160x90", "-c:v mjpeg -pix_fmt yuvj444p");
  write_bytes(folder / "both.mjpeg", read_bytes(folder / "small.mjpeg") + read_bytes(folder / "large.mjpeg"));
  const VideoFile file(folder / "both.mjpeg");
  REQUIRE(file.info().frames == 10);
  CHECK(file.info().width == 64);
  CHECK(file.read(0, 10).width == 64);
  CHECK(file.read(3, 4, 1, {32, 1.0}).width == 32);
}

TEST_CASE("several threads read one object and get the same pixels") {
  const TemporaryFolder folder;
  encode_clip(folder / "shared.mp4", numbered_clip(30), "-c:v mpeg4 -q:v 2 -bf 2 -g 7");
  const VideoFile file(folder / "shared.mp4");
  const Clip expected = file.read(11, 8, 2, {32, 0.5});
  std::vector<Clip> clips(4);
  std::vector<std::thread> threads;
  for (Clip& clip : clips) threads.emplace_back([&] { clip = file.read(11, 8, 2, {32, 0.5}); });
  for (std::thread& thread : threads) thread.join();
  for (const Clip& clip : clips) CHECK(clip.pixels == expected.pixels);
}

TEST_CASE("windows that do not fit are refused") {
  const TemporaryFolder folder;
  make_video(folder / "ten.avi", 10, "32x32", "-c:v mpeg4");
  const VideoFile file(folder / "ten.avi");
  CHECK(file.read(9, 1).frames == 1);
  CHECK(file.read(0, 4, 3).frames == 4);
  CHECK_THROWS_AS(file.read(0, 11), dvd::FileError);
  CHECK_THROWS_AS(file.read(1, 4, 3), dvd::FileError);
  CHECK_THROWS_AS(file.read(10, 1), dvd::FileError);
  CHECK_THROWS_AS(file.read(0, 2, INT64_MAX), dvd::FileError);
  CHECK_THROWS_AS(file.read(0, INT64_MAX, 2), dvd::FileError);
  CHECK_THROWS_AS(file.read(-1, 1), dvd::ArgumentError);
  CHECK_THROWS_AS(file.read(0, 0), dvd::ArgumentError);
  CHECK_THROWS_AS(file.read(0, 1, 0), dvd::ArgumentError);
}
