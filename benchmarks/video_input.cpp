// How fast clips come from a prepared set, and how fast one of Kinetics' size opens: made here, of noise, in a
// temporary folder.
//
//     video_input [--seconds 3] [--videos 450000] [--folder /tmp]
#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <dvd/data/video_set.hpp>
#include <dvd/io/safetensors_stream.hpp>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// Gone at the end of the scope.
struct Folder {
  explicit Folder(const fs::path& parent) : path(parent / ("video_input-" + std::to_string(::getpid()))) {
    fs::create_directories(path);
  }
  ~Folder() {
    std::error_code error;
    fs::remove_all(path, error);
  }
  fs::path path;
};

constexpr std::int64_t frames = 250, side = 64, videos_of_shard = 64;

void add_video(dvd::VideoSetIndex& index, std::int64_t number, std::int64_t shard, std::int64_t offset) {
  dvd::VideoSetIndex::Video video;
  video.label = number % static_cast<std::int64_t>(index.class_names.size());
  video.frames = frames;
  video.shard = shard;
  video.offset = offset;
  video.frames_per_second = 25;
  video.place = number;
  const std::string name = dvd::concat("class ", video.label, "/video", number, ".mp4");
  index.add(video, name, name, "");
}

dvd::VideoSetIndex empty_index(std::int64_t videos, int classes) {
  dvd::VideoSetIndex index;
  index.format = {.height = side, .width = side};
  for (int label = 0; label < classes; ++label) index.class_names.push_back(dvd::concat("class ", label));
  index.listed = videos;
  return index;
}

// A set with pixels in it, 64 videos in each of two shards: small enough for any page cache.
void make_set(const fs::path& folder) {
  fs::create_directories(folder);
  dvd::VideoSetIndex index = empty_index(2 * videos_of_shard, 4);
  std::vector<std::uint8_t> frame(static_cast<std::size_t>(index.format.frame_bytes()));
  for (std::int64_t shard = 0; shard < 2; ++shard) {
    std::vector<std::string> names;
    for (std::int64_t i = 0; i < videos_of_shard; ++i) names.push_back(dvd::concat(i));
    dvd::SafetensorsStream file(dvd::shard_of_set(folder, shard), names);
    for (const std::string& name : names) {
      add_video(index, static_cast<std::int64_t>(index.videos.size()), shard,
                static_cast<std::int64_t>(file.position()));
      for (std::int64_t t = 0; t < frames; ++t) {
        for (std::size_t i = 0; i < frame.size(); ++i) frame[i] = static_cast<std::uint8_t>(i * 7 + i / 64);
        file.append(frame);
      }
      file.end_tensor(name, std::vector{frames, side, side, std::int64_t{3}});
    }
    const auto written = file.finish();
    index.shards.push_back({shard, static_cast<std::int64_t>(written.size), written.header_hash});
  }
  dvd::write_set_index(folder, index);
}

// A set of so many videos whose shards have holes where the frames would be.
void make_hollow_set(const fs::path& folder, std::int64_t videos) {
  fs::create_directories(folder);
  dvd::VideoSetIndex index = empty_index(videos, 600);
  const std::string header("\2\0\0\0\0\0\0\0{}", 10);
  dvd::detail::ContentHash hash;
  hash.add(header);
  for (std::int64_t number = 0; number < videos; ++number) {
    const std::int64_t shard = number / videos_of_shard, bytes = frames * index.format.frame_bytes();
    if (number % videos_of_shard == 0) {
      const std::int64_t size = 10 + videos_of_shard * bytes;
      const fs::path path = dvd::shard_of_set(folder, shard);
      std::ofstream(path, std::ios::binary) << header;
      fs::resize_file(path, static_cast<std::uintmax_t>(size));
      index.shards.push_back({shard, size, hash.value()});
    }
    add_video(index, number, shard, 10 + number % videos_of_shard * bytes);
  }
  dvd::write_set_index(folder, index);
}

}  // namespace

int main(int argc, char** argv) {
  double seconds = 3;
  std::int64_t videos = 450'000;
  std::string parent = fs::temp_directory_path().string();
  CLI::App app("How fast clips come from a prepared set, and how fast one opens.", "video_input");
  app.add_option("--seconds", seconds, "to draw for")->check(CLI::Range(0.1, 1000.0))->capture_default_str();
  app.add_option("--videos", videos, "in the set that is opened")
      ->check(CLI::Range(1, 10'000'000))
      ->capture_default_str();
  app.add_option("--folder", parent, "where sets are made: 400 MB, gone at the end")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    const Folder folder(parent);
    make_set(folder.path / "set");
    for (const std::int64_t stride : {1, 2}) {
      const dvd::VideoSet set(folder.path / "set", {.frames = 16, .stride = stride});
      const dvd::Random random(1);
      std::int64_t clips = 0, sum = 0;
      for (std::uint64_t i = 0; i < 2000; ++i) sum += set.draw(random.stream(i)).clip.pixels[0];  // pages are mapped
      const auto start = Clock::now();
      while (seconds_since(start) < seconds)
        for (int i = 0; i < 100; ++i)
          sum += set.draw(random.stream(static_cast<std::uint64_t>(clips++))).clip.pixels[5];
      std::printf("clips of 16x%lldx%lld at stride %lld, from the page cache: %.0f a second on one core%s\n",
                  static_cast<long long>(side), static_cast<long long>(side), static_cast<long long>(stride),
                  static_cast<double>(clips) / seconds_since(start), sum < 0 ? " " : "");
    }
    make_hollow_set(folder.path / "large", videos);
    for (int round = 0; round < 3; ++round) {
      const auto start = Clock::now();
      const dvd::VideoSet set(folder.path / "large", {.frames = 16});
      std::printf("opening a set of %lld videos in %zu shards: %.3f s\n", static_cast<long long>(set.size()),
                  set.index().shards.size(), seconds_since(start));
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "video_input: %s\n", error.what());
    return 1;
  }
  return 0;
}
