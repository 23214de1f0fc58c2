// eigen_expressions as a user meets it: it runs to its end, the same on any number of threads.
#include <doctest/doctest.h>

#include "support/run_program.hpp"

TEST_CASE("eigen_expressions prints the same on any number of threads, learns, and refuses nonsense") {
  const TemporaryFolder folder;
  const auto run = [&](const std::string& arguments) {
    return run_program(folder.path(), "eigen_expressions", arguments);
  };
  const auto first = run("--steps 20 --seed 3 --threads 1");
  CAPTURE(first.errors);
  REQUIRE(first.status == 0);
  CHECK(first.errors.empty());
  CHECK(first.output.starts_with("x^2 - 2x + 0.5        -0.5 0.5 3.5 8.5 15.5 24.5\n"));
  CHECK(first.output.find("\nshuffled              [3, 2, 2, 4, 4]\n") != std::string::npos);
  for (const std::string threads : {"2", "5", "0"})
    CHECK(run("--steps 20 --seed 3 --threads " + threads).output == first.output);
  CHECK(run("--steps 20 --seed 4").output != first.output);

  const auto loss_at = [&](const std::string& step) {
    const std::size_t line = first.output.find("step " + step), loss = first.output.find("loss ", line);
    REQUIRE(line != std::string::npos);
    return std::stod(first.output.substr(loss + 5));
  };
  CHECK(loss_at("  20") < 0.9 * loss_at("   0"));
  CHECK(failed_with(run("--steps 0"), 2, "--steps"));
}
