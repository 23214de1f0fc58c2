// Any window of any file shows what the ffmpeg program shows when it decodes the file from its start.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "dvd/io/video_file.hpp"
#include "dvd/io/video_reader.hpp"
#include "support/shown_by_ffmpeg.hpp"
#include "support/video_fixtures.hpp"

using namespace dvd::testing;
using dvd::Clip;
using dvd::VideoFile;

namespace {

constexpr std::uint8_t tolerance = 2;  // libswscale's, between its versions

bool is_shown(const Clip& clip, std::int64_t t, const Clip& truth, std::int64_t frame) {
  const std::int64_t size = clip.height * clip.width * 3;
  return frame < truth.frames &&
         std::equal(clip.frame(t), clip.frame(t) + size, truth.frame(frame),
                    [](std::uint8_t a, std::uint8_t b) { return std::abs(a - b) <= tolerance; });
}

// Windows all over the file, not in order; and a VideoReader.
void check_windows(const std::filesystem::path& path) {
  CAPTURE(path.filename().string());
  const VideoFile file(path);
  const dvd::VideoInfo info = file.info();
  const Clip truth = shown_by_ffmpeg(path, info.height, info.width);
  REQUIRE(info.frames == truth.frames);
  const std::int64_t length = std::min<std::int64_t>(3, info.frames), starts = info.frames - length + 1;
  for (std::int64_t i = 0; i < std::min<std::int64_t>(starts, 25); ++i) {
    const std::int64_t first = i * 7919 % starts;
    const Clip window = file.read(first, length);
    for (std::int64_t t = 0; t < length; ++t) {
      CAPTURE(first + t);
      CHECK(is_shown(window, t, truth, first + t));
    }
  }
  dvd::VideoReader reader(path);
  Clip frame(1, info.height, info.width);
  std::int64_t read = 0;
  double last = -1;
  for (; reader.next(); ++read) {
    reader.copy({.height = info.height, .width = info.width}, frame.frame(0));
    REQUIRE(is_shown(frame, 0, truth, read));
    CHECK(reader.seconds() > last);
    last = reader.seconds();
  }
  CHECK(read == truth.frames);
}

void join(const std::filesystem::path& a, const std::filesystem::path& b, const std::filesystem::path& path) {
  write_bytes(path, read_bytes(a) + read_bytes(b));
}

const std::string x264 = "-c:v libx264 -pix_fmt yuv420p -bf 2 -g 10 ";

// Frames that say where they are from, as the encoder left them, and windows of them.
void make_and_check(const TemporaryFolder& folder, const std::string& name, const std::string& codec,
                    const std::string& size = "64x48") {
  make_video(folder / name, 40, size, codec);
  check_windows(folder / name);
}

}  // namespace

TEST_CASE("key frames that are none: no index, no table, codecs that have no marks") {
  const TemporaryFolder folder;
  make_and_check(folder, "a.mkv", "-c:v h263 -g 10", "176x144");
  make_and_check(folder, "a.h261", "-c:v h261 -g 10 -f h261", "176x144");
  for (const std::string& codec :
       std::vector<std::string>{"msmpeg4", "wmv2", "flv1", "cinepak", "msvideo1", "mpeg4", "mjpeg"}) {
    const std::string name = codec + ".avi";
    make_video(folder / name, 40, "64x48", "-g 10 -c:v " + codec);
    const std::string whole = read_bytes(folder / name);
    // Between two frames, so that there is no doubt about the last one.
    const std::size_t cut = whole.rfind("00dc", whole.rfind("idx1") * 4 / 5);
    write_bytes(folder / name, whole.substr(0, cut));
    check_windows(folder / name);
  }
  for (const std::string& codec :
       std::vector<std::string>{"libx264 -pix_fmt yuv420p -bf 2 -g 10", "mpeg4 -bf 0 -g 10"}) {
    make_video(folder / "table.mp4", 40, "64x48", "-c:v " + codec);
    std::string bytes = read_bytes(folder / "table.mp4");
    bytes.replace(bytes.find("stss"), 4, "free");
    write_bytes(folder / "table.mp4", bytes);
    check_windows(folder / "table.mp4");
  }
}

TEST_CASE("frames that build on others although every packet is marked as a key frame") {
  const TemporaryFolder folder;
  make_and_check(folder, "a.gif", "");
  make_and_check(folder, "a.apng", "-f apng -plays 0");
  make_and_check(folder, "a.mov", "-c:v qtrle");
  make_and_check(folder, "zmbv.avi", "-c:v zmbv");
  make_and_check(folder, "a.flv", "-c:v flashsv");
}

TEST_CASE("parameters, sizes and clocks that change on the way") {
  const TemporaryFolder folder;
  make_video(folder / "a.ts", 30, "64x48", x264 + "-x264-params cabac=0:ref=1");
  make_video(folder / "b.ts", 30, "64x48", x264 + "-x264-params 8x8dct=1:ref=4:weightp=2");
  join(folder / "a.ts", folder / "b.ts", folder / "joined.ts");
  check_windows(folder / "joined.ts");
  join(folder / "b.ts", folder / "a.ts", folder / "swapped.ts");
  check_windows(folder / "swapped.ts");
  for (const std::string& kind : std::vector<std::string>{"a", "b"})
    ffmpeg("-i '" + (folder / (kind + ".ts")).string() + "' -c copy", folder / (kind + ".mp4"));
  write_bytes(folder / "list", "file a.mp4\nfile b.mp4\n");
  for (const std::string& name : std::vector<std::string>{"joined.mp4", "joined.mkv"}) {
    ffmpeg("-f concat -i '" + (folder / "list").string() + "' -c copy", folder / name);
    check_windows(folder / name);
  }
  for (const std::string& kind : std::vector<std::string>{"a.mpg -c:v mpeg2video -bf 2 -g 10", "a.h264 " + x264,
                                                          "a.mjpeg -c:v mjpeg", "a.ogv -c:v libtheora -g 10"}) {
    const std::string name = kind.substr(0, kind.find(' ')), joined = "joined-" + name;
    make_video(folder / name, 30, "64x48", kind.substr(name.size()));
    join(folder / name, folder / name, folder / joined);
    check_windows(folder / joined);
  }
}

TEST_CASE("a beginning that cannot be decoded is not shown") {
  const TemporaryFolder folder;
  for (const std::string& kind :
       std::vector<std::string>{"a.ts " + x264, "a.h264 " + x264, "a.mpg -c:v mpeg2video -bf 2 -g 10",
                                "a.hevc -c:v libx265 -x265-params log-level=0:keyint=10:open-gop=1:bframes=3"}) {
    const std::string name = kind.substr(0, kind.find(' '));
    make_video(folder / name, 50, "64x48", kind.substr(name.size()));
    const std::string whole = read_bytes(folder / name);
    write_bytes(folder / name, whole.substr(whole.size() * 3 / 10));
    check_windows(folder / name);
  }
}

TEST_CASE("long files: clips from behind a seek, and open groups without end") {
  const TemporaryFolder folder;
  const Clip numbers = numbered_clip(250);
  encode_clip(folder / "part.mp4", numbers, x264);
  const std::string part = "-stream_loop 4 -i '" + (folder / "part.mp4").string() + "' -c copy";
  for (const std::string& name : std::vector<std::string>{"long.mp4", "long.mkv", "long.ts", "long.flv", "long.avi"}) {
    CAPTURE(name);
    ffmpeg(part, folder / name);
    const VideoFile file(folder / name);
    REQUIRE(file.info().frames == 1250);
    for (const std::int64_t first : {1247, 3, 700, 1001, 999})
      for (std::int64_t t = 0; t < 3; ++t) CHECK(number_shown(file.read(first, 3), t) == (first + t) % 250);
  }
  make_video(folder / "open.mp4", 1200, "32x32",
             "-c:v libx264 -pix_fmt yuv420p -x264-params open-gop=1:keyint=12:bframes=3");
  check_windows(folder / "open.mp4");
  make_video(folder / "refresh.mkv", 1200, "32x32",
             "-c:v libx264 -pix_fmt yuv420p -x264-params intra-refresh=1:keyint=12");
  check_windows(folder / "refresh.mkv");
}

TEST_CASE("pictures are turned and mirrored as the file says") {
  const TemporaryFolder folder;
  make_video(folder / "plain.mp4", 3, "64x48", "-c:v libx264 -pix_fmt yuv444p -crf 1");
  const std::string plain = read_bytes(folder / "plain.mp4");
  const std::size_t matrix = plain.find("tkhd") + 44;  // behind version, times, layer and volume
  const int one = 1 << 16;
  const auto with_matrix = [&](std::vector<int> entries) {
    std::string bytes = plain;
    for (std::size_t i = 0; i < entries.size(); ++i)
      for (std::size_t byte = 0; byte < 4; ++byte)
        bytes[matrix + 4 * (i / 2 * 3 + i % 2) + byte] =
            static_cast<char>(static_cast<unsigned>(entries[i]) >> (24 - 8 * byte));
    return bytes;
  };
  for (const std::vector<int>& entries : std::vector<std::vector<int>>{{0, one, -one, 0},
                                                                       {-one, 0, 0, -one},
                                                                       {0, -one, one, 0},
                                                                       {-one, 0, 0, one},
                                                                       {one, 0, 0, -one},
                                                                       {0, one, one, 0},
                                                                       {0, -one, -one, 0}}) {
    write_bytes(folder / "turned.mp4", with_matrix(entries));
    check_windows(folder / "turned.mp4");
  }
  for (const std::string& change : std::vector<std::string>{"rotate=-90", "flip=horizontal"}) {
    ffmpeg("-i '" + (folder / "plain.mp4").string() +
               "' -frames:v 1 -c copy -bsf:v h264_metadata=display_orientation=insert:" + change,
           folder / "stream.mp4");
    check_windows(folder / "stream.mp4");
  }
  // A square at the end of what is shown, which is cut from the other end of what is stored.
  write_bytes(folder / "mirrored.mp4", with_matrix({-one, 0, 0, one}));
  const Clip whole = VideoFile(folder / "mirrored.mp4").read(0, 1);
  const Clip square = VideoFile(folder / "mirrored.mp4").read(0, 1, 1, {48, 1.0});
  bool same = true;
  for (std::int64_t y = 8; y < 40; ++y)
    for (std::int64_t i = 8 * 3; i < 40 * 3; ++i)
      same = same && std::abs(square.frame(0)[y * 48 * 3 + i] - whole.frame(0)[(y * 64 + 16) * 3 + i]) <= 2;
  CHECK(same);
  write_bytes(folder / "askew.mp4", with_matrix({56756, 32768, -32768, 56756}));
  CHECK_THROWS_WITH_AS(
      VideoFile(folder / "askew.mp4"),
      ((folder / "askew.mp4").string() + ": is to be turned by an angle that is no multiple of 90 degrees").c_str(),
      dvd::FileError);
}

TEST_CASE("grey of 16 to 235 becomes black to white, and a matrix that is not known is refused") {
  const TemporaryFolder folder;
  std::string grey;
  for (int frame = 0; frame < 2; ++frame) grey += std::string(32 * 64, '\x10') + std::string(32 * 64, '\xEB');
  write_bytes(folder / "grey.raw", grey);
  const std::string input =
      "-f rawvideo -pix_fmt gray -s 64x64 -r 25 -color_range tv -i '" + (folder / "grey.raw").string() + "' ";
  for (const std::string& kind : std::vector<std::string>{
           "a.mkv -c:v ffv1 -color_range tv", "a.mp4 -c:v libx265 -x265-params log-level=0 -pix_fmt gray"}) {
    const std::string name = kind.substr(0, kind.find(' '));
    CAPTURE(name);
    ffmpeg(input + kind.substr(name.size()), folder / name);
    for (const std::int64_t channels : {1, 3}) {
      const Clip clip = VideoFile(folder / name).read(0, 1, 1, {.resolution = 64, .image_channels = channels});
      CHECK(clip.frame(0)[8 * 64 * channels] <= 3);
      CHECK(clip.frame(0)[56 * 64 * channels] >= 252);
    }
  }
  make_video(folder / "full.mkv", 2, "64x48", "-c:v ffv1 -pix_fmt gray");  // nothing said: 0 to 255
  check_windows(folder / "full.mkv");
  make_video(folder / "ycgco.mkv", 2, "64x48", "-c:v ffv1 -pix_fmt yuv444p -colorspace ycgco");
  const VideoFile unknown(folder / "ycgco.mkv");
  CHECK_THROWS_WITH_AS(
      unknown.read(0, 1),
      ((folder / "ycgco.mkv").string() + ": its colours are coded by a matrix that cannot be turned into RGB (ycgco)")
          .c_str(),
      dvd::FileError);
}

TEST_CASE("a part of a frame is the same part in any layout of its pixels") {
  const TemporaryFolder folder;
  for (const std::string& format :
       std::vector<std::string>{"monow", "monob", "pal8", "rgb24", "bgr8", "rgb565le", "gray10le", "yuv420p", "yuyv422",
                                "uyvy422", "nv12", "yuv444p10le", "gbrp"}) {
    CAPTURE(format);
    make_video(folder / "a.nut", 1, "96x64", "-c:v rawvideo -pix_fmt " + format);
    const VideoFile file(folder / "a.nut");
    const Clip whole = file.read(0, 1);
    for (const double position : {0.0, 0.21, 0.5, 1.0}) {
      const Clip part = file.read(0, 1, 1, {64, position});
      // Of columns that share a sample of colour, whichever comes first.
      int best = 256;
      const auto left = static_cast<std::int64_t>(position * 32 + 0.5);
      for (std::int64_t begin = left - left % 2; begin <= left; ++begin) {
        int worst = 0;
        for (std::int64_t y = 0; y < 64; ++y)
          for (std::int64_t i = 8 * 3; i < 56 * 3; ++i)
            worst = std::max(worst, std::abs(part.frame(0)[y * 64 * 3 + i] - whole.frame(0)[(y * 96 + begin) * 3 + i]));
        best = std::min(best, worst);
      }
      CHECK(best <= 2);
    }
  }
}

TEST_CASE("of several tracks it is the one that the ffmpeg program takes") {
  const TemporaryFolder folder;
  for (const std::string& marks : std::vector<std::string>{"", "-disposition:v:0 default -disposition:v:1 0"}) {
    ffmpeg("-f lavfi -i testsrc2=s=48x32:r=25 -f lavfi -i testsrc=s=96x64:r=25 -map 0 -map 1 -frames:v 5 -c:v mpeg4 " +
               marks,
           folder / "two.mkv");
    check_windows(folder / "two.mkv");
  }
}

TEST_CASE("seconds are those of the frames' time stamps") {
  const TemporaryFolder folder;
  // 20 frames of 0.2 s, then 20 of 0.04 s.
  const std::string slow = "-vf \"setpts='if(lt(N,20),N*0.2,4+(N-20)*0.04)/TB'\" -vsync passthrough ";
  for (const std::string& kind :
       std::vector<std::string>{"a.mp4 -video_track_timescale 12800 " + x264, "a.mkv -c:v ffv1"}) {
    const std::string name = kind.substr(0, kind.find(' '));
    CAPTURE(name);
    make_video(folder / name, 40, "32x32", slow + kind.substr(name.size()));
    const VideoFile file(folder / name);
    CHECK(file.seconds(0) == 0);
    CHECK(file.seconds(10) == doctest::Approx(2));
    CHECK(file.seconds(30) == doctest::Approx(4.4));
    for (const auto& [second, frame] :
         {std::pair{-1.0, 0}, {0.0, 0}, {0.19, 0}, {0.2, 1}, {1.0, 5}, {4.4, 30}, {4.41, 30}, {100.0, 39}})
      CHECK(file.frame_at(second) == frame);
    CHECK_THROWS_AS(file.seconds(40), dvd::ArgumentError);
    CHECK_THROWS_AS(file.seconds(-1), dvd::ArgumentError);
  }
}

TEST_CASE("an index can be kept, and bytes that are none are refused") {
  const TemporaryFolder folder;
  for (const std::string& kind : std::vector<std::string>{"a.gif", "a.ts " + x264}) {
    const std::string name = kind.substr(0, kind.find(' '));
    make_video(folder / name, 30, "32x32", kind.substr(name.size()));
    const VideoFile file(folder / name);
    const std::string saved = file.saved_index();
    const VideoFile again(folder / name, saved);
    CHECK(again.info().frames == 30);
    CHECK(again.read(20, 5).pixels == file.read(20, 5).pixels);
    CHECK(again.saved_index() == saved);
    for (std::size_t size = 0; size < saved.size(); ++size)
      CHECK_THROWS_AS(VideoFile(folder / name, saved.substr(0, size)), dvd::FileError);
  }
}

TEST_CASE("a reader remarks upon what it meets") {
  const TemporaryFolder folder;
  make_video(folder / "a.ts", 20, "64x48", x264);
  join(folder / "a.ts", folder / "a.ts", folder / "joined.ts");
  encode_clip(folder / "stretch.avi", numbered_clip(30), "-c:v mjpeg -q:v 2 -pix_fmt yuvj420p");
  std::string avi = read_bytes(folder / "stretch.avi");
  std::size_t at = 0;
  for (int frame = 0; frame < 12; ++frame) at = avi.find("00dc", at + 1);
  const std::size_t end = avi.find("00dc", avi.find("00dc", at + 1) + 1);
  std::fill(avi.begin() + static_cast<std::ptrdiff_t>(at) + 8, avi.begin() + static_cast<std::ptrdiff_t>(at) + 200,
            '\0');
  const std::size_t second = avi.find("00dc", at + 1);
  REQUIRE(second < end);
  std::fill(avi.begin() + static_cast<std::ptrdiff_t>(second) + 8,
            avi.begin() + static_cast<std::ptrdiff_t>(second) + 200, '\0');
  write_bytes(folder / "stretch.avi", avi);

  const auto remarks = [&](const std::string& name) {
    dvd::VideoReader reader(folder / name);
    while (reader.next()) {
    }
    std::string all;
    for (const std::string& remark : reader.condition().remarks) all += remark + '\n';
    return all;
  };
  CHECK(remarks("a.ts") == "");
  CHECK(remarks("joined.ts") == "its clock begins anew at 0.80 s\n");
  CHECK(remarks("stretch.avi") == "cannot be decoded from 0.40 s to 0.44 s\n");
}
