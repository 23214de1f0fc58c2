// train_ucf101 as a user meets it: a run's folder, going on, the same bits on any number of threads, bad input.
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "support/train_program.hpp"

TEST_CASE("a run leaves its configuration, log, samples and checkpoints") {
  const TemporaryFolder folder;
  const auto result = train(folder, tiny + "--steps 4 --checkpoint-every 2 --sample-every 2 --keep 1 --out run");
  CAPTURE(result.errors);
  REQUIRE(result.status == 0);
  const auto run = folder.path() / "run";

  const auto config = nlohmann::json::parse(read_text(run / "config.json"));
  CHECK(config["resolution"] == 16);
  CHECK(config["classes"] == 12);
  CHECK(config["class_names"][3] == "disc-down");
  std::istringstream log(read_text(run / "log.jsonl"));
  int lines = 0;
  for (std::string line; std::getline(log, line);) {
    const auto entry = nlohmann::json::parse(line);
    CHECK(entry["step"] == ++lines);
    for (const char* field :
         {"seconds", "loss_spatial", "loss_temporal", "loss_generator", "score_spatial_real", "gradient_norm_generator",
          "lr_g", "lr_d", "steps_per_second", "clips_per_second", "memory_mib", "peak_memory_mib", "sigma_spatial",
          "sigma_temporal", "sigma_generator", "data_seconds", "skipped_steps", "skipped_files"})
      CHECK(entry[field].is_number());
  }
  CHECK(lines == 4);
  CHECK(std::filesystem::file_size(run / "samples/step-00000002.png") > 100);
  CHECK(std::filesystem::exists(run / "samples/step-00000004.gif") == with_video_files);
  CHECK((result.output.find("GIFs are left out") == std::string::npos) == with_video_files);
  CHECK(result.errors.empty());
  CHECK_FALSE(std::filesystem::exists(run / "checkpoints/step-00000002.safetensors"));
  CHECK(std::filesystem::exists(run / "checkpoints/step-00000004.safetensors"));
  CHECK(std::filesystem::file_size(run / "report.html") > 5000);
  CHECK(result.output.find("step 4/4") != std::string::npos);
  CHECK(result.output.find('\r') == std::string::npos);  // no terminal, plain lines

  SUBCASE("which is never overwritten by another run") {
    const std::string before = read_text(run / "checkpoints/step-00000004.safetensors");
    CHECK(failed_with(train(folder, tiny + "--steps 2 --out run"), 2, "--resume"));
    CHECK(read_text(run / "checkpoints/step-00000004.safetensors") == before);
  }
  SUBCASE("and is complete when asked to go on") {
    CHECK(train(folder, "--out run --resume").output.find("complete") != std::string::npos);
  }
}

TEST_CASE("the same seed gives the same checkpoint on one thread, on two, and over a stop") {
  const TemporaryFolder folder;
  REQUIRE(train(folder, tiny + "--steps 4 --seed 5 --threads 1 --out one").status == 0);
  REQUIRE(train(folder, tiny + "--steps 4 --seed 5 --threads 2 --out two").status == 0);
  REQUIRE(train(folder, tiny + "--steps 2 --seed 5 --threads 2 --out parts").status == 0);
  const auto rest = train(folder, "--out parts --resume --steps 4 --threads 1");
  CAPTURE(rest.errors);
  REQUIRE(rest.status == 0);
  const std::string name = "checkpoints/step-00000004.safetensors";
  const std::string one = read_text(folder.path() / "one" / name);
  REQUIRE(one.size() > 1000);
  CHECK(one == read_text(folder.path() / "two" / name));
  CHECK(one == read_text(folder.path() / "parts" / name));

  REQUIRE(train(folder, tiny + "--steps 4 --seed 6 --out other").status == 0);
  CHECK(one != read_text(folder.path() / "other" / name));
}

// Waits until a run has logged something.
void wait_for_log(const std::filesystem::path& run) {
  for (int i = 0; i < 600 && read_text(run / "log.jsonl").empty(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  REQUIRE_FALSE(read_text(run / "log.jsonl").empty());
}

TEST_CASE("a signal stops a run after its step, and the rest is as if there had been none") {
  const TemporaryFolder folder;
  for (const int signal : {SIGINT, SIGTERM}) {
    const std::string name = "run" + std::to_string(signal), whole = "whole" + std::to_string(signal);
    const std::string rare = tiny + "--checkpoint-every 1000000 --sample-every 1000000 ";
    BackgroundProgram program(folder.path(), "train_ucf101", rare + "--steps 1000000 --out " + name);
    wait_for_log(folder.path() / name);
    program.send(SIGHUP);  // nothing happens
    program.send(signal);
    const auto result = program.result();
    CAPTURE(result.errors);
    REQUIRE(result.status == 0);
    CHECK(result.output.find("go on with train_ucf101 --resume --out " + name) != std::string::npos);

    const auto at = result.output.find("after step ");
    REQUIRE(at != std::string::npos);
    const long stopped = std::stol(result.output.substr(at + 11));
    const std::string steps = std::to_string(stopped + 2);
    REQUIRE(train(folder, "--resume --out " + name + " --steps " + steps).status == 0);
    REQUIRE(train(folder, rare + "--steps " + steps + " --out " + whole).status == 0);
    const std::string digits = std::string(8 - steps.size(), '0') + steps;
    const std::string last = "checkpoints/step-" + digits + ".safetensors";
    const std::string bytes = read_text(folder.path() / whole / last);
    CHECK(bytes.size() > 1000);
    CHECK(read_text(folder.path() / name / last) == bytes);
  }
}

TEST_CASE("the second signal stops a run at once") {
  const TemporaryFolder folder;
  BackgroundProgram program(folder.path(), "train_ucf101",
                            "--resolution 32 --frames 8 --channels 8 --batch 32 --steps 1000 --log-every 1 --out run");
  wait_for_log(folder.path() / "run");
  program.send(SIGTERM);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  program.send(SIGTERM);
  CHECK(program.result().status == 128 + SIGTERM);
}

TEST_CASE("going on passes over a damaged checkpoint, and starts afresh where there is none") {
  const TemporaryFolder folder;
  REQUIRE(train(folder, tiny + "--steps 2 --checkpoint-every 1 --out run").status == 0);
  std::filesystem::resize_file(folder.path() / "run/checkpoints/step-00000002.safetensors", 1000);
  const auto result = train(folder, "--out run --resume --steps 3");
  CHECK(result.status == 0);
  CHECK(result.output.find("step-00000001.safetensors") != std::string::npos);

  const auto fresh = train(folder, tiny + "--steps 1 --out new --resume");
  CHECK(fresh.status == 0);
  CHECK(fresh.output.find("afresh") != std::string::npos);
}

TEST_CASE("going on never overwrites another run or newer work, and refuses when nothing is whole") {
  const TemporaryFolder folder;
  REQUIRE(train(folder, tiny + "--steps 2 --seed 1 --out a").status == 0);
  REQUIRE(train(folder, tiny + "--steps 3 --checkpoint-every 1 --keep 0 --seed 2 --out b").status == 0);
  const std::string log = read_text(folder.path() / "b/log.jsonl");
  CHECK(failed_with(train(folder, "--resume a --out b --steps 4"), 2, "another run"));
  CHECK(failed_with(train(folder, "--resume b/checkpoints/step-00000001.safetensors --out b --steps 4"), 2,
                    "mix two runs"));
  CHECK(log == read_text(folder.path() / "b/log.jsonl"));
  CHECK(train(folder, "--resume a --steps 3").status == 0);  // without --out, where it is
  CHECK(std::filesystem::exists(folder.path() / "a/checkpoints/step-00000003.safetensors"));

  for (const char* step : {"1", "2", "3"})
    std::filesystem::resize_file(
        folder.path() / "b/checkpoints" / ("step-0000000" + std::string(step) + ".safetensors"), 99);
  CHECK(failed_with(train(folder, "--resume --out b --steps 4"), 2, "none of 3 checkpoints"));
  CHECK(log == read_text(folder.path() / "b/log.jsonl"));

  std::filesystem::create_directories(folder.path() / "mine");
  std::ofstream(folder.path() / "mine/config.json") << "my own";
  CHECK(failed_with(train(folder, tiny + "--steps 1 --out mine"), 2, "already holds"));
  CHECK(read_text(folder.path() / "mine/config.json") == "my own");
}

TEST_CASE("a run that diverges stops before it saves") {
  const TemporaryFolder folder;
  REQUIRE(train(folder, tiny + "--steps 1 --out run").status == 0);
  const auto result =
      train(folder, "--resume --out run --steps 9 --lr-g 1e39 --lr-d 1e39 --checkpoint-every 1 --keep 1");
  CHECK(result.status == 1);
  CHECK(result.errors.find("not finite") != std::string::npos);
}

TEST_CASE("wrong requests end with one line and status 2, and touch nothing") {
  const TemporaryFolder folder;
  const std::pair<std::string, std::string> wrong[] = {
      {"--nonsense", "--nonsense"},
      {"--resolution 47", "resolution"},
      {"--resolution many", "resolution"},
      {"--frames 0", "frames"},
      {"--frames -3", "frames"},
      {"--channels 999999", "channels"},
      {"--batch 0", "batch"},
      {"--steps 0", "steps"},
      {"--lr-g -1", "learning rate"},
      {"--lr-d nan", "learning rate"},
      {"--truncation nan", "truncation"},
      {"--ema-decay 2", "decay"},
      {"--beta1 1", "beta"},
      {"--preset enormous", "preset"},
      {"--device abacus", "--device"},
      {"--threads -1", "threads"},
      {"--seed -1", "--seed"},
      {"--micro-batch -1", "micro_batch"},
      {"--lr-decay-from 10 --steps 10", "--lr-decay-from"},
      {"--loader-threads -1", "loader-threads"},
      {"--data missing-folder", with_video_files ? "missing-folder" : "--data: this build reads and writes no video"},
      {"--split trainlist01.txt", "--data"},
      {"--resume missing-file", "missing-file"},
      {"--upsample cubic", "upsample"},
      {"--recurrent lstm", "--recurrent"},
      {"--condition-frames -1", "condition_frames"},
      {"--augment shear", "not \"shear\""},
      {"--augment flip,,color", "not \"\""},
      {"--augment all", "give --augment color,translation,cutout"},
      {"--flip", "moving shapes are directions"},
  };
  for (const auto& [arguments, text] : wrong) {
    CAPTURE(arguments);
    const auto result = train(folder, "--out run " + arguments);
    CAPTURE(result.errors);
    CHECK(failed_with(result, 2, text));
  }
  CHECK(std::filesystem::is_empty(folder.path()));
  CHECK(train(folder, "--help").status == 0);
  CHECK(train(folder, "--version").output.find("0.") == 0);
  CHECK(train(folder, "--dry-run --preset paper-64 --channels 1 --out run").status == 0);
  CHECK(std::filesystem::is_empty(folder.path()));
}

TEST_CASE("an output folder that cannot be made is one line and no crash") {
  const TemporaryFolder folder;
  std::ofstream(folder.path() / "file") << "in the way";
  const auto result = train(folder, tiny + "--steps 1 --out file/run");
  CHECK(failed_with(result, 2, "cannot create"));
}

TEST_CASE("training on videos: a folder like UCF-101, with broken files among good ones" *
          doctest::skip(!with_video_files)) {
  const TemporaryFolder folder;
  const auto make = [&](const std::string& name, const std::string& source) {
    std::filesystem::create_directories((folder.path() / name).parent_path());
    const std::string command = "ffmpeg -nostdin -loglevel error -y -f lavfi -i " + source + " -c:v mpeg4 '" +
                                (folder.path() / name).string() + "'";
    REQUIRE_MESSAGE(std::system(command.c_str()) == 0, "the ffmpeg program is needed: apt-get install ffmpeg");
  };
  make("data/UCF-101/Archery/v_Archery_g01_c01.avi", "testsrc2=size=64x48:rate=10:duration=1");
  make("data/UCF-101/Archery/v_Archery_g02_c01.avi", "testsrc2=size=33x27:rate=10:duration=1");
  make("data/UCF-101/Biking/v_Biking_g01_c01.avi", "mandelbrot=size=48x64:rate=10:end_pts=10 -t 1");
  make("data/UCF-101/Biking/v_Biking_g01_c02.avi", "testsrc2=size=64x48:rate=10:duration=0.1");
  std::ofstream(folder.path() / "data/UCF-101/Biking/v_Biking_g02_c01.avi") << "this is not a video";
  std::ofstream(folder.path() / "data/UCF-101/Biking/v_Biking_g03_c01.avi");
  std::filesystem::create_directories(folder.path() / "data/ucfTrainTestlist");
  std::ofstream(folder.path() / "data/ucfTrainTestlist/classInd.txt") << "1 Archery\r\n2 Biking\r\n";
  std::ofstream(folder.path() / "data/ucfTrainTestlist/trainlist01.txt")
      << "Archery/v_Archery_g01_c01.avi 1\nArchery/v_Archery_g02_c01.avi 1\nBiking/v_Biking_g01_c01.avi 2\n"
         "Biking/v_Biking_g01_c02.avi 2\nBiking/v_Biking_g02_c01.avi 2\nBiking/v_Biking_g03_c01.avi 2\n"
         "Biking/v_Biking_g09_c01.avi 2\n";

  const auto result = train(folder, tiny + "--data data --split trainlist01.txt --stride 2 --steps 2 --out run");
  CAPTURE(result.errors);
  CHECK(result.status == 0);
  CHECK(result.output.find("2 classes, 3 videos, 4 skipped") != std::string::npos);
  for (const char* name : {"g01_c02", "g02_c01.avi", "g03_c01", "g09_c01"})
    CHECK(result.errors.find(name) != std::string::npos);
  CHECK(nlohmann::json::parse(read_text(folder.path() / "run/config.json"))["class_names"][1] == "Biking");

  std::filesystem::remove(folder.path() / "data/UCF-101/Biking/v_Biking_g01_c01.avi");
  const auto nothing = train(folder, tiny + "--data data/UCF-101/Biking --steps 1 --out none");
  CHECK(nothing.status == 2);
  CHECK_FALSE(std::filesystem::exists(folder.path() / "none"));
}

TEST_CASE("classes of any name can be trained on, gone on with, sampled and interpolated" *
          doctest::skip(!with_video_files)) {
  const TemporaryFolder folder;
  const std::vector<std::string> names = {"a, b",     "b",    "a",      "[it's \"q\"]", "<b>&amp;",
                                          "-dash",    "10",   "2",      "ends ",        "lat\xefn",
                                          "lat\xeen", "日本", "--help", "back\\slash"};
  const auto quoted = [](std::string text) {
    for (std::size_t at = 0; (at = text.find('\'', at)) != std::string::npos; at += 4) text.replace(at, 1, "'\\''");
    return "'" + text + "'";
  };
  REQUIRE(std::system(("ffmpeg -nostdin -loglevel error -y -f lavfi -i testsrc2=size=32x32:rate=10:duration=1 -c:v "
                       "mpeg4 '" +
                       (folder.path() / "v.avi").string() + "'")
                          .c_str()) == 0);
  for (const std::string& name : names) {
    std::filesystem::create_directories(folder.path() / "data" / name);
    std::filesystem::copy(folder.path() / "v.avi", folder.path() / "data" / name / "v.avi");
  }
  const auto result = train(folder, tiny + "--data data --steps 1 --out run");
  CHECK(result.errors.empty());
  REQUIRE(result.status == 0);
  CHECK(train(folder, "--resume --out run --steps 2").status == 0);
  const auto config = nlohmann::json::parse(read_text(folder.path() / "run/config.json"));
  CHECK(config["class_names"].size() == names.size());
  CHECK(std::ranges::count(config["class_names"], "lat\\xEFn") == 1);
  CHECK(read_text(folder.path() / "run/report.html").find("<b>&amp;") == std::string::npos);
  const auto sample = [&](const std::string& arguments) {
    return run_program(folder.path(), "sample_videos",
                       "--checkpoint run --count 2 --format gif --out made " + arguments);
  };
  for (const std::string& name : names) {
    CAPTURE(name);
    CHECK(sample("--class=" + quoted(name)).status == 0);
  }
  for (const char* two : {"10,2", "a, b,2", "2,a, b", "lat\xefn,lat\xeen", "0,1"}) {
    CAPTURE(two);
    CHECK(sample("--interpolate class --class=" + quoted(two)).status == 0);
  }
  const auto refused = [&](const std::string& two, const std::string& text) {
    return failed_with(sample("--interpolate class --class=" + quoted(two)), 2, text);
  };
  CHECK(refused("a,c", "--class c is neither a class name"));
  CHECK(refused("a,c,d", "at no comma of it are there classes on both sides"));
}
