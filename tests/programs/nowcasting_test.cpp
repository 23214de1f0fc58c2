// The nowcasting example, as a program.
#include <doctest/doctest.h>

#include "support/error_of.hpp"
#include "support/run_program.hpp"

using dvd::testing::holds;

TEST_CASE("nowcasting trains, compares itself with persistence, and is the same with the same seed") {
  const TemporaryFolder folder;
  const auto nowcast = [&](const std::string& arguments) {
    return run_program(folder.path(), "nowcasting", "--steps 2 --clips 2 --members 2 " + arguments);
  };
  const ProgramResult first = nowcast("--threads 1 --out a");
  CAPTURE(first.errors);
  REQUIRE(first.status == 0);
  CHECK(holds(first.output, "CRPS"));
  CHECK(holds(first.output, "persistence by every score"));
  REQUIRE(nowcast("--threads 2 --out b --quiet").output.empty());
  for (const char* name : {"forecast.png", "checkpoint.safetensors"}) {
    CHECK(read_text(folder.path() / "a" / name).size() > 100);
    CHECK(read_text(folder.path() / "a" / name) == read_text(folder.path() / "b" / name));
  }
  CHECK(failed_with(nowcast("--clips 0"), 2, "--clips"));
}
