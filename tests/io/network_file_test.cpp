// Networks of any size out of files, and files whose configuration and tensors do not belong together.
#include "dvd/io/network_file.hpp"

#include <doctest/doctest.h>

#include <deque>
#include <string>

#include "dvd/device/cpu.hpp"
#include "support/temporary_folder.hpp"

namespace {

using namespace dvd;

using Networks = GeneratorNetworks<Generator<float>>;

const DvdGanConfig grey{.frames = 2,
                        .height = 10,
                        .width = 12,
                        .image_channels = 1,
                        .channels = 1,
                        .classes = 0,
                        .latent_dim = 4,
                        .condition_frames = 2,
                        .generator_multipliers = {3, 2},
                        .discriminator_multipliers = {2, 3}};

// Writes networks as a checkpoint does, under a configuration that may be of others.
void write(const std::filesystem::path& path, const Json& config, Networks& networks, Networks* average = nullptr) {
  SafetensorsWriter writer;
  std::deque<std::vector<float>> values;  // the writer refers to them
  const auto add = [&](const std::string& name, const Tensor<float>& tensor) {
    values.push_back(tensor.to_vector());
    writer.add<float>(name, {tensor.shape().begin(), tensor.shape().end()}, values.back());
  };
  const auto add_all = [&](Networks& from, const std::string& prefix) {
    const auto all = contents(from, prefix);
    for (const auto& [name, parameter] : all.parameters) add(name, parameter->value);
    for (const auto& [name, buffer] : all.buffers) add(name, buffer->value);
  };
  add_all(networks, "");
  if (average) add_all(*average, "ema.");
  writer.set_metadata("config", config.dump());
  writer.add_checksum();
  writer.write(path);
}

std::vector<float> videos_of(Networks& networks) {
  const Tensor<float> z = Tensor<float>::full({2, 4}, 0.5f), condition = Tensor<float>::full({2, 2, 10, 12, 1}, 0.5f);
  return networks.generate(z, {}, condition, Pass::evaluate()).to_vector();
}

TEST_CASE("networks without classes, live and averaged") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "networks";
  Networks networks(grey, Random(1)), average(grey, Random(2));
  write(path, to_json(grey), networks, &average);
  const SafetensorsFile file(path);
  CHECK(!file.contains("generator.embedding.weight"));
  CHECK(read_config(file, path) == grey);
  Networks loaded(read_config(file, path), Random::none());
  load_generator(file, path, loaded);
  CHECK(videos_of(loaded) == videos_of(average));
  load_generator(file, path, loaded, true);
  CHECK(videos_of(loaded) == videos_of(networks));

  write(path, to_json(grey), networks);
  load_generator(SafetensorsFile(path), path, loaded);
  CHECK(videos_of(loaded) == videos_of(networks));
}

TEST_CASE("a configuration of other sizes than the tensors' is refused") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "networks";
  Networks networks(grey, Random(1));
  const auto message = [&](const char* field, const Json& value) -> std::string {
    Json config = to_json(grey);
    config[field] = value;
    write(path, config, networks);
    try {
      read_config(SafetensorsFile(path), path);
    } catch (const FileError& error) {
      return std::string(error.what()).substr(path.string().size());
    }
    return "";
  };
  CHECK(message("height", 10) == "");
  CHECK(message("height", 14) == ": generator.input.weight has shape [90, 4], but the configuration asks for [126, 4]");
  CHECK(message("width", 24) == ": generator.input.weight has shape [90, 4], but the configuration asks for [180, 4]");
  CHECK(message("height", 9) ==
        ": height must be even and between 8 and 4096, not 9 (each further halving that height and width allow, down "
        "to 4 pixels, is a stage of the networks)");
  CHECK(message("image_channels", 3) ==
        ": generator.output.conv.weight has shape [1, 2, 3, 3], but the configuration asks for [3, 2, 3, 3]");
  CHECK(message("classes", 2) == ": generator.embedding.weight is missing");
  CHECK(message("generator_multipliers", {3, 4096}) ==
        ": generator.output.norm.running_mean has shape [2, 2], but the configuration asks for [2, 4096]");
  CHECK(
      message("discriminator_multipliers", {4096, 3}) ==
      ": conditioning.blocks.0.conv2.weight has shape [2, 2, 3, 3], but the configuration asks for [4096, 4096, 3, 3]");
  CHECK(message("discriminator_multipliers", {2, 4096}) ==
        ": conditioning.projections.0.weight has shape [3, 6, 3, 3], but the configuration asks for [3, 8192, 3, 3]");

  DvdGanConfig larger = grey;
  larger.height = 20, larger.width = 16, larger.condition_frames = 0;
  larger.generator_multipliers = {2, 3, 2}, larger.discriminator_multipliers = {};
  Networks others(larger, Random(1));
  larger.generator_multipliers = {2, 4096, 2};
  write(path, to_json(larger), others);
  CHECK_THROWS_AS(read_config(SafetensorsFile(path), path), FileError);
}

TEST_CASE("an embedding in a file of a model without classes is refused") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "networks";
  DvdGanConfig with = grey;
  with.classes = 2, with.embed_dim = 3;
  Networks networks(with, Random(1)), without(grey, Random(1));
  write(path, to_json(with), networks);
  const SafetensorsFile file(path);
  const std::vector<float> before = videos_of(without);
  CHECK_THROWS_AS(load_generator(file, path, without), FileError);
  CHECK(videos_of(without) == before);
}

}  // namespace
