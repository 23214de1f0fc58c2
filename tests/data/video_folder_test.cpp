// Folders of class folders: what is found, how it is labelled, what is skipped, and that draws depend on Random alone.
#include "dvd/data/video_folder.hpp"

#include <doctest/doctest.h>
#include <tbb/global_control.h>
#include <tbb/parallel_for.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/core/random.hpp"
#include "support/video_fixtures.hpp"

using namespace dvd::testing;
using dvd::LabelledClip;
using dvd::Random;
using dvd::VideoFolder;
using dvd::VideoFolderOptions;

namespace {

using Names = std::vector<std::string>;

// Where `warn` puts what it is told, and options that use it.
struct Warnings {
  std::vector<std::string> lines;
  VideoFolderOptions options(std::int64_t frames = 4, std::int64_t stride = 1) {
    return {.frames = frames, .resolution = 16, .stride = stride, .split = {}, .warn = [this](const std::string& line) {
              lines.push_back(line);
            }};
  }
  std::ptrdiff_t about(const std::string& what) const {
    return std::count_if(lines.begin(), lines.end(),
                         [&](const std::string& line) { return line.find(what) != std::string::npos; });
  }
};

// A clip of one shade, so that the video it was drawn from can be told.
void make_shade(const std::filesystem::path& path, int shade, std::int64_t frames = 10) {
  dvd::Clip clip(frames, 24, 32);
  std::fill(clip.pixels.begin(), clip.pixels.end(), static_cast<std::uint8_t>(shade));
  encode_clip(path, clip, "-c:v mpeg4 -q:v 2 -g 4");
}

int shade_of(const LabelledClip& drawn) { return (drawn.clip.pixels.front() + 10) / 20 * 20; }

// The labels under which each shade is drawn in many draws.
std::map<int, std::set<std::int64_t>> labels_of_shades(const VideoFolder& videos) {
  std::map<int, std::set<std::int64_t>> labels;
  for (std::uint64_t i = 0; i < 200; ++i) {
    const LabelledClip drawn = videos.draw(Random(3).stream(i));
    labels[shade_of(drawn)].insert(drawn.label);
  }
  return labels;
}

// UCF-101 in small: three classes named out of order of their numbers, one of them without videos.
void make_ucf(const TemporaryFolder& folder) {
  make_shade(folder / "UCF-101/Bowling/v_Bowling_g01_c01.avi", 40);
  make_shade(folder / "UCF-101/Bowling/v_Bowling_g08_c01.avi", 80);
  make_shade(folder / "UCF-101/Archery/v_Archery_g01_c01.avi", 120);
  make_shade(folder / "UCF-101/Archery/v_Archery_g08_c01.avi", 160);
  write_bytes(folder / "ucfTrainTestlist/classInd.txt", "1 Bowling\r\n2 Archery\r\n3 YoYo\r\n");
  write_bytes(folder / "ucfTrainTestlist/trainlist01.txt",
              "Bowling/v_Bowling_g08_c01.avi 1\r\nArchery/v_Archery_g08_c01.avi 2  \r\n\r\n"
              "Archery/v_Archery_g09_c01.avi 2\r\n");
  write_bytes(folder / "ucfTrainTestlist/testlist01.txt",
              "Bowling/v_Bowling_g01_c01.avi\nArchery/v_Archery_g01_c01.avi\n");
}

}  // namespace

TEST_CASE("any folder of class folders: classes in the order of their names") {
  const TemporaryFolder folder;
  make_shade(folder / "walk/a.avi", 40);
  make_shade(folder / "walk/b.mkv", 80);
  make_shade(folder / "run/c.mp4", 120);
  write_bytes(folder / "walk/.hidden.avi", "hidden");
  write_bytes(folder / ".cache/d.avi", "hidden");
  write_bytes(folder / "README", "not a class");
  Warnings warnings;
  const VideoFolder videos(folder.path(), warnings.options());
  CHECK(videos.class_names() == Names{"run", "walk"});
  CHECK(videos.classes() == 2);
  CHECK(videos.size() == 3);
  CHECK(videos.skipped() == 0);
  CHECK(warnings.lines.empty());
  CHECK(labels_of_shades(videos) == std::map<int, std::set<std::int64_t>>{{40, {1}}, {80, {1}}, {120, {0}}});
  const LabelledClip drawn = videos.draw(Random(1));
  CHECK(drawn.clip.frames == 4);
  CHECK(drawn.clip.height == 16);
  CHECK(drawn.clip.width == 16);
}

TEST_CASE("UCF-101 by either folder, with and without a split") {
  const TemporaryFolder folder;
  make_ucf(folder);
  for (const std::filesystem::path& root :
       {folder.path(), folder.path() / "UCF-101", std::filesystem::path((folder.path() / "UCF-101").string() + "/")}) {
    CAPTURE(root.string());
    Warnings warnings;
    VideoFolderOptions options = warnings.options();
    const VideoFolder all(root, options);
    CHECK(all.class_names() == Names{"Bowling", "Archery"});
    CHECK(all.size() == 4);
    CHECK(all.skipped() == 0);
    CHECK(warnings.about("names 3 classes, of which 2 have videos here") == 1);

    options.split = "testlist01.txt";
    CHECK(labels_of_shades(VideoFolder(root, options)) == std::map<int, std::set<std::int64_t>>{{40, {0}}, {120, {1}}});

    warnings.lines.clear();
    options.split = "trainlist01.txt";
    const VideoFolder train(root, options);
    CHECK(labels_of_shades(train) == std::map<int, std::set<std::int64_t>>{{80, {0}}, {160, {1}}});
    CHECK(train.class_names() == Names{"Bowling", "Archery"});
    CHECK(train.skipped() == 1);
    CHECK(warnings.about("v_Archery_g09_c01.avi") == 1);
  }
}

TEST_CASE("a split may be a path, and its files may have names with blanks") {
  const TemporaryFolder folder;
  make_shade(folder / "videos/a b/one two.avi", 40);
  make_shade(folder / "videos/a b/three.avi", 80);
  write_bytes(folder / "list.txt", "a b/one two.avi\na b/one two.avi\nc/four.avi 7\n");
  Warnings warnings;
  VideoFolderOptions options = warnings.options();
  options.split = folder / "list.txt";
  const VideoFolder videos(folder.path() / "videos", options);
  CHECK(videos.size() == 1);
  CHECK(videos.skipped() == 1);
  CHECK(warnings.about("c/four.avi") == 1);
}

TEST_CASE("lists of another data set beside the folder are ignored; a folder they do not name comes last") {
  const TemporaryFolder folder;
  write_bytes(folder / "ucfTrainTestlist/classInd.txt", "1 Bowling\n2 Archery\n");
  make_shade(folder / "mine/b/a.avi", 40);
  make_shade(folder / "mine/a/a.avi", 80);
  CHECK(VideoFolder(folder.path() / "mine", {.frames = 4}).class_names() == Names{"a", "b"});
  make_shade(folder / "mine/Archery/a.avi", 120);
  CHECK(VideoFolder(folder.path() / "mine", {.frames = 4}).class_names() == Names{"Archery", "a", "b"});
  write_bytes(folder / "ucfTrainTestlist/classInd.txt", "1 Bowling\nArchery\n");
  CHECK_THROWS_AS(VideoFolder(folder.path() / "mine"), dvd::FileError);
}

TEST_CASE("videos without class folders are a set without labels") {
  const TemporaryFolder folder;
  make_shade(folder / "a.avi", 40);
  make_shade(folder / "b.mkv", 80);
  write_bytes(folder / "notes.txt", "no video, and hardly a terminal\n");
  write_bytes(folder / ".cache/c.avi", "hidden");
  Warnings warnings;
  VideoFolderOptions options = warnings.options();
  const VideoFolder videos(folder.path(), options);
  CHECK(videos.classes() == 0);
  CHECK(videos.class_names().empty());
  CHECK(videos.size() == 2);
  CHECK(videos.skipped() == 0);
  CHECK(warnings.lines.empty());
  CHECK(labels_of_shades(videos) == std::map<int, std::set<std::int64_t>>{{40, {0}}, {80, {0}}});
  write_bytes(folder / ".list", "b.mkv\nmissing.avi 1\n");
  options.split = folder / ".list";
  const VideoFolder some(folder.path(), options);
  CHECK(labels_of_shades(some) == std::map<int, std::set<std::int64_t>>{{80, {0}}});
  CHECK(warnings.about("missing.avi") == 1);
  make_shade(folder / "class/a.avi", 120);  // with a class folder, files beside it are something else
  CHECK(VideoFolder(folder.path(), {.frames = 4}).class_names() == Names{"class"});
}

TEST_CASE("a table of Kinetics: a part of a file, or a file that is the part") {
  const TemporaryFolder folder;
  encode_clip(folder / "data/aaa.mkv", numbered_clip(75), "-c:v ffv1 -vf scale=64:64:flags=neighbor -pix_fmt bgr0");
  make_shade(folder / "data/bbb.avi", 80, 26);
  make_shade(folder / "data/ccc_000005_000006.avi", 80, 26);
  write_bytes(folder / "k.csv",
              "label,youtube_id,time_start,time_end,split\nnumbers,aaa,0.4,0.8,train\nshade,bbb,60,61,train\n"
              "shade,ccc,5,6,train\nshade,none,5,6,train\nshade,aaa,3,4,test\n");
  Warnings warnings;
  VideoFolderOptions options = warnings.options();
  options.resolution = 64;
  options.split = (folder / "k.csv").string() + "#train";
  const VideoFolder videos(folder.path() / "data", options);
  CHECK(videos.class_names() == Names{"numbers", "shade"});
  CHECK(videos.size() == 3);
  CHECK(videos.skipped() == 1);
  CHECK(warnings.lines.size() == 1);
  CHECK(warnings.about("1 of the 4 videos that it names is not in ") == 1);
  std::set<std::int64_t> starts;
  for (std::uint64_t i = 0; i < 200; ++i) {
    const LabelledClip drawn = videos.draw(Random(6).stream(i));
    if (drawn.label == 0) starts.insert(number_shown(drawn.clip, 0));
  }
  CHECK(starts == std::set<std::int64_t>{10, 11, 12, 13, 14, 15, 16});
  options.split = (folder / "k.csv").string() + "#test";
  CHECK_THROWS_AS(VideoFolder(folder.path() / "data", options), dvd::FileError);
  CHECK(warnings.about("aaa.mkv: has 0 frames from 3 s to 4 s, a clip needs 4; skipped") == 1);
}

TEST_CASE("clips of any shape, in grey") {
  const TemporaryFolder folder;
  make_shade(folder / "a/a.avi", 120);
  const VideoFolder videos(folder.path(), {.frames = 4, .height = 12, .width = 20, .image_channels = 1});
  const dvd::Clip clip = videos.draw(Random(1)).clip;
  CHECK(clip.size() == dvd::ClipSize{4, 12, 20, 1});
  for (const std::uint8_t value : clip.pixels) REQUIRE(std::abs(value - 120) < 5);
  CHECK_THROWS_WITH_AS(VideoFolder(folder.path(), {.image_channels = 2}),
                       "frames of a video cannot have 2 channels (expected 1, grey, or 3, RGB)", dvd::ArgumentError);
  CHECK_THROWS_AS(VideoFolder(folder.path(), {.height = 8193}), dvd::ArgumentError);
  CHECK_THROWS_AS(VideoFolder(folder.path(), {.width = -1}), dvd::ArgumentError);
}

TEST_CASE("files that cannot serve are named once, counted and skipped") {
  const TemporaryFolder folder;
  make_shade(folder / "a/good.avi", 40, 13);
  make_shade(folder / "a/short.avi", 80, 12);
  write_bytes(folder / "a/empty.avi", "");
  write_bytes(folder / "a/text.avi", "no video\n");
  write_bytes(folder / "a/notes.txt", "no video either, and hardly a terminal\n");
  ffmpeg("-f lavfi -i sine=duration=0.2 -c:a pcm_s16le", folder / "a/sound.avi");
  write_bytes(folder / "b/broken.mp4", read_bytes(folder / "a/good.avi").substr(0, 300));
  Warnings warnings;
  const VideoFolder videos(folder.path(), warnings.options(5, 3));  // over 13 frames
  CHECK(videos.size() == 1);
  CHECK(videos.skipped() == 5);
  CHECK(videos.class_names() == Names{"a", "b"});
  CHECK(warnings.lines.size() == 6);
  CHECK(warnings.about("a/short.avi: has 12 frames, a clip needs 13; skipped") == 1);
  CHECK(warnings.about("a/empty.avi: is empty; skipped") == 1);
  for (const char* name : {"text.avi", "sound.avi", "broken.mp4", "no usable video of the class b"})
    CHECK(warnings.about(name) == 1);
  CHECK(videos.draw(Random(1)).label == 0);
  CHECK(VideoFolder(folder.path(), {.frames = 5, .stride = 3}).skipped() == 5);  // without anyone to tell
}

TEST_CASE("a folder without anything to draw is an error that says so") {
  const TemporaryFolder folder;
  CHECK_THROWS_AS(VideoFolder(folder.path() / "missing"), dvd::FileError);
  CHECK_THROWS_WITH_AS(VideoFolder(folder.path()),
                       (folder.path().string() + ": holds no videos, and no other files; expected a folder for each "
                                                 "class, with videos or folders of numbered pictures, or videos "
                                                 "without classes")
                           .c_str(),
                       dvd::FileError);
  write_bytes(folder / "text.avi", "no video\n");
  CHECK_THROWS_WITH_AS(VideoFolder(folder.path(), {.frames = 8}),
                       (folder.path().string() + ": no usable video among 1 file, which lie in no class folders; "
                                                 "expected videos of at least 8 frames")
                           .c_str(),
                       dvd::FileError);
  write_bytes(folder / "a/text.avi", "no video\n");
  CHECK_THROWS_AS(VideoFolder(folder / "a/text.avi"), dvd::FileError);
  CHECK_THROWS_WITH_AS(VideoFolder(folder.path(), {.frames = 8, .stride = 2}),
                       (folder.path().string() + ": no usable video among 1 file of 1 class; expected videos of at "
                                                 "least 15 frames")
                           .c_str(),
                       dvd::FileError);
  CHECK_THROWS_AS(VideoFolder(folder.path(), {.split = "trainlist01.txt"}), dvd::FileError);
  CHECK_THROWS_AS(VideoFolder(folder.path(), {.frames = 0}), dvd::ArgumentError);
  CHECK_THROWS_AS(VideoFolder(folder.path(), {.resolution = 0}), dvd::ArgumentError);
  CHECK_THROWS_AS(VideoFolder(folder.path(), {.stride = 0}), dvd::ArgumentError);
}

TEST_CASE("draws depend on Random alone: not on threads, order or earlier draws") {
  const TemporaryFolder folder;
  make_video(folder / "a/a.avi", 20, "48x32", "-c:v mpeg4 -bf 2");
  make_video(folder / "a/b.mp4", 30, "32x48", "-c:v mpeg4");
  make_video(folder / "b/c.mkv", 9, "40x40", "-c:v ffv1");
  write_bytes(folder / "b/d.avi", "no video\n");
  std::vector<LabelledClip> expected(40);
  {
    const tbb::global_control one_thread(tbb::global_control::max_allowed_parallelism, 1);
    Warnings warnings;
    const VideoFolder videos(folder.path(), warnings.options());
    for (std::size_t i = 0; i < expected.size(); ++i) expected[i] = videos.draw(Random(5).stream(i));
  }
  Warnings warnings;
  const VideoFolder videos(folder.path(), warnings.options());
  std::vector<LabelledClip> drawn(expected.size());
  tbb::parallel_for(std::size_t{0}, drawn.size(), [&](std::size_t i) {
    const std::size_t reversed = drawn.size() - 1 - i;
    drawn[reversed] = videos.draw(Random(5).stream(reversed));
  });
  std::set<std::vector<std::uint8_t>> different;
  for (std::size_t i = 0; i < drawn.size(); ++i) {
    CHECK(drawn[i].label == expected[i].label);
    CHECK(drawn[i].clip.pixels == expected[i].clip.pixels);
    different.insert(drawn[i].clip.pixels);
  }
  CHECK(different.size() > 25);  // crops lie at even columns, where two share a sample of colour
}

TEST_CASE("windows start anywhere they fit, at the stride") {
  const TemporaryFolder folder;
  encode_clip(folder / "a/numbers.mkv", numbered_clip(12), "-c:v ffv1 -vf scale=64:64:flags=neighbor -pix_fmt bgr0");
  const VideoFolder videos(folder.path(), {.frames = 3, .resolution = 64, .stride = 4});
  std::map<std::int64_t, int> starts;
  for (std::uint64_t i = 0; i < 200; ++i) {
    const dvd::Clip clip = videos.draw(Random(9).stream(i)).clip;
    const std::int64_t first = number_shown(clip, 0);
    CHECK(numbers_shown(clip) == std::vector<std::int64_t>{first, first + 4, first + 8});
    ++starts[first];
  }
  CHECK(starts.size() == 4);  // 0 to 3
  for (const auto& [first, count] : starts) CHECK(count > 25);
}

TEST_CASE("crops are squares of the full shorter side, at random places or in the middle") {
  const TemporaryFolder folder;
  dvd::Clip ramp(4, 16, 116);  // brightness tells the column
  for (std::size_t i = 0; i < ramp.pixels.size(); ++i) ramp.pixels[i] = static_cast<std::uint8_t>(i / 3 % 116 * 2);
  encode_clip(folder / "a/ramp.mkv", ramp, "-c:v ffv1 -pix_fmt bgr0");
  const auto left_edges = [&](bool random_crop) {
    const VideoFolder videos(folder.path(), {.frames = 4, .resolution = 16, .random_crop = random_crop});
    std::set<int> edges;
    for (std::uint64_t i = 0; i < 150; ++i) {
      const dvd::Clip clip = videos.draw(Random(2).stream(i)).clip;
      CHECK(clip.pixels[15 * 3] - clip.pixels[0] == 30);  // 15 columns further
      CHECK(clip.frame(3)[0] == clip.pixels[0]);          // the same place in every frame
      edges.insert(clip.pixels[0] / 2);
    }
    return edges;
  };
  CHECK(left_edges(false) == std::set<int>{50});
  const std::set<int> edges = left_edges(true);
  CHECK(edges.size() > 50);
  CHECK(*edges.begin() < 10);
  CHECK(*edges.rbegin() > 90);
}

TEST_CASE("a video that breaks later is named once and others are drawn; with none left that is an error") {
  const TemporaryFolder folder;
  make_shade(folder / "a/a.avi", 40);
  make_shade(folder / "a/b.avi", 80);
  make_shade(folder / "b/c.avi", 120);
  Warnings warnings;
  const VideoFolder videos(folder.path(), warnings.options());
  std::filesystem::remove(folder / "a/a.avi");
  write_bytes(folder / "a/b.avi", "broken");
  tbb::parallel_for(std::uint64_t{0}, std::uint64_t{50}, [&](std::uint64_t i) {
    if (shade_of(videos.draw(Random(4).stream(i))) != 120) throw std::runtime_error("drew a broken video");
  });
  CHECK(videos.skipped() == 2);
  CHECK(warnings.lines.size() == 2);
  CHECK(warnings.about("a/a.avi: no such file; another clip is drawn in its place") == 1);
  CHECK(warnings.about("a/b.avi") == 1);
  std::filesystem::remove(folder / "b/c.avi");
  CHECK_THROWS_AS(videos.draw(Random(4)), dvd::FileError);
  CHECK(videos.skipped() == 3);
}

TEST_CASE("a stretch that cannot be decoded costs no more than its clips") {
  const TemporaryFolder folder;
  encode_clip(folder / "a/numbers.avi", numbered_clip(40), "-c:v mjpeg -q:v 2 -pix_fmt yuvj420p");
  std::string avi = read_bytes(folder / "a/numbers.avi");
  std::size_t at = avi.find("movi");
  for (int number = 0; (at = avi.find("00dc", at)) < avi.find("idx1"); ++number) {
    const auto byte = [&](std::size_t i) { return std::size_t{static_cast<unsigned char>(avi[at + 4 + i])}; };
    const std::size_t size = byte(0) | byte(1) << 8 | byte(2) << 16;
    if (number >= 20 && number < 36) std::fill_n(avi.begin() + static_cast<std::ptrdiff_t>(at) + 8, size, '\0');
    at += 8 + size;
  }
  write_bytes(folder / "a/numbers.avi", avi);
  Warnings warnings;
  const VideoFolder videos(folder.path(), {.frames = 4, .resolution = 48, .warn = warnings.options().warn});
  CHECK(videos.skipped() == 0);
  for (std::uint64_t i = 0; i < 60; ++i) videos.draw(Random(3).stream(i));
  CHECK(videos.skipped() == 1);
  CHECK(warnings.lines.size() == 1);
  CHECK(warnings.about("only 1 of the 4 frames") + warnings.about("only 0 of the 4 frames") == 1);
}

TEST_CASE("folders of pictures are videos") {
  const TemporaryFolder folder;
  encode_clip(folder / "numbers.mkv", numbered_clip(12), "-c:v ffv1 -pix_fmt bgr0");
  std::filesystem::create_directories(folder.path() / "data/a/one");
  ffmpeg("-i '" + (folder / "numbers.mkv").string() + "' -start_number 0", folder.path() / "data/a/one/%d.png");
  const VideoFolder videos(folder.path() / "data", {.frames = 3, .height = 48, .width = 64});
  CHECK(videos.class_names() == std::vector<std::string>{"a"});
  REQUIRE(videos.size() == 1);
  for (std::uint64_t i = 0; i < 10; ++i) {
    const dvd::Clip clip = videos.draw(Random(1).stream(i)).clip;
    const std::int64_t first = number_shown(clip, 0);
    CHECK(numbers_shown(clip) == std::vector<std::int64_t>{first, first + 1, first + 2});
  }
}

TEST_CASE("what is found out about the files is kept, and a file that has changed is noticed") {
  const TemporaryFolder folder;
  make_shade(folder / "videos/a/a.avi", 40);
  make_shade(folder / "videos/a/b.avi", 80);
  VideoFolderOptions options{.frames = 4, .resolution = 16, .index_file = folder.path() / "kept/index"};
  const auto shades = [&](const VideoFolder& videos) {
    std::set<int> seen;
    for (std::uint64_t i = 0; i < 20; ++i) seen.insert(shade_of(videos.draw(Random(4).stream(i))));
    return seen;
  };
  CHECK(shades(VideoFolder(folder.path() / "videos", options)) == std::set<int>{40, 80});
  const std::string kept = read_bytes(folder / "kept/index");
  CHECK(kept.size() > 100);
  const auto written = std::filesystem::last_write_time(folder / "kept/index");
  CHECK(shades(VideoFolder(folder.path() / "videos", options)) == std::set<int>{40, 80});
  CHECK(std::filesystem::last_write_time(folder / "kept/index") == written);  // nothing was new

  std::filesystem::remove(folder / "videos/a/b.avi");
  make_shade(folder / "videos/a/b.avi", 120);
  CHECK(shades(VideoFolder(folder.path() / "videos", options)) == std::set<int>{40, 120});

  // Whatever is done to it, the folder is read as it is.
  for (std::size_t i = 0; i < kept.size(); i += 37) {
    std::string damaged = kept;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x55);
    write_bytes(folder / "kept/index", i % 2 != 0 ? damaged : kept.substr(0, i));
    CHECK(VideoFolder(folder.path() / "videos", options).size() == 2);
  }
  options.index_file = "/dev/null/nowhere";
  CHECK(VideoFolder(folder.path() / "videos", options).size() == 2);
}

TEST_CASE("whoever is warned may ask the folder, and draw from it") {
  const TemporaryFolder folder;
  make_shade(folder / "a/a.avi", 40);
  make_shade(folder / "a/b.avi", 80);
  const VideoFolder* asked = nullptr;
  std::vector<std::int64_t> skipped;
  VideoFolderOptions options{.frames = 4, .resolution = 16};
  options.warn = [&](const std::string&) {
    skipped.push_back(asked->skipped());
    asked->draw(Random(5));
  };
  const VideoFolder videos(folder.path(), options);
  asked = &videos;
  std::filesystem::remove(folder / "a/a.avi");
  for (std::uint64_t i = 0; i < 20; ++i) videos.draw(Random(4).stream(i));
  CHECK(skipped == std::vector<std::int64_t>{1});
}
