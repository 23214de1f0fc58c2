// Prepared sets: what is drawn from them, what is refused, and that others can read them. Needs no FFmpeg.
#include "dvd/data/video_set.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/data/clip_source.hpp"
#include "dvd/io/safetensors.hpp"
#include "support/error_of.hpp"
#include "support/made_set.hpp"
#include "support/temporary_folder.hpp"

using dvd::FileError;
using dvd::LabelledClip;
using dvd::Random;
using dvd::VideoSet;
using dvd::VideoSetIndex;
using dvd::testing::error_of;
using dvd::testing::holds;
using dvd::testing::made_byte;
using dvd::testing::MadeVideo;
using dvd::testing::make_set;

static_assert(dvd::ClipSource<VideoSet>);

namespace {

const std::vector<MadeVideo> four = {
    {"walk/a.avi", 1, 9, 1}, {"run/b.avi", 0, 3, 2}, {"broken", 0, 0, 1}, {"run/c.avi", 0, 12, 3}};

std::string read_bytes(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write_bytes(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

}  // namespace

TEST_CASE("clips are the set's frames, contiguous or strided") {
  const TemporaryFolder folder;
  make_set(folder.path(), four);
  const VideoSet set(folder.path(), {.frames = 1});
  REQUIRE(set.size() == 3);
  CHECK(set.skipped() == 1);
  CHECK(set.classes() == 2);
  CHECK(set.height() == 4);
  CHECK(set.width() == 6);
  CHECK(set.channels() == 3);
  CHECK(set.name(1) == "run/b.avi");
  CHECK(set.label(0) == 1);
  CHECK(set.frames(2) == 12);
  for (const std::int64_t stride : {1, 2, 3}) {
    const dvd::Clip clip = set.clip(2, 1, 4, stride);
    CHECK(clip.size() == dvd::ClipSize{4, 4, 6, 3});
    bool same = true;
    for (std::int64_t t = 0; t < 4; ++t)
      for (std::int64_t i = 0; i < 72; ++i) same = same && clip.frame(t)[i] == made_byte(3, 1 + t * stride, i);
    CHECK(same);
  }
  CHECK_THROWS_AS(set.clip(2, 10, 3), dvd::ArgumentError);
  CHECK_THROWS_AS(set.clip(2, -1, 3), dvd::ArgumentError);
  CHECK_THROWS_AS(set.clip(2, 0, 7, 2), dvd::ArgumentError);
  CHECK_THROWS_AS(set.clip(3, 0, 1), dvd::ArgumentError);
  CHECK_THROWS_AS(VideoSet(folder.path(), {.frames = 0}), dvd::ArgumentError);
  CHECK_THROWS_AS(VideoSet(folder.path(), {.frames = 2, .stride = 0}), dvd::ArgumentError);
}

TEST_CASE("draws depend on the random numbers alone, and reach every video and start") {
  const TemporaryFolder folder;
  make_set(folder.path(), four);
  const VideoSet set(folder.path(), {.frames = 3});
  const Random random(5);
  std::map<std::int64_t, std::set<std::int64_t>> starts;  // by video
  std::vector<std::int64_t> counts(4);
  for (std::uint64_t n = 0; n < 3000; ++n) {
    const LabelledClip drawn = set.draw(random.stream(n));
    const int byte = drawn.clip.pixels[0];
    bool found = false;
    for (const std::int64_t video : {0, 1, 3})
      for (std::int64_t t = 0; t + 3 <= four[static_cast<std::size_t>(video)].frames && !found; ++t) {
        if (made_byte(static_cast<std::size_t>(video), t, 0) != byte) continue;
        found = true;
        CHECK(drawn.label == four[static_cast<std::size_t>(video)].label);
        starts[video].insert(t);
        ++counts[static_cast<std::size_t>(video)];
      }
    REQUIRE(found);
  }
  CHECK(starts[0].size() == 7);
  CHECK(starts[1].size() == 1);
  CHECK(starts[3].size() == 10);
  for (const std::int64_t video : {0, 1, 3}) CHECK(std::abs(counts[static_cast<std::size_t>(video)] - 1000) < 120);
  const std::vector<dvd::TrainingClip> parallel = dvd::draw_clips(set, random, 64);
  for (std::uint64_t n = 0; n < 64; ++n)
    CHECK(std::get<dvd::Clip>(parallel[n].clip).pixels == set.draw(random.stream(n)).clip.pixels);
}

TEST_CASE("videos that are too short are counted in one line, and classes without videos are named") {
  const TemporaryFolder folder;
  make_set(folder.path(), four);
  std::vector<std::string> lines;
  const VideoSet set(folder.path(),
                     {.frames = 5, .stride = 2, .warn = [&](const std::string& line) { lines.push_back(line); }});
  CHECK(set.size() == 2);
  CHECK(set.skipped() == 2);
  REQUIRE(lines.size() == 1);
  CHECK(holds(lines[0], "1 of 4 videos is too short for a clip of 5 frames at stride 2"));
  lines.clear();
  const VideoSet longest(folder.path(),
                         {.frames = 10, .warn = [&](const std::string& line) { lines.push_back(line); }});
  CHECK(longest.size() == 1);
  REQUIRE(lines.size() == 2);
  CHECK(holds(lines[1], "class walk has no usable video"));
  CHECK(holds(error_of([&] { VideoSet(folder.path(), {.frames = 13}); }), "none of its 4 videos is long enough"));
}

TEST_CASE("splits are asked for by the list's name") {
  const TemporaryFolder folder;
  make_set(folder.path(), four);
  for (const char* name : {"train.txt", "train", "lists/train.txt"}) {
    const VideoSet set(folder.path(), {.frames = 1, .split = name});
    REQUIRE(set.size() == 2);
    CHECK(set.name(0) == "walk/a.avi");
    CHECK(set.name(1) == "run/c.avi");
  }
  CHECK(VideoSet(folder.path(), {.frames = 1, .split = "test.txt"}).name(0) == "run/b.avi");
  const std::string error = error_of([&] { VideoSet(folder.path(), {.split = "validation"}); });
  CHECK(holds(error, "without the split validation"));
  CHECK(holds(error, "train.txt, test.txt"));
}

TEST_CASE("grey sets without classes") {
  const TemporaryFolder folder;
  make_set(folder.path(), {{"a", 0, 4, 0}}, {.height = 5, .width = 3, .channels = 1}, {}, {});
  const VideoSet set(folder.path(), {.frames = 2});
  CHECK(set.classes() == 0);
  CHECK(set.draw(Random(1)).clip.size() == dvd::ClipSize{2, 5, 3, 1});
  CHECK(holds(error_of([&] { VideoSet(folder.path(), {.split = "train"}); }), "it knows no splits"));
}

TEST_CASE("shards that are gone, cut short or replaced are named") {
  const TemporaryFolder folder;
  make_set(folder.path(), four);
  const auto shard = dvd::shard_of_set(folder.path(), 1);
  const std::string bytes = read_bytes(shard);
  const auto open = [&] { VideoSet set(folder.path(), {.frames = 1}); };
  const VideoSet before(folder.path(), {.frames = 1});
  std::filesystem::remove(shard);
  CHECK(holds(error_of(open), "shard-00001.safetensors: cannot be opened"));
  CHECK(before.clip(2, 0, 12).pixels[0] == made_byte(3, 0, 0));  // what is mapped stays
  for (const std::size_t size : {std::size_t{0}, std::size_t{7}, bytes.size() - 1}) {
    write_bytes(shard, bytes.substr(0, size));
    CHECK(holds(error_of(open), "shard-00001.safetensors: has "));
  }
  write_bytes(shard, std::string(bytes.size(), 'x'));
  CHECK(holds(error_of(open), "shard-00001.safetensors: is not the shard"));
  std::filesystem::remove(shard);
  std::filesystem::create_directory(shard);
  CHECK(holds(error_of(open), "is not a regular file"));
}

TEST_CASE("an index that is missing, unfinished or of another kind is refused in words") {
  const TemporaryFolder folder;
  const auto open = [&] { VideoSet set(folder.path(), {.frames = 1}); };
  CHECK(holds(error_of(open), "index.safetensors: cannot be opened"));
  std::filesystem::create_directories(folder.path() / "unfinished");
  write_bytes(folder.path() / "unfinished/plan.json", "{}");
  CHECK(dvd::is_unfinished_video_set(folder.path()));
  CHECK(holds(error_of(open), "preparation has not ended"));
  dvd::SafetensorsWriter other;
  const std::vector<float> values = {1, 2};
  other.add<float>("weights", {2}, values);
  other.write(dvd::index_of_set(folder.path()));
  CHECK(holds(error_of(open), "it is not one"));
  other.set_metadata("dvd.video_set", "2");
  other.write(dvd::index_of_set(folder.path()));
  CHECK(holds(error_of(open), "it is of format '2'"));
  write_bytes(dvd::index_of_set(folder.path()), "no index");
  CHECK(holds(error_of(open), "index.safetensors: "));
}

TEST_CASE("a damaged index is refused, whatever the damage") {
  const TemporaryFolder folder;
  make_set(folder.path(), four);
  const auto path = dvd::index_of_set(folder.path());
  const std::string bytes = read_bytes(path);
  const Random random(11);
  for (std::uint64_t round = 0; round < 400; ++round) {
    const Random numbers = random.stream(round);
    std::string damaged = bytes;
    const auto size = static_cast<std::int64_t>(bytes.size());
    if (round % 4 == 0) damaged.resize(static_cast<std::size_t>(numbers.below(0, size)));
    for (std::uint64_t i = 1; i <= 1 + round % 3 && !damaged.empty(); ++i)
      damaged[static_cast<std::size_t>(numbers.below(i, static_cast<std::int64_t>(damaged.size())))] ^=
          static_cast<char>(1 + numbers.below(100 + i, 255));
    write_bytes(path, damaged);
    // Blanks in the header may be damaged into other blanks.
    const std::string error = error_of([&] { VideoSet set(folder.path(), {.frames = 1}); });
    if (error.empty()) MESSAGE("round ", round, " changed nothing that matters");
    CHECK((error.empty() || holds(error, "index.safetensors: ")));
  }
}

TEST_CASE("a damaged shard is named, or gives other pixels, and nothing worse") {
  const TemporaryFolder folder;
  make_set(folder.path(), four);
  const auto path = dvd::shard_of_set(folder.path(), 0);
  const std::string bytes = read_bytes(path);
  int refused = 0;
  for (std::uint64_t round = 0; round < 200; ++round) {
    const Random numbers = Random(12).stream(round);
    std::string damaged = bytes;
    const auto size = static_cast<std::int64_t>(bytes.size());
    if (round % 4 == 0) damaged.resize(static_cast<std::size_t>(numbers.below(0, 2 * size)), 'x');
    for (std::uint64_t i = 1; i <= 1 + round % 3 && !damaged.empty(); ++i)
      damaged[static_cast<std::size_t>(numbers.below(i, static_cast<std::int64_t>(damaged.size())))] ^=
          static_cast<char>(1 + numbers.below(100 + i, 255));
    write_bytes(path, damaged);
    const std::string error = error_of([&] {
      const VideoSet set(folder.path(), {.frames = 3});
      for (std::uint64_t n = 0; n < 10; ++n) CHECK(set.draw(numbers.stream(n)).clip.size().frames == 3);
    });
    CHECK((error.empty() || holds(error, "shard-00000.safetensors: ")));
    refused += !error.empty();
  }
  CHECK(refused > 60);
}

TEST_CASE("an index that is whole but lies is refused") {
  const TemporaryFolder folder;
  const VideoSetIndex honest = make_set(folder.path(), four);
  const auto refuses = [&](const auto& change) {
    VideoSetIndex index = honest;
    change(index);
    dvd::write_set_index(folder.path(), index);
    const std::string error = error_of([&] { VideoSet set(folder.path(), {.frames = 1}); });
    CAPTURE(error);
    CHECK(!error.empty());
  };
  constexpr std::int64_t huge = std::int64_t{1} << 62;
  refuses([](VideoSetIndex& index) { index.videos[0].frames = huge; });
  refuses([](VideoSetIndex& index) { index.videos[0].frames = -1; });
  refuses([](VideoSetIndex& index) { index.videos[3].offset += 1; });
  refuses([](VideoSetIndex& index) { index.videos[0].offset = huge; });
  refuses([](VideoSetIndex& index) { index.videos[0].offset = -8; });
  refuses([](VideoSetIndex& index) { index.videos[0].shard = 7; });
  refuses([](VideoSetIndex& index) { index.videos[0].label = 2; });
  refuses([](VideoSetIndex& index) { index.videos[0].label = -1; });
  refuses([](VideoSetIndex& index) { index.videos[0].splits = 4; });
  refuses([](VideoSetIndex& index) { index.videos[0].place = 4; });
  refuses([](VideoSetIndex& index) { index.videos[0].start = std::numeric_limits<double>::infinity(); });
  refuses([](VideoSetIndex& index) { index.videos.pop_back(); });
  refuses([](VideoSetIndex& index) { index.shards.pop_back(); });
  refuses([](VideoSetIndex& index) { index.shards[0].size = -1; });
  refuses([](VideoSetIndex& index) { index.shards[0].header_hash ^= 1; });
  refuses([](VideoSetIndex& index) { std::swap(index.shards[0], index.shards[1]); });
  refuses([](VideoSetIndex& index) { index.text_ends.back() += 1; });
  refuses([](VideoSetIndex& index) { index.text_ends[2] = huge; });
  refuses([](VideoSetIndex& index) { index.format.height = huge; });
  refuses([](VideoSetIndex& index) { index.format.width = 0; });
  refuses([](VideoSetIndex& index) { index.format.channels = 2; });
  refuses([](VideoSetIndex& index) { index.format.position = std::nan(""); });
  refuses([](VideoSetIndex& index) { index.format.part = 2; });
}

TEST_CASE("what is written is what is read, whatever the bytes of names") {
  const TemporaryFolder folder;
  const std::string odd = "a,\"b\"\\ %41 \xC3\xA4 \xFF.avi";
  VideoSetIndex index = make_set(folder.path(), {{"a", 0, 1, 0}}, {.height = 2, .width = 2}, {odd}, {"l\xFF.txt"});
  index.format.lists = {"l\xFF.txt"};
  dvd::write_set_index(folder.path(), index);
  const VideoSetIndex read = dvd::read_set_index(folder.path());
  CHECK(read.class_names == std::vector<std::string>{odd});
  CHECK(read.split_names == index.split_names);
  CHECK(read.format == index.format);
  CHECK(read.text(0, VideoSetIndex::path) == "a.avi");
  for (const std::string name : {"", "plain", "\xC3\xA4", "\xFF\xFE", "100%", "%41", "%4", "%FF\xFF%", "\xC3"}) {
    CHECK(dvd::detail::is_utf8(dvd::detail::escaped_name(name)));
    CHECK(dvd::detail::unescaped_name(dvd::detail::escaped_name(name)) == name);
  }
  CHECK(dvd::detail::escaped_name("100% \xC3\xA4") == "100% \xC3\xA4");
  CHECK(dvd::detail::escaped_name("\xFF%41") == "%FF%2541");
}

TEST_CASE("shards and index are safetensors files") {
  const TemporaryFolder folder;
  make_set(folder.path(), four);
  const dvd::SafetensorsFile shard(dvd::shard_of_set(folder.path(), 0));
  CHECK(shard.names() == std::vector<std::string>{"run/b.avi", "walk/a.avi"});
  CHECK(shard.shape("walk/a.avi") == std::vector<std::int64_t>{9, 4, 6, 3});
  const auto pixels = shard.read<std::uint8_t>("run/b.avi");
  CHECK(pixels[72 * 2 + 5] == made_byte(1, 2, 5));
  // In Python, by the format's own library where that is installed, else by its description.
  const std::string script = R"(
import json, struct, sys
def tensors(path):
    try:
        from safetensors.numpy import load_file
        return {name: (list(value.shape), value.tobytes()) for name, value in load_file(path).items()}
    except ImportError:
        data = open(path, 'rb').read()
        length, = struct.unpack('<Q', data[:8])
        header = json.loads(data[8:8 + length])
        header.pop('__metadata__', None)
        begin = 8 + length
        return {n: (t['shape'], data[begin + t['data_offsets'][0]:begin + t['data_offsets'][1]]) for n, t in header.items()}
folder = sys.argv[1]
shape, pixels = tensors(folder + '/shard-00001.safetensors')['run/c.avi']
assert shape == [12, 4, 6, 3] and len(pixels) == 12 * 72, shape
assert pixels[72 * 11 + 7] == (3 * 31 + 11 * 7 + 7) % 256
index = tensors(folder + '/index.safetensors')
labels = struct.unpack('<4q', index['video.label'][1])
assert labels == (1, 0, 0, 0), labels
ends = struct.unpack('<12Q', index['text.ends'][1])
assert index['text.bytes'][1][:ends[0]] == b'walk/a.avi'
)";
  write_bytes(folder.path() / "read.py", script);
  if (std::system("python3 -c '' 2>/dev/null") == 0)
    CHECK(std::system(
              ("python3 '" + (folder.path() / "read.py").string() + "' '" + folder.path().string() + "'").c_str()) ==
          0);
}

TEST_CASE("a stream of tensors: long ones, none, and what does not fit") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "file.safetensors";
  {
    const std::vector<std::string> names = {"long", "short", "unused"};
    dvd::SafetensorsStream file(path, names);
    const std::vector<std::uint8_t> megabytes(3'000'000, 7), few = {1, 2, 3};
    file.append(few);
    file.append(megabytes);
    file.append(few);
    file.end_tensor("long", std::vector<std::int64_t>{3'000'006});
    file.append(few);
    CHECK_THROWS_AS(file.end_tensor("short", std::vector<std::int64_t>{2}), dvd::ArgumentError);
    file.end_tensor("short", std::vector<std::int64_t>{1, 3});
    CHECK(!std::filesystem::exists(path));
    file.finish();
  }
  const dvd::SafetensorsFile file(path);
  CHECK(file.names() == std::vector<std::string>{"long", "short"});
  CHECK(file.read<std::uint8_t>("long")[3'000'003] == 1);
  CHECK(file.read<std::uint8_t>("short") == std::vector<std::uint8_t>{1, 2, 3});
  { const dvd::SafetensorsStream left(folder.path() / "left.safetensors", {}); }
  dvd::SafetensorsStream empty(folder.path() / "empty.safetensors", {});
  empty.finish();
  CHECK(dvd::SafetensorsFile(folder.path() / "empty.safetensors").names().empty());
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 2);
  CHECK_THROWS_AS(dvd::SafetensorsStream(folder.path() / "no/such/file", {}), FileError);
}
