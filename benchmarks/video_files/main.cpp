// Clips a second straight from video files, on one thread: dvd::VideoFile beside a plain loop of libav calls and, where
// --python names an interpreter that has them, beside PyAV and decord. All draw the same clips, in turns:
//
//     build/release/bin/video_files --python venv/bin/python
//
// The files are made with the ffmpeg program, like those of UCF-101 (320x240, MPEG-4 in AVI, 7 s) and of Kinetics
// (340x256, H.264 in MP4, 10 s); and one of an hour, of which clips are drawn from the start and from the end.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <dvd/core/error.hpp>
#include <dvd/core/random.hpp>
#include <dvd/io/video_file.hpp>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "plain_loop.hpp"

namespace {

constexpr std::int64_t frames_of_clip = 16, resolution = 64;

struct Window {
  std::string path;
  std::int64_t video, first;
  double seconds;  // when its first frame is shown
};

double seconds_of(const auto& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void run(const std::string& command) {
  if (std::system(command.c_str()) != 0) throw dvd::FileError("failed: " + command);
}

void make(const std::string& path, const std::string& size, int frames, const std::string& codec) {
  run("ffmpeg -nostdin -loglevel error -y -f lavfi -i 'testsrc2=s=" + size + ":r=25,noise=alls=12:allf=t' -frames:v " +
      std::to_string(frames) + " " + codec + " '" + path + "'");
}

struct Set {
  std::string name;
  std::vector<dvd::VideoFile> files;
};

std::vector<Window> draw_windows(const Set& set, std::int64_t count, const dvd::Random& random) {
  std::vector<Window> windows;
  for (std::int64_t i = 0; i < count; ++i) {
    const auto key = static_cast<std::uint64_t>(2 * i);
    const std::int64_t video = random.below(key, static_cast<std::int64_t>(set.files.size()));
    const dvd::VideoFile& file = set.files[static_cast<std::size_t>(video)];
    const std::int64_t first = random.below(key + 1, file.info().frames - frames_of_clip + 1);
    windows.push_back({file.path().string(), video, first, file.seconds(first)});
  }
  return windows;
}

// Clips a second of each python reader, as peer_video.py prints them: "NAME CLIPS_A_SECOND" a line.
void run_python(const std::string& python, const std::string& script, const std::vector<Window>& windows,
                const std::string& list, std::vector<std::pair<std::string, std::vector<double>>>& results) {
  std::FILE* const out = std::fopen(list.c_str(), "w");
  if (!out) throw dvd::FileError(list + ": cannot be written");
  for (const Window& window : windows)
    std::fprintf(out, "%s\t%lld\t%.9f\n", window.path.c_str(), static_cast<long long>(window.first), window.seconds);
  std::fclose(out);
  std::FILE* const pipe = ::popen((python + " '" + script + "' '" + list + "'").c_str(), "r");
  if (!pipe) throw dvd::FileError(python + ": cannot be started");
  char name[64];
  double rate = 0;
  while (std::fscanf(pipe, "%63s %lf", name, &rate) == 2) {
    auto found = std::find_if(results.begin(), results.end(), [&](const auto& each) { return each.first == name; });
    if (found == results.end()) found = results.insert(results.end(), {name, {}});
    found->second.push_back(rate);
  }
  ::pclose(pipe);
}

}  // namespace

int main(int argc, char** argv) try {
  std::string python, script = PEER_SCRIPT;
  int rounds = 7;
  std::int64_t clips = 60;
  int minutes = 60;
  CLI::App app("Clips of 16x64x64 a second from video files, one thread");
  app.add_option("--python", python, "an interpreter with PyAV and decord, to run beside");
  app.add_option("--rounds", rounds, "of which medians are printed")->check(CLI::Range(1, 1000));
  app.add_option("--clips", clips, "in a round")->check(CLI::Range(1, 100000));
  app.add_option("--minutes", minutes, "of the long file; 0: none")->check(CLI::Range(0, 600));
  CLI11_PARSE(app, argc, argv);

  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("dvd-video-files-" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  const auto path = [&](const std::string& name) { return (folder / name).string(); };
  std::vector<Set> sets(2);
  sets[0].name = "MPEG-4 in AVI, 320x240";
  sets[1].name = "H.264 in MP4, 340x256";
  for (int i = 0; i < 8; ++i) {
    make(path("u" + std::to_string(i) + ".avi"), "320x240", 175, "-c:v mpeg4 -vtag XVID -b:v 500k -g 250");
    make(path("k" + std::to_string(i) + ".mp4"), "340x256", 250, "-c:v libx264 -crf 28 -pix_fmt yuv420p");
    sets[0].files.emplace_back(path("u" + std::to_string(i) + ".avi"));
    sets[1].files.emplace_back(path("k" + std::to_string(i) + ".mp4"));
  }

  for (const Set& set : sets) {
    std::vector<double> ours, plain, ratios;
    std::vector<std::pair<std::string, std::vector<double>>> peers;
    for (int round = 0; round < rounds; ++round) {
      const std::vector<Window> windows = draw_windows(set, clips, dvd::Random(static_cast<std::uint64_t>(round)));
      const double own = static_cast<double>(clips) / seconds_of([&] {
                           for (const Window& window : windows)
                             set.files[static_cast<std::size_t>(window.video)].read(window.first, frames_of_clip, 1,
                                                                                    {.resolution = resolution});
                         });
      const double loop =
          static_cast<double>(clips) / seconds_of([&] {
            for (const Window& window : windows)
              plain_loop::read(window.path, window.seconds, frames_of_clip, static_cast<int>(resolution));
          });
      ours.push_back(own);
      plain.push_back(loop);
      ratios.push_back(own / loop);
      if (!python.empty()) run_python(python, script, windows, path("windows.txt"), peers);
    }
    std::printf("%s: clips a second\n  dvd::VideoFile %8.1f\n  plain libav    %8.1f   ratio %.2f\n", set.name.c_str(),
                median(ours), median(plain), median(ratios));
    for (const auto& [name, rates] : peers)
      std::printf("  %-14s %8.1f   ratio %.2f\n", name.c_str(), median(rates), median(ours) / median(rates));
  }

  if (minutes > 0) {
    make(path("part.mp4"), "640x360", 500, "-c:v libx264 -preset ultrafast -b:v 2M -g 50 -pix_fmt yuv420p");
    for (const char* const name : {"long.mp4", "long.mkv", "long.ts", "long.avi"}) {
      run("ffmpeg -nostdin -loglevel error -y -stream_loop " + std::to_string(minutes * 3 - 1) + " -i '" +
          path("part.mp4") + "' -c copy '" + path(name) + "'");
      std::optional<dvd::VideoFile> file;
      const double opening = seconds_of([&] { file.emplace(path(name)); });
      std::vector<double> start, end;
      for (int round = 0; round < rounds; ++round) {
        const auto read = [&](std::int64_t first) {
          return seconds_of([&] { file->read(first, frames_of_clip, 1, {.resolution = resolution}); });
        };
        start.push_back(read(20));
        end.push_back(read(file->info().frames - 30));
      }
      std::printf("%s, %d minutes: opened in %.2f s; a clip from the start %.4f s, from the end %.4f s, ratio %.2f\n",
                  name, minutes, opening, median(start), median(end), median(end) / median(start));
      std::filesystem::remove(path(name));
    }
  }
  std::filesystem::remove_all(folder);
} catch (const std::exception& error) {
  std::fprintf(stderr, "video_files: %s\n", error.what());
  return 1;
}
