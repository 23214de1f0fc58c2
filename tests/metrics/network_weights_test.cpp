// Files of network weights: what is read, and what is refused of those that are damaged or others.
#include <doctest/doctest.h>

#include <functional>
#include <map>
#include <nlohmann/json.hpp>

#include "dvd/metrics/c3d_features.hpp"
#include "dvd/metrics/i3d_features.hpp"
#include "support/error_of.hpp"
#include "support/network_values.hpp"
#include "support/temporary_folder.hpp"

namespace {

using namespace dvd;
using dvd::testing::error_of;
using dvd::testing::holds;

// A network of two tensors.
struct Small {
  using scalar_type = float;
  using device_type = Cpu;

  Parameter<float> weight{Shape{2, 3}};
  Buffer<float> variance{Tensor<float>::full({2}, 1)};

  template <class F>
  void visit(const std::string& prefix, F& f) {
    f(prefix + "weight", weight);
    f(prefix + "bn.running_var", variance);
  }
};

struct File {
  std::map<std::string, std::vector<float>> tensors{{"weight", {1, 2, 3, 4, 5, 6}}, {"bn.running_var", {1, 0}}};
  std::map<std::string, std::vector<std::int64_t>> shapes{{"weight", {2, 3}}, {"bn.running_var", {2}}};
  std::map<std::string, std::string> metadata{{"network", "i3d"}, {"variant", "k400-scratch"}, {"epsilon", "0.002"}};
  bool with_checksums = true;

  void write(const std::filesystem::path& path, const std::function<void(nlohmann::json&)>& change = {}) const {
    SafetensorsWriter writer;
    nlohmann::json checksums = nlohmann::json::object();
    for (const auto& [name, values] : tensors) {
      writer.add<float>(name, shapes.at(name), values);
      detail::ContentHash hash;
      hash.add(std::as_bytes(std::span(values)));
      checksums[name] = hash.text();
    }
    if (change) change(checksums);
    for (const auto& [key, value] : metadata) writer.set_metadata(key, value);
    if (with_checksums) writer.set_metadata("tensor_checksums", checksums.dump());
    writer.write(path);
  }
};

TEST_CASE("a network is read") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "small.safetensors";
  File file;
  file.write(path);
  const NetworkWeights weights(path, "i3d");
  CHECK(weights.variant() == "k400-scratch");
  CHECK(weights.epsilon() == 0.002);
  CHECK(weights.source_hash().empty());
  CHECK(weights.hash().size() == 16);
  Small network;
  weights.load(network);
  CHECK(network.weight.value.to_vector() == file.tensors.at("weight"));
  CHECK(network.variance.value.to_vector() == file.tensors.at("bn.running_var"));

  // As PyTorch saves a network, without a word of which it is.
  file.metadata.erase("network");
  file.tensors["Conv3d_1a_7x7.conv3d.weight"] = {1}, file.shapes["Conv3d_1a_7x7.conv3d.weight"] = {1};
  file.tensors["bn.num_batches_tracked"] = {7}, file.shapes["bn.num_batches_tracked"] = {1};
  file.write(path);
  NetworkWeights(path, "i3d").load(network, {"Conv3d_1a_7x7.conv3d.weight"});
  file = {};
  file.tensors["weight"][0] = 2;
  file.write(path);
  CHECK(NetworkWeights(path, "i3d").hash() != weights.hash());
  file.metadata.erase("epsilon");
  file.with_checksums = false;
  file.write(path);
  CHECK(NetworkWeights(path, "i3d").epsilon() == 1e-3);
}

TEST_CASE("what is refused, in words") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "small.safetensors";
  const auto loading = [&](const File& file, const std::function<void(nlohmann::json&)>& change = {}) {
    file.write(path, change);
    Small network;
    const std::string error = error_of([&] { NetworkWeights(path, "i3d").load(network); });
    CHECK(network.weight.value.to_vector() == std::vector<float>(6));  // as it was
    CHECK(error.starts_with(path.string() + ": "));
    return error.substr(std::min(error.size(), path.string().size() + 2));
  };
  const auto changed = [](const std::function<void(File&)>& change) {
    File file;
    change(file);
    return file;
  };
  CHECK(
      loading(changed([](File& file) { file.metadata.erase("network"); })) ==
      "does not say of which network it holds weights (expected metadata with \"network\": \"i3d\", as convert_weights "
      "writes them)");
  CHECK(holds(loading(changed([](File& file) {
                file.metadata.erase("network");
                file.tensors["conv1a.W"] = {1}, file.shapes["conv1a.W"] = {1};
              })),
              "holds weights of the network 'c3d' (expected i3d)"));
  CHECK(loading(changed([](File& file) { file.metadata["network"] = "c3d"; })) ==
        "holds weights of the network 'c3d' (expected i3d)");
  for (const char* epsilon : {"x", "0", "-1", "nan", "inf", "1e-3 ", "0,001", "2"})
    CHECK(holds(loading(changed([&](File& file) { file.metadata["epsilon"] = epsilon; })),
                "says that its norms' epsilon is"));
  CHECK(loading(changed([](File& file) { file.tensors.erase("weight"); })) ==
        "has no tensor 'weight' (expected the 2 of the network)");
  CHECK(loading(changed([](File& file) { file.tensors.clear(); })) ==
        "has no tensor 'weight', and 1 more (expected the 2 of the network)");
  CHECK(loading(changed([](File& file) { file.tensors["b"] = {1}, file.shapes["b"] = {1}; })) ==
        "has a tensor 'b', which is none of the network's");
  CHECK(loading(changed([](File& file) {
          file.shapes["weight"] = {3, 2};
        })) == "tensor weight has shape [3, 2] (expected [2, 3])");
  CHECK(loading(changed([](File& file) { file.shapes["weight"] = {1, 1, 1, 1, 1, 1, 2, 3}; })) ==
        "tensor weight has shape [1, 1, 1, 1, 1, 1, 2, 3] (expected [2, 3])");
  CHECK(loading(changed([](File& file) { file.tensors["weight"][5] = std::numeric_limits<float>::infinity(); })) ==
        "tensor weight holds a value that is not finite");
  CHECK(loading(changed([](File& file) { file.tensors["bn.running_var"][1] = -0.5f; })) ==
        "tensor bn.running_var holds -0.5 (a variance is not below 0)");
  CHECK(loading({}, [](nlohmann::json& checksums) { checksums["weight"] = "0123456789abcdef"; }) ==
        "is damaged: tensor 'weight' does not fit its checksum (convert the weights again)");
  CHECK(loading({}, [](nlohmann::json& checksums) { checksums.erase("weight"); }) ==
        "has no checksum of tensor 'weight'");
  CHECK(loading({}, [](nlohmann::json& checksums) { checksums["weight"] = 7; }) ==
        "has no checksum of tensor 'weight'");
  CHECK(loading({}, [](nlohmann::json& checksums) {
          checksums = {1, 2};
        }) == "its tensor_checksums are not a JSON object");
  CHECK(loading(changed([](File& file) { file.metadata["checksum"] = "0123456789abcdef"; })) ==
        "is damaged: its content does not fit the checksum in its metadata (convert the weights again)");
  CHECK(holds(error_of([&] { NetworkWeights(folder.path() / "none", "i3d"); }), "cannot be opened"));
}

// A file of a network by the formula.
template <class Network>
void write_network(const std::filesystem::path& path, Network& network,
                   const std::map<std::string, std::string>& metadata, std::uint64_t seed = 1,
                   const std::vector<float>& mean = {}) {
  dvd::testing::assign_formula(network, seed);
  SafetensorsWriter writer;
  auto all = contents(network);
  std::vector<std::vector<float>> kept;
  kept.reserve(all.parameters.size() + all.buffers.size());
  const auto add = [&](const std::string& name, const Tensor<float>& value) {
    writer.add<float>(name, {value.shape().begin(), value.shape().end()}, kept.emplace_back(value.to_vector()));
  };
  for (auto& [name, parameter] : all.parameters) add(name, parameter->value);
  for (auto& [name, buffer] : all.buffers) add(name, buffer->value);
  if (!mean.empty()) writer.add<float>("mean", {3, 16, 128, 171}, mean);
  for (const auto& [key, value] : metadata) writer.set_metadata(key, value);
  writer.write(path);
}

Tensor<float> some_videos(Index frames, Index clips) {
  const Shape shape{frames, clips, 24, 32, 3};
  const std::vector<float> values = dvd::testing::formula(5, "input", static_cast<std::size_t>(shape.size()), 1, 0);
  return Tensor<float>(shape, values);
}

TEST_CASE("I3D as scores ask it") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "i3d.safetensors";
  I3d<float> network;
  write_network(path, network, {{"network", "i3d"}, {"variant", "k400-scratch"}, {"epsilon", "0.001"}});
  I3dFeatures<> features(path);
  CHECK(features.description() == "I3D, Kinetics-400 from scratch");
  CHECK(features.dimensions() == 1024);
  CHECK(features.classes() == 400);
  CHECK(features.weights_hash() == NetworkWeights(path, "i3d").hash());

  const Tensor<float> videos = some_videos(9, 2);
  const ClipFeatures said = features(videos);
  REQUIRE(said.features.count() == 2);
  REQUIRE(said.logits.count() == 2);
  CHECK(said.features.dimensions == 1024);
  CHECK(said.logits.dimensions == 400);
  // It is what the network says of clips that were resized, and of each alone, to the bit.
  const auto direct = network(resize(videos, 224, 224, ResizeRule::corner_origin));
  const std::vector<float> expected = direct.features.to_vector();
  CHECK(said.features.values == std::vector<double>(expected.begin(), expected.end()));
  const ClipFeatures alone = features(detail::some_clips<float, Cpu>(videos, 1, 1));
  CHECK(std::equal(alone.logits.values.begin(), alone.logits.values.end(), said.logits.row(1).begin()));
  CHECK(I3dFeatures<>(path, {.resize = ResizeRule::half_pixel})(videos).features.values != said.features.values);

  CHECK(error_of([&] { features(some_videos(8, 1)); }) == "I3D looks at clips of 9 frames or more, not of 8");
  Tensor<float> odd = some_videos(9, 2);
  odd.data()[24 * 32 * 3] = std::numeric_limits<float>::infinity();
  CHECK(
      error_of([&] { features(odd); }) ==
      "I3D got a clip with a value that is not finite: in frame 0 of clip 1 of the batch (expected values in [-1, 1])");

  const auto opening = [&](const std::map<std::string, std::string>& metadata) {
    write_network(path, network, metadata);
    std::string description;
    const std::string error = error_of([&] { description = I3dFeatures<>(path).description(); });
    return error.empty() ? description : error.substr(path.string().size() + 2);
  };
  CHECK(opening({{"network", "i3d"}, {"variant", "rgb-imagenet"}}) ==
        "I3D, ImageNet and then Kinetics-400 (rgb_imagenet: not the network of FVD)");
  CHECK(opening({{"network", "i3d"}, {"variant", "k600-scratch"}}) ==
        "tensor logits.conv3d.weight has shape [400, 1024, 1, 1, 1] (expected [600, 1024, 1, 1, 1])");
}

// Of C3D's 300 MB of weights only what is wrong with a file.
TEST_CASE("files that scores refuse before they read the weights") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "small.safetensors";
  const auto opening = [&]<class Features, class... Options>(Features*, const char* network, const char* variant,
                                                             std::vector<float> mean, const Options&... options) {
    SafetensorsWriter writer;
    if (!mean.empty()) writer.add<float>("mean", {3, 16, 128, 171}, mean);
    writer.set_metadata("network", network);
    writer.set_metadata("variant", variant);
    writer.write(path);
    const std::string error = error_of([&] { Features(path, options...); });
    return error.starts_with(path.string()) ? error.substr(path.string().size() + 2) : error;
  };
  I3dFeatures<>* const i3d = nullptr;
  C3dFeatures<>* const c3d = nullptr;
  const std::vector<float> mean(3 * 16 * 128 * 171, 100);
  CHECK(opening(i3d, "i3d", "k400", {}) ==
        "is of the variant 'k400' (expected one of k400-scratch, k600-scratch, rgb-imagenet)");
  CHECK(opening(i3d, "i3d", "k400-scratch", {}) ==
        "has no tensor 'Conv3d_1a_7x7.conv3d.weight', and 286 more (expected the 287 of the network)");
  CHECK(opening(i3d, "c3d", "ucf101", mean) == "holds weights of the network 'c3d' (expected i3d)");
  CHECK(opening(c3d, "c3d", "ucf101", {}) ==
        "has no tensor mean (expected the mean clip that C3D was trained with, [3, 16, 128, 171])");
  CHECK(opening(c3d, "c3d", "sports1m", mean) == "is of the variant 'sports1m' (expected one of ucf101)");
  CHECK(opening(c3d, "c3d", "ucf101", mean) ==
        "has no tensor 'conv1a.W', and 21 more (expected the 22 of the network)");
  CHECK(opening(c3d, "c3d", "ucf101", mean, C3dFeaturesOptions{.layer = 8}) ==
        "features are C3D's fc6 or fc7, not fc8");
}

TEST_CASE("C3D as scores ask it") {
  if (!dvd::testing::long_tests()) return;
  const TemporaryFolder folder;
  const auto path = folder.path() / "c3d.safetensors";
  C3d<float> network;
  const C3dMean mean(std::vector<float>(3 * 16 * 128 * 171, 100));
  write_network(path, network, {{"network", "c3d"}, {"variant", "ucf101"}}, 1,
                std::vector<float>(3 * 16 * 128 * 171, 100));
  const Tensor<float> videos = some_videos(16, 1);
  for (const int layer : {6, 7}) {
    C3dFeatures<> features(path, {.input = C3dInput::tgan, .layer = layer});
    CHECK(features.dimensions() == 4096);
    CHECK(features.classes() == 101);
    CHECK(features.description() == concat("C3D, Sports-1M and then UCF-101, fc", layer));
    const ClipFeatures said = features(videos);
    const auto direct = network(c3d_input(videos, mean, C3dInput::tgan));
    const std::vector<float> expected = (layer == 6 ? direct.fc6 : direct.fc7).to_vector(),
                             logits = direct.fc8.to_vector();
    CHECK(said.features.values == std::vector<double>(expected.begin(), expected.end()));
    CHECK(said.logits.values == std::vector<double>(logits.begin(), logits.end()));
  }
}

}  // namespace
