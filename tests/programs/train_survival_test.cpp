// What a run survives: being killed, damaged checkpoints, numbers that are not finite, files that vanish.
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "support/train_program.hpp"

namespace {

/// The same with a NaN to order; see examples/train_ucf101/poison.hpp.
ProgramResult train_poisoned(const TemporaryFolder& folder, const std::string& poison, const std::string& arguments) {
  setenv("DVD_TEST_POISON", poison.c_str(), 1);
  const ProgramResult result = train(folder, arguments);
  unsetenv("DVD_TEST_POISON");
  return result;
}

}  // namespace

TEST_CASE("killed again and again, a run ends with the bits of one that was not") {
  const TemporaryFolder folder;
  const std::string steps = tiny + "--steps 40 --checkpoint-every 3 --sample-every 1000 ";
  REQUIRE(train(folder, steps + "--threads 1 --out whole").status == 0);
  int step = 2;
  for (int i = 0; i < 5; ++i, step += 7) {
    const BackgroundProgram program(folder.path(), "train_ucf101",
                                    steps + "--out cut --resume --threads " + std::to_string(1 + i % 2));
    wait_for_step(folder.path() / "cut", step);
    program.send(SIGKILL);
    CHECK(program.result().status == 128 + SIGKILL);
  }
  const auto rest = train(folder, "--resume --out cut");
  CAPTURE(rest.errors);
  REQUIRE(rest.status == 0);
  const std::string last = "checkpoints/step-00000040.safetensors", bytes = read_text(folder.path() / "whole" / last);
  REQUIRE(bytes.size() > 1000);
  CHECK(read_text(folder.path() / "cut" / last) == bytes);
  CHECK(log_of(folder.path() / "cut").size() == 40);
  double seconds = 0;
  for (const auto& line : log_of(folder.path() / "cut")) {
    CHECK(line["seconds"] >= seconds);  // goes on, too
    seconds = line["seconds"];
  }
}

TEST_CASE("one flipped bit in the newest checkpoint is noticed, and the last whole one is never rotated away") {
  const TemporaryFolder folder;
  REQUIRE(train(folder, tiny + "--steps 6 --checkpoint-every 2 --out run").status == 0);
  const auto newest = folder.path() / "run/checkpoints/step-00000006.safetensors";
  std::string bytes = read_text(newest);
  bytes[bytes.size() - 99] ^= 4;
  std::ofstream(newest, std::ios::binary) << bytes;
  const auto result = train(folder, "--resume --out run --steps 5 --keep 1");
  CAPTURE(result.output);
  CHECK(result.status == 0);
  CHECK(result.output.find("checksum") != std::string::npos);
  CHECK(std::filesystem::exists(folder.path() / "run/checkpoints/step-00000005.safetensors"));
  CHECK(train(folder, "--resume --out run --steps 7").status == 0);
}

TEST_CASE("two processes do not work in one folder") {
  const TemporaryFolder folder;
  const BackgroundProgram program(folder.path(), "train_ucf101", tiny + "--steps 1000000 --out run");
  wait_for_step(folder.path() / "run", 1);
  CHECK(failed_with(train(folder, "--resume --out run"), 2, "another process"));
  program.send(SIGTERM);
  CHECK(program.result().status == 0);
  CHECK(train(folder, "--resume --out run --steps 1").status == 0);
}

TEST_CASE("a NaN in a weight: steps are left out, the run goes back and on") {
  const TemporaryFolder folder;
  const auto result = train_poisoned(folder, "generator.stages.0.gru.reset.weight@8",
                                     tiny + "--steps 12 --checkpoint-every 5 --sample-every 100 --out run");
  CAPTURE(result.errors);
  REQUIRE(result.status == 0);
  const std::string warnings = read_text(folder.path() / "run/warnings.log");
  CHECK(warnings.find("step 8: left out") != std::string::npos);
  CHECK(warnings.find("generator.stages.0.gru.reset.weight") != std::string::npos);
  CHECK(warnings.find("went back to step-00000005.safetensors (step 5)") != std::string::npos);
  const auto log = log_of(folder.path() / "run");
  REQUIRE(log.size() == 12);
  CHECK(log.back()["skipped_steps"] == 3);
  for (const auto& line : log)
    for (const auto& [name, value] : line.items()) CHECK_MESSAGE(value.is_number(), name);

  SUBCASE("with other draws than before, to the bit the same over a stop") {
    REQUIRE(train(folder, "--resume --out run --steps 14").status == 0);
    REQUIRE(train_poisoned(folder, "generator.stages.0.gru.reset.weight@8",
                           tiny + "--steps 14 --checkpoint-every 5 --sample-every 100 --out whole")
                .status == 0);
    const std::string last = "checkpoints/step-00000014.safetensors";
    CHECK(read_text(folder.path() / "run" / last) == read_text(folder.path() / "whole" / last));
    REQUIRE(train(folder, tiny + "--steps 14 --checkpoint-every 5 --sample-every 100 --out clean").status == 0);
    CHECK(read_text(folder.path() / "run" / last) != read_text(folder.path() / "clean" / last));
  }
}

TEST_CASE("a run that goes on in another folder has something to go back to there") {
  const TemporaryFolder folder;
  REQUIRE(train(folder, tiny + "--steps 4 --out a").status == 0);
  const auto result = train_poisoned(folder, "generator.input.bias@5",
                                     "--resume a/checkpoints/step-00000004.safetensors --out b --steps 8");
  CAPTURE(result.errors);
  CHECK(result.status == 0);
  CHECK(read_text(folder.path() / "b/warnings.log").find("went back to step-00000004") != std::string::npos);
}

TEST_CASE("a lost config.json is found again in the checkpoint") {
  const TemporaryFolder folder;
  const std::string run = tiny + "--seed 7 --batch 3 --lr-g 0.0003 --checkpoint-every 2 ";
  REQUIRE(train(folder, run + "--steps 6 --out whole").status == 0);
  REQUIRE(train(folder, run + "--steps 4 --out cut").status == 0);
  std::filesystem::remove(folder.path() / "cut/config.json");
  REQUIRE(train(folder, "--resume --out cut --steps 6").status == 0);
  const std::string last = "checkpoints/step-00000006.safetensors";
  CHECK(read_text(folder.path() / "cut" / last) == read_text(folder.path() / "whole" / last));
  CHECK(read_text(folder.path() / "cut/config.json") == read_text(folder.path() / "whole/config.json"));
}

TEST_CASE("a preset's falling learning rates fit a shorter run") {
  const TemporaryFolder folder;
  const auto result = train(folder, "--preset demo --steps 30 --dry-run");
  CHECK(result.status == 0);
  CHECK(result.output.find("\"lr_decay_from\": 20") != std::string::npos);
  CHECK(failed_with(train(folder, "--preset demo --steps 30 --lr-decay-from 40"), 2, "--lr-decay-from"));
}

TEST_CASE("learning rates stay, fall or warm up as they are told to, also when a run goes on") {
  const TemporaryFolder folder;
  const auto says = [&](const std::string& options, const std::string& text) {
    const auto result = train(folder, options + " --dry-run");
    return result.status == 0 && result.output.find(text) != std::string::npos;
  };
  CHECK(says("--steps 30", "\"lr_schedule\": \"constant\""));
  CHECK(says("--steps 30 --lr-decay-from 20", "\"lr_schedule\": \"linear\""));
  CHECK(says("--preset demo --steps 30 --lr-schedule constant", "\"lr_decay_from\": 0"));
  CHECK(failed_with(train(folder, "--lr-schedule constant --lr-decay-from 5"), 2, "leave one of them out"));
  CHECK(failed_with(train(folder, "--lr-schedule sawtooth"), 2, "--lr-schedule"));

  const std::string small = "--frames 2 --resolution 16 --channels 1 --batch 2 --log-every 1 --lr-g 1 --lr-d 1 ";
  REQUIRE(train(folder, small + "--out run --steps 4 --lr-schedule cosine --lr-warm-up 4").status == 0);
  const std::string log = read_text(folder.path() / "run/log.jsonl");
  for (const char* rate : {"\"lr_g\":0.42677", "\"lr_g\":0.37499", "\"lr_g\":0.14644"})
    CHECK_MESSAGE(log.find(rate) != std::string::npos, log);
}

TEST_CASE("before the first checkpoint, going back means to the beginning") {
  const TemporaryFolder folder;
  const auto result = train_poisoned(folder, "temporal.blocks.1.conv2.weight@2", tiny + "--steps 6 --out run");
  CHECK(result.status == 0);
  CHECK(read_text(folder.path() / "run/warnings.log").find("the beginning (step 0)") != std::string::npos);
}

TEST_CASE("where going back does not help, the run stops and names the layer; its checkpoints stay") {
  const TemporaryFolder folder;
  const auto result = train_poisoned(folder, "spatial.blocks.1.conv1.weight@8+",
                                     tiny + "--steps 12 --checkpoint-every 5 --sample-every 100 --out run");
  CHECK(failed_with(result, 1, "spatial.blocks.1.conv1.weight"));
  CHECK(std::filesystem::exists(folder.path() / "run/report.html"));
  const auto rest = train(folder, "--resume --out run");  // without the poison
  CHECK(rest.status == 0);
  CHECK(rest.output.find("going on from run/checkpoints/step-00000005.safetensors") != std::string::npos);
}

TEST_CASE("a NaN that no loss shows gets into no checkpoint") {
  const TemporaryFolder folder;
  const auto result =
      train_poisoned(folder, "ema.generator.input.bias@8",
                     tiny + "--steps 12 --checkpoint-every 5 --sample-every 100 --ema-start 0 --out run");
  CHECK(result.status == 0);
  CHECK(read_text(folder.path() / "run/warnings.log").find("ema.generator.input.bias") != std::string::npos);
}

TEST_CASE("a poison without sense is an error") {
  const TemporaryFolder folder;
  for (const char* poison : {"nothing@3", "generator.input.bias", "generator.input.bias@", "generator.input.bias@x"})
    CHECK(failed_with(train_poisoned(folder, poison, tiny + "--steps 1 --out run"), 2, "DVD_TEST_POISON"));
}

TEST_CASE("a video that vanishes is named, skipped and counted" * doctest::skip(!with_video_files)) {
  const TemporaryFolder folder;
  for (const char* name : {"one", "two", "three"}) {
    std::filesystem::create_directories(folder.path() / "data/kind");
    const std::string command =
        "ffmpeg -nostdin -loglevel error -y -f lavfi -i testsrc2=size=32x32:rate=10:duration=1 "
        "-c:v mpeg4 '" +
        (folder.path() / "data/kind" / name).string() + ".avi'";
    REQUIRE_MESSAGE(std::system(command.c_str()) == 0, "the ffmpeg program is needed: apt-get install ffmpeg");
  }
  const BackgroundProgram program(folder.path(), "train_ucf101",
                                  tiny + "--data data --steps 1000000 --sample-every 1000000 --out run");
  const auto run = folder.path() / "run";
  wait_for_step(run, 2);
  std::filesystem::remove(folder.path() / "data/kind/two.avi");
  for (int i = 0; i < 600 && read_text(run / "warnings.log").empty(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  program.send(SIGTERM);
  CHECK(program.result().status == 0);
  CHECK(read_text(run / "warnings.log").find("two.avi") != std::string::npos);
  CHECK(log_of(run).back()["skipped_files"] == 1);
}

TEST_CASE("a discriminator that keeps winning is a warning") {
  const TemporaryFolder folder;
  REQUIRE(train(folder, tiny + "--channels 4 --batch 4 --lr-g 0 --lr-d 0.003 --steps 600 --log-every 100 "
                               "--sample-every 1000 --checkpoint-every 1000 --out run")
              .status == 0);
  const std::string warnings = read_text(folder.path() / "run/warnings.log");
  CHECK(warnings.find("has won for 200 steps in a row") != std::string::npos);
  CHECK(warnings.find("--lr-d") != std::string::npos);
}

TEST_CASE("memory does not grow") {
  const TemporaryFolder folder;
  const auto result =
      train(folder, tiny + "--log-every 50 --steps 1200 --checkpoint-every 100 --sample-every 100 --out run");
  REQUIRE(result.status == 0);
  // What the system's allocator keeps for a while comes and goes; what is held throughout is the least of many ticks.
  const auto log = log_of(folder.path() / "run");
  REQUIRE(log.size() == 24);
  const auto least = [&](std::size_t first, std::size_t last) {
    double memory = log[first]["memory_mib"];
    for (std::size_t i = first; i < last; ++i) memory = std::min(memory, log[i]["memory_mib"].get<double>());
    return memory;
  };
  CHECK(least(14, 24) < least(2, 12) + 4);
}
