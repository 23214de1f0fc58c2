// The programs at sizes that are not the usual ones: rectangles, grey, multipliers of the user's own, no classes.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "dvd/io/safetensors.hpp"
#include "support/stb_image.hpp"
#include "support/train_program.hpp"
#ifdef DVD_WITH_VIDEO
#include "dvd/io/video_file.hpp"
#endif

namespace {

const std::string any_size =
    "--frames 3 --channels 1 --batch 2 --latent-dim 6 --embed-dim 5 --spatial-frames 2 --log-every 1 ";

nlohmann::json config_of(const TemporaryFolder& folder, const std::string& run) {
  return nlohmann::json::parse(read_text(folder.path() / run / "config.json"));
}

/// Height and width of a picture.
std::pair<int, int> size_of(const std::filesystem::path& picture) {
  int width = 0, height = 0, channels = 0;
  std::uint8_t* const pixels = stbi_load(picture.c_str(), &width, &height, &channels, 3);
  REQUIRE(pixels != nullptr);
  stbi_image_free(pixels);
  return {height, width};
}

/// Whether every pixel of a picture is grey.
bool is_grey(const std::filesystem::path& picture) {
  int width = 0, height = 0, channels = 0;
  std::uint8_t* const pixels = stbi_load(picture.c_str(), &width, &height, &channels, 3);
  REQUIRE(pixels != nullptr);
  bool grey = true;
  for (int i = 0; i < width * height; ++i)
    grey = grey && pixels[3 * i] == pixels[3 * i + 1] && pixels[3 * i] == pixels[3 * i + 2];
  stbi_image_free(pixels);
  return grey;
}

void make_videos(const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  for (const std::string name : {"one.avi", "two.avi"}) {
    const std::string command =
        "ffmpeg -nostdin -loglevel error -y -f lavfi -i testsrc2=size=64x48:rate=10:duration=1 -c:v mpeg4 '" +
        (folder / name).string() + "'";
    REQUIRE_MESSAGE(std::system(command.c_str()) == 0, "the ffmpeg program is needed: apt-get install ffmpeg");
  }
}

}  // namespace

TEST_CASE("grey videos that are not square, from training to samples") {
  const TemporaryFolder folder;
  const std::string size = any_size + "--resolution 16x24 --image-channels 1 --seed 3 ";
  const auto result = train(folder, size + "--steps 4 --threads 1 --out run");
  CAPTURE(result.errors);
  REQUIRE(result.status == 0);
  CHECK(result.output.find("3 frames of 16x24 pixels in grey") != std::string::npos);
  const auto config = config_of(folder, "run");
  CHECK(config["height"] == 16);
  CHECK(config["width"] == 24);
  CHECK(config["image_channels"] == 1);
  CHECK_FALSE(config.contains("resolution"));
  // Twelve rows of three frames, eight times as large, with two pixels between them.
  const auto picture = folder.path() / "run/samples/step-00000004.png";
  CHECK(size_of(picture) == std::pair{2 + 12 * (16 * 8 + 2), 2 + 3 * (24 * 8 + 2)});
  CHECK(is_grey(picture));
  const std::string page = read_text(folder.path() / "run/report.html");
  CHECK(page.find("data:image/png;base64,iVBOR") != std::string::npos);  // the middle frames of the picture

  // The run goes on at its size, to the bit, and at no other.
  REQUIRE(train(folder, size + "--steps 2 --out cut").status == 0);
  CHECK(failed_with(train(folder, "--resume --out cut --steps 4 --resolution 16x32"), 2, "another configuration"));
  CHECK(failed_with(train(folder, "--resume --out cut --steps 4 --image-channels 3"), 2, "another configuration"));
  CHECK(failed_with(train(folder, "--resume --out cut --steps 4 --generator-multipliers 4,2,2"), 2,
                    "another configuration"));
  const auto rest = train(folder, "--resume --out cut --steps 4");
  CAPTURE(rest.errors);
  REQUIRE(rest.status == 0);
  const std::string last = "checkpoints/step-00000004.safetensors";
  CHECK(read_text(folder.path() / "run" / last) == read_text(folder.path() / "cut" / last));

  const auto samples =
      run_program(folder.path(), "sample_videos", "--checkpoint run --count 3 --format safetensors --out a");
  CAPTURE(samples.errors);
  REQUIRE(samples.status == 0);
  CHECK(samples.output.find("3 videos of 3 frames of 16x24 pixels in grey") != std::string::npos);
  CHECK(dvd::SafetensorsFile(folder.path() / "a/videos.safetensors").shape("videos") ==
        std::vector<std::int64_t>{3, 3, 1, 16, 24});
  REQUIRE(run_program(folder.path(), "sample_videos", "--checkpoint run --count 3 --format png --out b").status == 0);
  CHECK(size_of(folder.path() / "b/videos.png") == std::pair{2 + 3 * (16 * 8 + 2), 2 + 3 * (24 * 8 + 2)});
  CHECK(is_grey(folder.path() / "b/videos.png"));
}

TEST_CASE("sizes are given as one number or as two, over presets, with multipliers of one's own") {
  const TemporaryFolder folder;
  const auto dry = [&](const std::string& arguments) {
    const auto result = train(folder, "--dry-run --channels 1 " + arguments);
    CAPTURE(result.errors);
    REQUIRE(result.status == 0);
    return nlohmann::json::parse(result.output.substr(result.output.find("{\n")));
  };
  CHECK(dry("--resolution 48")["resolution"] == 48);
  CHECK(dry("--resolution 64x64")["resolution"] == 64);
  CHECK_FALSE(dry("--resolution 64x64").contains("height"));
  CHECK(dry("--preset demo --resolution 64x96")["width"] == 96);
  CHECK(dry("--resolution 64x96 --resolution 16")["resolution"] == 16);  // a later flag overrides
  const auto config = dry("--resolution 16 --generator-multipliers 6,3,2 --discriminator-multipliers 2,3,5");
  CHECK(config["generator_multipliers"] == std::vector<int>{6, 3, 2});
  CHECK(config["discriminator_multipliers"] == std::vector<int>{2, 3, 5});

  const std::pair<std::string, std::string> wrong[] = {
      {"--resolution 16x", "--resolution 16x is neither"},
      {"--resolution x16", "--resolution"},
      {"--resolution 16x24x32", "--resolution"},
      {"--resolution 16*24", "--resolution"},
      {"--resolution -16", "--resolution"},
      {"--resolution 0x16", "--resolution"},
      {"--resolution 99999999999999999999", "--resolution"},
      {"--resolution 15x16", "height must be even"},
      {"--resolution 16x6", "width must be even"},
      {"--image-channels 0", "image_channels"},
      {"--image-channels 2", "moving shapes have 1 channel (grey) or 3 (RGB), not 2"},
      {"--generator-multipliers 8,x", "--generator-multipliers 8,x"},
      {"--generator-multipliers 8,,2", "--generator-multipliers"},
      {"--generator-multipliers 8,4", "generator_multipliers must be 4 numbers"},
      {"--discriminator-multipliers 2,4,8,0", "discriminator_multipliers must be between"},
  };
  for (const auto& [arguments, text] : wrong) {
    CAPTURE(arguments);
    const auto result = train(folder, arguments + " --out run");
    CAPTURE(result.errors);
    CHECK(failed_with(result, 2, text));
  }
  CHECK(std::filesystem::is_empty(folder.path()));
}

TEST_CASE("a folder of videos without class folders trains a model without classes, and says so" *
          doctest::skip(!with_video_files)) {
  const TemporaryFolder folder;
  make_videos(folder.path() / "videos");
  const std::string size = any_size + "--resolution 16x24 --data videos --seed 3 ";
  const auto result = train(folder, size + "--steps 4 --out run");
  CAPTURE(result.errors);
  REQUIRE(result.status == 0);
  CHECK(result.output.find("no class folders, 2 videos, 0 skipped") != std::string::npos);
  CHECK(result.output.find("unconditional") != std::string::npos);
  const auto config = config_of(folder, "run");
  CHECK(config["classes"] == 0);
  CHECK(config["class_names"].empty());
  CHECK(size_of(folder.path() / "run/samples/step-00000004.png") ==
        std::pair{2 + 6 * (16 * 8 + 2), 2 + 3 * (24 * 8 + 2)});

  REQUIRE(train(folder, size + "--steps 2 --out cut").status == 0);
  CHECK(failed_with(train(folder, "--resume --out cut --steps 4 --data ''"), 2, "the run was trained without classes"));
  REQUIRE(train(folder, "--resume --out cut --steps 4").status == 0);
  const std::string last = "checkpoints/step-00000004.safetensors";
  CHECK(read_text(folder.path() / "run" / last) == read_text(folder.path() / "cut" / last));

  const auto sample = [&](const std::string& arguments) {
    return run_program(folder.path(), "sample_videos", "--checkpoint run " + arguments);
  };
  REQUIRE(sample("--out gifs").status == 0);
  CHECK(std::filesystem::exists(folder.path() / "gifs/0003.gif"));
  CHECK_FALSE(std::filesystem::exists(folder.path() / "gifs/0004.gif"));
  CHECK(std::filesystem::exists(folder.path() / "gifs/all.gif"));
  REQUIRE(sample("--count 3 --format safetensors --out a").status == 0);
  CHECK_FALSE(dvd::SafetensorsFile(folder.path() / "a/videos.safetensors").contains("labels"));
  REQUIRE(sample("--format safetensors --latents a/videos.safetensors --out b").status == 0);
  CHECK(read_text(folder.path() / "a/videos.safetensors") == read_text(folder.path() / "b/videos.safetensors"));
  CHECK(sample("--interpolate latent --count 3 --format png --out path").status == 0);
  CHECK(sample("--standing 2 --count 1 --format png --out standing").status == 0);
  CHECK(failed_with(sample("--class 0 --out none"), 2, "--class 0: this model has no classes"));
  CHECK(failed_with(sample("--interpolate class --out none"), 2, "this model has no classes"));
  CHECK(failed_with(sample("--interpolate class --class 0,1 --out none"), 2, "this model has no classes"));
  const std::vector<float> z(6, 0.5f);
  const std::vector<std::int64_t> labels = {1};
  dvd::SafetensorsWriter writer;
  writer.add<float>("z", {1, 6}, z);
  writer.add<std::int64_t>("labels", {1}, labels);
  writer.write(folder.path() / "labelled.safetensors");
  CHECK(failed_with(sample("--latents labelled.safetensors --out none"), 2, "holds labels"));
  CHECK_FALSE(std::filesystem::exists(folder.path() / "none"));
}

TEST_CASE("class folders that were meant to be there are missed in words" * doctest::skip(!with_video_files)) {
  const TemporaryFolder folder;
  make_videos(folder.path() / "videos");
  make_videos(folder.path() / "classes/a");
  REQUIRE(train(folder, any_size + "--resolution 16 --data classes --steps 1 --out run").status == 0);
  CHECK(failed_with(train(folder, "--resume --out run --steps 2 --data videos"), 2,
                    "the run was trained on 1 classes, but the data has 0"));
  std::filesystem::create_directories(folder.path() / "empty");
  CHECK(failed_with(train(folder, "--data empty --out none"), 2, "holds no videos, and no other files"));
  std::ofstream(folder.path() / "empty/notes.txt") << "no video, and hardly a terminal\n";
  const auto nothing = train(folder, "--data empty --out none");
  CHECK(nothing.status == 2);
  CHECK(nothing.errors.find("holds no videos, but files that are none: 1 .txt") != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(folder.path() / "none"));
}

#ifdef DVD_WITH_VIDEO
TEST_CASE("videos are continued in grey, in any shape, without classes") {
  const TemporaryFolder folder;
  make_videos(folder.path() / "videos");
  const auto result = train(folder, any_size +
                                        "--resolution 16x32 --image-channels 1 --data videos --condition-frames 2 "
                                        "--steps 2 --out run");
  CAPTURE(result.errors);
  REQUIRE(result.status == 0);
  CHECK(size_of(folder.path() / "run/samples/step-00000002.png").second == 2 + 5 * (32 * 8 + 2));
  const auto predict = [&](const std::string& arguments) {
    return run_program(folder.path(), "predict_frames", "--checkpoint run --input videos/one.avi " + arguments);
  };
  const auto made = predict("--count 2 --steps 4 --format gif,mp4,png,safetensors --out out");
  CAPTURE(made.errors);
  REQUIRE(made.status == 0);
  CHECK(made.output.find("2 continuations of 4 frames behind 2 given, 16x32 pixels in grey") != std::string::npos);
  CHECK(made.output.find("PSNR") != std::string::npos);
  const dvd::SafetensorsFile file(folder.path() / "out/prediction.safetensors");
  CHECK(file.shape("videos") == std::vector<std::int64_t>{2, 6, 1, 16, 32});
  CHECK(file.shape("truth") == std::vector<std::int64_t>{6, 1, 16, 32});
  CHECK_FALSE(file.contains("labels"));
  CHECK(size_of(folder.path() / "out/prediction.png") == std::pair{2 + 3 * (16 * 8 + 2), 2 + 6 * (32 * 8 + 2)});
  const dvd::Clip clip =
      dvd::VideoFile(folder.path() / "videos/one.avi").read(0, 2, 1, {.height = 16, .width = 32, .image_channels = 1});
  const std::vector<float> truth = file.read<float>("truth");
  for (std::size_t i = 0; i < clip.pixels.size(); ++i)
    REQUIRE(truth[i] == doctest::Approx(static_cast<float>(clip.pixels[i]) / 127.5f - 1));
  CHECK(failed_with(predict("--class 0 --out none"), 2, "--class 0: this model has no classes"));
}
#endif
