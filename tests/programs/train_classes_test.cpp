// train_ucf101 --mismatched and --grid-cell: a run remembers them, goes on with them, and says so.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "support/error_of.hpp"
#include "support/made_set.hpp"
#include "support/train_program.hpp"

namespace {

using dvd::testing::holds;

std::string checkpoint_of(const TemporaryFolder& folder, const std::string& run, int step) {
  return read_text(folder.path() / run / ("checkpoints/step-0000000" + std::to_string(step) + ".safetensors"));
}

nlohmann::json config_of(const TemporaryFolder& folder, const std::string& run) {
  return nlohmann::json::parse(read_text(folder.path() / run / "config.json"));
}

}  // namespace

TEST_CASE("a run with --mismatched and --grid-cell goes on with them, on any number of threads") {
  const TemporaryFolder folder;
  const std::string base = tiny + "--condition-frames 2 --grid-cell-samples 2 ",
                    flags = base + "--mismatched 0.5 --grid-cell 60 ";
  const auto whole = train(folder, flags + "--steps 4 --threads 1 --out whole");
  CAPTURE(whole.errors);
  REQUIRE(whole.status == 0);
  CHECK(holds(whole.output, "1 of 2 videos that are not to look real are real ones under another class\n"));
  CHECK(holds(whole.output, "the generator's loss holds 60 times the mean difference from what really followed\n"));
  CHECK(config_of(folder, "whole")["mismatched"] == 0.5);
  CHECK(config_of(folder, "whole")["grid_cell"] == 60);
  CHECK(config_of(folder, "whole")["grid_cell_samples"] == 2);

  const double difference = log_of(folder.path() / "whole").back()["difference_from_truth"];
  CHECK(difference > 0);
  CHECK(difference < 2);

  REQUIRE(train(folder, flags + "--steps 2 --threads 2 --out parts").status == 0);
  REQUIRE(train(folder, "--resume --out parts --steps 4").status == 0);
  const std::string bytes = checkpoint_of(folder, "whole", 4);
  REQUIRE(bytes.size() > 1000);
  CHECK(checkpoint_of(folder, "parts", 4) == bytes);

  // Each of them changes what is learned, and a run can go on without.
  REQUIRE(train(folder, base + "--grid-cell 60 --steps 4 --out matched").status == 0);
  CHECK(checkpoint_of(folder, "matched", 4) != bytes);
  REQUIRE(train(folder, base + "--mismatched 0.5 --steps 4 --out free").status == 0);
  CHECK(checkpoint_of(folder, "free", 4) != bytes);
  const auto without = train(folder, "--resume --out parts --steps 6 --mismatched 0 --grid-cell 0");
  CAPTURE(without.errors);
  REQUIRE(without.status == 0);
  CHECK_FALSE(holds(without.output, "another class"));
  CHECK_FALSE(holds(without.output, "really followed"));
  CHECK(config_of(folder, "parts")["mismatched"] == 0);
}

TEST_CASE("a preset with mismatched videos trains on data of one class, too; asked for, they need another") {
  const TemporaryFolder folder;
  dvd::testing::make_set(folder.path() / "set", {{"a", 0, 8, 1}, {"b", 0, 9, 1}}, {.height = 16, .width = 16}, {"all"});
  const std::string demo = tiny + "--preset demo --data set --steps 1 ";
  const auto result = train(folder, demo + "--out run");
  CAPTURE(result.errors);
  REQUIRE(result.status == 0);
  CHECK_FALSE(holds(result.output, "another class"));
  CHECK(config_of(folder, "run")["mismatched"] == 0);
  CHECK(failed_with(train(folder, demo + "--mismatched 0.5 --out other"), 2, "shows discriminators real videos"));
}

TEST_CASE("what --mismatched and --grid-cell cannot be") {
  const TemporaryFolder folder;
  CHECK(failed_with(train(folder, tiny + "--grid-cell 60 --steps 1 --out run"), 2,
                    "compares what is made with what really followed the frames that were given; without "
                    "--condition-frames none are"));
  CHECK(failed_with(train(folder, tiny + "--mismatched 1 --steps 1 --out run"), 2, "from 0 to below 1, not 1"));
  CHECK(failed_with(train(folder, tiny + "--grid-cell -1 --condition-frames 2 --steps 1 --out run"), 2, "--grid-cell"));
}
