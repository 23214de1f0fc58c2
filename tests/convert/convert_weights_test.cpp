// Names, shapes and values on their way from another program's file to this library's.
#include "dvd/convert/convert_weights.hpp"

#include <doctest/doctest.h>

#include <functional>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "support/error_of.hpp"
#include "support/foreign_files.hpp"
#include "support/temporary_folder.hpp"

using namespace dvd::testing;
using dvd::ClipNetwork;
using dvd::concat;

namespace {

// Tensors that are nowhere but in their descriptions; element i of any is `value(name, i)`.
class FakeFile : public dvd::ForeignFile {
 public:
  std::vector<dvd::ForeignTensor> list;
  std::function<float(const std::string&, std::size_t)> value = [](const std::string&, std::size_t) { return 1.0f; };

  void add(const std::string& name, const std::vector<std::int64_t>& shape, dvd::DataType type = dvd::DataType::F32) {
    list.push_back({name, shape, type, std::string(name_of(type))});
  }
  std::string format() const override { return "made up"; }
  const std::vector<dvd::ForeignTensor>& tensors() const override { return list; }
  std::vector<float> read(std::size_t index) const override {
    std::vector<float> values(dvd::detail::element_count(list.at(index).shape).value());
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = value(list[index].name, i);
    return values;
  }
  std::string content_hash() const override { return "0123456789abcdef"; }
};

dvd::ForeignTensor& find(FakeFile& file, const std::string& name) {
  for (dvd::ForeignTensor& tensor : file.list)
    if (tensor.name == name) return tensor;
  FAIL(name);
  return file.list[0];
}

std::vector<std::int64_t> tensorflow_shape(const std::string& name, const std::vector<std::int64_t>& shape) {
  if (shape.size() == 5) return {shape[2], shape[3], shape[4], shape[1], shape[0]};
  return name.ends_with("/b") ? shape : std::vector<std::int64_t>{1, 1, 1, 1, shape[0]};
}

// kinetics-i3d's checkpoint: what it holds, and under which names.
FakeFile tensorflow_i3d(std::int64_t classes, const std::string& prefix) {
  FakeFile file;
  for (const dvd::NetworkTensor& tensor : dvd::i3d_tensors(classes)) {
    std::string name = tensor.foreign.back().text;
    if (name.ends_with(".gamma")) continue;
    std::ranges::replace(name, '.', '/');
    file.add(prefix + name, tensorflow_shape(name, tensor.shape));
  }
  return file;
}

FakeFile pytorch_i3d(std::int64_t classes, std::size_t convention = 0, const std::string& prefix = "") {
  FakeFile file;
  for (const dvd::NetworkTensor& tensor : dvd::i3d_tensors(classes)) {
    file.add(prefix + tensor.foreign[convention].text, tensor.shape);
    if (tensor.name.ends_with("running_var")) {
      const std::string name = tensor.foreign[convention].text;
      file.add(prefix + name.substr(0, name.size() - 11) + "num_batches_tracked", {}, dvd::DataType::I64);
    }
  }
  return file;
}

dvd::TensorMatch match(const FakeFile& file, ClipNetwork network = ClipNetwork::i3d) {
  return dvd::match_tensors("FILE", file, network);
}
std::string refusal(const FakeFile& file, ClipNetwork network = ClipNetwork::i3d) {
  return error_of([&] { match(file, network); });
}

std::string tensor_list(const dvd::TensorMatch& match) {
  std::string all;
  for (const auto& a : match.assignments)
    all += concat(a.tensor.name, ' ', dvd::detail::shape_text(a.tensor.shape), '\n');
  return all;
}

}  // namespace

TEST_CASE("the networks have the tensors that the public files have") {
  const auto floats = [](const std::vector<dvd::NetworkTensor>& tensors, bool scales) {
    std::uint64_t sum = 0;
    for (const auto& tensor : tensors)
      if (scales || !tensor.ones_if_missing) sum += dvd::detail::element_count(tensor.shape).value();
    return sum;
  };
  const auto i3d = dvd::i3d_tensors(400);
  CHECK(i3d.size() == 287);
  CHECK(floats(i3d, false) == 12'704'544);  // of TensorFlow's checkpoint, which has no scales
  std::set<std::string> names;
  for (const auto& tensor : i3d)
    for (const auto& foreign : tensor.foreign) CHECK(names.insert(foreign.text).second);
  for (const char* const name : {"Mixed_3b.b1a.conv3d.weight", "Mixed_5c.b3b.bn.running_var", "logits.conv3d.bias",
                                 "Mixed_5b.Branch_2.Conv3d_0a_3x3.conv_3d.w", "mixed_4f.branch_3.1.batch3d.bias",
                                 "Logits.Conv3d_0c_1x1.conv_3d.b", "conv3d_0c_1x1.conv3d.weight"})
    CHECK_MESSAGE(names.contains(name), name);
  CHECK(dvd::c3d_tensors(101).size() == 22);
  CHECK(floats(dvd::c3d_tensors(101), true) == 78'409'573);
}

TEST_CASE("every way to name I3D's tensors leads to the same ones") {
  const std::string expected = tensor_list(match(pytorch_i3d(400)));
  CHECK(std::ranges::count(expected, '\n') == 287);
  CHECK(expected.starts_with("Conv3d_1a_7x7.conv3d.weight [64, 3, 7, 7, 7]\n"));
  for (const std::string prefix : {"", "RGB/inception_i3d/", "module/RGB/inception_i3d/"}) {
    const auto found = match(tensorflow_i3d(400, prefix));
    CHECK(tensor_list(found) == expected);
    CHECK(std::ranges::count(found.prefix, '.') == std::ranges::count(prefix, '/'));
    CHECK(found.skipped.empty());
    for (const auto& a : found.assignments) {
      CHECK(a.source.has_value() == !a.tensor.name.ends_with(".bn.weight"));
      CHECK(a.depth_height_width_in_out == (a.tensor.shape.size() == 5));
    }
  }
  for (const std::string prefix : {"", "module.", "state_dict.model."})
    for (const std::size_t convention : {0u, 1u}) {
      const auto found = match(pytorch_i3d(400, convention, prefix));
      CHECK(tensor_list(found) == expected);
      CHECK(found.skipped.size() == 57);
      CHECK(found.skipped[0].reason == "a norm's counter of training steps");
      CHECK(found.prefix == prefix);
    }
  CHECK(match(tensorflow_i3d(600, "")).classes == 600);
  CHECK(match(pytorch_i3d(400)).classes == 400);
}

TEST_CASE("kinetics-i3d's second name for a convolution, and what an optimizer leaves") {
  FakeFile file = tensorflow_i3d(600, "");
  find(file, "Mixed_5b/Branch_2/Conv3d_0a_3x3/conv_3d/w").name = "Mixed_5b/Branch_2/Conv3d_0b_3x3/conv_3d/w";
  file.add("Conv3d_1a_7x7/conv_3d/w/Momentum", {7, 7, 7, 3, 64});
  file.add("Mixed_3b/Branch_0/Conv3d_0a_1x1/batch_norm/beta/ExponentialMovingAverage", {1, 1, 1, 1, 64});
  file.add("global_step", {}, dvd::DataType::I64);
  file.add("learning_rate", {});
  const auto found = match(file);
  CHECK(found.skipped.size() == 4);
  CHECK(found.skipped[0].reason == "an optimizer's or average's copy");
  FakeFile two = tensorflow_i3d(400, "RGB/inception_i3d/");
  two.add("Flow/inception_i3d/Conv3d_1a_7x7/conv_3d/w", {7, 7, 7, 2, 64});
  CHECK(match(two).skipped[0].reason == "of another network in the same file");
}

TEST_CASE("C3D's tensors are found under Chainer's names and PyTorch's") {
  for (const bool pytorch : {false, true}) {
    FakeFile file;
    for (const auto& tensor : dvd::c3d_tensors(101)) {
      std::string name = pytorch ? "net." + tensor.foreign.back().text : tensor.name;
      if (!pytorch) std::ranges::replace(name, '.', '/');
      file.add(name, tensor.shape);
    }
    const auto found = match(file, ClipNetwork::c3d);
    CHECK(found.assignments.size() == 22);
    CHECK(found.classes == 101);
    CHECK(dvd::guess_network("FILE", file) == ClipNetwork::c3d);
    file.list.back().shape = {487};
    CHECK(holds(refusal(file, ClipNetwork::c3d), "a network of 487 classes"));
  }
}

TEST_CASE("tensors that are missing, too many or misshapen are named") {
  CHECK(dvd::guess_network("FILE", pytorch_i3d(400)) == ClipNetwork::i3d);
  FakeFile empty;
  CHECK(holds(refusal(empty), "FILE: holds no tensor of I3D's"));
  CHECK(
      holds(error_of([&] { dvd::guess_network("FILE", empty); }), "has a name of I3D's or C3D's (made up, 0 tensors)"));
  CHECK(holds(refusal(pytorch_i3d(400), ClipNetwork::c3d), "holds no tensor of C3D's"));
  FakeFile file = pytorch_i3d(400);
  std::erase_if(file.list, [](const auto& tensor) { return tensor.name.starts_with("Mixed_4b.b1"); });
  CHECK(holds(refusal(file),
              "lacks 8 of I3D's 287 tensors: Mixed_4b.b1a.conv3d.weight, Mixed_4b.b1a.bn.bias, "
              "Mixed_4b.b1a.bn.running_mean and 5 more"));
  file = pytorch_i3d(400);
  file.add("extra.weight", {3});
  CHECK(holds(refusal(file), "holds 1 tensor that I3D does not have: 'extra.weight'"));
  for (const char* const name : {"b", "c", "d"}) file.add(name, {3});
  CHECK(holds(refusal(file), "holds 4 tensors that I3D does not have: 'extra.weight', 'b', 'c' and 1 more"));
  file = pytorch_i3d(400);
  find(file, "Mixed_3b.b0.conv3d.weight").shape = {64, 192, 3, 3, 3};
  CHECK(holds(refusal(file),
              "holds 1 tensor of a wrong shape: 'Mixed_3b.b0.conv3d.weight' is [64, 192, 3, 3, 3], not "
              "[64, 192, 1, 1, 1]"));
  find(file, "Mixed_3b.b0.bn.bias").shape = {1, 64, 1};
  CHECK(holds(refusal(file), "holds 2 tensors of a wrong shape"));
  FakeFile flow = tensorflow_i3d(400, "RGB/inception_i3d/");
  find(flow, "RGB/inception_i3d/Conv3d_1a_7x7/conv_3d/w").shape = {7, 7, 7, 2, 64};
  CHECK(holds(refusal(flow), "is [7, 7, 7, 2, 64], not [7, 7, 7, 3, 64]"));
  file = pytorch_i3d(400);
  find(file, "logits.conv3d.bias").shape = {157};
  CHECK(holds(refusal(file), "is of a network of 157 classes (tensor 'logits.conv3d.bias'; expected Kinetics' 400 or"));
  file = pytorch_i3d(400);
  find(file, "logits.conv3d.weight").shape = {600, 1024, 1, 1, 1};
  CHECK(holds(refusal(file), "'logits.conv3d.weight' is [600, 1024, 1, 1, 1], not [400, 1024, 1, 1, 1]"));
  file = pytorch_i3d(400);
  find(file, "Mixed_3b.b0.bn.bias") = {"Mixed_3b.b0.bn.bias", {64}, dvd::DataType::I64, "I64"};
  CHECK(holds(refusal(file), "tensor 'Mixed_3b.b0.bn.bias' holds 'I64' (expected floating-point numbers)"));
  file = pytorch_i3d(400);
  file.add("conv3d_1a_7x7.batch3d.bias", {64});
  CHECK(holds(refusal(file), "holds Conv3d_1a_7x7.bn.bias twice, as 'Conv3d_1a_7x7.bn.bias' and"));
}

TEST_CASE("what a network was trained on is told by names and classes, and ImageNet is never taken for scratch") {
  using dvd::weight_variant;
  const auto refused = [](const std::string& path, ClipNetwork network, std::int64_t classes, const char* wanted) {
    return error_of([&] { weight_variant(path, network, classes, wanted); });
  };
  constexpr auto i3d = ClipNetwork::i3d, c3d = ClipNetwork::c3d;
  CHECK(weight_variant("checkpoints/rgb_scratch/model.ckpt", i3d, 400, "") == "k400-scratch");
  CHECK(weight_variant("i3d_pretrained_400.pt", i3d, 400, "") == "k400-scratch");
  CHECK(weight_variant("i3d_torchscript.pt", i3d, 400, "") == "k400-scratch");
  CHECK(weight_variant("checkpoints/rgb_imagenet/model.ckpt", i3d, 400, "") == "rgb-imagenet");
  CHECK(weight_variant("RGB_ImageNet.pt", i3d, 400, "") == "rgb-imagenet");
  CHECK(weight_variant("scratch/rgb_imagenet.pt", i3d, 400, "") == "rgb-imagenet");
  CHECK(weight_variant("model.ckpt", i3d, 600, "") == "k600-scratch");
  CHECK(weight_variant("model.ckpt", i3d, 400, "k400-scratch") == "k400-scratch");
  CHECK(weight_variant("model.ckpt", i3d, 400, "rgb-imagenet") == "rgb-imagenet");
  CHECK(weight_variant("any.npz", c3d, 101, "") == "ucf101");
  CHECK(holds(refused("model.ckpt", i3d, 400, ""), "does not say what its 400 classes were trained on"));
  CHECK(
      holds(refused("rgb_imagenet.pt", i3d, 400, "k400-scratch"), "its name says ImageNet, which is not k400-scratch"));
  CHECK(holds(refused("rgb_imagenet.pt", i3d, 600, ""), "its name says ImageNet"));
  CHECK(holds(refused("model.ckpt", i3d, 600, "k400-scratch"), "does not fit the 600 classes"));
  CHECK(holds(refused("model.ckpt", i3d, 400, "k600-scratch"), "does not fit the 400 classes"));
  CHECK(holds(refused("model.ckpt", i3d, 400, "ucf101"), "does not fit"));
  CHECK(holds(refused("any.npz", c3d, 101, "k400-scratch"), "is none of C3D's"));
  CHECK(holds(refused("any.npz", c3d, 101, "kinetics"), "is none that is known"));
}

TEST_CASE("what is written has the values, in this library's order, and says where it is from") {
  // A match of three tensors, as if the network had no more.
  FakeFile file;
  file.add("w", {2, 1, 3, 4, 5});  // depth, height, width, in, out
  file.add("v", {1, 1, 1, 1, 4});
  file.value = [](const std::string&, std::size_t i) { return static_cast<float>(i); };
  dvd::TensorMatch few{.network = ClipNetwork::i3d, .classes = 400, .prefix = "", .assignments = {}, .skipped = {}};
  few.assignments.push_back({{.name = "a.weight", .shape = {5, 4, 2, 1, 3}, .foreign = {}}, 0, true});
  few.assignments.push_back({{.name = "a.running_var", .shape = {4}, .foreign = {}}, 1, false});
  few.assignments.push_back({{.name = "a.scale", .shape = {4}, .foreign = {}}, {}, false});
  dvd::ConvertedWeights weights("FILE", file, few);
  weights.set_metadata("variant", "k400-scratch");
  CHECK(weights.count() == 3);
  CHECK(weights.elements() == 128);
  const TemporaryFolder folder;
  weights.write(folder.path() / "out.safetensors");
  const dvd::SafetensorsFile written(folder.path() / "out.safetensors");
  CHECK(written.checksum_fits());
  CHECK(written.metadata().at("network") == "i3d");
  CHECK(written.metadata().at("variant") == "k400-scratch");
  CHECK(written.metadata().at("source_hash") == "0123456789abcdef");
  CHECK(written.read<float>("a.scale") == std::vector<float>(4, 1));
  CHECK(written.read<float>("a.running_var") == std::vector<float>{0, 1, 2, 3});
  CHECK(written.shape("a.weight") == std::vector<std::int64_t>{5, 4, 2, 1, 3});
  const std::vector<float> kernel = written.read<float>("a.weight");
  for (std::size_t out = 0, at = 0; out < 5; ++out)
    for (std::size_t in = 0; in < 4; ++in)
      for (std::size_t depth = 0; depth < 2; ++depth)
        for (std::size_t width = 0; width < 3; ++width, ++at)
          CHECK(kernel[at] == static_cast<float>(((depth * 3 + width) * 4 + in) * 5 + out));
  const auto checksums = nlohmann::json::parse(written.metadata().at("tensor_checksums"));
  CHECK(checksums.size() == 3);
  dvd::detail::ContentHash hash;
  hash.add(std::as_bytes(std::span(kernel)));
  CHECK(checksums["a.weight"] == hash.text());

  const auto refused = [&](float bad, std::size_t at) {
    file.value = [=](const std::string& name, std::size_t i) { return name == "v" && i == at ? bad : 1.0f; };
    return error_of([&] { dvd::ConvertedWeights("FILE", file, few); });
  };
  CHECK(holds(refused(std::numeric_limits<float>::quiet_NaN(), 2),
              "FILE: tensor 'v' holds a value that is not finite, at 2"));
  CHECK(holds(refused(std::numeric_limits<float>::infinity(), 0), "not finite, at 0"));
  CHECK(holds(refused(-1, 3), "tensor 'v' holds -1, at 3 (expected variances"));
  CHECK(refused(0, 3).empty());
}

TEST_CASE("C3D's mean is one tensor of its size, in its order of axes") {
  const dvd::TensorMatch nothing{
      .network = ClipNetwork::c3d, .classes = 101, .prefix = "", .assignments = {}, .skipped = {}};
  const auto with = [&](const std::vector<std::vector<std::int64_t>>& shapes) {
    FakeFile file;
    for (std::size_t i = 0; i < shapes.size(); ++i) file.add(concat("t", i), shapes[i]);
    dvd::ConvertedWeights weights("FILE", file, nothing);
    const std::string error = error_of([&] { weights.add_mean_cube("MEAN", file); });
    CHECK(weights.count() == (error.empty() ? 1 : 0));
    return error;
  };
  CHECK(with({{3, 16, 128, 171}}).empty());
  CHECK(with({{7}, {1, 3, 16, 128, 171}}).empty());
  CHECK(with({{3 * 16 * 128 * 171}}).empty());
  CHECK(
      holds(with({{16, 3, 128, 171}}), "MEAN: its mean has the shape [16, 3, 128, 171] (expected one of shape [3, 16"));
  CHECK(holds(with({{3, 16, 112, 112}}), "holds 0 tensors of 1050624 elements"));
  CHECK(holds(with({{3, 16, 128, 171}, {3, 16, 128, 171}}), "holds 2 tensors of 1050624 elements"));
}
