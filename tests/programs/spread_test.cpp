// sample_videos, predict_frames, evaluate_videos and the scores of train_ucf101 on several ranks: the same, to the last
// bit, as by one process; and one message where something goes wrong.
#include <doctest/doctest.h>

#ifdef DVD_TEST_MPIEXEC
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "dvd/data/moving_shapes.hpp"
#include "dvd/device/cpu.hpp"
#include "dvd/io/clip_tensor.hpp"
#include "dvd/io/safetensors.hpp"
#include "dvd/training/checkpoint.hpp"
#include "dvd/training/trainer.hpp"
#include "support/run_program.hpp"
#ifdef DVD_WITH_VIDEO
#include "dvd/io/video_writer.hpp"
#endif

namespace {

/// Moving shapes of all classes in turn.
std::vector<dvd::Clip> shapes(dvd::Index count, dvd::Index frames) {
  const dvd::MovingShapes source({.frames = frames, .resolution = 16});
  std::vector<dvd::Clip> clips;
  for (dvd::Index i = 0; i < count; ++i)
    clips.push_back(source.draw(dvd::Random(5).stream(static_cast<std::uint64_t>(i)), i % 12).clip);
  return clips;
}

/// A folder with models that nobody has trained, and with videos.
const std::filesystem::path& work() {
  static const TemporaryFolder folder;
  static const bool made = [] {
    dvd::DvdGanConfig config{.frames = 4,
                             .resolution = 16,
                             .channels = 2,
                             .classes = 12,
                             .latent_dim = 8,
                             .embed_dim = 6,
                             .spatial_frames = 2};
    const auto save = [&](const std::string& name) {
      dvd::DvdGan<float> gan(config, dvd::Random(1));
      dvd::Trainer trainer(gan, {.batch = 2});
      dvd::save_checkpoint(folder.path() / name, trainer);
    };
    save("model.safetensors");
    config.condition_frames = 2;
    save("prediction.safetensors");

    const std::vector<dvd::Clip> clips = shapes(23, 4);
    const std::vector<float> values = dvd::to_file_order(dvd::to_tensor<float>(clips));
    std::vector<std::int64_t> labels;
    for (std::int64_t i = 0; i < 23; ++i) labels.push_back(i % 12);
    dvd::SafetensorsWriter writer;
    writer.add<float>("videos", {23, 4, 3, 16, 16}, values);
    writer.add<std::int64_t>("labels", {23}, labels);
    writer.write(folder.path() / "clips.safetensors");
#ifdef DVD_WITH_VIDEO
    dvd::write_mp4(folder.path() / "clip.mp4", shapes(1, 20).front(), 10);
#endif
    return true;
  }();
  REQUIRE(made);
  return folder.path();
}

/// Runs what a launcher is told, such as "-n 2 PROGRAM". Whatever happens, all have ended within the minutes of
/// `timeout`.
ProgramResult launch(const std::string& told) {
  return run_command(work(), "timeout 240 '" DVD_TEST_MPIEXEC "' " + told);
}

std::string path_of(const std::string& program) { return "'" DVD_TEST_PROGRAMS "/" + program + "' "; }

/// What a folder holds: the bytes of every file.
std::map<std::string, std::string> files_in(const std::string& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(work() / folder))
    files[entry.path().filename().string()] = read_text(entry.path());
  return files;
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

/// What a program has said, but for lines of progress, which it shows on a terminal; a launcher may give it one.
std::string without_progress(const std::string& output) {
  std::istringstream lines(output);
  std::string said;
  for (std::string line; std::getline(lines, line);)
    if (line.find(" clips/s") == std::string::npos) said += line + "\n";
  return said;
}

/// Runs a program alone and on so many ranks, in folders `name`-1, `name`-2, ..., and compares what it leaves and says.
void check_same(const std::string& program, const std::string& name, const std::string& arguments,
                const std::vector<std::string>& sizes) {
  CAPTURE(program);
  CAPTURE(arguments);
  const ProgramResult alone = run_program(work(), program, arguments + " --out " + name + "-1");
  CAPTURE(alone.errors);
  REQUIRE(alone.status == 0);
  const auto files = files_in(name + "-1");
  REQUIRE(!files.empty());
  for (const std::string& size : sizes) {
    const std::string folder = name + "-" + size;
    const ProgramResult result = launch("-n " + size + " " + path_of(program) + arguments + " --out " + folder);
    CAPTURE(result.errors);
    REQUIRE(result.status == 0);
    const auto same = files_in(folder);
    REQUIRE(same.size() == files.size());
    for (const auto& [file, bytes] : files) {
      CAPTURE(file);
      REQUIRE(same.contains(file));
      CHECK(same.at(file) == bytes);
    }
    // Rank 0 alone speaks, as the program does alone; but for the folder, whose name is its own.
    std::string said = without_progress(result.output);
    for (std::size_t at = said.find(folder); at != std::string::npos; at = said.find(folder))
      said.replace(at, folder.size(), name + "-1");
    CHECK(said == without_progress(alone.output));
  }
}

}  // namespace

TEST_CASE("sampling") {
  const std::string from = "--checkpoint model.safetensors ";
  check_same("sample_videos", "numbers", from + "--format safetensors --count 7 --batch 2 --standing 1", {"2", "3"});
  check_same("sample_videos", "picture", from + "--format png --interpolate class --class 1,4 --count 5 --batch 3",
             {"2"});
  check_same("sample_videos", "fewer", from + "--format safetensors --count 2 --batch 2", {"3"});
  if (!with_video_files) return;
  check_same("sample_videos", "files", from + "--format gif --count 5 --batch 2", {"3"});
}

#ifdef DVD_WITH_VIDEO
TEST_CASE("prediction") {
  check_same("predict_frames", "continuations",
             "--checkpoint prediction.safetensors --input clip.mp4 --count 5 --steps 6 --batch 2", {"2", "3"});
  // Latents belong to their continuation, whatever it is computed with.
  const std::string all =
      "--checkpoint prediction.safetensors --input clip.mp4 --count 5 --steps 6 --batch 5 --out all";
  REQUIRE(run_program(work(), "predict_frames", all).status == 0);
  const dvd::SafetensorsFile together(work() / "all/prediction.safetensors"),
      apart(work() / "continuations-1/prediction.safetensors");
  CHECK(together.read<float>("z") == apart.read<float>("z"));
  const std::vector<float> a = together.read<float>("videos"), b = apart.read<float>("videos");
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) REQUIRE(a[i] == doctest::Approx(b[i]).epsilon(1e-4));
}
#endif

TEST_CASE("scores of a model, and whether it has learned by heart") {
  check_same("evaluate_videos", "scores",
             "--fake model.safetensors --frames 4 --fake-clips 13 --real-clips 18 --repeats 2 --batch 4 --cache none "
             "--memorisation 7 --memorisation-clips 21",
             {"2", "3"});
  check_same("evaluate_videos", "sweep",
             "--fake model.safetensors --frames 4 --fake-clips 6 --real-clips 6 --batch 4 --cache none "
             "--truncation-sweep 0.5,1",
             {"2"});
}

TEST_CASE("scores of videos, and what is kept of real ones") {
  const std::string arguments =
      "--fake clips.safetensors --frames 4 --resolution 16 --fake-clips 23 --real-clips 14 --batch 5 ";
  const auto kept_by = [&](const std::string& cache, const ProgramResult& result) {
    CAPTURE(result.errors);
    REQUIRE(result.status == 0);
    return files_in(cache);
  };
  const auto alone =
      kept_by("cache-1", run_program(work(), "evaluate_videos", arguments + "--cache cache-1 --out kept-1"));
  const std::string program = path_of("evaluate_videos") + arguments;
  const auto two = kept_by("cache-2", launch("-n 2 " + program + "--cache cache-2 --out kept-2"));
  CHECK(!alone.empty());
  CHECK(alone == two);
  // Found by others, it is as good as made anew.
  kept_by("cache-1", launch("-n 3 " + program + "--cache cache-1 --out kept-3"));
  CHECK(files_in("kept-1") == files_in("kept-2"));
  CHECK(files_in("kept-1") == files_in("kept-3"));
}

TEST_CASE("scores of a run in training") {
  const std::string arguments =
      "--resolution 16 --frames 4 --channels 1 --batch 3 --latent-dim 6 --embed-dim 5 --ema-start 0 --ema-decay 0.5 "
      "--reduce ordered --steps 2 --evaluate-every 1 --evaluate-clips 37 --keep-best ";
  const auto scores_of = [](const std::string& run, const ProgramResult& result) {
    CAPTURE(result.errors);
    REQUIRE(result.status == 0);
    std::istringstream log(read_text(work() / run / "log.jsonl"));
    std::vector<std::vector<double>> scores;
    for (std::string line; std::getline(log, line);) {
      const nlohmann::json json = nlohmann::json::parse(line);
      scores.emplace_back();
      for (const char* name : {"frechet_distance", "inception_score", "kernel_distance", "precision", "class_accuracy"})
        scores.back().push_back(json.at(name).get<double>());
    }
    return scores;
  };
  const auto alone = scores_of("run-1", run_program(work(), "train_ucf101", arguments + "--out run-1"));
  CHECK(alone.size() == 2);
  CHECK(scores_of("run-2", launch("-n 2 " + path_of("train_ucf101") + arguments + "--out run-2")) == alone);
  CHECK(scores_of("run-3", launch("-n 3 " + path_of("train_ucf101") + arguments + "--out run-3")) == alone);
  const auto best = [](const std::string& run) {
    return dvd::SafetensorsFile(work() / run / "best.safetensors").metadata().at("best");
  };
  CHECK(best("run-2") == best("run-1"));
}

TEST_CASE("an error ends all ranks with one message") {
  const auto check = [](const ProgramResult& result, const std::string& message) {
    CAPTURE(message);
    CAPTURE(result.errors);
    CHECK(result.status != 0);
    CHECK(result.status != 124);  // timeout's
    CHECK(count(result.errors, message) == 1);
    CHECK(result.output.empty());
  };
  const std::string sample =
      path_of("sample_videos") + "--checkpoint model.safetensors --format png --count 4 --batch 2 ";
  check(launch("-n 3 " + path_of("sample_videos") + "--checkpoint nowhere"), "sample_videos: nowhere: ");
  check(launch("-n 2 " + path_of("evaluate_videos") + "--frames many"),
        "evaluate_videos: Could not convert: --frames = many");
  // Of one rank, before anything is computed.
  std::ofstream(work() / "file") << "no folder";
  check(launch("-n 1 " + sample + "--out a : -n 1 " + sample + "--out file"),
        "sample_videos: rank 1: file: cannot create");
  CHECK(!std::filesystem::exists(work() / "a/videos.png"));
  const std::string evaluate = path_of("evaluate_videos") + "--frames 4 --cache none --fake ";
  check(launch("-n 1 " + evaluate + "clips.safetensors : -n 1 " + evaluate + "shapes --resolution 16"),
        "evaluate_videos: rank 1: it finds other generated clips than rank 0");
  // And in the midst of it: rank 1 makes videos 2 and 3.
  if (!with_video_files) return;
  std::filesystem::create_directories(work() / "taken/0002-2.gif");
  check(launch("-n 2 " + sample + "--format gif --out taken"), "sample_videos: rank 1: taken/0002-2.gif: ");
}

#else
#include <cstdio>

TEST_CASE("ranks") { std::puts("not run: MPI, or its launcher, was not found when this was built"); }

#endif
