// The classifier as a layer: gradients, what fits, what is refused.
#include "dvd/metrics/video_classifier.hpp"

#include <doctest/doctest.h>

#include "support/error_of.hpp"
#include "support/gradient_check.hpp"
#include "support/layer_fuzz.hpp"

namespace {

using namespace dvd;
using dvd::testing::error_of;
using dvd::testing::random_tensor;

const VideoClassifierOptions small{.image_channels = 2, .width = 2, .features = 3, .classes = 4};

TEST_CASE("gradients") {
  const VideoClassifier<double> classifier(small, Random(1));
  dvd::testing::check_gradients("a classifier", classifier, random_tensor({4, 2, 8, 8, 2}, Random(2)), 8);
}

TEST_CASE("features are what the last layer sees") {
  VideoClassifier<double> classifier(small, Random(1));
  const auto x = random_tensor({3, 2, 6, 9, 2}, Random(2));
  const auto features = classifier.features(x, Pass::evaluate());
  CHECK(features.shape() == Shape{2, 3});
  CHECK(classifier.classify(features, Pass::evaluate()).to_vector() ==
        classifier.forward(x, Pass::evaluate()).to_vector());
}

TEST_CASE("drawn at random") {
  const auto fit = [](const Shape& x) -> dvd::testing::Fit {
    if (x.rank() != 5 || x.size() == 0 || x[0] < 2 || x[2] < 4 || x[3] < 4 || x[4] != 2) return std::nullopt;
    return Shape{x[1], 4};
  };
  dvd::testing::fuzz_layer("a classifier", VideoClassifier<float>(small, Random(1)), {2, 3, 4, 5, 2}, fit, 60);
}

TEST_CASE("what is refused, in words") {
  CHECK(error_of([] { VideoClassifier<float>({.width = 3}, Random(1)); }) ==
        "a video classifier needs image channels, features and classes of at least 1 and an even width, not 3, 64, 12 "
        "and 3");
  CHECK(error_of([] { VideoClassifier<float>({.classes = 0}, Random(1)); }).starts_with("a video classifier needs"));
  VideoClassifier<float> classifier(small, Random(1));
  CHECK(error_of([&] {
          classifier.forward(Tensor<float>::zeros({1, 1, 8, 8, 2}), Pass::evaluate());
        }) == "a video classifier expects [T, N, H, W, 2] of at least 2 frames of 4x4 pixels, not [1, 1, 8, 8, 2]");
}

}  // namespace
