// A checkpoint of the independent implementation: its videos come out of our generator, live and averaged.
#include <doctest/doctest.h>

#include <cstdlib>
#include <string>

#include "dvd/device/cpu.hpp"
#include "dvd/io/videos.hpp"
#include "dvd/training/checkpoint.hpp"
#include "support/temporary_folder.hpp"

namespace {

// Largest absolute difference over largest absolute value, in float and in double against float files.
template <class T>
constexpr double tolerance = sizeof(T) == 4 ? 1e-4 : 1e-6;

// Of another set of reference values, where there is one that has it.
std::filesystem::path parity_file(const std::string& name) {
  if (const char* given = std::getenv("DVD_PARITY_DIR"))
    if (const auto other = std::filesystem::path(given) / name; std::filesystem::exists(other)) return other;
  return std::filesystem::path(DVD_TEST_DATA) / "parity" / name;
}

template <class T>
double difference(const std::vector<T>& values, const std::vector<T>& expected) {
  REQUIRE(values.size() == expected.size());
  double largest = 0, worst = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    largest = std::max(largest, static_cast<double>(std::abs(expected[i])));
    worst = std::max(worst, static_cast<double>(std::abs(values[i] - expected[i])));
  }
  return worst / largest;
}

}  // namespace

TEST_CASE_TEMPLATE("parity: checkpoint_sample", T, float, double) {
  for (const std::string name : {"checkpoint", "checkpoint_general"}) {
    const auto path = parity_file(name + ".safetensors");
    const dvd::SafetensorsFile file(path), sample(parity_file(name + "_sample.safetensors"));
    const dvd::DvdGanConfig config = dvd::read_config(file, path);
    dvd::Labels labels;
    if (config.classes > 0) labels = sample.read<std::int64_t>("in.labels");
    const dvd::Tensor<T> z(dvd::Shape{sample.shape("in.z")[0], config.latent_dim}, sample.read<T>("in.z"));

    dvd::GeneratorNetworks<dvd::Generator<T>> networks(config, dvd::Random(1));
    for (const bool live : {true, false}) {
      dvd::load_generator(file, path, networks, live);
      const auto videos = dvd::to_file_order(networks.generate(z, labels, {}, dvd::Pass::evaluate()));
      CHECK(difference(videos, sample.read<T>(live ? "live.out.y" : "ema.out.y")) < tolerance<T>);
    }
  }
}

TEST_CASE("parity: a checkpoint read and written again holds the same values under the same names") {
  for (const char* file : {"checkpoint.safetensors", "checkpoint_general.safetensors"}) {
    const auto path = parity_file(file);
    const dvd::SafetensorsFile theirs(path);
    dvd::DvdGan<float> gan(dvd::read_config(theirs, path));
    dvd::Trainer trainer(gan);
    dvd::load_checkpoint(path, trainer);
    const TemporaryFolder folder;
    dvd::save_checkpoint(folder.path() / "ours", trainer);
    const dvd::SafetensorsFile ours(folder.path() / "ours");
    REQUIRE(ours.names() == theirs.names());
    for (const std::string& name : ours.names()) {
      CAPTURE(name);
      REQUIRE(ours.shape(name) == theirs.shape(name));
      if (theirs.type(name) == dvd::DataType::I64)
        CHECK(ours.read<std::int64_t>(name) == theirs.read<std::int64_t>(name));
      else
        CHECK(ours.read<float>(name) == theirs.read<float>(name));
    }
    // The configuration as text: byte for byte what the other program wrote, spaces aside.
    std::string text = theirs.metadata().at("config");
    std::erase(text, ' ');
    CHECK(ours.metadata().at("config") == text);
  }
}
