// predict_frames as a user meets it, on models that train_ucf101 has trained, and on odd videos.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "dvd/io/safetensors.hpp"
#include "dvd/io/video_file.hpp"
#include "support/made_set.hpp"
#include "support/train_program.hpp"

namespace {

const std::string predicting = tiny + "--condition-frames 2 --steps 2 --ema-start 0 --ema-decay 0.5 ";

/// Runs and videos, made once.
const TemporaryFolder& work() {
  static const TemporaryFolder folder;
  static const bool made = [] {
    const auto film = [](const std::string& name, const std::string& size, int rate, double seconds) {
      const std::string command = "cd '" + folder.path().string() +
                                  "' && ffmpeg -nostdin -loglevel error -y -f lavfi -i testsrc2=size=" + size +
                                  ":rate=" + std::to_string(rate) + ":duration=" + std::to_string(seconds) +
                                  " -c:v mpeg4 " + name;
      return std::system(command.c_str()) == 0;
    };
    dvd::testing::make_set(folder.path() / "set", {{"run/a", 0, 8, 1}, {"walk/b", 1, 9, 1}},
                           {.height = 16, .width = 16});
    return film("second.mp4", "64x48", 25, 1) && film("portrait.avi", "36x64", 10, 1.3) &&
           film("one.avi", "32x32", 10, 0.1) && train(folder, predicting + "--out run").status == 0 &&
           train(folder, predicting + "--recurrent tsru --out tsru").status == 0 &&
           train(folder, predicting + "--data set --out films").status == 0 &&
           train(folder, tiny + "--steps 1 --out samples").status == 0;
  }();
  REQUIRE_MESSAGE(made, "the ffmpeg program is needed: apt-get install ffmpeg");
  return folder;
}

ProgramResult predict(const std::string& arguments) { return run_program(work().path(), "predict_frames", arguments); }

}  // namespace

TEST_CASE("a video is continued, in every format, for longer than the model was trained to") {
  const auto result = predict(
      "--checkpoint run --input second.mp4 --start 0.2 --steps 7 --count 3 --seed 4 --format gif,mp4 "
      "--format png,safetensors --out out");
  CAPTURE(result.errors);
  REQUIRE(result.status == 0);
  CHECK(result.output.find("PSNR") != std::string::npos);
  const auto out = work().path() / "out";
  CHECK(std::filesystem::file_size(out / "prediction.png") > 100);
  CHECK(dvd::VideoFile(out / "prediction.gif").info().frames == 9);
  CHECK(dvd::VideoFile(out / "prediction.mp4").info().frames == 9);

  const dvd::SafetensorsFile file(out / "prediction.safetensors");
  REQUIRE(file.shape("videos") == std::vector<std::int64_t>{3, 9, 3, 16, 16});
  CHECK(file.shape("truth") == std::vector<std::int64_t>{9, 3, 16, 16});
  CHECK(file.shape("z") == std::vector<std::int64_t>{3, 3, 6});  // three rounds of three frames
  CHECK(file.read<std::int64_t>("labels") == std::vector<std::int64_t>{0, 1, 2});
  // Each begins with the frames of the file, from its fifth on.
  const std::vector<float> videos = file.read<float>("videos"), truth = file.read<float>("truth");
  const dvd::Clip clip = dvd::VideoFile(work().path() / "second.mp4").read(5, 2, 1, {.resolution = 16});
  const std::size_t frame = 3 * 16 * 16;
  for (std::size_t i = 0; i < 2 * frame; ++i) {
    for (std::size_t n = 0; n < 3; ++n) REQUIRE(videos[n * 9 * frame + i] == truth[i]);
    const std::size_t channel = i % frame / 256, pixel = i % 256;
    const float expected = static_cast<float>(clip.frame(static_cast<std::int64_t>(i / frame))[pixel * 3 + channel]);
    REQUIRE(truth[i] == doctest::Approx(expected / 127.5f - 1));
  }
  // And goes on in three ways.
  CHECK(!std::equal(videos.begin() + 2 * frame, videos.begin() + 9 * frame, videos.begin() + 11 * frame));

  SUBCASE("the same on another number of threads, and its beginning on its own") {
    REQUIRE(predict("--checkpoint run --input second.mp4 --start 0.2 --steps 3 --count 3 --seed 4 --threads 1 --quiet "
                    "--format safetensors --out again")
                .output.empty());
    const auto again = dvd::SafetensorsFile(work().path() / "again/prediction.safetensors").read<float>("videos");
    for (std::size_t n = 0; n < 3; ++n)
      CHECK(std::equal(again.begin() + static_cast<std::ptrdiff_t>(n * 5 * frame),
                       again.begin() + static_cast<std::ptrdiff_t>((n + 1) * 5 * frame),
                       videos.begin() + static_cast<std::ptrdiff_t>(n * 9 * frame)));
  }
}

TEST_CASE("where the file ends, there is less to compare with") {
  const auto result = predict("--checkpoint tsru --input portrait.avi --start 0.9 --steps 5 --class disc-up --out end");
  CAPTURE(result.errors);
  REQUIRE(result.status == 0);
  CHECK(result.output.find("over the 2 frames") != std::string::npos);
  const auto whole = predict("--checkpoint run --input portrait.avi --start 1.1 --out end2");
  CHECK(whole.status == 0);
  CHECK(whole.output.find("PSNR") == std::string::npos);
}

TEST_CASE("without a file, moving shapes that training has not seen are continued") {
  const auto result = predict("--checkpoint run --count 2 --format safetensors,gif --out drawn");
  CAPTURE(result.errors);
  REQUIRE(result.status == 0);
  CHECK(result.output.find("over the 3 frames that followed") != std::string::npos);
  CHECK(result.output.find("--class") == std::string::npos);  // its class is known
  const dvd::SafetensorsFile file(work().path() / "drawn/prediction.safetensors");
  CHECK(file.shape("truth") == std::vector<std::int64_t>{5, 3, 16, 16});
  const auto labels = file.read<std::int64_t>("labels");
  REQUIRE(labels.size() == 2);
  CHECK(labels[0] == labels[1]);
  const auto truth = file.read<float>("truth");

  REQUIRE(predict("--checkpoint run --format safetensors --out again --seed 0").status == 0);
  CHECK(dvd::SafetensorsFile(work().path() / "again/prediction.safetensors").read<float>("truth") == truth);
  REQUIRE(predict("--checkpoint run --format safetensors --out other --seed 1").status == 0);
  CHECK(dvd::SafetensorsFile(work().path() / "other/prediction.safetensors").read<float>("truth") != truth);
  REQUIRE(predict("--checkpoint run --format safetensors --out asked --class triangle-up --steps 7").status == 0);
  const dvd::SafetensorsFile asked(work().path() / "asked/prediction.safetensors");
  CHECK(asked.read<std::int64_t>("labels") == std::vector<std::int64_t>(4, 10));
  CHECK(asked.shape("videos") == std::vector<std::int64_t>{4, 9, 3, 16, 16});
}

TEST_CASE("the model that comes along continues shapes as they were") {
  const auto result = predict("--count 1 --out comes-along");
  CAPTURE(result.errors);
  REQUIRE(result.status == 0);
  double made = 0, repeated = 0;
  const std::string& text = result.output;
  REQUIRE(std::sscanf(text.c_str() + text.find("PSNR"), "PSNR %lf", &made) == 1);
  REQUIRE(std::sscanf(text.c_str() + text.find("frame: "), "frame: %lf", &repeated) == 1);
  CHECK(made > repeated + 3);
}

TEST_CASE("a generator that continues videos is given away, and predicts the same, nearly") {
  REQUIRE(predict("--checkpoint run --count 1 --format safetensors --out whole").status == 0);
  const auto saved = predict("--checkpoint run --save-generator alone.safetensors");
  CAPTURE(saved.errors);
  REQUIRE(saved.status == 0);
  CHECK(saved.output == "alone.safetensors\n");
  REQUIRE(predict("--checkpoint films --save-generator films.safetensors").status == 0);  // needs no video
  const std::uintmax_t size = std::filesystem::file_size(work().path() / "alone.safetensors");
  CHECK(size < std::filesystem::file_size(work().path() / "run/checkpoints/step-00000002.safetensors") / 4);
  REQUIRE(predict("--checkpoint alone.safetensors --count 1 --format safetensors --out half").status == 0);
  const auto values = [](const char* folder) {
    return dvd::SafetensorsFile(work().path() / folder / "prediction.safetensors").read<float>("videos");
  };
  const std::vector<float> whole = values("whole"), half = values("half");
  REQUIRE(whole.size() == half.size());
  double difference = 0;
  for (std::size_t i = 0; i < whole.size(); ++i)
    difference = std::max(difference, static_cast<double>(std::abs(whole[i] - half[i])));
  CHECK(difference < 0.05);
}

TEST_CASE("wrong requests end with one line and status 2, and touch nothing") {
  const std::pair<std::string, std::string> wrong[] = {
      {"--checkpoint run --input one.avi", "has 1 frame ("},
      {"--checkpoint run --input second.mp4 --start 0.98", "--start may be at most 0.92"},
      {"--checkpoint run --input second.mp4 --start 1e8", "--start may be at most 0.92"},
      {"--checkpoint run --input second.mp4 --start -1", "--start"},
      {"--checkpoint run --input second.mp4 --start nan", "--start"},
      {"--checkpoint run --input second.mp4 --stride 30", "--stride"},
      {"--checkpoint run --input missing.mp4", "missing.mp4: no such file"},
      {"--checkpoint run --input run/config.json", "cannot be read as a video"},
      {"--checkpoint run --input second.mp4 --class 12", "--class 12"},
      {"--checkpoint run --input second.mp4 --class ''", "--class"},
      {"--checkpoint run --input second.mp4 --steps 100000 --count 1000", "use fewer steps"},
      {"--checkpoint run --input second.mp4 --count 0", "--count"},
      {"--checkpoint run --input second.mp4 --format bmp", "bmp"},
      {"--checkpoint run --input second.mp4 --truncation nan", "truncation"},
      {"--checkpoint run --input ''", "--input"},
      {"--checkpoint run --start 1", "--start requires --input"},
      {"--checkpoint run --stride 2", "--stride is for the frames of a file, and --input names none"},
      {"--checkpoint films", "was not trained on moving shapes: --input names the video file to continue"},
      {"--checkpoint nowhere --input second.mp4", "nowhere"},
      {"--checkpoint samples --input second.mp4", "sample_videos"},
  };
  for (const auto& [arguments, text] : wrong) {
    CAPTURE(arguments);
    const auto result = predict(arguments + " --out untouched");
    CAPTURE(result.errors);
    CHECK(failed_with(result, 2, text));
  }
  CHECK_FALSE(std::filesystem::exists(work().path() / "untouched"));
  CHECK(failed_with(run_program(work().path(), "sample_videos", "--checkpoint run"), 2, "predict_frames"));
  CHECK(predict("--help").status == 0);
}

TEST_CASE("a video that is damaged further on is continued all the same, soon") {
  const std::string command = "cd '" + work().path().string() +
                              "' && ffmpeg -nostdin -loglevel error -y -f lavfi -i "
                              "testsrc2=size=32x32:rate=25:duration=40 -c:v mpeg4 -g 10 damaged.avi";
  REQUIRE(std::system(command.c_str()) == 0);
  const auto path = work().path() / "damaged.avi";
  std::string bytes = read_text(path);
  std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(bytes.size() / 2),
            bytes.end() - static_cast<std::ptrdiff_t>(bytes.size() / 10), '\xff');
  std::ofstream(path, std::ios::binary) << bytes;
  const auto result =
      predict("--checkpoint run --input damaged.avi --start 1 --steps 950 --count 1 --format png --out d");
  CAPTURE(result.errors);
  CHECK(result.status == 0);
  CHECK(result.output.find("PSNR") != std::string::npos);
}

TEST_CASE("a model's suggestions can be followed to the letter") {
  for (const int rate : {240, 30, 24}) {
    const std::string command =
        "cd '" + work().path().string() +
        "' && ffmpeg -nostdin -loglevel error -y -f lavfi -i testsrc2=size=32x32:rate=" + std::to_string(rate) +
        " -frames:v 11 -c:v mpeg4 odd.avi";
    REQUIRE(std::system(command.c_str()) == 0);
    const std::string refused = predict("--checkpoint run --input odd.avi --start 9 --out odd").errors;
    const std::size_t at = refused.find("at most ");
    REQUIRE(at != std::string::npos);
    CHECK(predict("--checkpoint run --input odd.avi --out odd --start " + refused.substr(at + 8)).status == 0);
  }
}

TEST_CASE("runs that predict, of either unit, go on to the bit") {
  const TemporaryFolder folder;
  for (const std::string recurrent : {"convgru", "tsru"}) {
    const std::string run = tiny + "--condition-frames 2 --spatial-frames 1 --recurrent " + recurrent + " --seed 3 ";
    REQUIRE(train(folder, run + "--steps 4 --threads 1 --out whole-" + recurrent).status == 0);
    REQUIRE(train(folder, run + "--steps 2 --out cut-" + recurrent).status == 0);
    const auto rest = train(folder, "--resume --steps 4 --out cut-" + recurrent);
    CAPTURE(rest.errors);
    REQUIRE(rest.status == 0);
    const std::string last = "checkpoints/step-00000004.safetensors";
    const std::string bytes = read_text(folder.path() / ("whole-" + recurrent) / last);
    CHECK(bytes.find("conditioning.projections.1.weight") != std::string::npos);
    CHECK(bytes == read_text(folder.path() / ("cut-" + recurrent) / last));
    const auto config = nlohmann::json::parse(read_text(folder.path() / ("whole-" + recurrent) / "config.json"));
    CHECK(config["condition_frames"] == 2);
    CHECK(config["recurrent"] == recurrent);
    CHECK(std::filesystem::file_size(folder.path() / ("whole-" + recurrent) / "samples/step-00000004.png") > 100);
  }
}

TEST_CASE("the paper's preset for prediction takes every frame") {
  const TemporaryFolder folder;
  const auto result = train(folder, "--preset paper-64-prediction --channels 1 --dry-run");
  CHECK(result.status == 0);
  CHECK(result.output.find("\"stride\": 1,") != std::string::npos);
  CHECK(result.output.find("\"condition_frames\": 5") != std::string::npos);
}

TEST_CASE("custom_gan trains, is the same with the same seed, and refuses nonsense") {
  const TemporaryFolder folder;
  const auto custom = [&](const std::string& arguments) { return run_program(folder.path(), "custom_gan", arguments); };
  REQUIRE(custom("--steps 2 --threads 1 --out a").status == 0);
  REQUIRE(custom("--steps 2 --threads 2 --out b --quiet").output.empty());
  for (const char* name : {"disc-left.png", "square-right.png", "triangle-up.png"}) {
    CHECK(read_text(folder.path() / "a" / name).size() > 100);
    CHECK(read_text(folder.path() / "a" / name) == read_text(folder.path() / "b" / name));
  }
  CHECK(failed_with(custom("--steps 0"), 2, "--steps"));
}
