// Preparing sets: frames, rates, lists, what is skipped; stopped anywhere, the same bytes; only what changed is done
// again; parts and their merging; the doctor.
#include "dvd/data/prepare_set.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/data/check_videos.hpp"
#include "dvd/data/merge_sets.hpp"
#include "dvd/data/set_estimate.hpp"
#include "dvd/data/video_set.hpp"
#include "dvd/io/video_file.hpp"
#include "support/error_of.hpp"
#include "support/video_fixtures.hpp"

using namespace dvd::testing;
namespace fs = std::filesystem;
using dvd::PrepareOptions;
using dvd::PrepareResult;
using dvd::SetPreparation;
using dvd::VideoSet;
using dvd::VideoSetFormat;
using dvd::VideoSetIndex;

namespace {

const VideoSetFormat small = {.height = 12, .width = 16};
constexpr const char* mpeg4 = "-c:v mpeg4 -q:v 2 -g 5";

using Paths = std::vector<fs::path>;

PrepareResult prepare(const fs::path& data, const fs::path& set, const VideoSetFormat& format = small,
                      const Paths& lists = {}, PrepareOptions options = {}) {
  SetPreparation preparation(dvd::find_set_sources(data, lists, format.part, format.parts), set, format,
                             std::move(options));
  return preparation.run();
}

// Numbered clips in two classes, one file that is none.
void make_videos(const fs::path& data, int videos = 5) {
  for (int i = 0; i < videos; ++i) {
    const fs::path path = data / (i % 2 ? "walk" : "run") / ("v" + std::to_string(i) + ".avi");
    fs::create_directories(path.parent_path());
    encode_clip(path, numbered_clip(6 + i), mpeg4);
  }
  write_bytes(data / "run" / "x.avi", "this is no video");
}

// Every file of a folder by its name, with its bytes.
std::map<std::string, std::string> bytes_in(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    files[entry.path().lexically_relative(folder)] = entry.is_regular_file() ? read_bytes(entry.path()) : "";
  return files;
}

std::string name_in(const VideoSetIndex& index, std::size_t i) {
  return std::string(index.text(i, VideoSetIndex::name));
}

std::size_t number_of(const VideoSetIndex& index, const std::string& name) {
  for (std::size_t i = 0; i < index.videos.size(); ++i)
    if (name_in(index, i) == name) return i;
  FAIL("no video " << name);
  return 0;
}

// The videos of a set that can be drawn from, by name.
std::map<std::string, dvd::Clip> clips_in(const fs::path& folder) {
  const VideoSet set(folder, {.frames = 1});
  std::map<std::string, dvd::Clip> clips;
  for (std::int64_t i = 0; i < set.size(); ++i) clips.emplace(std::string(set.name(i)), set.clip(i, 0, set.frames(i)));
  return clips;
}

}  // namespace

TEST_CASE("a set holds the frames of its videos, and says of each what it was") {
  const TemporaryFolder folder;
  make_videos(folder.path() / "data");
  const PrepareResult result = prepare(folder.path() / "data", folder.path() / "set");
  CHECK(!result.stopped);
  CHECK(result.kept == 0);
  CHECK(result.dropped == 0);
  const VideoSetIndex index = dvd::read_set_index(folder.path() / "set");
  CHECK(index.class_names == std::vector<std::string>{"run", "walk"});
  CHECK(index.format == small);
  CHECK(!fs::exists(folder.path() / "set/unfinished"));
  for (int i = 0; i < 5; ++i) {
    const std::string name = std::string(i % 2 ? "walk" : "run") + "/v" + std::to_string(i) + ".avi";
    const std::size_t number = number_of(index, name);
    const VideoSetIndex::Video& video = index.videos[number];
    CHECK(video.frames == 6 + i);
    CHECK(video.label == i % 2);
    CHECK(video.frames_per_second == doctest::Approx(25));
    CHECK(video.source_width == 64);
    CHECK(video.source_height == 48);
    CHECK(video.source_size == static_cast<std::int64_t>(fs::file_size(folder.path() / "data" / name)));
    CHECK(index.text(number, VideoSetIndex::path) == name);
    const dvd::VideoFile file(folder.path() / "data" / name);
    CHECK(clips_in(folder.path() / "set").at(name).pixels ==
          file.read(0, 6 + i, 1, dvd::detail::framing_of(small)).pixels);
  }
  CHECK(clips_in(folder.path() / "set").size() == 5);
  for (std::size_t i = 0; i < index.videos.size(); ++i)
    if (index.videos[i].skipped) {
      CHECK(index.text(i, VideoSetIndex::path) == "run/x.avi");
      CHECK(!index.text(i, VideoSetIndex::remark).empty());
      CHECK(!holds(std::string(index.text(i, VideoSetIndex::remark)), folder.path().string()));
    }
}

TEST_CASE("the bytes do not depend on the threads") {
  const TemporaryFolder folder;
  make_videos(folder.path() / "data", 9);
  prepare(folder.path() / "data", folder.path() / "one", small, {}, {.threads = 1});
  prepare(folder.path() / "data", folder.path() / "many", small, {}, {.threads = 7});
  CHECK(bytes_in(folder.path() / "one") == bytes_in(folder.path() / "many"));
}

TEST_CASE("stopped at any frame, again and again, a preparation ends with the same bytes") {
  const TemporaryFolder folder;
  make_videos(folder.path() / "data");
  prepare(folder.path() / "data", folder.path() / "whole");
  std::atomic<int> decoded = 0;
  for (int every = 1; every <= 30; every += 7) {
    const fs::path set = folder.path() / ("cut" + std::to_string(every));
    int runs = 0;
    for (bool stopped = true; stopped; ++runs) {
      REQUIRE(runs < 60);
      decoded = 0;
      stopped = prepare(folder.path() / "data", set, small, {},
                        {.threads = 1 + runs % 3, .stop = [&] { return ++decoded > std::max(every + runs, 11); }})
                    .stopped;
      if (stopped) CHECK(!dvd::is_video_set(set));
      for (const auto& entry : fs::directory_iterator(set)) CHECK(!holds(entry.path().string(), ".partial-"));
    }
    CHECK(runs > 1);
    CHECK(bytes_in(set) == bytes_in(folder.path() / "whole"));
  }
}

TEST_CASE("what killed processes leave behind is cleared away") {
  const TemporaryFolder folder;
  make_videos(folder.path() / "data");
  prepare(folder.path() / "data", folder.path() / "whole");
  const fs::path set = folder.path() / "set";
  fs::create_directories(set / "unfinished");
  write_bytes(set / "shard-00000.safetensors.partial-123", "half");
  write_bytes(set / "shard-00001.safetensors", "renamed, but not noted");
  write_bytes(set / "unfinished/shard-00002.json", "of a preparation that has ended");
  write_bytes(set / "unfinished/plan.json.partial-5", "half");
  prepare(folder.path() / "data", set);
  CHECK(bytes_in(set) == bytes_in(folder.path() / "whole"));
}

TEST_CASE("damage to what is noted during a preparation is said, or of no consequence") {
  const TemporaryFolder folder;
  const fs::path data = folder.path() / "data", set = folder.path() / "set";
  make_videos(data, 3);
  prepare(data, folder.path() / "whole");
  int frames = 0;
  REQUIRE(prepare(data, set, small, {}, {.threads = 1, .stop = [&] { return ++frames > 15; }}).stopped);
  const auto begun = bytes_in(set);
  REQUIRE(begun.contains("unfinished/shard-00000.json"));
  for (std::uint64_t round = 0; round < 60; ++round) {
    const dvd::Random random = dvd::Random(3).stream(round);
    const std::string name = round % 2 ? "unfinished/plan.json" : "unfinished/shard-00000.json";
    std::string damaged = begun.at(name);
    const auto place = static_cast<std::size_t>(random.below(0, static_cast<std::int64_t>(damaged.size())));
    if (round % 3 == 0)
      damaged.resize(place);
    else
      damaged[place] ^= static_cast<char>(1 + random.below(1, 255));
    fs::remove_all(set);
    for (const auto& [path, bytes] : begun)
      if (fs::path(path).has_extension()) {
        fs::create_directories((set / path).parent_path());
        write_bytes(set / path, path == name ? damaged : bytes);
      }
    const std::string error = error_of([&] { prepare(data, set); });
    CAPTURE(error);
    if (error.empty())
      CHECK(bytes_in(set) == bytes_in(folder.path() / "whole"));
    else
      CHECK(holds(error, name + ": is damaged; delete the folder"));
  }
}

TEST_CASE("later only new and changed videos are decoded, and what is gone is dropped") {
  const TemporaryFolder folder;
  const fs::path data = folder.path() / "data", set = folder.path() / "set";
  make_videos(data);
  prepare(data, set);
  const auto before = bytes_in(set);
  const auto clips = clips_in(set);
  SUBCASE("nothing changed") {
    const PrepareResult result = prepare(data, set);
    CHECK(result.prepared == 0);
    CHECK(bytes_in(set) == before);
  }
  SUBCASE("a file was touched") {
    fs::last_write_time(data / "run/v0.avi", fs::file_time_type::clock::now() - std::chrono::hours(5));
    CHECK(prepare(data, set).prepared == 0);
    CHECK(prepare(data, set).prepared == 0);
    CHECK(clips_in(set).at("run/v0.avi").pixels == clips.at("run/v0.avi").pixels);
  }
  SUBCASE("one new, one changed, one gone") {
    encode_clip(data / "walk/new.avi", numbered_clip(20), mpeg4);
    encode_clip(data / "run/v2.avi", numbered_clip(30), mpeg4);
    fs::remove(data / "run/v0.avi");
    std::atomic<int> frames = 0;
    const PrepareResult result = prepare(data, set, small, {}, {.stop = [&] { return ++frames < 0; }});
    CHECK(result.prepared == 2);
    CHECK(result.kept == 4);
    CHECK(result.dropped == 1);
    CHECK(frames == 50);
    const auto now = clips_in(set);
    CHECK(now.size() == 5);
    CHECK(now.at("run/v2.avi").frames == 30);
    CHECK(now.at("walk/new.avi").frames == 20);
    CHECK(now.at("walk/v3.avi").pixels == clips.at("walk/v3.avi").pixels);
    CHECK(!now.contains("run/v0.avi"));
    for (const auto& [name, bytes] : bytes_in(set)) CHECK(!holds(name, "shard-00000"));  // that of v0 alone
    // And stopped in the middle of that:
  }
  SUBCASE("a shard was lost") {
    fs::remove(set / "shard-00002.safetensors");
    CHECK(prepare(data, set).prepared == 1);
    CHECK(clips_in(set).size() == clips.size());
  }
}

TEST_CASE("an update that is stopped ends as one that is not") {
  const TemporaryFolder folder;
  const fs::path data = folder.path() / "data", a = folder.path() / "a", b = folder.path() / "b";
  make_videos(data);
  prepare(data, a);
  prepare(data, b);
  for (int i = 0; i < 3; ++i) encode_clip(data / "run" / ("w" + std::to_string(i) + ".avi"), numbered_clip(9), mpeg4);
  fs::remove(data / "walk/v1.avi");
  prepare(data, a);
  for (int limit = 5; limit < 20; limit += 6) {
    std::atomic<int> frames = 0;
    CHECK(prepare(data, b, small, {}, {.threads = 1, .stop = [&] { return ++frames > limit; }}).stopped);
    CHECK(VideoSet(b, {.frames = 1}).size() == 5);  // the old one is there until the new one is
  }
  CHECK(!prepare(data, b, small, {}, {.threads = 2}).stopped);
  CHECK(bytes_in(a) == bytes_in(b));
}

TEST_CASE("other options, other videos and other places are refused") {
  const TemporaryFolder folder;
  const fs::path data = folder.path() / "data", set = folder.path() / "set";
  make_videos(data, 3);
  prepare(data, set);
  const auto before = bytes_in(set);
  const auto refused = [&](VideoSetFormat format) { return error_of([&] { prepare(data, set, format); }); };
  CHECK(holds(refused({.height = 16, .width = 16}), "--resolution 12x16, not with 16x16"));
  CHECK(holds(refused({.height = 12, .width = 16, .channels = 1}), "--image-channels 3, not with 1"));
  CHECK(holds(refused({.height = 12, .width = 16, .frames_per_second = 5}), "no --fps, not with --fps 5"));
  CHECK(holds(refused({.height = 12, .width = 16, .position = 0}), "--position 0.5, not with 0"));
  CHECK(holds(refused({.height = 12, .width = 16, .part = 1, .parts = 2}), "--shard 1/1, not with 1/2"));
  CHECK_THROWS_AS(prepare(data, folder.path() / "new", {.height = 0, .width = 8}), dvd::ArgumentError);
  fs::create_directories(folder.path() / "others");
  make_video(folder.path() / "others/a.avi", 4, "64x48", "-c:v mpeg4");
  CHECK(holds(error_of([&] { prepare(folder.path() / "others", set); }), "is a set of other videos"));
  CHECK(holds(error_of([&] { prepare(data, data / "set"); }), "lies within the folder of the videos"));
  CHECK(bytes_in(set) == before);
  const SetPreparation holder(dvd::find_set_sources(data, {}), set, small);
  CHECK(holds(error_of([&] { prepare(data, set); }), "another process is at work"));
}

TEST_CASE("a set remembers which lists its videos are in") {
  const TemporaryFolder folder;
  const fs::path data = folder.path() / "data";
  make_videos(data);
  write_bytes(folder.path() / "train.txt", "run/v0.avi\nwalk/v1.avi\nrun/v2.avi\n");
  write_bytes(folder.path() / "test.txt", "walk/v3.avi\nwalk/v1.avi\n");
  prepare(data, folder.path() / "set", small, {folder.path() / "train.txt", folder.path() / "test.txt"});
  const auto names = [&](const char* split) {
    const VideoSet set(folder.path() / "set", {.frames = 1, .split = split});
    std::vector<std::string> list;
    for (std::int64_t i = 0; i < set.size(); ++i) list.emplace_back(set.name(i));
    return list;
  };
  CHECK(names("train.txt") == std::vector<std::string>{"run/v0.avi", "walk/v1.avi", "run/v2.avi"});
  CHECK(names("test") == std::vector<std::string>{"walk/v1.avi", "walk/v3.avi"});
  CHECK(names("").size() == 4);
  CHECK(holds(error_of([&] { prepare(data, folder.path() / "set", small, {folder.path() / "train.txt"}); }),
              "--split train.txt --split test.txt, not with --split train.txt"));
  const dvd::SetSources sources = dvd::find_set_sources(data, {folder.path() / "train.txt"});
  CHECK(sources.unlisted >= 2);  // x.avi may count as a video, or not
  fs::create_directories(folder.path() / "other");
  write_bytes(folder.path() / "other/train.txt", "run/v0.avi\n");
  CHECK(holds(error_of([&] {
                dvd::find_set_sources(data, {folder.path() / "train.txt", folder.path() / "other/train.txt"});
              }),
              "two lists are named train.txt"));
}

TEST_CASE("frames are resampled by their times, and parts of videos taken by theirs") {
  const TemporaryFolder folder;
  fs::create_directories(folder.path() / "data");
  const fs::path video = folder.path() / "data/a.avi";
  encode_clip(video, numbered_clip(20), mpeg4);  // at 25 frames a second
  const auto numbers = [&](double rate, double start = 0, double end = 0) {
    dvd::SetSources sources = dvd::find_set_sources(folder.path() / "data", {});
    sources.videos.at(0).video.start = start;
    sources.videos.at(0).video.end = end;
    const TemporaryFolder set;
    SetPreparation(sources, set.path(), {.height = 48, .width = 64, .frames_per_second = rate}).run();
    const VideoSet read(set.path(), {.frames = 1});
    if (rate > 0) CHECK(read.frames_per_second(0) == rate);
    return numbers_shown(read.clip(0, 0, read.frames(0)));
  };
  using Numbers = std::vector<std::int64_t>;
  CHECK(numbers(0).size() == 20);
  CHECK(numbers(25) == numbers(0));
  CHECK(numbers(5) == Numbers{0, 5, 10, 15});
  CHECK(numbers(10) == Numbers{0, 2, 5, 7, 10, 12, 15, 17});
  Numbers twice;
  for (std::int64_t i = 0; i < 20; ++i) twice.insert(twice.end(), 2, i);
  CHECK(numbers(50) == twice);
  CHECK(numbers(0, 0.2, 0.4) == Numbers{5, 6, 7, 8, 9});
  CHECK(numbers(10, 0.2, 0.4) == Numbers{5, 7});
  CHECK(numbers(10, 0.22) == Numbers{5, 8, 10, 13, 15, 18});
  CHECK(numbers(0, 0.72) == Numbers{18, 19});
}

TEST_CASE("a part of a video that there is not is skipped") {
  const TemporaryFolder folder;
  fs::create_directories(folder.path() / "data");
  encode_clip(folder.path() / "data/a.avi", numbered_clip(5), mpeg4);
  for (const double rate : {0.0, 10.0}) {
    dvd::SetSources sources = dvd::find_set_sources(folder.path() / "data", {});
    sources.videos.at(0).video.start = 7;
    sources.videos.at(0).video.end = 9;
    const TemporaryFolder set;
    const PrepareResult result =
        SetPreparation(sources, set.path(), {.height = 8, .width = 8, .frames_per_second = rate}).run();
    CHECK(result.index.videos.at(0).skipped);
    CHECK(holds(std::string(result.index.text(0, VideoSetIndex::remark)), "no frame between"));
    CHECK(result.index.shards.empty());
  }
}

TEST_CASE("parts that are merged are the set of the whole") {
  const TemporaryFolder folder;
  const fs::path data = folder.path() / "data";
  make_videos(data, 12);
  const fs::path whole = folder.path() / "whole";
  prepare(data, whole);
  Paths parts;
  std::size_t videos = 0;
  for (std::int64_t i = 1; i <= 3; ++i) {
    parts.push_back(folder.path() / ("part" + std::to_string(i)));
    const PrepareResult part = prepare(data, parts.back(), {.height = 12, .width = 16, .part = i, .parts = 3});
    videos += part.index.videos.size();
    CHECK(part.index.videos.size() < 13);
  }
  CHECK(videos == 13);
  const fs::path merged = folder.path() / "merged";
  dvd::SetMerge({parts[2], parts[0], parts[1]}, merged).run();
  const VideoSetIndex a = dvd::read_set_index(whole), b = dvd::read_set_index(merged);
  CHECK(a.format == b.format);
  CHECK(a.texts == b.texts);
  CHECK(a.class_names == b.class_names);
  REQUIRE(a.videos.size() == b.videos.size());
  for (std::size_t i = 0; i < a.videos.size(); ++i) {
    CHECK(a.videos[i].frames == b.videos[i].frames);
    CHECK(a.videos[i].label == b.videos[i].label);
    CHECK(a.videos[i].source_hash == b.videos[i].source_hash);
    CHECK(a.videos[i].skipped == b.videos[i].skipped);
  }
  const auto clips = clips_in(whole), joined = clips_in(merged);
  REQUIRE(clips.size() == joined.size());
  for (const auto& [name, clip] : clips) CHECK(joined.at(name).pixels == clip.pixels);
  const VideoSet one(whole, {.frames = 2}), other(merged, {.frames = 2});
  for (std::uint64_t n = 0; n < 20; ++n)
    CHECK(one.draw(dvd::Random(n)).clip.pixels == other.draw(dvd::Random(n)).clip.pixels);
  CHECK(prepare(data, merged).prepared == 0);

  const auto refused = [&](const Paths& folders, const fs::path& set = "") {
    return error_of([&] { dvd::SetMerge(folders, set.empty() ? folder.path() / "new" : set).run(); });
  };
  CHECK(holds(refused({parts[0], parts[2]}), "part 2/3 is missing"));
  CHECK(holds(refused({parts[1], parts[2]}), "part 1/3 is missing"));
  CHECK(holds(refused({parts[0], parts[1]}), "part 3/3 is missing"));
  CHECK(holds(refused({parts[0], parts[1], parts[1], parts[2]}), "so is"));
  CHECK(holds(refused({parts[0], parts[1], parts[2], parts[2]}), "so is"));
  CHECK(holds(refused({whole}), "is a whole set"));
  CHECK(holds(refused({parts[0], parts[1], parts[2]}, whole), "is a set already"));
  CHECK(holds(refused({parts[0], folder.path() / "nothing"}), "nothing/index.safetensors: cannot be opened"));
  const fs::path grey = folder.path() / "grey";
  prepare(data, grey, {.height = 12, .width = 16, .channels = 1, .part = 2, .parts = 3});
  CHECK(holds(refused({parts[0], grey, parts[2]}), "--image-channels 1, not with 3"));
  encode_clip(data / "walk/late.avi", numbered_clip(4), mpeg4);
  const fs::path late = folder.path() / "late";
  prepare(data, late, {.height = 12, .width = 16, .part = 2, .parts = 3});
  CHECK(holds(refused({parts[0], late, parts[2]}), "a listing of 14 videos"));
  CHECK(!fs::exists(folder.path() / "new"));
}

TEST_CASE("names of any bytes, and two of one name") {
  const TemporaryFolder folder;
  const fs::path data = folder.path() / "data", odd = data / "run, \"fast\" \xFF";
  fs::create_directories(odd);
  write_bytes(folder.path() / "a.avi", "");
  encode_clip(folder.path() / "a.avi", numbered_clip(5), mpeg4);
  fs::copy_file(folder.path() / "a.avi", odd / "v \xFE%20%41.avi");
  dvd::SetSources sources = dvd::find_set_sources(data, {});
  REQUIRE(sources.videos.size() == 1);
  dvd::VideoListing listing{.folder = data, .class_names = {"c"}, .videos = {}, .remarks = {}};
  for (int i = 0; i < 2; ++i) {
    listing.videos.push_back(sources.videos[0].video);
    listing.videos.back().name = "same";
    listing.videos.back().start = 0.04 * i;
  }
  dvd::SetSources twins;
  dvd::detail::SourceCollector(twins).add(listing, 0);
  REQUIRE(twins.videos.size() == 2);
  CHECK(twins.videos[0].name == "same");
  CHECK(twins.videos[1].name == "same#2");
  prepare(data, folder.path() / "set");
  const VideoSet set(folder.path() / "set", {.frames = 5});
  CHECK(set.class_names().at(0) == "run, \"fast\" \xFF");
  CHECK(dvd::detail::is_utf8(set.name(0)));
  CHECK(holds(std::string(set.name(0)), "%FE"));
}

TEST_CASE("the estimate comes close, of videos and of parts of them") {
  const TemporaryFolder folder;
  fs::create_directories(folder.path() / "data");
  for (int i = 0; i < 3; ++i)
    encode_clip(folder.path() / "data" / (std::to_string(i) + ".avi"), numbered_clip(50), mpeg4);
  dvd::SetSources sources = dvd::find_set_sources(folder.path() / "data", {});
  const dvd::SetEstimate estimate = dvd::estimate_set(sources, {0, 1, 2}, small);
  CHECK(estimate.seconds == doctest::Approx(6).epsilon(0.05));
  CHECK(estimate.bytes == doctest::Approx(150 * 576).epsilon(0.05));
  CHECK(dvd::estimate_set(sources, {}, small).seconds == 0);
  CHECK(dvd::free_bytes(folder.path() / "not/there").value_or(0) > 0);
}

TEST_CASE("the doctor finds what is wrong") {
  const TemporaryFolder folder;
  const fs::path data = folder.path() / "data";
  make_videos(data);
  fs::copy_file(data / "run/v0.avi", data / "walk/copy.avi");
  make_video(data / "walk/wide.avi", 6, "128x48", "-c:v mpeg4");
  const dvd::SetSources sources = dvd::find_set_sources(data, {});
  const auto before = bytes_in(data);
  dvd::PrepareProgress last;
  const dvd::CheckReport report =
      dvd::check_videos(sources, {.threads = 2, .progress = [&](const dvd::PrepareProgress& now) { last = now; }});
  CHECK(bytes_in(data) == before);
  CHECK(last.videos == last.all_videos);
  REQUIRE(report.videos.size() == sources.videos.size());
  for (std::size_t i = 0; i < sources.videos.size(); ++i) {
    const dvd::CheckedVideo& video = report.videos[i];
    const std::string& path = sources.videos[i].path;
    CAPTURE(path);
    CHECK(video.undecodable() == (path == "run/x.avi"));
    CHECK(video.failure.empty() == (path != "run/x.avi"));
    if (path == "walk/v3.avi") CHECK(video.frames == 9);
    if (path == "walk/wide.avi") CHECK(video.condition.width == 128);
  }
  REQUIRE(report.duplicates.size() == 1);
  REQUIRE(report.duplicates[0].size() == 2);
  CHECK(sources.videos[report.duplicates[0][0]].path == "run/v0.avi");
  CHECK(sources.videos[report.duplicates[0][1]].path == "walk/copy.avi");
}
