// prepare_videos from the outside: killed at any moment, on a full disk, in parts, as a doctor, and what is made of its
// sets.
#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <thread>

#include "support/failing_disk.hpp"
#include "support/run_program.hpp"
#include "support/train_program.hpp"
#include "support/video_fixtures.hpp"

namespace fs = std::filesystem;

namespace {

ProgramResult prepare(const TemporaryFolder& folder, const std::string& arguments) {
  return run_program(folder.path(), "prepare_videos", arguments);
}

// The same with something in front of the program's name, such as variables of its environment.
ProgramResult prepare_under(const TemporaryFolder& folder, const std::string& environment,
                            const std::string& arguments) {
  const std::string command = "( cd '" + folder.path().string() + "' && " + environment +
                              "'" DVD_TEST_PROGRAMS "/prepare_videos' " + arguments +
                              " </dev/null >output 2>errors; exit $? ) 2>/dev/null";
  const int status = std::system(command.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), read_text(folder.path() / "output"),
          read_text(folder.path() / "errors")};
}

void make_videos(const TemporaryFolder& folder, int videos = 6, int frames = 5) {
  for (int i = 0; i < videos; ++i) {
    const fs::path path = folder.path() / "data" / (i % 2 ? "walk" : "run") / ("v" + std::to_string(i) + ".avi");
    fs::create_directories(path.parent_path());
    dvd::testing::encode_clip(path, dvd::testing::numbered_clip(frames + i), "-c:v mpeg4 -q:v 2");
  }
}

std::map<std::string, std::string> bytes_in(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    files[entry.path().lexically_relative(folder)] = entry.is_regular_file() ? read_text(entry.path()) : "";
  return files;
}

bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

const std::string to_set = "--data data --resolution 16 --out ";

}  // namespace

TEST_CASE("a set is prepared, told about, and brought up to date") {
  const TemporaryFolder folder;
  make_videos(folder);
  dvd::testing::write_bytes(folder.path() / "data/run/broken.avi", "no video");
  const auto first = prepare(folder, to_set + "set");
  CAPTURE(first.output);
  CAPTURE(first.errors);
  REQUIRE(first.status == 0);
  CHECK(holds(first.output, "7 videos in 2 classes; to decode: 7"));
  CHECK(holds(first.output, "are free"));
  CHECK(holds(first.output, "6 videos, 45 frames"));
  CHECK(holds(first.output, "train_ucf101 --data set --resolution 16"));
  CHECK(holds(first.errors, "warning: run/broken.avi: "));
  CHECK(fs::exists(folder.path() / "set/index.safetensors"));
  const auto again = prepare(folder, to_set + "set --quiet");
  CHECK(again.status == 0);
  CHECK(again.output.empty());
  CHECK(again.errors.empty());
  fs::remove(folder.path() / "data/run/v0.avi");
  dvd::testing::encode_clip(folder.path() / "data/walk/new.avi", dvd::testing::numbered_clip(8), "-c:v mpeg4");
  const auto update = prepare(folder, to_set + "set");
  CHECK(update.status == 0);
  CHECK(holds(update.output, "1 decoded, 6 kept, 1 gone"));
}

TEST_CASE("killed at any action on the disk, the same command ends with the same bytes") {
  const TemporaryFolder folder;
  const FailingDisk disk(folder.path(), "/cut");
  if (!disk.works()) {
    MESSAGE("not run: there is no C compiler");
    return;
  }
  make_videos(folder);
  REQUIRE(prepare(folder, to_set + "whole --threads 1").status == 0);
  const auto whole = bytes_in(folder.path() / "whole");
  int killed = 0;
  for (int action = 1; action < 400; action += 5) {
    fs::remove_all(folder.path() / "cut");
    const auto result =
        prepare_under(folder, disk.killed_at(action), to_set + "cut --threads " + std::to_string(1 + action % 2));
    if (result.status == 0) break;
    ++killed;
    // A second time, not far from there.
    prepare_under(folder, disk.killed_at(3 + action % 4), to_set + "cut --threads 2");
    const auto rest = prepare(folder, to_set + "cut --threads " + std::to_string(1 + action % 3));
    CAPTURE(action);
    CAPTURE(rest.errors);
    CHECK(rest.status == 0);
    CHECK(bytes_in(folder.path() / "cut") == whole);
  }
  CHECK(killed > 5);
}

TEST_CASE("killed at random times by a signal, the same bytes") {
  const TemporaryFolder folder;
  make_videos(folder, 8, 40);
  REQUIRE(prepare(folder, to_set + "whole").status == 0);
  for (int round = 0; round < 4; ++round) {
    for (int wait = 5; wait < 60; wait += 9 + round) {
      const BackgroundProgram program(folder.path(), "prepare_videos", to_set + "cut --threads 2");
      std::this_thread::sleep_for(std::chrono::milliseconds(wait));
      program.send(SIGKILL);
      program.result();
    }
    CHECK(prepare(folder, to_set + "cut").status == 0);
    CHECK(bytes_in(folder.path() / "cut") == bytes_in(folder.path() / "whole"));
    fs::remove_all(folder.path() / "cut");
  }
}

TEST_CASE("a full disk is said in one line, leaves nothing half-written, and is gone on from") {
  const TemporaryFolder folder;
  const FailingDisk disk(folder.path(), "/cut");
  if (!disk.works()) {
    MESSAGE("not run: there is no C compiler");
    return;
  }
  make_videos(folder);
  REQUIRE(prepare(folder, to_set + "whole").status == 0);
  int failed = 0;
  for (int action = 1; action < 400; action += 9) {
    const auto result = prepare_under(folder, disk.full_from(action), to_set + "cut --threads 2");
    if (result.status == 0) break;
    CAPTURE(result.errors);
    CHECK(failed_with(result, 1, "No space left on device"));
    CHECK(holds(result.errors, "run the same command again"));
    for (const auto& entry : fs::recursive_directory_iterator(folder.path() / "cut"))
      CHECK(!holds(entry.path().string(), ".partial-"));
    ++failed;
  }
  CHECK(failed > 2);
  CHECK(prepare(folder, to_set + "cut").status == 0);
  CHECK(bytes_in(folder.path() / "cut") == bytes_in(folder.path() / "whole"));
}

TEST_CASE("what has no room is not begun") {
  const TemporaryFolder folder;
  make_videos(folder, 2, 250);
  for (int i = 0; i < 400; ++i)
    fs::copy_file(folder.path() / "data/run/v0.avi", folder.path() / "data/run" / ("w" + std::to_string(i) + ".avi"));
  const auto result = prepare(folder, "--data data --resolution 8192 --out set");
  CAPTURE(result.errors);
  CHECK(failed_with(result, 2, "make room"));
  CHECK(!fs::exists(folder.path() / "set"));
}

TEST_CASE("Ctrl-C stops a preparation, and the same command goes on") {
  const TemporaryFolder folder;
  make_videos(folder, 4, 200);
  const BackgroundProgram program(folder.path(), "prepare_videos", to_set + "set --threads 1");
  for (int i = 0; i < 500 && !fs::exists(folder.path() / "set/unfinished/plan.json"); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  program.send(SIGINT);
  const auto stopped = program.result();
  if (stopped.status != 0) {
    CHECK(failed_with(stopped, 1, "the same command goes on"));
    const auto training = train(folder, tiny + "--data set --steps 1 --out run");
    CHECK(failed_with(training, 2, "preparation has not ended"));
  }
  CHECK(prepare(folder, to_set + "set").status == 0);
}

TEST_CASE("parts of several machines make the set of one") {
  const TemporaryFolder folder;
  make_videos(folder, 7);
  REQUIRE(prepare(folder, to_set + "whole").status == 0);
  for (const char* part : {"1", "2"})
    REQUIRE(prepare(folder, to_set + "part" + part + " --shard " + part + "/2").status == 0);
  CHECK(failed_with(prepare(folder, "--merge part1 --out set"), 2, "part 2/2 is missing"));
  CHECK(failed_with(prepare(folder, "--merge part1 part1 part2 --out set"), 2, "expected each part once"));
  CHECK(!fs::exists(folder.path() / "set"));
  const auto merged = prepare(folder, "--merge part2 part1 --out set");
  CAPTURE(merged.errors);
  CHECK(merged.status == 0);
  CHECK(holds(merged.output, "7 videos, 56 frames"));
  CHECK(prepare(folder, to_set + "set").output.find("7 of them in the set as they are") != std::string::npos);
}

TEST_CASE("wrong command lines are refused before anything is touched") {
  const TemporaryFolder folder;
  make_videos(folder, 2);
  REQUIRE(prepare(folder, to_set + "set").status == 0);
  const auto before = bytes_in(folder.path());
  CHECK(failed_with(prepare(folder, ""), 2, "what is to be prepared?"));
  CHECK(failed_with(prepare(folder, "--data data"), 2, "--out SET is missing"));
  CHECK(failed_with(prepare(folder, "--data data --out data/run/v0.avi/x"), 2, "lies within"));
  CHECK(failed_with(prepare(folder, "--data data --out set/index.safetensors"), 2, "is not a folder"));
  CHECK(failed_with(prepare(folder, "--data nothing --out new"), 2, "--data nothing: no such folder"));
  CHECK(failed_with(prepare(folder, "--data set --out new"), 2, "is a prepared set"));
  CHECK(failed_with(prepare(folder, "--data data --out new --resolution 12y"), 2, "--resolution 12y is neither"));
  CHECK(failed_with(prepare(folder, "--data data --out new --resolution 9000"), 2, "9000x9000"));
  CHECK(failed_with(prepare(folder, "--data data --out new --image-channels 2"), 2, "--image-channels"));
  CHECK(failed_with(prepare(folder, "--data data --out new --shard 3/2"), 2, "--shard 3/2 is no part"));
  CHECK(failed_with(prepare(folder, "--data data --out new --shard 2"), 2, "--shard 2 is no part"));
  CHECK(failed_with(prepare(folder, "--data data --out new --split none.txt"), 2, "none.txt"));
  CHECK(failed_with(prepare(folder, "--data data --out data/set"), 2, "lies within the folder of the videos"));
  CHECK(failed_with(prepare(folder, "--data data --out set --resolution 32"), 2, "--resolution 16x16, not with 32x32"));
  CHECK(failed_with(prepare(folder, "--data data --check --out new"), 2, "--out"));
  CHECK(failed_with(prepare(folder, "--data data --out new --json x"), 2, "--check"));
  CHECK(bytes_in(folder.path()) == before);
}

TEST_CASE("the doctor writes nothing but its report") {
  const TemporaryFolder folder;
  make_videos(folder);
  dvd::testing::write_bytes(folder.path() / "data/run/broken.avi", "no video");
  dvd::testing::write_bytes(folder.path() / "data/run/empty.avi", "");
  fs::copy_file(folder.path() / "data/run/v0.avi", folder.path() / "data/walk/copy.avi");
  dvd::testing::make_video(folder.path() / "data/walk/wide.avi", 9, "96x48", "-c:v mpeg4");
  dvd::testing::write_bytes(folder.path() / "train.txt",
                            "run/v0.avi\nwalk/v1.avi\nrun/v2.avi\nwalk/v3.avi\nrun/gone.avi\nrun/broken.avi\n");
  dvd::testing::write_bytes(folder.path() / "test.txt", "walk/copy.avi\nwalk/wide.avi\n");
  const auto before = bytes_in(folder.path());
  const auto plain = prepare(folder, "--check --data data --frames 4 --stride 2 --split train.txt --split test.txt");
  CAPTURE(plain.output);
  CAPTURE(plain.errors);
  REQUIRE(plain.status == 0);
  CHECK(bytes_in(folder.path()) == before);
  CHECK(holds(plain.output, "undecodable: 1"));
  CHECK(holds(plain.output, "run/broken.avi: "));
  CHECK(holds(plain.output, "too short: 3"));
  CHECK(holds(plain.output, "run/v0.avi: 5 frames"));
  CHECK(holds(plain.output, "  run/v0.avi  (in different splits)\n    = walk/copy.avi\n"));
  CHECK(holds(plain.output, "96x48              1  walk/wide.avi"));
  CHECK(holds(plain.output, "listed, but not there: 1"));
  CHECK(holds(plain.output, "there, but in none of the lists: "));
  const auto report = prepare(folder, "--check --data data --json report.json --quiet");
  CHECK(report.status == 0);
  const auto json = nlohmann::json::parse(read_text(folder.path() / "report.json"));
  CHECK(json["totals"]["undecodable"] == 2);
  CHECK(json["totals"]["duplicates"] == 1);
  CHECK(json["classes"].size() == 2);
  CHECK(json["videos"].size() == json["totals"]["videos"]);
}

TEST_CASE("train_ucf101 takes a set where it takes a folder, and the same clips whatever the threads") {
  const TemporaryFolder folder;
  make_videos(folder);
  dvd::testing::write_bytes(folder.path() / "train.txt", "run/v0.avi\nwalk/v1.avi\nwalk/v3.avi\n");
  REQUIRE(prepare(folder, to_set + "set --split train.txt").status == 0);
  const std::string run = tiny + "--data set --split train.txt --stride 2 --steps 3 --seed 4 ";
  const auto first = train(folder, run + "--threads 1 --out a");
  CAPTURE(first.errors);
  CAPTURE(first.output);
  REQUIRE(first.status == 0);
  CHECK(holds(first.output, "a prepared set of 3 videos, 0 skipped"));
  REQUIRE(train(folder, run + "--threads 2 --loader-threads 3 --out b").status == 0);
  const std::string last = "checkpoints/step-00000003.safetensors";
  CHECK(read_text(folder.path() / "a" / last).size() > 1000);
  const auto config = nlohmann::json::parse(read_text(folder.path() / "a/config.json"));
  CHECK(config["data"] == "set");
  CHECK(config["prepared_set"]["height"] == 16);
  CHECK(holds(read_text(folder.path() / "a/report.html"), "prepared_set"));
  CHECK(train(folder, "--resume --out a --steps 4").status == 0);
  CHECK(failed_with(train(folder, "--data set --out c --frames 2"), 2,
                    "is a set of 16x16 pixels, and the model is to make 32x32 pixels; give --resolution 16"));
  CHECK(failed_with(train(folder, tiny + "--data set --out c --image-channels 1"), 2, "--image-channels 3"));
  CHECK(failed_with(train(folder, tiny + "--data set --out c --split no.txt"), 2,
                    "was prepared without the split no.txt"));
  CHECK(!fs::exists(folder.path() / "c"));
}
