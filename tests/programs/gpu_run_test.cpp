// A run on a GPU as a user meets it: from there to the CPU and back, and what is made of its checkpoint on either.
// Where the programs have no GPU, that is said and nothing run.
#include <doctest/doctest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "dvd/io/safetensors.hpp"
#include "support/train_program.hpp"

namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

double mean_difference(const std::vector<float>& a, const std::vector<float>& b) {
  REQUIRE(a.size() == b.size());
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += std::abs(a[i] - b[i]);
  return sum / static_cast<double>(a.size());
}

/// Whether the programs find one.
bool there_is_a_gpu(const TemporaryFolder& folder) {
  const auto result = train(folder, tiny + "--device cuda --dry-run --out none");
  if (result.status == 0) return true;
  CAPTURE(result.errors);
  REQUIRE(failed_with(result, 2, "--device cpu"));
  MESSAGE("not run: the programs have no GPU here");
  return false;
}

}  // namespace

TEST_CASE("a run goes from a GPU to the CPU and back, in every precision") {
  const TemporaryFolder folder;
  if (!there_is_a_gpu(folder)) return;
  for (const std::string precision : {"float32", "tf32", "bfloat16"}) {
    CAPTURE(precision);
    const std::string run = "--out " + precision, gpu = "--device cuda --precision " + precision + " ";
    const auto begun = train(folder, tiny + gpu + "--seed 3 --steps 4 " + run);
    CAPTURE(begun.errors);
    REQUIRE(begun.status == 0);
    CHECK(has(begun.output, ", " + precision + "\n"));
    const auto config = nlohmann::json::parse(read_text(folder.path() / precision / "config.json"));
    CHECK(config["device"] == "cuda");
    CHECK(config["precision"] == precision);

    REQUIRE(train(folder, "--resume --steps 6 " + run).status == 0);  // on the GPU, as before
    REQUIRE(train(folder, "--resume --steps 7 --device cpu " + run).status == 0);
    REQUIRE(train(folder, "--resume --steps 9 " + gpu + run).status == 0);
    REQUIRE(train(folder, tiny + gpu + "--seed 3 --steps 2 --out parts-" + precision).status == 0);
    REQUIRE(train(folder, "--resume --steps 4 --out parts-" + precision).status == 0);
    REQUIRE(train(folder, tiny + gpu + "--seed 3 --steps 4 --out whole-" + precision).status == 0);
    const std::string last = "checkpoints/step-00000004.safetensors";
    CHECK(read_text(folder.path() / ("parts-" + precision) / last) ==
          read_text(folder.path() / ("whole-" + precision) / last));
  }
}

TEST_CASE("samples and predictions of a GPU are those of the CPU but for rounding") {
  const TemporaryFolder folder;
  if (!there_is_a_gpu(folder)) return;
  REQUIRE(train(folder, tiny + "--steps 2 --ema-start 0 --ema-decay 0.5 --out run").status == 0);
  const auto videos = [&](const std::string& more, const std::string& out) {
    const auto result = run_program(folder.path(), "sample_videos",
                                    "--checkpoint run --format safetensors --count 5 --out " + out + " " + more);
    CAPTURE(result.errors);
    REQUIRE(result.status == 0);
    return dvd::SafetensorsFile(folder.path() / out / "videos.safetensors").read<float>("videos");
  };
  for (const std::string request : {"", "--interpolate class --class 1,5 "}) {
    const auto cpu = videos(request, "cpu");
    CHECK(mean_difference(cpu, videos(request + "--device cuda", "float32")) < 1e-4);
    CHECK(mean_difference(cpu, videos(request + "--device cuda --precision bfloat16", "bfloat16")) < 0.02);
  }

  REQUIRE(
      train(folder, tiny + "--condition-frames 2 --steps 2 --device cuda --precision bfloat16 --out ahead").status ==
      0);
  REQUIRE_MESSAGE(std::system(("cd '" + folder.path().string() +
                               "' && ffmpeg -nostdin -loglevel error -y -f lavfi -i "
                               "testsrc2=size=32x32:rate=10:duration=1 -c:v mpeg4 film.avi")
                                  .c_str()) == 0,
                  "the ffmpeg program is needed: apt-get install ffmpeg");
  const auto predictions = [&](const std::string& more, const std::string& out) {
    const auto result = run_program(
        folder.path(), "predict_frames",
        "--checkpoint ahead --input film.avi --steps 5 --count 2 --format safetensors --out " + out + " " + more);
    CAPTURE(result.errors);
    REQUIRE(result.status == 0);
    return dvd::SafetensorsFile(folder.path() / out / "prediction.safetensors").read<float>("videos");
  };
  const auto cpu = predictions("", "cpu");
  CHECK(mean_difference(cpu, predictions("--device cuda", "float32")) < 1e-4);
  const auto coarse = predictions("--device cuda --precision bfloat16", "bfloat16");
  CHECK(mean_difference(cpu, coarse) < 0.02);
  for (std::size_t i = 0; i < 2 * 16 * 16; ++i) REQUIRE(coarse[i] == cpu[i]);  // the frames given, as they are
}
