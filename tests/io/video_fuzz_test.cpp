// Damaged videos of many formats: no crash, no hang, and no frame that the ffmpeg program would not show. The short
// form damages a few dozen, the long one 2,000 (DVD_FUZZ_TRIALS).
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "dvd/core/random.hpp"
#include "dvd/io/video_file.hpp"
#include "dvd/io/video_reader.hpp"
#include "support/shown_by_ffmpeg.hpp"
#include "support/video_fixtures.hpp"

using namespace dvd::testing;
using dvd::Clip;

namespace {

std::string damaged(std::string bytes, const dvd::Random& dice) {
  const auto size = static_cast<std::int64_t>(bytes.size());
  const std::int64_t at = dice.below(1, size), length = 1 + dice.below(2, size / 6);
  const auto begin = static_cast<std::size_t>(at);
  switch (dice.below(0, 5)) {
    case 0:  // a stretch of zeros
      std::fill_n(bytes.begin() + at, std::min(length, size - at), '\0');
      break;
    case 1:  // a stretch that is missing
      bytes.erase(begin, static_cast<std::size_t>(length));
      break;
    case 2:  // an end that is missing
      bytes.resize(static_cast<std::size_t>(size / 4 + dice.below(3, size - size / 4)));
      break;
    case 3:  // bytes changed anywhere
      for (std::uint64_t i = 0; i < 12; ++i)
        bytes[static_cast<std::size_t>(dice.below(10 + 2 * i, size))] = static_cast<char>(dice.below(11 + 2 * i, 256));
      break;
    default:  // a bit or two in one place
      for (std::uint64_t i = 0; i < 2; ++i)
        bytes[std::min(begin + static_cast<std::size_t>(dice.below(10 + 2 * i, 40)), bytes.size() - 1)] ^=
            static_cast<char>(1 << dice.below(11 + 2 * i, 8));
  }
  return bytes;
}

// Whether the frames of a clip are some of those shown, in their order.
bool are_shown(const Clip& clip, const Clip& truth) {
  const std::int64_t size = clip.height * clip.width * 3;
  std::int64_t shown = 0;
  for (std::int64_t t = 0; t < clip.frames; ++t) {
    const auto is_here = [&] { return std::equal(clip.frame(t), clip.frame(t) + size, truth.frame(shown)); };
    while (shown < truth.frames && !is_here()) ++shown;
    if (shown == truth.frames) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("of damaged videos, frames that ffmpeg shows or an error in words") {
  const TemporaryFolder folder;
  std::vector<std::string> formats = {"a.avi -c:v mpeg4 -bf 2 -g 8",
                                      "b.avi -c:v mjpeg -pix_fmt yuvj420p",
                                      "c.mp4 -c:v libx264 -pix_fmt yuv420p -bf 2 -g 8",
                                      "d.mkv -c:v libx264 -pix_fmt yuv420p -bf 2 -g 8",
                                      "e.ts -c:v libx264 -pix_fmt yuv420p -bf 2 -g 8",
                                      "f.webm -c:v libvpx-vp9 -cpu-used 8 -g 8 -b:v 200k",
                                      "g.mpg -c:v mpeg2video -bf 2 -g 8",
                                      "h.gif",
                                      "i.mkv -c:v ffv1",
                                      "j.mp4 -c:v libx265 -x265-params log-level=0:keyint=8",
                                      "k.flv -c:v flv1 -g 8",
                                      "l.webm -c:v libvpx -g 8 -b:v 200k"};
  std::vector<std::string> names, whole;
  for (const std::string& format : formats) {
    names.push_back(format.substr(0, format.find(' ')));
    make_video(folder / names.back(), 32, "64x48", format.substr(names.back().size()));
    whole.push_back(read_bytes(folder / names.back()));
  }
  const char* const asked = std::getenv("DVD_FUZZ_TRIALS");
  const int trials = asked ? std::atoi(asked) : 48;
  int read = 0;
  for (int trial = 0; trial < trials; ++trial) {
    const std::size_t format = static_cast<std::size_t>(trial) % names.size();
    const auto path = folder / names[format];
    write_bytes(path, damaged(whole[format], dvd::Random(15).stream(static_cast<std::uint64_t>(trial))));
    CAPTURE(trial);
    CAPTURE(names[format]);
    try {
      const dvd::VideoFile file(path);
      const dvd::VideoInfo info = file.info();
      if (info.width * info.height > 1 << 16) continue;  // a damaged header's, which is no less a video
      const Clip truth = shown_by_ffmpeg(path, info.height, info.width);
      const std::int64_t length = std::min<std::int64_t>(4, info.frames);
      for (std::int64_t first = 0; first + length <= std::min<std::int64_t>(info.frames, 100); first += 3) try {
          const Clip window = file.read(first, length);
          CHECK(are_shown(window, truth));
          ++read;
        } catch (const dvd::FileError&) {
        }
      dvd::VideoReader reader(path);
      Clip frame(1, 48, 64);
      while (reader.next()) reader.copy({.height = 48, .width = 64}, frame.frame(0));
    } catch (const dvd::FileError& error) {
      CHECK(std::string(error.what()).starts_with(path.string() + ": "));
    }
  }
  CHECK(read > 3 * trials);
}
