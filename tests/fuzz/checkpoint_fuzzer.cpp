// Any bytes as a checkpoint or a generator's file: a DVD-GAN's generator of whatever sizes the file says, which then
// makes a video if it is small; a generator of another kind; and a trainer that goes on, or stays as it was.
#include "dvd/io/generator_file.hpp"
#include "dvd/training/checkpoint.hpp"
#include "fuzz_input.hpp"
#include "fuzz_training.hpp"
#include "support/gan_archetypes.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::filesystem::path path = fuzz::folder() / "checkpoint.safetensors";
  static fuzz::TinyTraining training;
  fuzz::write(path, fuzz::text_of(data, size));
  fuzz::succeeds([&] {
    const auto served = dvd::load_served_generator(path);
    const dvd::DvdGanConfig& config = served.generator().generator.config();
    if (config.frames * config.image_height() * config.image_width() > 1000 || config.condition_frames > 0) return;
    std::vector<dvd::Index> labels;
    if (config.classes > 0) labels.push_back(config.classes - 1);
    served.sample({.labels = labels, .seed = 1});
  });
  fuzz::succeeds([&] { dvd::load_served_generator(path, dvd::testing::ArchetypeGenerator()); });
  fuzz::succeeds([&] { dvd::load_checkpoint(path, training.trainer); });
  return 0;
}
