// convert_weights from the outside: whole networks as their authors published them, and what is no such file.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "dvd/convert/network_tensors.hpp"
#include "dvd/io/safetensors.hpp"
#include "support/foreign_files.hpp"
#include "support/run_program.hpp"

namespace fs = std::filesystem;
using namespace dvd::testing;

namespace {

bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

ProgramResult convert(const TemporaryFolder& folder, const std::string& arguments) {
  return run_program(folder.path(), "convert_weights", arguments);
}

// A tensor's elements: of each name others, from 0.25 to 1.25.
std::vector<float> values_of(const dvd::NetworkTensor& tensor) {
  std::uint32_t state = 1;
  for (const char letter : tensor.name) state = state * 31 + static_cast<unsigned char>(letter);
  std::vector<float> values(dvd::detail::element_count(tensor.shape).value());
  for (float& value : values) {
    state = state * 1664525 + 1013904223;
    value = 0.25f + static_cast<float>(state >> 8) * 0x1p-24f;
  }
  return values;
}

// A kernel of out, in, depth, height, width as depth, height, width, in, out.
std::vector<float> depth_first(const std::vector<float>& values, const std::vector<std::int64_t>& shape) {
  const auto outs = static_cast<std::size_t>(shape[0]), ins = static_cast<std::size_t>(shape[1]);
  const std::size_t taps = values.size() / outs / ins;
  std::vector<float> result(values.size());
  for (std::size_t tap = 0, at = 0; tap < taps; ++tap)
    for (std::size_t in = 0; in < ins; ++in)
      for (std::size_t out = 0; out < outs; ++out) result[at++] = values[(out * ins + in) * taps + tap];
  return result;
}

// kinetics-i3d's checkpoint, with what an optimizer leaves in one.
void write_tensorflow(const fs::path& path, std::int64_t classes, const std::string& prefix) {
  std::vector<TensorflowTensor> tensors;
  for (const dvd::NetworkTensor& tensor : dvd::i3d_tensors(classes)) {
    std::string name = prefix + tensor.foreign.back().text;
    std::ranges::replace(name, '.', '/');
    const std::vector<std::int64_t>& shape = tensor.shape;
    if (tensor.ones_if_missing) continue;
    if (shape.size() == 5)
      tensors.push_back(
          {name, {shape[2], shape[3], shape[4], shape[1], shape[0]}, bytes_of(depth_first(values_of(tensor), shape))});
    else
      tensors.push_back({name, name.ends_with("/b") ? shape : std::vector<std::int64_t>{1, 1, 1, 1, shape[0]},
                         bytes_of(values_of(tensor))});
    if (name.ends_with("/beta")) tensors.push_back({name + "/Momentum", {1}, bytes_of(1.0f)});
  }
  tensors.push_back({"global_step", {}, bytes_of(std::int64_t{5}), 9});
  write_bundle(path, std::move(tensors), 2);
}

void check_written(const fs::path& path, std::int64_t classes, bool scales) {
  const dvd::SafetensorsFile file(path);
  CHECK(file.checksum_fits());
  CHECK(file.names().size() == 287);
  const auto checksums = nlohmann::json::parse(file.metadata().at("tensor_checksums"));
  bool equal = true, fit = true;
  for (const dvd::NetworkTensor& tensor : dvd::i3d_tensors(classes)) {
    REQUIRE(file.shape(tensor.name) == tensor.shape);
    const std::vector<float> values = file.read<float>(tensor.name);
    const bool ones = tensor.ones_if_missing && !scales;
    equal = equal && values == (ones ? std::vector<float>(values.size(), 1) : values_of(tensor));
    dvd::detail::ContentHash hash;
    hash.add(std::as_bytes(std::span(values)));
    fit = fit && checksums[tensor.name] == hash.text();
  }
  CHECK(equal);
  CHECK(fit);
}

// A C3D of nothing but names and shapes would have 313 MB: this has its first two tensors.
void write_part_of_c3d(const fs::path& path) {
  write_text(path,
             zip_bytes({{.name = "conv1a/W.npy", .data = npy_bytes({64, 3, 3, 3, 3}, std::string(64 * 81 * 4, '\0'))},
                        {.name = "conv1a/b.npy", .data = npy_bytes({64}, std::string(64 * 4, '\0'))}}));
}

}  // namespace

TEST_CASE("kinetics-i3d's checkpoint becomes this library's file") {
  const TemporaryFolder folder;
  fs::create_directories(folder.path() / "rgb_scratch");
  write_tensorflow(folder.path() / "rgb_scratch/model.ckpt", 400, "RGB/inception_i3d/");
  const auto result = convert(folder, "rgb_scratch/model.ckpt --network i3d --out i3d.safetensors");
  CAPTURE(result.errors);
  CAPTURE(result.output);
  REQUIRE(result.status == 0);
  CHECK(holds(result.output, "TensorFlow checkpoint (V2, 2 files of data), 288 tensors"));
  CHECK(holds(result.output, "network    I3D, 400 classes\n"));
  CHECK(
      holds(result.output, "read       230 tensors of F32, whose names begin with 'RGB.inception_i3d.'; kernels from"));
  CHECK(holds(result.output, "made       57 tensors of ones"));
  CHECK(holds(result.output, "skipped    1: a counter, such as 'global_step'\n"));
  CHECK(holds(result.output, "skipped    57: an optimizer's or average's copy, such as"));
  CHECK(holds(result.output, "variant    k400-scratch, told by the file's name"));
  CHECK(holds(result.output, "written    i3d.safetensors: 287 tensors, 12,711,824 numbers\n"));
  check_written(folder.path() / "i3d.safetensors", 400, false);
  const dvd::SafetensorsFile written(folder.path() / "i3d.safetensors");
  CHECK(written.metadata().at("network") == "i3d");
  CHECK(written.metadata().at("variant") == "k400-scratch");
  CHECK(written.metadata().at("epsilon") == "0.001");
  CHECK(written.metadata().at("source_hash").size() == 16);

  // What was written can be read again, and what it says of itself is believed, also against a person.
  const auto told = convert(folder, "i3d.safetensors --out again.safetensors");
  CHECK(told.status == 0);
  CHECK(holds(told.output, "variant    k400-scratch, told by the file's metadata\n"));
  CHECK(failed_with(convert(folder, "i3d.safetensors --variant rgb-imagenet --out a.safetensors"), 1,
                    "says in its metadata that it is of the variant"));
  // Under a name that says nothing, from a file that says nothing, and ImageNet's is marked.
  {
    dvd::SafetensorsWriter silent;
    std::vector<std::vector<float>> values;
    for (const std::string& name : written.names()) values.push_back(written.read<float>(name));
    for (std::size_t i = 0; i < values.size(); ++i)
      silent.add<float>(written.names()[i], written.shape(written.names()[i]), values[i]);
    silent.write(folder.path() / "silent.safetensors");
  }
  CHECK(failed_with(convert(folder, "silent.safetensors --out again.safetensors"), 1,
                    "does not say what its 400 classes"));
  const auto again =
      convert(folder, "silent.safetensors --variant rgb-imagenet --epsilon 1e-5 --list --out a.safetensors");
  CHECK(again.status == 0);
  CHECK(convert(folder, "a.safetensors --out told.safetensors").status == 0);
  CHECK(dvd::SafetensorsFile(folder.path() / "told.safetensors").metadata().at("epsilon") == "1e-5");
  CHECK(holds(again.output, "read       'Mixed_3b.b0.bn.bias' F32 [64] -> Mixed_3b.b0.bn.bias\n"));
  CHECK(holds(again.output, "scores from it are not what is published as FVD"));
  check_written(folder.path() / "a.safetensors", 400, false);
  CHECK(dvd::SafetensorsFile(folder.path() / "a.safetensors").metadata().at("epsilon") == "1e-5");
  CHECK(dvd::SafetensorsFile(folder.path() / "a.safetensors").metadata().at("variant") == "rgb-imagenet");
  fs::create_directories(folder.path() / "rgb_imagenet");
  fs::rename(folder.path() / "i3d.safetensors", folder.path() / "rgb_imagenet/i3d.safetensors");
  CHECK(failed_with(convert(folder, "rgb_imagenet/i3d.safetensors --variant k400-scratch --out b.safetensors"), 1,
                    "its name says ImageNet"));
  CHECK(failed_with(convert(folder, "a.safetensors --network c3d --out b.safetensors"), 1, "holds no tensor of C3D's"));
  CHECK(!fs::exists(folder.path() / "b.safetensors"));
  CHECK(
      failed_with(convert(folder, "a.safetensors --variant k400-scratch --out /dev/full/x"), 2, "there is no folder"));
}

TEST_CASE("a PyTorch state dict becomes this library's file, and one damaged byte of it is found") {
  const TemporaryFolder folder;
  std::vector<TorchTensor> tensors;
  for (const dvd::NetworkTensor& tensor : dvd::i3d_tensors(600)) {
    const std::string name = tensor.foreign[1].text;  // kinetics_i3d_pytorch's
    tensors.push_back({"module." + name, tensor.shape, bytes_of(values_of(tensor))});
    if (name.ends_with(".running_var"))
      tensors.push_back({"module." + name.substr(0, name.size() - 11) + "num_batches_tracked",
                         {},
                         bytes_of(std::int64_t{7}),
                         "LongStorage",
                         8});
  }
  std::string bytes = torch_zip_bytes(tensors);
  tensors.clear();
  write_text(folder.path() / "i3d.pt", bytes);
  const auto result = convert(folder, "i3d.pt --out i3d.safetensors --quiet");
  CAPTURE(result.errors);
  REQUIRE(result.status == 0);
  CHECK(result.output.empty());
  check_written(folder.path() / "i3d.safetensors", 600, true);
  CHECK(dvd::SafetensorsFile(folder.path() / "i3d.safetensors").metadata().at("variant") == "k600-scratch");
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 16);
  write_text(folder.path() / "i3d.pt", bytes);
  CHECK(failed_with(convert(folder, "i3d.pt --out new.safetensors --quiet"), 1, "is damaged (CRC error)"));
  CHECK(!fs::exists(folder.path() / "new.safetensors"));
}

TEST_CASE("what makes no sense is refused with status 2, what goes wrong while reading with 1") {
  const TemporaryFolder folder;
  write_part_of_c3d(folder.path() / "c3d.npz");
  write_text(folder.path() / "nothing", "");
  write_text(folder.path() / "system.pt", torch_zip_bytes("\x80\x02"
                                                          "cposix\nsystem\n(X\x0a" +
                                                              std::string(3, '\0') + "touch itran\x85R.",
                                                          {}));
  const auto wrong = [&](const std::string& arguments, const std::string& text) {
    return failed_with(convert(folder, arguments), 2, text);
  };
  CHECK(wrong("", "file is required"));
  CHECK(wrong("c3d.npz", "--out is required"));
  CHECK(wrong("none.npz --out o", "none.npz: no such file, and no none.npz.index of a TensorFlow checkpoint"));
  CHECK(wrong("c3d.npz --mean none.npz --out o", "none.npz: no such file"));
  CHECK(wrong("c3d.npz --out none/o", "there is no folder none"));
  CHECK(wrong("c3d.npz --out .", "is a folder"));
  CHECK(wrong("c3d.npz --out c3d.npz", "is the file that is read"));
  CHECK(wrong("c3d.npz --out o --network r3d", "--network"));
  CHECK(wrong("c3d.npz --out o --variant imagenet", "--variant"));
  for (const char* const epsilon : {"0", "1", "x", "1e-3x", "nan", "-1"})
    CHECK(wrong(std::string("c3d.npz --out o --epsilon=") + epsilon, "is no number between 0 and 1"));
  const auto failed = [&](const std::string& arguments, const std::string& text) {
    return failed_with(convert(folder, arguments), 1, text);
  };
  CHECK(failed("c3d.npz --out o", "c3d.npz: lacks 20 of C3D's 22 tensors: conv2a.W, conv2a.b, conv3a.W and 17 more"));
  CHECK(failed("c3d.npz --network i3d --out o", "c3d.npz: holds no tensor of I3D's (it holds 'conv1a/W', 'conv1a/b')"));
  CHECK(failed("nothing --out o", "nothing: is in no format that is known here"));
  CHECK(failed(". --out o", "is a folder (expected a file of weights"));
  CHECK(failed("system.pt --out o", "names 'posix.system', which is none of what weights are made of; nothing in it"));
  CHECK(!fs::exists(folder.path() / "itran"));
  CHECK(!fs::exists(folder.path() / "o"));
  CHECK(convert(folder, "--help").status == 0);
}
