// sample_videos as a user meets it: every format, given latents, interpolation, bad input.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "dvd/core/random.hpp"
#include "dvd/io/safetensors.hpp"
#include "support/run_program.hpp"

namespace {

/// A run of two steps, made once.
const std::filesystem::path& run_folder() {
  static const TemporaryFolder folder;
  static const bool made = [] {
    const auto result = run_program(folder.path(), "train_ucf101",
                                    "--resolution 16 --frames 3 --channels 1 --batch 2 --latent-dim 6 --embed-dim 5 "
                                    "--steps 2 --out run --ema-start 0 --ema-decay 0.5");
    std::filesystem::copy_file(folder.path() / "run/checkpoints/step-00000002.safetensors",
                               folder.path() / "model.safetensors");
    return result.status == 0;
  }();
  REQUIRE(made);
  return folder.path();
}

ProgramResult sample(const std::string& arguments) {
  return run_program(run_folder(), "sample_videos", "--checkpoint model.safetensors " + arguments);
}

std::vector<float> videos_of(const std::string& folder) {
  return dvd::SafetensorsFile(run_folder() / folder / "videos.safetensors").read<float>("videos");
}

}  // namespace

TEST_CASE("every format writes files, or says what it needs") {
  for (const std::string format : {"gif", "mp4", "png"}) {
    const auto result = sample("--class triangle-up --count 2 --out " + format + " --format " + format);
    CAPTURE(result.errors);
    if (format == "png" || with_video_files)
      REQUIRE(result.status == 0);
    else
      CHECK(failed_with(result, 2, "--format " + format + ": this build reads and writes no video files"));
  }
  CHECK(std::filesystem::file_size(run_folder() / "png/videos.png") > 100);
  CHECK(std::filesystem::exists(run_folder() / "gif") == with_video_files);
  if (!with_video_files) return;
  CHECK(std::filesystem::file_size(run_folder() / "gif/0001-triangle-up.gif") > 100);
  CHECK(std::filesystem::file_size(run_folder() / "mp4/all.mp4") > 100);
}

TEST_CASE("a safetensors file of videos holds what its reader needs, whatever the batch and the threads") {
  REQUIRE(sample("--format safetensors --count 14 --seed 3 --out a").status == 0);
  REQUIRE(sample("--format safetensors --count 14 --seed 3 --out b --threads 1").status == 0);
  const dvd::SafetensorsFile file(run_folder() / "a/videos.safetensors");
  CHECK(file.shape("videos") == std::vector<std::int64_t>{14, 3, 3, 16, 16});
  CHECK(file.shape("z") == std::vector<std::int64_t>{14, 6});
  CHECK(file.read<std::int64_t>("labels")[13] == 1);
  CHECK(read_text(run_folder() / "a/videos.safetensors") == read_text(run_folder() / "b/videos.safetensors"));

  SUBCASE("and its latents give the same videos again") {
    REQUIRE(sample("--format safetensors --latents a/videos.safetensors --out again").status == 0);
    CHECK(videos_of("a") == videos_of("again"));
  }
  SUBCASE("from the average, unless the live weights are asked for") {
    REQUIRE(sample("--format safetensors --count 14 --seed 3 --live --out live").status == 0);
    CHECK(videos_of("a") != videos_of("live"));
  }
  SUBCASE("truncation brings latents in") {
    REQUIRE(sample("--format safetensors --count 14 --seed 3 --threshold 0.5 --out near").status == 0);
    for (const float z : dvd::SafetensorsFile(run_folder() / "near/videos.safetensors").read<float>("z"))
      CHECK(std::abs(z) <= 0.5f);
    REQUIRE(sample("--format safetensors --count 14 --seed 3 --truncation 0 --out none").status == 0);
    for (const float z : dvd::SafetensorsFile(run_folder() / "none/videos.safetensors").read<float>("z"))
      CHECK(z == 0.0f);
  }
  SUBCASE("standing statistics are another choice") {
    REQUIRE(sample("--format safetensors --count 14 --seed 3 --standing 4 --out standing").status == 0);
    CHECK(videos_of("a") != videos_of("standing"));
  }
}

TEST_CASE("interpolation begins and ends where it should") {
  REQUIRE(sample("--interpolate class --class disc-left,3 --count 5 --seed 1 --format safetensors --out path").status ==
          0);
  REQUIRE(sample("--class 0 --count 1 --seed 1 --format safetensors --out from").status == 0);
  REQUIRE(sample("--class disc-down --count 1 --seed 1 --format safetensors --out to").status == 0);
  const auto path = videos_of("path"), from = videos_of("from"), to = videos_of("to");
  REQUIRE(path.size() == 5 * from.size());
  for (std::size_t i = 0; i < from.size(); ++i) {
    CHECK(path[i] == doctest::Approx(from[i]).epsilon(1e-4));
    CHECK(path[4 * from.size() + i] == doctest::Approx(to[i]).epsilon(1e-4));
  }
  CHECK(sample("--interpolate latent --class 2 --count 3 --format png --out latent").status == 0);
}

TEST_CASE("wrong requests end with one line and status 2, and touch nothing") {
  const std::pair<std::string, std::string> wrong[] = {
      {"--class 12", "--class"},           {"--class disc", "--class"},
      {"--class -1", "--class"},           {"--count -2", "--count"},
      {"--format tiff", "format"},         {"--truncation -1", "truncation"},
      {"--threshold 0.0001", "threshold"}, {"--latents missing", "missing"},
      {"--interpolate class", "--class"},  {"--interpolate time", "interpolate"},
      {"--device cuda:0", "--device"},     {"--latents model.safetensors", "z is missing"},
  };
  for (const auto& [arguments, text] : wrong) {
    CAPTURE(arguments);
    const auto result = sample(arguments + " --out nothing");
    CAPTURE(result.errors);
    CHECK(failed_with(result, 2, text));
  }
  CHECK(failed_with(run_program(run_folder(), "sample_videos", "--checkpoint none --out nothing"), 2, "none"));
  CHECK_FALSE(std::filesystem::exists(run_folder() / "nothing"));
}

TEST_CASE("damaged checkpoints end with one line and status 2") {
  const std::string good = read_text(run_folder() / "model.safetensors");
  for (std::uint64_t i = 0; i < 60; ++i) {
    const dvd::Random random = dvd::Random(5).stream(i);
    std::string bad = good;
    if (i % 2 == 0)
      bad.resize(static_cast<std::size_t>(random.below(0, static_cast<std::int64_t>(bad.size()))));
    else
      bad[static_cast<std::size_t>(random.below(0, 3000))] = static_cast<char>(random.below(1, 256));
    std::ofstream(run_folder() / "bad.safetensors", std::ios::binary) << bad;
    const auto result =
        run_program(run_folder(), "sample_videos", "--checkpoint bad.safetensors --count 1 --format png --out bad");
    CAPTURE(i);
    CAPTURE(result.errors);
    // A changed byte may hit a name that sampling does not need.
    const bool fine = result.status == 0 && result.errors.empty();
    const bool refused = failed_with(result, 2, "bad.safetensors");
    CHECK((fine || refused));
    if (i % 2 == 0) CHECK(refused);
  }
}

TEST_CASE("without a checkpoint, the model that comes with the program is sampled") {
  const auto result = run_program(run_folder(), "sample_videos", "--class disc-left --count 2 --out shipped");
  CAPTURE(result.errors);
  REQUIRE(result.status == 0);
  CHECK(result.output.find("2 videos of 16 frames of 64x64 pixels") != std::string::npos);
  CHECK(std::filesystem::file_size(run_folder() /
                                   (with_video_files ? "shipped/0001-disc-left.gif" : "shipped/videos.png")) > 500);
}

TEST_CASE("a run's folder stands for its newest checkpoint") {
  const auto result =
      run_program(run_folder(), "sample_videos", "--checkpoint run --format safetensors --count 2 --out newest");
  REQUIRE(result.status == 0);
  REQUIRE(sample("--format safetensors --count 2 --out file").status == 0);
  CHECK(videos_of("newest") == videos_of("file"));
  std::filesystem::create_directories(run_folder() / "empty");
  CHECK(failed_with(run_program(run_folder(), "sample_videos", "--checkpoint empty --out none"), 2, "no checkpoints"));
}

TEST_CASE("a generator saved in half precision is small and samples nearly the same") {
  REQUIRE(sample("--save-generator small.safetensors").status == 0);
  CHECK(std::filesystem::file_size(run_folder() / "small.safetensors") * 6 <
        std::filesystem::file_size(run_folder() / "model.safetensors"));
  REQUIRE(run_program(run_folder(), "sample_videos",
                      "--checkpoint small.safetensors --format safetensors --count 3 --out half")
              .status == 0);
  REQUIRE(sample("--format safetensors --count 3 --out full").status == 0);
  const auto half = videos_of("half"), full = videos_of("full");
  REQUIRE(half.size() == full.size());
  for (std::size_t i = 0; i < half.size(); ++i) REQUIRE(std::abs(half[i] - full[i]) < 0.02f);
}

TEST_CASE("damage and values that are not finite are refused") {
  std::string bytes = read_text(run_folder() / "model.safetensors");
  bytes[bytes.size() - 5] ^= 1;
  std::ofstream(run_folder() / "damaged.safetensors", std::ios::binary) << bytes;
  CHECK(failed_with(run_program(run_folder(), "sample_videos", "--checkpoint damaged.safetensors --out none"), 2,
                    "checksum"));
  dvd::SafetensorsWriter writer;
  const std::vector<float> z = {0, 0, std::numeric_limits<float>::infinity(), 0, 0, 0};
  const std::vector<std::int64_t> labels = {1};
  writer.add<float>("z", {1, 6}, z);
  writer.add<std::int64_t>("labels", {1}, labels);
  writer.write(run_folder() / "infinite.safetensors");
  CHECK(failed_with(sample("--latents infinite.safetensors --out none"), 2, "not finite"));
  CHECK(failed_with(sample("--latents infinite.safetensors --class 1 --out none"), 2, "--class"));
}
