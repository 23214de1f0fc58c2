// Files that are no videos, or damaged ones, give frames or a FileError of one line: never a crash, never a hang.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/core/random.hpp"
#include "dvd/io/video_file.hpp"
#include "support/video_fixtures.hpp"

using namespace dvd::testing;
using dvd::VideoFile;

namespace {

// What opening the file throws, without "PATH: "; empty where it does not throw.
std::string complaint(const std::filesystem::path& path) {
  try {
    VideoFile file(path);
  } catch (const dvd::FileError& error) {
    const std::string message = error.what(), start = path.string() + ": ";
    CHECK(message.starts_with(start));
    CHECK(message.find('\n') == std::string::npos);
    return message.substr(start.size());
  }
  return "";
}

// Overwrites the video chunks of an AVI file whose number is in the list, sizes kept.
std::string with_zeroed_chunks(std::string avi, const std::vector<int>& numbers) {
  std::size_t at = avi.find("movi");
  for (int number = 0; (at = avi.find("00dc", at)) != std::string::npos && at < avi.find("idx1"); ++number) {
    std::size_t size = 0;
    for (std::size_t i = 4; i-- > 0;) size = size << 8 | static_cast<unsigned char>(avi[at + 4 + i]);
    if (std::count(numbers.begin(), numbers.end(), number) != 0)
      std::fill_n(avi.begin() + std::ptrdiff_t(at) + 8, size, '\0');
    at += 8 + size;
  }
  return avi;
}

// An AVI file cut in the middle of its frames.
std::string half_of(const std::string& avi) { return avi.substr(0, (avi.find("movi") + avi.find("idx1")) / 2); }

// Opens and reads a file that may hold anything. True where both worked.
bool survives(const std::filesystem::path& path) {
  try {
    const VideoFile file(path);
    const std::int64_t frames = std::min<std::int64_t>(file.info().frames, 12);
    file.read(file.info().frames - frames, frames, 1, {16, 0.5});
    if (file.info().width * file.info().height <= 1 << 20) file.read(0, frames);
    return true;
  } catch (const dvd::FileError&) {
    return false;
  }
}

}  // namespace

TEST_CASE("what is no video is refused with its reason") {
  const TemporaryFolder folder;
  CHECK(complaint(folder / "missing.avi") == "no such file");
  CHECK(complaint(folder.path()) == "is a folder, not a video file");
  CHECK(complaint("/dev/null") == "is not a regular file");
  write_bytes(folder / "empty.avi", "");
  CHECK(complaint(folder / "empty.avi") == "is empty");

  std::string text;
  for (int line = 0; line < 200; ++line) text += "The quick brown fox jumps over the lazy dog.\n";
  write_bytes(folder / "text.avi", text);
  CHECK(complaint(folder / "text.avi").starts_with("cannot be read as a video ("));
  write_bytes(folder / "text.txt", text);  // FFmpeg would show it as a terminal does
  CHECK(complaint(folder / "text.txt") == "is text, not a video");
  write_bytes(folder / "playlist.avi", "#EXTM3U\n#EXTINF:1,\nhttp://localhost:1/segment.ts\n#EXT-X-ENDLIST\n");
  CHECK(complaint(folder / "playlist.avi") != "");
  CHECK(complaint("http://localhost:1/video.avi") == "no such file");

  ffmpeg("-f lavfi -i sine=duration=1 -c:a pcm_s16le", folder / "sound.avi");
  CHECK(complaint(folder / "sound.avi") == "has no video track");
  ffmpeg(
      "-f lavfi -i sine=duration=1 -f lavfi -i testsrc2=size=32x32:duration=0.04 -map 0 -map 1 -c:a aac -c:v png "
      "-disposition:v attached_pic",
      folder / "sound.m4a");
  CHECK(complaint(folder / "sound.m4a") == "has no video track, only a cover picture");
}

TEST_CASE("a name is a name, even where FFmpeg would read a protocol or a pattern") {
  const TemporaryFolder folder;
  for (const char* name : {"concat:a.avi", "http:b.avi", "ütf 8.avi", "c:d|e.avi", "%03d.avi"}) {
    make_video(folder / "plain.avi", 3, "32x32", "-c:v mpeg4");
    std::filesystem::rename(folder / "plain.avi", folder / name);
    CHECK(complaint(folder / name) == "");
  }
}

TEST_CASE("one frame is a video") {
  const TemporaryFolder folder;
  make_video(folder / "one.avi", 1, "32x32", "-c:v mpeg4");
  const VideoFile file(folder / "one.avi");
  CHECK(file.info().frames == 1);
  CHECK(file.read(0, 1).frames == 1);
}

TEST_CASE("files cut short are refused, or hold the frames that are left") {
  const TemporaryFolder folder;
  encode_clip(folder / "whole.avi", numbered_clip(40), "-c:v mpeg4 -q:v 2 -g 5");
  const std::string avi = read_bytes(folder / "whole.avi");
  write_bytes(folder / "head.avi", avi.substr(0, 200));
  CHECK(complaint(folder / "head.avi") != "");
  write_bytes(folder / "no-frames.avi", avi.substr(0, avi.find("movi") + 4));
  CHECK(complaint(folder / "no-frames.avi") != "");
  write_bytes(folder / "half.avi", half_of(avi));
  const VideoFile half(folder / "half.avi");
  CHECK(half.info().frames > 5);
  CHECK(half.info().frames < 35);
  CHECK(numbers_shown(half.read(0, 5)) == std::vector<std::int64_t>{0, 1, 2, 3, 4});
  CHECK_THROWS_AS(half.read(0, 40), dvd::FileError);

  encode_clip(folder / "whole.mp4", numbered_clip(40), "-c:v mpeg4 -q:v 2");  // its table of contents stands last
  const std::string mp4 = read_bytes(folder / "whole.mp4");
  write_bytes(folder / "half.mp4", mp4.substr(0, mp4.size() / 2));
  CHECK(complaint(folder / "half.mp4") != "");
}

TEST_CASE("a file that shrinks or goes after it was opened gives a FileError") {
  const TemporaryFolder folder;
  encode_clip(folder / "a.avi", numbered_clip(40), "-c:v mpeg4 -q:v 2 -g 5");
  const VideoFile file(folder / "a.avi");
  const std::string bytes = read_bytes(folder / "a.avi");
  write_bytes(folder / "a.avi", half_of(bytes));
  CHECK_THROWS_AS(file.read(30, 5), dvd::FileError);
  CHECK(file.read(3, 5).frames == 5);
  std::filesystem::remove(folder / "a.avi");
  CHECK_THROWS_AS(file.read(3, 5), dvd::FileError);
}

TEST_CASE("a damaged frame repeats the one before it; too many are an error") {
  const TemporaryFolder folder;
  encode_clip(folder / "whole.avi", numbered_clip(12), "-c:v mjpeg -q:v 2 -pix_fmt yuvj420p");
  const std::string avi = read_bytes(folder / "whole.avi");
  write_bytes(folder / "damaged.avi", with_zeroed_chunks(avi, {3, 4, 8}));
  const VideoFile file(folder / "damaged.avi");
  REQUIRE(file.info().frames == 12);
  CHECK(numbers_shown(file.read(0, 12)) == std::vector<std::int64_t>{0, 1, 2, 2, 2, 5, 6, 7, 7, 9, 10, 11});
  CHECK(numbers_shown(file.read(2, 3, 3)) == std::vector<std::int64_t>{2, 5, 7});
  CHECK(numbers_shown(file.read(5, 4)) == std::vector<std::int64_t>{5, 6, 7, 7});
  write_bytes(folder / "worse.avi", with_zeroed_chunks(avi, {1, 2, 3, 4, 5, 6, 7, 8}));
  CHECK_THROWS_AS(VideoFile(folder / "worse.avi").read(0, 12), dvd::FileError);
  write_bytes(folder / "worst.avi", with_zeroed_chunks(avi, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}));
  CHECK(complaint(folder / "worst.avi") == "none of its frames can be decoded");
}

TEST_CASE("absurd dimensions are refused before memory is asked for") {
  const TemporaryFolder folder;
  make_video(folder / "raw.avi", 2, "32x32", "-c:v rawvideo -pix_fmt bgr24");
  std::string avi = read_bytes(folder / "raw.avi");
  const std::size_t format = avi.find("strf") + 8;  // behind the chunk's name and size: BITMAPINFOHEADER
  for (const std::size_t offset : {4, 8}) avi.replace(format + offset, 4, std::string("\x60\xEA\0\0", 4));  // 60000
  write_bytes(folder / "raw.avi", avi);
  CHECK(complaint(folder / "raw.avi") != "");

  make_video(folder / "jpeg.avi", 2, "32x32", "-c:v mjpeg -pix_fmt yuvj420p");
  avi = read_bytes(folder / "jpeg.avi");
  for (std::size_t at = 0; (at = avi.find("\xFF\xC0", at)) != std::string::npos; at += 9)
    avi.replace(at + 5, 4, "\xF0\x60\xF0\x60");  // height and width in each frame's own header
  write_bytes(folder / "jpeg.avi", avi);
  CHECK(complaint(folder / "jpeg.avi") != "");
}

TEST_CASE("bytes changed at random never crash") {
  const TemporaryFolder folder;
  struct Seed {
    const char* name;
    const char* codec;
    int trials;
  };
  const dvd::Random random(20);
  for (const Seed& seed :
       {Seed{"a.avi", "-c:v mpeg4 -bf 1 -g 4", 300}, Seed{"b.avi", "-c:v mjpeg -pix_fmt yuvj420p", 60},
        Seed{"c.mp4", "-c:v mpeg4", 100}, Seed{"d.mkv", "-c:v ffv1", 60}}) {
    make_video(folder / seed.name, 8, "32x32", seed.codec);
    const std::string whole = read_bytes(folder / seed.name);
    CHECK(survives(folder / seed.name));
    int good = 0;
    for (int trial = 0; trial < seed.trials; ++trial) {
      const dvd::Random dice = random.stream(seed.name).stream(static_cast<std::uint64_t>(trial));
      std::string bytes = whole;
      // A third of the changes fall into the headers, and some files are cut as well.
      const std::int64_t changes = 1 + dice.below(0, 24);
      const auto size = static_cast<std::int64_t>(bytes.size());
      for (std::int64_t i = 0; i < changes; ++i) {
        const auto key = static_cast<std::uint64_t>(3 * i + 2);
        const std::int64_t where = dice.below(key, trial % 3 == 0 ? std::min<std::int64_t>(size, 400) : size);
        bytes[static_cast<std::size_t>(where)] = static_cast<char>(dice.below(key + 1, 256));
      }
      if (trial % 5 == 0) bytes.resize(static_cast<std::size_t>(dice.below(1, size)));
      write_bytes(folder / "mutant", bytes);
      good += survives(folder / "mutant");
    }
    CAPTURE(std::string(seed.name));
    CHECK(good > 0);
    CHECK(good < seed.trials);
  }
}
