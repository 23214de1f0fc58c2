// What it takes to make videos from a generator alone (ServedGenerator) beside the model that trains: how long a fresh
// process needs for its first video, and how many a second it makes then. Prints a table; the weights are random.
//
//     first sample    milliseconds of a whole process, of these two to be compared: one that loads the file and makes
//     one
//                     video, and one that does nothing
//     a second        videos, by calls for one and for many at a time from one thread, and for one at a time from eight
//
// Everything takes turns, so that all see the same machine; numbers are medians over the rounds.

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "dvd/device/cpu.hpp"
#include "dvd/io/generator_file.hpp"
#include "dvd/models/dvd_gan.hpp"
#include "dvd/training/checkpoint.hpp"

extern char** environ;

namespace {

using dvd::Index;
using Clock = std::chrono::steady_clock;
using Gan = dvd::DvdGan<float>;
using Served = dvd::ServedGenerator<Gan::Networks>;

struct Options {
  dvd::DvdGanConfig model = {.frames = 8, .resolution = 32, .channels = 8, .classes = 12};
  Index rounds = 9, batch = 8, calls = 8;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return (values[(values.size() - 1) / 2] + values[values.size() / 2]) / 2;
}

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/// Something that is measured, round after round.
struct Measured {
  std::string name;
  std::function<double()> measure;
  std::vector<double> values = {};
};

/// All in turns; the first round warms up.
void measure(std::vector<Measured>& all, Index rounds) {
  for (Index round = 0; round <= rounds; ++round)
    for (Measured& each : all) {
      const double value = each.measure();
      if (round > 0) each.values.push_back(value);
    }
}

/// What a process does that is asked for its first video.
const std::vector<std::pair<std::string, std::function<void(const std::string& path)>>>& first_samples() {
  static const std::vector<std::pair<std::string, std::function<void(const std::string&)>>> all = {
      {"nothing", [](const std::string&) {}},
      {"trainer",
       [](const std::string& path) {
         Gan gan(dvd::read_config(dvd::SafetensorsFile(path), path), dvd::Random::none());
         dvd::Trainer trainer(gan, {});
         dvd::load_checkpoint(path, trainer);
         gan.sample();
       }},
      {"served", [](const std::string& path) { dvd::load_served_generator<Gan::Networks>(path).sample(); }},
  };
  return all;
}

/// Milliseconds of a process of this program with these arguments.
double process_milliseconds(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "serving");
  std::vector<char*> pointers;
  for (std::string& each : arguments) pointers.push_back(each.data());
  pointers.push_back(nullptr);
  const auto start = Clock::now();
  pid_t child = 0;
  int status = 1;
  dvd::require(::posix_spawn(&child, "/proc/self/exe", nullptr, nullptr, pointers.data(), environ) == 0 &&
                   ::waitpid(child, &status, 0) == child && status == 0,
               "a process that makes a first video could not be run");
  return 1e3 * seconds_since(start);
}

void first_sample(const Options& options, const std::filesystem::path& folder) {
  const std::string checkpoint = (folder / "checkpoint").string(), alone = (folder / "alone").string(),
                    half = (folder / "half").string();
  const auto of = [](const std::string& what, const std::string& path) {
    return [what, path] { return process_milliseconds({"--first", what, "--file", path}); };
  };
  std::vector<Measured> all = {{"a process that does nothing", of("nothing", checkpoint)},
                               {"training model, of a checkpoint", of("trainer", checkpoint)},
                               {"served, of the same checkpoint", of("served", checkpoint)},
                               {"served, saved alone", of("served", alone)},
                               {"served, saved alone in half precision", of("served", half)}};
  measure(all, options.rounds);
  const auto mebibytes = [](const std::string& path) {
    return static_cast<double>(std::filesystem::file_size(path)) / (1 << 20);
  };
  const double sizes[] = {0, mebibytes(checkpoint), mebibytes(checkpoint), mebibytes(alone), mebibytes(half)};
  std::printf("\n| first sample | ms | file, MiB |\n|---|---|---|\n");
  for (std::size_t i = 0; i < all.size(); ++i)
    std::printf("| %s | %.1f | %.1f |\n", all[i].name.c_str(), median(all[i].values), sizes[i]);
}

/// Calls `call(number)` for 0 .. calls - 1, which make `videos` each; videos a second.
template <class Call>
double videos_a_second(Index calls, Index videos, const Call& call) {
  const auto start = Clock::now();
  for (Index number = 0; number < calls; ++number) call(number);
  return static_cast<double>(calls * videos) / seconds_since(start);
}

/// The same by as many calls from each of eight threads.
double videos_a_second_of_eight(const Served& served, Index calls) {
  const auto start = Clock::now();
  std::vector<std::thread> threads;
  for (Index thread = 0; thread < 8; ++thread)
    threads.emplace_back([&, thread] {
      for (Index number = 0; number < calls; ++number)
        served.sample({.label = thread, .seed = static_cast<std::uint64_t>(number)});
    });
  for (std::thread& thread : threads) thread.join();
  return static_cast<double>(8 * calls) / seconds_since(start);
}

void samples_a_second(const Options& options, Gan& gan, const Served& served) {
  const Index many = options.batch;
  const auto of = [&](auto& model, Index count) {
    return [&options, &model, count] {
      return videos_a_second(options.calls, count, [&](Index number) {
        dvd::Labels labels;
        for (Index n = 0; n < count; ++n) labels.push_back((number + n) % options.model.classes);
        model.sample({.labels = labels, .seed = static_cast<std::uint64_t>(number)});
      });
    };
  };
  std::vector<Measured> all = {{"training model", of(gan, 1)},
                               {"served", of(served, 1)},
                               {"training model", of(gan, many)},
                               {"served", of(served, many)},
                               {"served", [&] { return videos_a_second_of_eight(served, options.calls); }}};
  measure(all, options.rounds);
  const auto value = [&](std::size_t i) { return median(all[i].values); };
  std::printf("\n| videos a second | training model | served | times as many |\n|---|---|---|---|\n");
  std::printf("| one at a call | %.1f | %.1f | %.2f |\n", value(0), value(1), value(1) / value(0));
  std::printf("| %td at a call | %.1f | %.1f | %.2f |\n", many, value(2), value(3), value(3) / value(2));
  std::printf("| one at a call, eight threads | (one thread) %.1f | %.1f | %.2f |\n", value(0), value(4),
              value(4) / value(0));
}

/// A folder for the files, which goes with it.
struct Folder {
  std::filesystem::path path;

  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "dvd-serving-XXXXXX").string();
    dvd::require(::mkdtemp(name.data()) != nullptr, "no folder can be made as ", name);
    path = name;
  }
  ~Folder() {
    std::error_code error;
    std::filesystem::remove_all(path, error);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
};

void compare(const Options& options) {
  const Folder files;
  const std::filesystem::path& folder = files.path;
  Gan gan(options.model, 1);
  {
    dvd::Trainer trainer(gan, {});
    dvd::save_checkpoint(folder / "checkpoint", trainer);
  }
  dvd::save_generator(folder / "alone", gan.average);
  dvd::save_generator(folder / "half", gan.average, {.half = true});
  const dvd::DvdGanConfig& model = options.model;
  std::printf("%td/%td/%td, %td classes, %zu threads\n", model.resolution, model.frames, model.channels, model.classes,
              tbb::global_control::active_value(tbb::global_control::max_allowed_parallelism));
  first_sample(options, folder);
  samples_a_second(options, gan, Served(gan.average));
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  Index threads = 0;
  std::string first, file;
  CLI::App app("Time to the first video and videos a second: a generator alone beside the training model.", "serving");
  app.add_option("--resolution", options.model.resolution, "pixels, even and at least 8")->capture_default_str();
  app.add_option("--frames", options.model.frames, "frames of a video")->capture_default_str();
  app.add_option("--channels", options.model.channels, "width multiplier ch")->capture_default_str();
  app.add_option("--batch", options.batch, "videos at a call, where they are many")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  app.add_option("--calls", options.calls, "calls that a number is the mean of")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  app.add_option("--rounds", options.rounds, "rounds, of which medians are printed")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  app.add_option("--threads", threads, "threads to compute on; 0 means all cores")->check(CLI::Range(0, 4096));
  app.add_option("--first", first, "for its own processes")->group("");
  app.add_option("--file", file, "for its own processes")->group("");
  CLI11_PARSE(app, argc, argv);
  try {
    const dvd::ThreadLimit limit(threads);
    for (const auto& [name, make] : first_samples())
      if (name == first) {
        make(file);
        return 0;
      }
    compare(options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "serving: %s\n", error.what());
    return 1;
  }
}
