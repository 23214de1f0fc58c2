// train_ucf101 --augment and --flip: a run remembers them, goes on with them, and says so.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "support/error_of.hpp"
#include "support/made_set.hpp"
#include "support/train_program.hpp"

namespace {

using dvd::testing::holds;

std::string last_checkpoint(const TemporaryFolder& folder, const std::string& run, int step) {
  return read_text(folder.path() / run / ("checkpoints/step-0000000" + std::to_string(step) + ".safetensors"));
}

nlohmann::json config_of(const TemporaryFolder& folder, const std::string& run) {
  return nlohmann::json::parse(read_text(folder.path() / run / "config.json"));
}

void make_videos(const TemporaryFolder& folder) {
  dvd::testing::make_set(folder.path() / "set", {{"run/a", 0, 8, 1}, {"walk/b", 1, 9, 1}, {"walk/c", 1, 5, 1}},
                         {.height = 16, .width = 16});
}

}  // namespace

TEST_CASE("a run with --augment and --flip goes on with them, on any number of threads") {
  const TemporaryFolder folder;
  make_videos(folder);
  const std::string both = tiny + "--data set --augment all --flip ";
  const auto whole = train(folder, both + "--steps 4 --threads 1 --out whole");
  CAPTURE(whole.errors);
  REQUIRE(whole.status == 0);
  CHECK(holds(whole.output, ", half of the clips mirrored\n"));
  CHECK(holds(whole.output, "videos augmented: flip,color,translation,cutout\n"));
  CHECK(config_of(folder, "whole")["augment"] == "flip,color,translation,cutout");
  CHECK(config_of(folder, "whole")["flip"] == true);
  CHECK(holds(read_text(folder.path() / "whole/report.html"), "\"augment\":\"flip,color,translation,cutout\""));

  REQUIRE(train(folder, both + "--steps 2 --threads 2 --out parts").status == 0);
  REQUIRE(train(folder, "--resume --out parts --steps 4").status == 0);
  const std::string bytes = last_checkpoint(folder, "whole", 4);
  REQUIRE(bytes.size() > 1000);
  CHECK(last_checkpoint(folder, "parts", 4) == bytes);

  // Each of them changes what is learned, and a run can go on without.
  REQUIRE(train(folder, tiny + "--data set --augment all --steps 4 --out unflipped").status == 0);
  CHECK(last_checkpoint(folder, "unflipped", 4) != bytes);
  const auto without = train(folder, "--resume --out parts --steps 6 --augment none --flip=false");
  CAPTURE(without.errors);
  REQUIRE(without.status == 0);
  CHECK_FALSE(holds(without.output, "augmented"));
  CHECK_FALSE(holds(without.output, "mirrored"));
  CHECK(config_of(folder, "parts")["augment"] == "none");
  CHECK(config_of(folder, "parts")["flip"] == false);
}

TEST_CASE("moving shapes can be augmented by what keeps their directions") {
  const TemporaryFolder folder;
  const auto result = train(folder, tiny + "--augment cutout,color,translation --steps 1 --out run");
  CAPTURE(result.errors);
  REQUIRE(result.status == 0);
  CHECK(config_of(folder, "run")["augment"] == "color,translation,cutout");
  CHECK(
      failed_with(train(folder, tiny + "--augment flip --steps 1 --out other"), 2, "what moves left would move right"));
  CHECK(failed_with(train(folder, tiny + "--flip --steps 1 --out other"), 2, "leave it out, or give --data"));
  REQUIRE(train(folder, tiny + "--steps 1 --out plain").status == 0);
  CHECK(config_of(folder, "plain")["augment"] == "none");
}
