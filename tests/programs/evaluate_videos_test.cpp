// evaluate_videos as a user meets it, without data and without public weights: moving shapes, files of videos, models.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "dvd/core/random.hpp"
#include "dvd/data/moving_shapes.hpp"
#include "dvd/device/cpu.hpp"
#include "dvd/io/clip_tensor.hpp"
#include "dvd/io/safetensors.hpp"
#include "dvd/training/adam.hpp"
#include "dvd/training/checkpoint.hpp"
#include "dvd/training/trainer.hpp"
#include "support/run_program.hpp"

namespace {

using nlohmann::json;

constexpr std::int64_t frames = 8, side = 32;

/// Moving shapes of all classes in turn.
std::vector<dvd::Clip> shapes(std::int64_t count, std::uint64_t seed) {
  const dvd::MovingShapes source({.frames = frames, .resolution = side});
  std::vector<dvd::Clip> clips;
  for (std::int64_t i = 0; i < count; ++i)
    clips.push_back(source.draw(dvd::Random(seed).stream(static_cast<std::uint64_t>(i)), i % 12).clip);
  return clips;
}

void write_videos(const std::filesystem::path& path, const std::vector<dvd::Clip>& clips, bool labelled = true) {
  dvd::SafetensorsWriter writer;
  const std::vector<float> values = dvd::to_file_order(dvd::to_tensor<float>(clips));
  const auto count = static_cast<std::int64_t>(clips.size());
  std::vector<std::int64_t> labels;
  for (std::int64_t i = 0; i < count; ++i) labels.push_back(i % 12);
  writer.add<float>("videos", {count, clips[0].frames, 3, clips[0].height, clips[0].width}, values);
  if (labelled) writer.add<std::int64_t>("labels", {count}, labels);
  writer.write(path);
}

/// Every clip of `clips` changed by `change(clip)`.
template <class Change>
std::vector<dvd::Clip> changed(std::vector<dvd::Clip> clips, const Change& change) {
  for (dvd::Clip& clip : clips) change(clip);
  return clips;
}

ProgramResult evaluate(const std::filesystem::path& folder, const std::string& arguments) {
  return run_program(folder, "evaluate_videos", arguments);
}

json scores_in(const std::filesystem::path& folder) { return json::parse(read_text(folder / "scores.json")); }

double score(const json& scores, const std::string& name) { return scores["scores"][name]["value"].get<double>(); }

}  // namespace

TEST_CASE("true clips score as true ones, and clips that are worse score worse") {
  const TemporaryFolder folder;
  constexpr std::int64_t count = 240, frame = side * side * 3;
  const std::vector<dvd::Clip> clips = shapes(count, 5);
  write_videos(folder.path() / "true.safetensors", clips);
  write_videos(folder.path() / "frozen.safetensors", changed(clips, [](dvd::Clip& clip) {
                 for (std::int64_t t = 1; t < frames; ++t) std::copy_n(clip.frame(0), frame, clip.frame(t));
               }));
  write_videos(folder.path() / "shuffled.safetensors", changed(clips, [](dvd::Clip& clip) {
                 const dvd::Clip before = clip;
                 constexpr std::int64_t order[] = {5, 2, 7, 0, 3, 6, 1, 4};
                 for (std::int64_t t = 0; t < frames; ++t) std::copy_n(before.frame(order[t]), frame, clip.frame(t));
               }));
  write_videos(folder.path() / "reversed.safetensors", changed(clips, [](dvd::Clip& clip) {
                 const dvd::Clip before = clip;
                 for (std::int64_t t = 0; t < frames; ++t)
                   std::copy_n(before.frame(frames - 1 - t), frame, clip.frame(t));
               }));
  write_videos(folder.path() / "blurred.safetensors", changed(clips, [](dvd::Clip& clip) {
                 const dvd::Clip before = clip;
                 for (std::int64_t t = 0; t < frames; ++t)
                   for (std::int64_t y = 0; y < side; ++y)
                     for (std::int64_t x = 0; x < side; ++x)
                       for (std::int64_t c = 0; c < 3; ++c) {
                         int sum = 0, n = 0;
                         for (std::int64_t v = std::max<std::int64_t>(0, y - 4); v <= std::min(side - 1, y + 4); ++v)
                           for (std::int64_t u = std::max<std::int64_t>(0, x - 4); u <= std::min(side - 1, x + 4); ++u)
                             sum += before.frame(t)[(v * side + u) * 3 + c], ++n;
                         clip.frame(t)[(y * side + x) * 3 + c] = static_cast<std::uint8_t>(sum / n);
                       }
               }));
  std::map<std::string, json> found;
  for (const std::string kind : {"true", "frozen", "shuffled", "reversed", "blurred"}) {
    const auto result = evaluate(folder.path(), "--fake " + kind + ".safetensors --real-clips 240 --out " + kind);
    CAPTURE(result.errors);
    REQUIRE(result.status == 0);
    CHECK(result.output.find("true against true") != std::string::npos);
    found[kind] = scores_in(folder.path() / kind);
  }
  const double floor = score(found["true"], "frechet_distance");
  for (const std::string kind : {"frozen", "shuffled", "blurred"}) {
    CAPTURE(kind);
    CHECK(score(found[kind], "frechet_distance") > 3 * floor);
  }
  CHECK(score(found["true"], "class_accuracy") > 0.98);
  CHECK(score(found["true"], "inception_score") > 11);
  // Shapes that move backwards are as good a set of clips: only who asked for them can tell.
  CHECK(score(found["reversed"], "class_accuracy") < 0.05);
  CHECK(score(found["frozen"], "class_accuracy") < 0.5);
  // All were made alike, and may be compared.
  const auto compared = evaluate(folder.path(), "--compare true/scores.json frozen/scores.json");
  CHECK(compared.status == 0);
  CHECK(compared.output.find("made alike") != std::string::npos);

  {  // the same again is the same, without what was kept, on any number of threads
    const auto again =
        evaluate(folder.path(), "--fake true.safetensors --real-clips 240 --out again --threads 1 --cache none");
    REQUIRE(again.status == 0);
    CHECK(scores_in(folder.path() / "again")["scores"] == found["true"]["scores"]);
    CHECK(scores_in(folder.path() / "again")["floor"] == found["true"]["floor"]);
  }
  {  // and by rounding alone another one in other batches
    REQUIRE(evaluate(folder.path(), "--fake true.safetensors --real-clips 240 --out batches --batch 7 --cache none")
                .status == 0);
    const json batches = scores_in(folder.path() / "batches");
    CHECK(score(batches, "frechet_distance") == doctest::Approx(floor).epsilon(1e-5));
    CHECK(batches["fingerprint"] == found["true"]["fingerprint"]);
  }
  {  // scores that were made in another way are not compared without a word
    const auto result = evaluate(folder.path(),
                                 "--fake true.safetensors --real-clips 120 --out fewer --against "
                                 "true/scores.json");
    REQUIRE(result.status == 0);
    CHECK(result.output.find("CANNOT be compared") != std::string::npos);
    CHECK(result.output.find("real clips: 120 and 240") != std::string::npos);
  }
}

TEST_CASE("a model is scored, at several truncations, too") {
  const TemporaryFolder folder;
  REQUIRE(run_program(folder.path(), "train_ucf101",
                      "--resolution 16 --frames 4 --channels 1 --batch 2 --latent-dim 6 --embed-dim 5 --steps 2 "
                      "--out run --ema-start 0")
              .status == 0);
  const std::string few = " --fake-clips 24 --real-clips 24 ";
  const auto result = evaluate(folder.path(), "--fake run --out a" + few);
  CAPTURE(result.errors);
  REQUIRE(result.status == 0);
  const json scores = scores_in(folder.path() / "a");
  CHECK(score(scores, "frechet_distance") > 0);
  CHECK(scores["made_so"]["generated clips"] == "24");
  CHECK(scores["warnings"][0].get<std::string>().find("covariances are singular") != std::string::npos);

  SUBCASE("what a folder held before is kept, and how a model was sampled is told") {
    REQUIRE(evaluate(folder.path(), "--fake run --out a --truncation 0.5 --live" + few).status == 0);
    CHECK(json::parse(read_text(folder.path() / "a/scores-1.json")) == scores);
    const auto compared = evaluate(folder.path(), "--compare a a/scores-1.json");
    CAPTURE(compared.errors);
    CHECK(compared.status == 0);
    CHECK(compared.output.find("made alike") != std::string::npos);
    CHECK(compared.output.find("sampled differently: truncation: 0.5 and 1") != std::string::npos);
    CHECK(compared.output.find("sampled differently: weights: live and average") != std::string::npos);
  }
  SUBCASE("whatever the threads") {
    REQUIRE(evaluate(folder.path(), "--fake run --out b --threads 1" + few).status == 0);
    CHECK(scores_in(folder.path() / "b")["scores"] == scores["scores"]);
  }
  SUBCASE("as a curve") {
    const auto sweep = evaluate(folder.path(), "--fake run --out c --truncation-sweep 0.5,1" + few);
    CAPTURE(sweep.errors);
    REQUIRE(sweep.status == 0);
    CHECK(scores_in(folder.path() / "c")["sweep"].size() == 2);
    CHECK(scores_in(folder.path() / "c")["sweep"][1]["scores"] == scores["scores"]);
    CHECK(read_text(folder.path() / "c/curve.png").starts_with("\x89PNG"));
    CHECK(read_text(folder.path() / "c/curve.svg").find("</svg>") != std::string::npos);
  }
}

TEST_CASE("a model that continues videos is scored with and without the frames that it was given") {
  const TemporaryFolder folder;
  REQUIRE(run_program(folder.path(), "train_ucf101",
                      "--resolution 16 --condition-frames 2 --frames 3 --channels 1 --batch 2 --latent-dim 6 "
                      "--embed-dim 5 --steps 1 --out run --ema-start 0")
              .status == 0);
  const auto result = evaluate(folder.path(), "--fake run --fake-clips 24 --real-clips 24 --out a");
  CAPTURE(result.errors);
  REQUIRE(result.status == 0);
  CHECK(scores_in(folder.path() / "a")["made_so"]["frames"] == "5");
}

TEST_CASE("a model that has learned its clips by heart is found out") {
  // Twelve clips, one a class, and a generator that is taught them one by one: no adversary, no variety.
  const TemporaryFolder folder;
  dvd::DvdGanConfig config{.frames = 4,
                           .resolution = 16,
                           .channels = 4,
                           .classes = 12,
                           .latent_dim = 8,
                           .embed_dim = 16,
                           .spatial_frames = 2};
  const dvd::MovingShapes source({.frames = 4, .resolution = 16});
  std::vector<dvd::Clip> clips;
  for (std::int64_t label = 0; label < 12; ++label)
    clips.push_back(source.draw(dvd::Random(7).stream(static_cast<std::uint64_t>(label)), label).clip);
  write_videos(folder.path() / "training.safetensors", clips);
  {
    dvd::SafetensorsWriter writer;
    const auto held_out = [&] {
      std::vector<dvd::Clip> others;
      for (std::int64_t i = 0; i < 60; ++i)
        others.push_back(source.draw(dvd::Random(8).stream(static_cast<std::uint64_t>(i)), i % 12).clip);
      return others;
    }();
    write_videos(folder.path() / "held_out.safetensors", held_out);
  }
  using Gan = dvd::DvdGan<float>;
  Gan gan(config, dvd::Random(1));
  auto& networks = gan.networks();
  auto all = dvd::contents(networks);
  dvd::Adam<float> adam(all, {.learning_rate = 4e-3, .beta1 = 0.5});
  const dvd::Tensor<float> always = dvd::Tensor<float>::full(dvd::Shape{1}, 1.0f);
  const dvd::Tensor<float> wanted = dvd::to_tensor<float>(clips);
  dvd::Labels labels;
  for (dvd::Index label = 0; label < 12; ++label) labels.push_back(label);
  for (std::uint64_t step = 0; step < 400; ++step) {
    const auto z = dvd::draw_latents<float>(config.latent_dim, {.count = 12, .seed = step, .truncation = 0.1});
    typename Gan::Networks::Cache cache;
    const dvd::Tensor<float> made = networks.generate(z, labels, {}, dvd::Pass::train(), &cache);
    dvd::Tensor<float> gradient(made.shape());
    for (dvd::Index i = 0; i < made.size(); ++i)
      gradient.data()[i] = (made.data()[i] - wanted.data()[i]) * 2 / static_cast<float>(made.size());
    networks.backward(gradient, std::move(cache), dvd::Gradients::parameters);
    adam.advance();
    adam.step(always);
    all.clear_gradients();
  }
  gan.average = dvd::clone(networks);
  dvd::Trainer trainer(gan, {.batch = 2});
  dvd::save_checkpoint(folder.path() / "model.safetensors", trainer);

  const auto result = evaluate(folder.path(),
                               "--fake model.safetensors --real training.safetensors --held-out held_out.safetensors "
                               "--memorisation 48 --truncation 0.1 --fake-clips 48 --real-clips 12 --out a");
  CAPTURE(result.errors);
  CAPTURE(result.output);
  REQUIRE(result.status == 0);
  const json found = scores_in(folder.path() / "a")["memorisation"];
  CHECK(found["nearer_share"].get<double>() > 0.9);
  CHECK(result.output.find("the model repeats them") != std::string::npos);
  CHECK(read_text(folder.path() / "a/memorisation.png").starts_with("\x89PNG"));

  SUBCASE("and clips that are merely true are not") {
    const auto honest = evaluate(folder.path(),
                                 "--fake shapes --resolution 16 --frames 4 --real training.safetensors --held-out "
                                 "held_out.safetensors --memorisation 48 --fake-clips 48 --real-clips 12 --out b");
    CAPTURE(honest.errors);
    REQUIRE(honest.status == 0);
    const json share = scores_in(folder.path() / "b")["memorisation"];
    CHECK(share["nearer_share"].get<double>() < share["by_chance"][1].get<double>());
  }
}

TEST_CASE("what cannot be scored is refused in a line") {
  const TemporaryFolder folder;
  write_videos(folder.path() / "one.safetensors", shapes(1, 1));
  write_videos(folder.path() / "few.safetensors", shapes(24, 1));
  std::vector<float> values(static_cast<std::size_t>(4 * frames * side * side * 3), 0.5f);
  values[4321] = std::numeric_limits<float>::quiet_NaN();
  dvd::SafetensorsWriter writer;
  writer.add<float>("videos", {4, frames, 3, side, side}, values);
  writer.write(folder.path() / "nan.safetensors");
  dvd::SafetensorsWriter flat;
  flat.add<float>("videos", {static_cast<std::int64_t>(values.size())}, values);
  flat.write(folder.path() / "flat.safetensors");

  const auto refused = [&](const std::string& arguments, int status, const std::string& text) {
    const auto result = evaluate(folder.path(), arguments);
    CAPTURE(arguments);
    CAPTURE(result.errors);
    CHECK(failed_with(result, status, text));
  };
  refused("", 2, "--fake is missing");
  refused("--fake one.safetensors", 2, "at least two clips on each side");
  refused("--fake nan.safetensors --real-clips 24", 1, "not finite");
  refused("--fake flat.safetensors", 2, "must have shape [N, T, 3, H, W]");
  refused("--fake nothing", 2, "there is no such file or folder");
  refused("--fake few.safetensors --protocol fvd", 2, "there is no protocol fvd (expected one of fvd-ref");
  refused("--fake few.safetensors --protocol fvd-ref", 2, "needs the weights of i3d k400-scratch");
  refused("--fake few.safetensors --frames 16", 2, "wants clips of 16 frames");
  refused("--fake few.safetensors --truncation 0.5", 2, "is videos, not a model");
  refused("--fake few.safetensors --weights few.safetensors", 2, "holds no classifier of moving shapes");
  refused("--fake few.safetensors --real few.safetensors --memorisation 4", 2, "--held-out");
  refused("--fake few.safetensors --real few.safetensors --held-out few.safetensors --memorisation 4", 2,
          "are the training clips themselves");
  refused("--fake few.safetensors --held-out few.safetensors", 2, "are for --memorisation");
  refused("--fake few.safetensors --fake-clips 1000000000", 2, "is 1 to 1000000, not 1000000000");
  refused("--fake few.safetensors --real-clips 0", 2, "there is no end to moving shapes");
  refused("--fake few.safetensors --against few.safetensors", 2, "is no file of scores");
  refused("--compare few.safetensors", 2, "two files of scores or more");
  refused("--fake few.safetensors --truncation-sweep 1,2", 2, "is videos, not a model");
}
