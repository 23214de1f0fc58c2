// What prepare_videos is asked for.
#pragma once

#include <dvd/data/prepare_set.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "../common/program.hpp"
#include "../common/sizes.hpp"

namespace examples {

struct PrepareVideosOptions {
  std::string data, out;
  std::vector<std::string> splits;
  std::string resolution = "64";
  dvd::VideoSetFormat format;
  std::string shard;
  std::vector<std::string> merge;
  bool check = false;
  std::string json;
  std::int64_t frames = 1, stride = 1;
  std::int64_t threads = 0;
  bool quiet = false;
};

/// Declares all flags on `app`.
inline void add_options(CLI::App& app, PrepareVideosOptions& options) {
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);  // a later flag overrides
  app.set_version_flag("--version", std::string(dvd::version));
  app.add_flag("--quiet", options.quiet, "print nothing but errors, and what --check finds");
  app.add_option("--threads", options.threads, "videos decoded at a time; 0 means as many as there are cores")
      ->check(CLI::Range(0, 4096))
      ->capture_default_str();

  auto* prepare = app.add_option_group("prepare");
  auto* data = prepare->add_option("--data", options.data, "folder of videos, as train_ucf101 takes it");
  auto* out = prepare->add_option("--out", options.out, "folder of the set");
  auto* split = prepare
                    ->add_option("--split", options.splits,
                                 "list of the videos to take, such as trainlist01.txt; may be given several times. The "
                                 "set remembers which list a video is in; without lists it takes them all")
                    ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
                    ->needs(data);
  auto* resolution =
      prepare->add_option("--resolution", options.resolution, "pixels: one number, or HEIGHTxWIDTH as in 64x96")
          ->type_name("PIXELS")
          ->capture_default_str();
  auto* channels = prepare->add_option("--image-channels", options.format.channels, "3: RGB; 1: grey")
                       ->check(CLI::IsMember({1, 3}))
                       ->capture_default_str();
  auto* rate = prepare
                   ->add_option("--fps", options.format.frames_per_second,
                                "frames a second: of each instant the last frame that is not after it; 0: every frame")
                   ->check(CLI::Range(0.0, 1000.0))
                   ->capture_default_str();
  auto* position = prepare
                       ->add_option("--position", options.format.position,
                                    "where the part that is kept lies along the side that is cut: 0 left or top, 1 "
                                    "right or bottom")
                       ->check(CLI::Range(0.0, 1.0))
                       ->capture_default_str();
  auto* shard = prepare
                    ->add_option("--shard", options.shard,
                                 "I/N: prepare part I of N only, into a folder of its own; --merge joins the parts")
                    ->type_name("I/N");

  auto* merge = app.add_option_group("merge")
                    ->add_option("--merge", options.merge, "folders of all parts, to be joined into the set --out")
                    ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
                    ->needs(out);
  for (auto* other : {data, split, resolution, channels, rate, position, shard}) merge->excludes(other);

  auto* doctor = app.add_option_group("check");
  auto* check = doctor->add_flag("--check", options.check, "decode everything and say what is wrong; no set is made")
                    ->needs(data);
  for (auto* other : {out, resolution, channels, rate, position, shard, merge}) check->excludes(other);
  doctor->add_option("--json", options.json, "file to write the same to, and more, as JSON")->needs(check);
  doctor->add_option("--frames", options.frames, "frames of the clips that are wanted: who has fewer is too short")
      ->check(CLI::Range(1, 1'000'000))
      ->needs(check)
      ->capture_default_str();
  doctor->add_option("--stride", options.stride, "of a video's frames, a clip takes every K-th")
      ->check(CLI::Range(1, 1'000'000))
      ->needs(check)
      ->capture_default_str();
}

/// Reads what the parser has left as text. Throws ArgumentError where it makes no sense.
inline void finish_options(PrepareVideosOptions& options) {
  dvd::require(
      !options.data.empty() || !options.merge.empty(),
      "what is to be prepared? expected --data DIR --out SET, --check --data DIR, or --merge PART... --out SET");
  dvd::require(!options.out.empty() || options.check, "--out SET is missing: the folder for the set");
  const std::vector<dvd::Index> sides = read_numbers(options.resolution, 'x');
  dvd::require(!sides.empty() && sides.size() <= 2 && sides.front() > 0 && sides.back() > 0, "--resolution ",
               options.resolution, " is neither a number of pixels, such as 64, nor HEIGHTxWIDTH, such as 64x96");
  options.format.height = sides.front();
  options.format.width = sides.back();
  if (options.shard.empty()) return;
  const std::vector<dvd::Index> part = read_numbers(options.shard, '/');
  dvd::require(part.size() == 2 && part[0] >= 1 && part[0] <= part[1], "--shard ", options.shard,
               " is no part of a whole (expected I/N such as 2/8, with I from 1 to N)");
  options.format.part = part[0];
  options.format.parts = part[1];
}

/// The videos that are asked for.
inline dvd::SetSources find_sources(const PrepareVideosOptions& options) {
  dvd::require(std::filesystem::is_directory(options.data), "--data ", options.data,
               std::filesystem::exists(options.data) ? " is not a folder" : ": no such folder",
               "; expected a folder of videos");
  dvd::require(!dvd::is_video_set(options.data), "--data ", options.data,
               " is a prepared set; expected the folder of videos that it is made from");
  return dvd::find_set_sources(options.data, {options.splits.begin(), options.splits.end()}, options.format.part,
                               options.format.parts);
}

}  // namespace examples
