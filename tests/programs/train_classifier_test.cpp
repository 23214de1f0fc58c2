// train_classifier as a user meets it: the same bits on any number of threads, a file that scores can use, and
// refusals.
#include <doctest/doctest.h>

#include <dvd/metrics/shapes_features.hpp>

#include "support/run_program.hpp"

namespace {

TEST_CASE("a few steps make the same file on any number of threads, and its network can be used") {
  const TemporaryFolder folder;
  const auto train = [&](const std::string& arguments) {
    const auto result = run_program(folder.path(), "train_classifier", "--steps 3 --batch 4 " + arguments);
    CAPTURE(result.errors);
    CHECK(result.status == 0);
    CHECK(result.errors.empty());
    return result.output;
  };
  const std::string output = train("--out one --threads 1 --clips 12");
  CHECK(output.find("step 3/3  loss ") != std::string::npos);
  CHECK(output.find("| 32x32 |") != std::string::npos);
  CHECK(train("--out three --threads 3 --quiet").empty());
  train("--out other --seed 1 --quiet");
  const auto file = [&](const std::string& run) { return folder.path() / run / "shapes_classifier.safetensors"; };
  CHECK(read_text(file("one")) == read_text(file("three")));
  CHECK(read_text(file("one")) != read_text(file("other")));
  CHECK(std::filesystem::file_size(file("one")) < 100'000);
  const dvd::SafetensorsFile weights(file("one"));
  CHECK(weights.metadata().at("steps") == "3");
  dvd::ShapesFeatures<float> network(weights);
  CHECK(network(dvd::Tensor<float>::zeros({2, 1, 8, 8, 3})).logits.count() == 1);
}

TEST_CASE("what it cannot do it refuses in one line") {
  const TemporaryFolder folder;
  const auto refused = [&](const std::string& arguments, const std::string& text, int status = 2) {
    return failed_with(run_program(folder.path(), "train_classifier", arguments), status, text);
  };
  CHECK(refused("--steps 0", "--steps"));
  CHECK(refused("--batch 1", "--batch"));
  CHECK(refused("--seed -1", "--seed"));
  CHECK(refused("--device cuda", "computes on the CPU"));
  CHECK(refused("--nonsense", "--nonsense"));
  std::ofstream(folder.path() / "file") << "text";
  CHECK(refused("--out file/below", "cannot create the folder"));
}

}  // namespace
