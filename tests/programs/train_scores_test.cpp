// Scores while training: in the log, in the report, for TensorBoard, and the checkpoint that has the best one.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <vector>

#include "dvd/io/safetensors.hpp"
#include "support/train_program.hpp"

namespace {

using nlohmann::json;

constexpr const char* small =
    "--resolution 16 --frames 4 --channels 1 --batch 2 --latent-dim 6 --embed-dim 5 --ema-start 0 --ema-decay 0.5 "
    "--log-every 4 --sample-every 6 --checkpoint-every 6 ";
constexpr const char* scored = "--evaluate-every 3 --evaluate-clips 24 --keep-best --tensorboard ";

std::vector<std::filesystem::path> event_files(const std::filesystem::path& run) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(run / "tensorboard")) files.push_back(entry.path());
  return files;
}

}  // namespace

TEST_CASE("a run is scored as it goes, and keeps its best checkpoint") {
  const TemporaryFolder folder;
  const auto result = train(folder, std::string(small) + scored + "--steps 12 --out a");
  CAPTURE(result.errors);
  REQUIRE(result.status == 0);
  double best = 1e300;
  int best_step = 0;
  std::vector<int> steps;
  for (const json& line : log_of(folder.path() / "a")) {
    if (!line.contains("frechet_distance")) continue;
    steps.push_back(line["step"]);
    for (const char* name : {"inception_score", "kernel_distance", "precision", "recall", "class_accuracy"})
      CHECK(line.contains(name));
    if (line["frechet_distance"] < best) best = line["frechet_distance"], best_step = line["step"];
  }
  CHECK(steps == std::vector<int>{3, 6, 9, 12});
  const dvd::SafetensorsFile kept(folder.path() / "a/best.safetensors");
  const json said = json::parse(kept.metadata().at("best"));
  CHECK(said["value"] == best);
  CHECK(said["step"] == best_step);
  CHECK(result.output.find("best       a/best.safetensors, frechet distance") != std::string::npos);
  CHECK(read_text(folder.path() / "a/report.html").find("\"frechet_distance\"") != std::string::npos);

  SUBCASE("the best checkpoint is sampled and scored as any other") {
    CHECK(run_program(folder.path(), "sample_videos", "--checkpoint a/best.safetensors --format png --out samples")
              .status == 0);
  }
  SUBCASE("scores change no bit of what is trained") {
    REQUIRE(train(folder, std::string(small) + "--steps 12 --out plain").status == 0);
    const auto weights = [&](const std::string& run) {
      return dvd::SafetensorsFile(folder.path() / run / "checkpoints/step-00000012.safetensors")
          .read<float>("generator.input.weight");
    };
    CHECK(weights("a") == weights("plain"));
    CHECK(!std::filesystem::exists(folder.path() / "plain/tensorboard"));
  }
  SUBCASE("a run that stops and goes on has the same scores, and does not forget its best") {
    REQUIRE(train(folder, std::string(small) + scored + "--steps 6 --out b").status == 0);
    const auto resumed = train(folder, "--resume --out b --steps 12");
    CAPTURE(resumed.errors);
    REQUIRE(resumed.status == 0);
    const auto whole = log_of(folder.path() / "a"), parts = log_of(folder.path() / "b");
    REQUIRE(whole.size() == parts.size());
    for (std::size_t i = 0; i < whole.size(); ++i)
      for (const char* name : {"step", "frechet_distance", "class_accuracy", "scores_fingerprint"})
        CHECK(whole[i].value(name, json()) == parts[i].value(name, json()));
    CHECK(json::parse(dvd::SafetensorsFile(folder.path() / "b/best.safetensors").metadata().at("best")) == said);
    CHECK(event_files(folder.path() / "b").size() == 2);
  }
  SUBCASE("the same events are there for TensorBoard") {
    const auto files = event_files(folder.path() / "a");
    REQUIRE(files.size() == 1);
    const std::string events = read_text(files[0]);
    for (const char* tag :
         {"brain.Event:2", "loss/spatial", "evaluation/frechet_distance", "run/steps_per_second", "samples"})
      CHECK(events.find(tag) != std::string::npos);
  }
}

TEST_CASE("what cannot be scored is refused before anything is trained") {
  const TemporaryFolder folder;
  const auto refused = [&](const std::string& arguments, const std::string& text) {
    const auto result = train(folder, std::string(small) + "--steps 2 --out a " + arguments);
    CAPTURE(arguments);
    CAPTURE(result.errors);
    CHECK(failed_with(result, 2, text));
    CHECK(!std::filesystem::exists(folder.path() / "a/log.jsonl"));
  };
  refused("--keep-best", "--keep-best needs --evaluate-every");
  refused("--evaluate-every 1 --keep-best=beauty", "is none of frechet_distance");
  refused("--evaluate-every 1 --evaluate-protocol fvd", "there is no protocol fvd");
  refused("--evaluate-every 1 --evaluate-protocol fvd-ref", "wants clips of 16 frames");
  refused("--evaluate-every 1 --evaluate-protocol fid-dvdgan", "needs the weights of i3d k600-scratch");
}
