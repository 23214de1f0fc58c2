// Checkpoints of version 0.1.0 go on loading: tests/data/version_0_1_0 was written by that version, for good.
//
// It holds a run's checkpoint after two steps, the samples that 0.1.0 made from it, and its checkpoint after a third
// step. Compiled alike, both versions give the same bits; here another instruction set may round otherwise.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "dvd/data/moving_shapes.hpp"
#include "dvd/training/checkpoint.hpp"
#include "support/temporary_folder.hpp"

namespace {

const std::filesystem::path folder = std::filesystem::path(DVD_TEST_DATA) / "version_0_1_0";

const dvd::TrainerOptions options = {.batch = 2, .seed = 7, .average = {.decay = 0.5, .start = 1}};

dvd::DvdGanConfig config_of(const dvd::SafetensorsFile& file) { return dvd::read_config(file, "0.1.0's checkpoint"); }

}  // namespace

TEST_CASE("a checkpoint of 0.1.0 loads, holds the same bits when saved again, and samples what it sampled") {
  const dvd::SafetensorsFile file(folder / "checkpoint.safetensors");
  dvd::DvdGan<float> gan(config_of(file), dvd::Random::none());
  dvd::Trainer trainer(gan, options);
  dvd::load_checkpoint(folder / "checkpoint.safetensors", trainer);
  CHECK(trainer.steps() == 2);

  const TemporaryFolder scratch;
  dvd::save_checkpoint(scratch.path() / "again", trainer);
  const dvd::SafetensorsFile again(scratch.path() / "again");
  CHECK(again.names() == file.names());
  CHECK(again.metadata().at("config") == file.metadata().at("config"));
  for (const std::string& name : file.names()) {
    CHECK_MESSAGE(again.shape(name) == file.shape(name), name);
    if (file.type(name) == dvd::DataType::F32)
      CHECK_MESSAGE(again.read<float>(name) == file.read<float>(name), name);
    else
      CHECK_MESSAGE(again.read<std::int64_t>(name) == file.read<std::int64_t>(name), name);
  }

  const auto samples = dvd::SafetensorsFile(folder / "samples.safetensors").read<float>("samples");
  const auto now = gan.sample({.label = 3, .count = 2, .seed = 9}).to_vector();
  REQUIRE(now.size() == samples.size());
  double difference = 0;
  for (std::size_t i = 0; i < now.size(); ++i)
    difference = std::max(difference, static_cast<double>(std::abs(now[i] - samples[i])));
  CHECK(difference < 1e-5);
}

TEST_CASE("a run of 0.1.0 goes on as it would have") {
  const dvd::SafetensorsFile before(folder / "checkpoint.safetensors"), after(folder / "next.safetensors");
  dvd::DvdGan<float> gan(config_of(before));
  dvd::Trainer trainer(gan, options);
  dvd::load_checkpoint(folder / "checkpoint.safetensors", trainer);
  dvd::MovingShapes data({.frames = 3, .resolution = 16});
  CHECK_FALSE(trainer.step(data).skipped);

  // A step moves a weight by about the learning rate, 1e-4 or 5e-4; where a gradient is about 0, Adam may move it to
  // either side.
  const auto all = dvd::contents(gan);
  double total = 0, differing = 0;
  for (const auto& [name, parameter] : all.parameters) {
    const auto expected = after.read<float>(name), found = parameter->value.to_vector();
    REQUIRE(expected.size() == found.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      total += 1;
      differing += std::abs(expected[i] - found[i]) > 2e-6;
      CHECK(std::abs(expected[i] - found[i]) < 2e-3);
    }
  }
  CHECK(differing < 0.01 * total);
}

TEST_CASE("a generator of 0.1.0 loads alone") {
  const dvd::SafetensorsFile file(folder / "checkpoint.safetensors");
  dvd::GeneratorNetworks<dvd::Generator<float>> networks(config_of(file), dvd::Random::none());
  dvd::load_generator(file, folder / "checkpoint.safetensors", networks);
  CHECK(networks.generator.embedding.table->weight.value.to_vector() ==
        file.read<float>("ema.generator.embedding.weight"));
}
