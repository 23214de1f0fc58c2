// Checkpoints: what is saved comes back, a run goes on to the bit, and damaged files are refused with one line.
#include "dvd/training/checkpoint.hpp"

#include <doctest/doctest.h>

#include <fstream>
#include <iterator>

#include "dvd/data/moving_shapes.hpp"
#include "dvd/device/cpu.hpp"
#include "support/temporary_folder.hpp"

using Gan = dvd::DvdGan<float, dvd::Cpu>;

namespace {

const dvd::DvdGanConfig tiny = {
    .frames = 3, .resolution = 16, .channels = 1, .classes = 12, .latent_dim = 6, .embed_dim = 5, .spatial_frames = 2};
const dvd::TrainerOptions options = {.batch = 2, .seed = 3, .average = {.decay = 0.9, .start = 1}};

std::string bytes_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write_bytes(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

/// The message of the FileError that `act` throws, which must be one line.
template <class Act>
std::string file_error(const Act& act) {
  try {
    act();
  } catch (const dvd::FileError& error) {
    const std::string message = error.what();
    CHECK(message.find('\n') == std::string::npos);
    return message;
  }
  return "no FileError";
}

}  // namespace

TEST_CASE("training goes on from a checkpoint to the bit, on any number of threads") {
  const TemporaryFolder folder;
  dvd::MovingShapes data({.frames = 3, .resolution = 16});
  {
    const dvd::ThreadLimit threads(1);
    Gan gan(tiny, 7);
    dvd::Trainer trainer(gan, options);
    for (int step = 0; step < 2; ++step) trainer.step(data);
    dvd::save_checkpoint(folder.path() / "two", trainer);
    for (int step = 0; step < 2; ++step) trainer.step(data);
    dvd::save_checkpoint(folder.path() / "four", trainer);
  }
  {
    const dvd::ThreadLimit threads(2);
    Gan gan(tiny, 8);  // other weights, all of which the checkpoint replaces
    dvd::Trainer trainer(gan, options);
    dvd::load_checkpoint(folder.path() / "two", trainer);
    CHECK(trainer.steps() == 2);
    for (int step = 0; step < 2; ++step) trainer.step(data);
    dvd::save_checkpoint(folder.path() / "resumed", trainer);
  }
  CHECK(bytes_of(folder.path() / "four") == bytes_of(folder.path() / "resumed"));
}

TEST_CASE("a file holds the names, counts and configuration that other programs look for") {
  const TemporaryFolder folder;
  dvd::MovingShapes data({.frames = 3, .resolution = 16});
  Gan gan(tiny, 1);
  dvd::Trainer trainer(gan, options);
  trainer.step(data);
  dvd::save_checkpoint(folder.path() / "file", trainer, {{"note", "hello"}});
  const dvd::SafetensorsFile file(folder.path() / "file");
  CHECK(file.read<std::int64_t>("optimizer.generator.step") == std::vector<std::int64_t>{1});
  CHECK(file.read<std::int64_t>("optimizer.discriminator.step") == std::vector<std::int64_t>{2});
  CHECK(file.shape("optimizer.generator.step").empty());
  CHECK(file.metadata().at("note") == "hello");
  CHECK(dvd::read_config(file, "file") == tiny);
  CHECK(file.shape("temporal.blocks.1.conv2.weight") == std::vector<std::int64_t>{4, 4, 3, 3, 3});
  CHECK(file.shape("ema.generator.stages.1.gru.candidate.u") == std::vector<std::int64_t>{4});
  CHECK(file.contains("optimizer.generator.stages.0.gru.reset.weight.exp_avg_sq"));
}

TEST_CASE("a checkpoint that does not fit is refused and changes nothing") {
  const TemporaryFolder folder;
  Gan gan(tiny, 1);
  dvd::Trainer trainer(gan, options);
  dvd::save_checkpoint(folder.path() / "good", trainer);

  dvd::DvdGanConfig other = tiny;
  other.channels = 2;
  Gan wider(other, 1);
  dvd::Trainer wider_trainer(wider, options);
  CHECK(file_error([&] { dvd::load_checkpoint(folder.path() / "good", wider_trainer); }).find("configuration") !=
        std::string::npos);
  CHECK(file_error([&] { dvd::load_checkpoint(folder.path() / "none", trainer); }) != "no FileError");

  const std::string good = bytes_of(folder.path() / "good");
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string bytes = good;
    const std::size_t at = bytes.find(from);
    REQUIRE(at != std::string::npos);
    REQUIRE(from.size() == to.size());
    bytes.replace(at, from.size(), to);
    write_bytes(folder.path() / "bad", bytes);
    return file_error([&] { dvd::load_checkpoint(folder.path() / "bad", trainer); });
  };
  CHECK(with("\"spatial.linear.bias\"", "\"spatial.linear.bios\"").find("spatial.linear.bias is missing") !=
        std::string::npos);
  CHECK(with("\"config\"", "\"konfig\"").find("no configuration") != std::string::npos);
  CHECK(with("\\\"frames\\\":3", "\\\"frames\\\":9").find("running_mean") != std::string::npos);
  CHECK(with("\\\"resolution\\\":16", "\\\"resolution\\\":17").find("resolution") != std::string::npos);
}

TEST_CASE("thousands of damaged checkpoints are loaded or refused, and never change a half") {
  const TemporaryFolder folder;
  dvd::MovingShapes data({.frames = 3, .resolution = 16});
  Gan gan(tiny, 1);
  dvd::Trainer trainer(gan, options);
  dvd::save_checkpoint(folder.path() / "before", trainer);
  trainer.step(data);
  dvd::save_checkpoint(folder.path() / "good", trainer);
  const std::string good = bytes_of(folder.path() / "good");
  const std::size_t header = 8 + static_cast<unsigned char>(good[0]) + 256 * static_cast<unsigned char>(good[1]) +
                             65536 * static_cast<unsigned char>(good[2]);
  const dvd::Random random(11);
  int refused = 0;
  for (std::uint64_t i = 0; i < 1500; ++i) {
    const dvd::Random own = random.stream(i);
    std::string bytes = good;
    if (i % 3 == 0) {
      bytes.resize(static_cast<std::size_t>(own.below(0, static_cast<std::int64_t>(bytes.size()))));
    } else {
      for (std::uint64_t flip = 0; flip < 1 + i % 4; ++flip)
        bytes[static_cast<std::size_t>(own.below(2 * flip, static_cast<std::int64_t>(header)))] =
            static_cast<char>(own.below(2 * flip + 1, 256));
    }
    write_bytes(folder.path() / "bad", bytes);
    const std::string message = file_error([&] { dvd::load_checkpoint(folder.path() / "bad", trainer); });
    refused += message != "no FileError";
  }
  CHECK(refused > 1200);
  dvd::load_checkpoint(folder.path() / "before", trainer);
  dvd::save_checkpoint(folder.path() / "again", trainer);
  CHECK(bytes_of(folder.path() / "again") == bytes_of(folder.path() / "before"));
}

TEST_CASE("what else a trainer counts comes back too") {
  const TemporaryFolder folder;
  Gan gan(tiny, 7);
  dvd::Trainer trainer(gan, options);
  trainer.set_steps(12);
  trainer.set_skipped_steps(3);
  trainer.set_redraws(2);
  trainer.generator_optimizer().set_steps(9);
  dvd::save_checkpoint(folder.path() / "file", trainer);
  Gan other(tiny, 8);
  dvd::Trainer resumed(other, options);
  dvd::load_checkpoint(folder.path() / "file", resumed);
  CHECK(resumed.steps() == 12);
  CHECK(resumed.skipped_steps() == 3);
  CHECK(resumed.redraws() == 2);
  CHECK(resumed.generator_optimizer().steps() == 9);
}

TEST_CASE("a single flipped bit anywhere is noticed") {
  const TemporaryFolder folder;
  Gan gan(tiny, 7);
  dvd::Trainer trainer(gan, options);
  dvd::save_checkpoint(folder.path() / "whole", trainer);
  const std::string bytes = bytes_of(folder.path() / "whole");
  const dvd::Random random(11);
  for (std::uint64_t i = 0; i < 60; ++i) {
    std::string damaged = bytes;
    // Half of them in the values, which the format itself does not protect.
    const auto size = static_cast<std::int64_t>(bytes.size());
    const auto place = i % 2 ? size - 1 - random.below(2 * i, size / 2) : random.below(2 * i, size);
    damaged[static_cast<std::size_t>(place)] ^= static_cast<char>(1 << random.below(2 * i + 1, 8));
    write_bytes(folder.path() / "damaged", damaged);
    CAPTURE(place);
    const bool padding = damaged[static_cast<std::size_t>(place)] == (' ' ^ 1);
    const std::string error = file_error([&] { dvd::load_checkpoint(folder.path() / "damaged", trainer); });
    if (!padding) CHECK(error != "no FileError");
  }
}
