// Generators in files of their own, and out of checkpoints: whole, checked, and as they were.
#include "dvd/io/generator_file.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <deque>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include "dvd/device/cpu.hpp"
#include "dvd/layers/tsru.hpp"
#include "dvd/models/gan.hpp"
#include "dvd/training/checkpoint.hpp"
#include "support/error_of.hpp"
#include "support/gan_archetypes.hpp"
#include "support/temporary_folder.hpp"

namespace {

using namespace dvd;
using testing::ArchetypeGenerator;
using testing::error_of;
using testing::holds;

using Networks = GeneratorNetworks<Generator<float>>;

const DvdGanConfig tiny{.frames = 2, .resolution = 8, .channels = 1, .classes = 3, .latent_dim = 4, .embed_dim = 2};

DvdGanConfig predicting() {
  DvdGanConfig config = tiny;
  config.condition_frames = 2;
  return config;
}

std::string read_bytes(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write_bytes(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

template <class Served>
std::vector<float> samples(const Served& served) {
  return served.sample({.labels = {2, 0, 1}, .seed = 9}).to_vector();
}

TEST_CASE("a generator saved alone is loaded as it was") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "alone";
  const Networks networks(tiny, Random(1));
  save_generator(path, networks);
  CHECK(SafetensorsFile(path).metadata().contains("checksum"));
  CHECK(samples(load_served_generator(path)) == samples(ServedGenerator(networks)));
  CHECK(load_served_generator(path).generator().generator.config() == tiny);
  CHECK(samples(load_served_generator(path, Networks(tiny, Random(2)))) == samples(ServedGenerator(networks)));

  // What reads a checkpoint's generator reads it, too.
  Networks loaded(tiny, Random::none());
  load_generator(SafetensorsFile(path), path, loaded);
  CHECK(samples(ServedGenerator(loaded)) == samples(ServedGenerator(networks)));

  // In half precision, with metadata of a program's own.
  const auto half = folder.path() / "half";
  save_generator(half, networks, {.half = true, .metadata = {{"note", "to give away"}}});
  CHECK(SafetensorsFile(half).metadata().at("note") == "to give away");
  CHECK(SafetensorsFile(half).type("generator.input.weight") == DataType::F16);
  const std::vector<float> exact = samples(ServedGenerator(networks)), near = samples(load_served_generator(half));
  CHECK(exact != near);
  for (std::size_t i = 0; i < exact.size(); ++i) REQUIRE(std::abs(exact[i] - near[i]) < 0.02f);
}

TEST_CASE("a generator that computes in double is saved in double, and loaded in float") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "double";
  const GeneratorNetworks<Generator<double>> networks(tiny, Random(1));
  save_generator(path, networks);
  const auto same = load_served_generator<GeneratorNetworks<Generator<double>>>(path);
  CHECK(same.generator().generator.input.layer.weight.value.to_vector() ==
        networks.generator.input.layer.weight.value.to_vector());
  CHECK(load_served_generator(path).sample({.label = 1}).shape() == Shape{2, 1, 8, 8, 3});
}

TEST_CASE("tensors beyond the range of half precision keep theirs") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "half";
  Networks networks(tiny, Random(1));
  networks.generator.norm.running_var.value.fill(1e6f);
  save_generator(path, networks, {.half = true});
  CHECK(SafetensorsFile(path).type("generator.output.norm.running_var") == DataType::F32);
  CHECK(load_served_generator(path).generator().generator.norm.running_var.value.to_vector().front() == 1e6f);
}

TEST_CASE("out of a checkpoint come the averaged weights, or those in training") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "checkpoint";
  DvdGan<float> gan(predicting(), 1);
  Trainer trainer(gan, {.batch = 2});
  const auto everything = contents(gan.average);
  for (const auto& [name, parameter] : everything.parameters) parameter->value.fill(0.01f);
  save_checkpoint(path, trainer);
  const Tensor<float> given = Tensor<float>::full({2, 1, 8, 8, 3}, 0.5f);
  const auto frames = [&](const auto& served) { return served.continue_videos(given, {1}, 3).frames.to_vector(); };
  CHECK(frames(load_served_generator(path)) == frames(ServedGenerator(gan.average)));
  CHECK(frames(load_served_generator(path, true)) == frames(ServedGenerator(gan.networks())));
  CHECK(frames(load_served_generator(path)) != frames(load_served_generator(path, true)));
  // And alone, with what reads the frames given.
  save_generator(folder.path() / "alone", gan.average);
  CHECK(frames(load_served_generator(folder.path() / "alone")) == frames(ServedGenerator(gan.average)));
}

TEST_CASE("a generator of one's own: alone, out of a checkpoint, averaged and not") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "own", checkpoint = folder.path() / "checkpoint";
  const auto level = [](const ServedGenerator<ArchetypeGenerator>& served) {
    return served.generator().level.value.item();
  };
  const auto load = [&](const std::filesystem::path& from, bool live = false) {
    return level(load_served_generator(from, ArchetypeGenerator{}, live));
  };
  ArchetypeGenerator own;
  own.level.value.fill(0.25f);
  save_generator(path, own);
  CHECK(load(path) == 0.25f);

  testing::ArchetypeGan gan;
  gan.generator.level.value.fill(0.5f), gan.average.level.value.fill(0.75f);
  Trainer trainer(gan, {.batch = 2});
  save_checkpoint(checkpoint, trainer);
  CHECK(load(checkpoint) == 0.75f);
  CHECK(load(checkpoint, true) == 0.5f);

  // Files of other generators.
  save_generator(path, Networks(tiny, Random(1)));
  CHECK(error_of([&] { load(path); }) == path.string() + ": is of another generator: its latent_dim is 4, not 1");
  SafetensorsWriter unnamed;
  const std::vector<float> one = {1};
  unnamed.add<float>("other", {1}, one);
  unnamed.write(path);
  CHECK(error_of([&] { load(path); }) ==
        path.string() + ": is of another kind of model: level is missing, and other has no place");
  unnamed.add<float>("level", {1}, one);
  unnamed.write(path);
  CHECK(error_of([&] { load(path); }) == path.string() + ": other is not part of a network of this configuration");
}

// Whose names look like those of an average in a checkpoint.
struct NamedEma : ArchetypeGenerator {
  template <class F>
  void visit(const std::string& prefix, F& f) {
    ArchetypeGenerator::visit(prefix + "ema.", f);
  }
};

TEST_CASE("a generator with a member called ema is no checkpoint") {
  const TemporaryFolder folder;
  NamedEma generator;
  generator.level.value.fill(0.25f);
  save_generator(folder.path() / "alone", generator);
  CHECK(load_served_generator(folder.path() / "alone", NamedEma()).generator().level.value.item() == 0.25f);
}

TEST_CASE("what is wrong with a file is said") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "file";
  const auto message = [&](const auto& load) {
    const std::string text = error_of(load);
    CHECK(text.starts_with(path.string() + ": "));
    return text.substr(std::min(text.size(), path.string().size() + 2));
  };
  const auto load = [&] { load_served_generator(path); };
  CHECK(holds(message(load), "cannot be opened"));
  write_bytes(path, "no safetensors file");
  CHECK_THROWS_AS(load(), FileError);

  Networks networks(tiny, Random(1));
  save_generator(path, networks);
  CHECK(message([&] { load_served_generator<GeneratorNetworks<Generator<float, Cpu, TSRU<float>>>>(path); }) ==
        "is of another kind of model: generator.stages.0.gru.offset.bias is missing, and "
        "generator.stages.0.gru.reset.bias has no place");
  CHECK(message([&] { load_served_generator(path, ArchetypeGenerator{}); }) ==
        "is of another generator: its latent_dim is 4, not 1");

  // Of something else; without one of its tensors; with one too many; with a weight that is no number.
  const auto write = [&](const std::string& left_out, const std::string& added, float value,
                         const std::string& config) {
    SafetensorsWriter writer;
    std::deque<std::vector<float>> values;
    const auto all = contents(networks);
    const auto add = [&](const std::string& name, const Tensor<float>& tensor) {
      values.push_back(tensor.to_vector());
      values.back()[0] = name == "generator.output.conv.bias" ? value : values.back()[0];
      if (name != left_out) writer.add<float>(name, {tensor.shape().begin(), tensor.shape().end()}, values.back());
    };
    for (const auto& [name, parameter] : all.parameters) add(name, parameter->value);
    for (const auto& [name, buffer] : all.buffers) add(name, buffer->value);
    if (!added.empty()) writer.add<float>(added, {static_cast<std::int64_t>(values[0].size())}, values[0]);
    if (!config.empty()) writer.set_metadata("config", config);
    writer.add_checksum();
    writer.write(path);
  };
  const std::string config = to_json(tiny).dump();
  write("", "", 0, "");
  CHECK(message(load) == "no configuration in the metadata; not a checkpoint of a DVD-GAN");
  write("generator.input.u", "", 0, config);
  CHECK(message(load) == "generator.input.u is missing");
  write("", "generator.more", 0, config);
  CHECK(message(load) == "generator.more is not part of a network of this configuration");
  write("", "", std::numeric_limits<float>::quiet_NaN(), config);
  CHECK(message(load) == "generator.output.conv.bias holds values that are not finite");
  write("", "", 0, to_json(predicting()).dump());
  CHECK(message(load) == "conditioning.projections.0.weight is missing");
  // Brackets within brackets, deeper than the stack.
  write("", "", 0, "{\"frames\":" + std::string(200'000, '[') + std::string(200'000, ']') + "}");
  CHECK(message([&] { load_served_generator(path, ArchetypeGenerator{}); }) ==
        "is of another generator: its frames is JSON of more than 32 levels, not 2");
  CHECK(message(load) == "the configuration has no integer \"frames\"");
}

TEST_CASE("a flipped bit anywhere in the file is noticed") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "alone";
  const Networks networks(tiny, Random(1));
  save_generator(path, networks, {.half = true});
  const std::string whole = read_bytes(path);
  for (std::size_t at = 0; at < whole.size(); at += at < 400 ? 7 : 997) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << at % 8));
    write_bytes(path, damaged);
    CAPTURE(at);
    // A letter of the word "checksum" itself makes another entry of it, and the file one without a checksum.
    const std::size_t name = whole.find("checksum");
    if (at >= name && at < name + 8) continue;
    CHECK_THROWS_AS(load_served_generator(path), FileError);
  }
  write_bytes(path, whole.substr(0, whole.size() - 1));
  CHECK_THROWS_AS(load_served_generator(path), FileError);
  std::string last = whole;
  last.back() = static_cast<char>(last.back() ^ 1);
  write_bytes(path, last);
  CHECK(error_of([&] { load_served_generator(path); }) ==
        path.string() +
            ": is damaged, or was edited by another program: its content does not fit the checksum in its "
            "metadata (to use an edited file, remove \"checksum\" from the metadata)");
  write_bytes(path, whole);
  CHECK(load_served_generator(path).sizes() == networks.sizes());
}

TEST_CASE("what cannot be saved leaves the file that was there") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "alone";
  Networks networks(tiny, Random(1));
  save_generator(path, networks);
  const std::string before = read_bytes(path);
  networks.generator.conv.layer.bias.value.fill(std::numeric_limits<float>::infinity());
  CHECK(error_of([&] { save_generator(path, networks); }) ==
        "generator.output.conv.bias holds values that are not finite, which cannot be saved");
  CHECK(read_bytes(path) == before);
  CHECK_THROWS_AS(save_generator(folder.path() / "nowhere" / "alone", Networks(tiny, Random(1))), FileError);
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 1);
}

}  // namespace
