// Writes the seeds that the library itself can make: make_seeds FOLDER, with a folder for each fuzz target in it.
// make_corpora.sh adds those that are made by other programs.
#include <cstdio>
#include <exception>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "dvd/io/generator_file.hpp"
#include "dvd/models/config_json.hpp"
#include "dvd/training/checkpoint.hpp"
#include "fuzz_input.hpp"
#include "fuzz_set.hpp"
#include "fuzz_training.hpp"
#include "support/foreign_files.hpp"
#include "support/gan_archetypes.hpp"

namespace {

namespace fs = std::filesystem;
using namespace dvd::testing;

class Seeds {
 public:
  explicit Seeds(fs::path root) : root_(std::move(root)) {}

  fs::path place(const std::string& target, const std::string& name) const {
    fs::create_directories(root_ / target);
    return root_ / target / name;
  }
  void add(const std::string& target, const std::string& name, const std::string& bytes) const {
    fuzz::write(place(target, name), bytes);
  }

 private:
  fs::path root_;
};

// Without the checksum, which no changed file would get past.
void forget_checksum(const fs::path& path) {
  std::string bytes = content_of(path);
  const std::size_t at = bytes.find("\"checksum\"");
  if (at != bytes.npos) bytes.replace(at, 10, "\"checkless\"", 10);
  fuzz::write(path, bytes);
}

void make_networks(const Seeds& seeds) {
  using Networks = dvd::GeneratorNetworks<dvd::Generator<float>>;
  fuzz::TinyTraining training;
  std::vector<fs::path> files;
  const auto place = [&](const char* name) { return files.emplace_back(seeds.place("checkpoint", name)); };
  dvd::save_checkpoint(place("run"), training.trainer);
  dvd::save_generator(place("alone"), training.gan.average);
  dvd::save_generator(place("half"), training.gan.average, {.half = true});
  dvd::DvdGanConfig config = fuzz::tiny_config();
  config.condition_frames = 2;
  dvd::save_generator(place("continues"), Networks(config, dvd::Random(1)));
  config = fuzz::tiny_config();
  config.classes = 0;
  config.image_channels = 1;
  config.width = 16;
  dvd::save_generator(place("wide"), Networks(config, dvd::Random(1)));
  dvd::save_generator(place("other_kind"), ArchetypeGenerator());
  for (const fs::path& file : files) forget_checksum(file);
  fs::copy_file(files.back(), seeds.place("safetensors", "generator"), fs::copy_options::overwrite_existing);
  seeds.add("config", "tiny", dvd::to_json(fuzz::tiny_config()).dump());
  seeds.add("config", "wide", dvd::to_json(config).dump());
}

void make_safetensors(const Seeds& seeds) {
  dvd::SafetensorsWriter writer;
  const std::vector<float> floats(6, 0.5f);
  const std::vector<std::int64_t> numbers = {1, -2, 300};
  const std::vector<std::uint8_t> letters = {1, 2, 255};
  writer.add<float>("weight", {2, 3}, floats);
  writer.add("half", {6}, floats, dvd::DataType::F16);
  writer.add<std::int64_t>("numbers", {3}, numbers);
  writer.add<std::uint8_t>("letters", {3, 1}, letters);
  writer.set_metadata("config", "{\"frames\":2}");
  writer.write(seeds.place("safetensors", "types"));
  fs::copy_file(seeds.place("safetensors", "types"), seeds.place("weights", "types.safetensors"),
                fs::copy_options::overwrite_existing);
}

void make_set_index(const Seeds& seeds) {
  const fs::path set = fuzz::folder() / "made";
  make_set(set, fuzz::set_videos());
  fuzz::write(seeds.place("set", "whole"), content_of(dvd::index_of_set(set)));
  fs::copy_file(seeds.place("set", "whole"), seeds.place("set", "any"), fs::copy_options::overwrite_existing);
  forget_checksum(seeds.place("set", "any"));
  fs::remove_all(fuzz::folder());
}

void make_foreign(const Seeds& seeds) {
  const std::string six = bytes_of(std::vector<float>{1, -2, 3.5, 4, 5, 6});
  const std::vector<TorchTensor> tensors = {
      {"Conv3d_1a_7x7.bn.bias", {6}, six}, {"b", {2, 3}, six}, {"logits.conv3d.bias", {3}, six, "DoubleStorage", 8}};
  const std::string array = npy_bytes({2, 3}, six);
  seeds.add("weights", "array.npy", array);
  seeds.add("weights", "arrays.npz",
            zip_bytes({{.name = "conv1a/b.npy", .data = npy_bytes({6}, six)},
                       {.name = "b.npy", .data = array, .deflated = true},
                       {.name = "c.npy", .data = array, .zip64 = true}}));
  seeds.add("weights", "torch.pt", torch_zip_bytes(tensors));
  seeds.add("weights", "old.pt", torch_legacy_bytes(tensors));
  seeds.add("pickle", "state_dict", state_dict_pickle(tensors));
  seeds.add("pickle", "checkpoint",
            state_dict_pickle(
                tensors, PickleWriter().add("}(").text("epoch").integer(1).text("state_dict").bytes.substr(2), "u"));
  std::vector<TensorflowTensor> variables;
  for (int i = 0; i < 4; ++i)
    variables.push_back({dvd::concat("Mixed_3b/Branch_", i, "/batch_norm/beta"), {1, 6}, six});
  const fs::path prefix = seeds.place("tensorflow", "model");
  for (const bool compressed : {false, true}) {
    write_bundle(prefix, variables, 1, compressed);
    fs::rename(prefix.string() + ".index", seeds.place("tensorflow", compressed ? "compressed" : "plain"));
    fs::remove(shard_name(prefix.string(), 0, 1));
  }
  const std::string header = number_field(1, 1) + bytes_field(3, number_field(1, 1));
  seeds.add("tensorflow", "entries",
            static_cast<char>(header.size()) + header + bundle_entry({"w", {2, 3}, six}, 0, 0));
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 2) return std::fprintf(stderr, "usage: make_seeds FOLDER\n"), 2;
  const Seeds seeds{fs::path(argv[1])};
  make_networks(seeds);
  make_safetensors(seeds);
  make_set_index(seeds);
  make_foreign(seeds);
} catch (const std::exception& error) {
  return std::fprintf(stderr, "make_seeds: %s\n", error.what()), 1;
}
