// The classifier that comes with the library: how often it is right, at any size, and what is refused.
#include "dvd/metrics/shapes_features.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <map>

#include "dvd/io/clip_tensor.hpp"
#include "dvd/metrics/class_accuracy.hpp"
#include "dvd/metrics/shapes_weights.hpp"
#include "support/error_of.hpp"

namespace {

using namespace dvd;
using dvd::testing::error_of;
using dvd::testing::holds;

// `count` clips, as many of each class, that no training has seen.
std::vector<Clip> fresh_clips(const MovingShapesOptions& size, Index count, Labels& labels) {
  const MovingShapes shapes(size);
  std::vector<Clip> clips;
  for (Index i = 0; i < count; ++i) {
    labels.push_back(i % 12);
    clips.push_back(shapes.draw(Random(77).stream(static_cast<std::uint64_t>(i)), i % 12).clip);
  }
  return clips;
}

double accuracy(const MovingShapesOptions& size, Index count) {
  ShapesFeatures<float> network(shapes_classifier());
  Labels labels;
  const std::vector<Clip> clips = fresh_clips(size, count, labels);
  return class_accuracy(network(to_tensor<float>(std::span(clips))).logits, labels);
}

TEST_CASE("at least 99 of 100 fresh clips are told right, whatever their size, length and colours") {
  CHECK(accuracy({.frames = 8, .resolution = 32}, 480) >= 0.99);
  CHECK(accuracy({.frames = 16, .resolution = 64}, 240) >= 0.99);
  CHECK(accuracy({.frames = 4, .resolution = 16}, 240) >= 0.99);
  CHECK(accuracy({.frames = 12, .height = 48, .width = 72}, 120) >= 0.99);
  CHECK(accuracy({.frames = 8, .resolution = 48, .image_channels = 1}, 120) >= 0.99);
}

TEST_CASE("any size that there is can be judged") {
  ShapesFeatures<float> network(shapes_classifier());
  CHECK(network.description() == "classifier of moving shapes");
  CHECK(network.dimensions() == 64);
  CHECK(network.classes() == 12);
  CHECK(network.weights_hash() == shapes_classifier().metadata().at("checksum"));
  CHECK(Json::parse(shapes_classifier().metadata().at("class_names")).get<std::vector<std::string>>() ==
        MovingShapes().class_names());
  for (const Shape& shape :
       {Shape{1, 1, 1, 1, 3}, Shape{2, 40, 8, 8, 3}, Shape{64, 1, 5, 200, 3}, Shape{3, 2, 9, 8, 1}}) {
    CAPTURE(shape);
    const ClipFeatures said = network(Tensor<float>::full(shape, -0.5f));
    CHECK(said.features.count() == shape[1]);
    CHECK(said.features.dimensions == 64);
    CHECK(said.logits.count() == shape[1]);
    CHECK(said.logits.dimensions == 12);
    // Equal clips get equal rows, wherever in the batch they are.
    for (Index i = 0; i < shape[1]; ++i)
      for (std::size_t c = 0; c < 12; ++c) CHECK(said.logits.row(i)[c] == doctest::Approx(said.logits.row(0)[c]));
  }
}

TEST_CASE("clips that nobody can judge are refused in words") {
  ShapesFeatures<float> network(shapes_classifier());
  Tensor<float> videos = Tensor<float>::full({2, 1, 8, 8, 3}, 0);
  videos.data()[5] = std::numeric_limits<float>::quiet_NaN();
  CHECK(holds(error_of([&] { network(videos); }), "holds a value that is not finite"));
  CHECK(error_of([&] {
          network(Tensor<float>::full({2, 1, 8, 8, 4}, 0));
        }) == "expected videos of 3 channels, or of 1 (grey), not of 4");
}

// The weights of a file, changed.
struct Changed {
  std::map<std::string, std::pair<std::vector<std::int64_t>, std::vector<float>>> tensors;
  std::map<std::string, std::string> metadata;

  Changed() {
    const SafetensorsFile file = shapes_classifier();
    metadata = file.metadata();
    metadata.erase("checksum");
    for (const std::string& name : file.names()) tensors[name] = {file.shape(name), file.read<float>(name)};
  }
  std::string refusal() const {
    const auto path = std::filesystem::temp_directory_path() / concat("dvd-shapes-test-", ::getpid());
    SafetensorsWriter writer;
    for (const auto& [name, tensor] : tensors) writer.add<float>(name, tensor.first, tensor.second);
    for (const auto& [key, value] : metadata) writer.set_metadata(key, value);
    writer.write(path);
    const std::string message = error_of([&] { ShapesFeatures<float>(SafetensorsFile(path), "weights"); });
    std::filesystem::remove(path);
    return message;
  }
};

TEST_CASE("weights that are of something else, or damaged, are refused in words") {
  CHECK(Changed().refusal().empty());
  Changed other;
  other.metadata["network"] = "i3d";
  CHECK(holds(other.refusal(), "weights: holds no classifier of moving shapes"));
  Changed nameless;
  nameless.metadata.clear();
  CHECK(holds(nameless.refusal(), "weights: holds no classifier of moving shapes"));
  Changed missing;
  missing.tensors.erase("head.weight");
  CHECK(missing.refusal() == "weights: head.weight is missing");
  Changed extra;
  extra.tensors["more"] = {{1}, {1}};
  CHECK(holds(extra.refusal(), "weights: more is not part of"));
  Changed shaped;
  shaped.tensors["head.bias"] = {{13}, std::vector<float>(13)};
  CHECK(holds(shaped.refusal(), "weights: head.bias has shape [13]"));
  Changed wrong;
  wrong.tensors["head.bias"].second[3] = std::numeric_limits<float>::infinity();
  CHECK(wrong.refusal() == "weights: head.bias holds values that are not finite");

  const auto bytes = shapes_classifier_weights();
  std::vector<std::byte> damaged(bytes.begin(), bytes.end());
  damaged[damaged.size() - 100] ^= std::byte{1};
  CHECK(holds(error_of([&] { ShapesFeatures<float>(SafetensorsFile(damaged, "weights"), "weights"); }), "is damaged"));
}

TEST_CASE("accuracy, by hand") {
  const FeatureRows logits{3, {1, 2, 0, 5, 5, 5, -1, -3, -2}};
  CHECK(class_accuracy(logits, std::vector<Index>{1, 0, 0}) == 1);
  CHECK(class_accuracy(logits, std::vector<Index>{0, 1, 0}) == doctest::Approx(1 / 3.0));
  CHECK(holds(error_of([&] { class_accuracy(logits, std::vector<Index>{1, 0}); }), "not 2 labels for 3 clips"));
  CHECK(holds(error_of([&] { class_accuracy(logits, std::vector<Index>{1, 0, 3}); }), "labels from 0 to 2, not 3"));
  CHECK(holds(error_of([&] { class_accuracy({}, {}); }), "at least one clip"));
}

}  // namespace
