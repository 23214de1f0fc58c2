// The loss of classifiers: values, gradient, what is refused.
#include "dvd/layers/cross_entropy.hpp"

#include <doctest/doctest.h>

#include <cmath>

#include "support/error_of.hpp"
#include "support/gradient_check.hpp"

namespace {

using namespace dvd;
using dvd::testing::Doubles;
using dvd::testing::error_of;
using dvd::testing::random_tensor;

TEST_CASE("values, by hand") {
  const Doubles logits(Shape{2, 3}, std::vector<double>{0, 0, 0, std::log(1.0), std::log(2.0), std::log(5.0)});
  const auto [loss, dx] = cross_entropy(logits, std::vector<Index>{1, 2});
  CHECK(loss.item() == doctest::Approx((std::log(3.0) + std::log(8.0 / 5)) / 2));
  const std::vector<double> expected = {1 / 6.0, -2 / 6.0, 1 / 6.0, 1 / 16.0, 2 / 16.0, -3 / 16.0};
  REQUIRE(dx.shape() == logits.shape());
  for (std::size_t i = 0; i < expected.size(); ++i) CHECK(dx.data()[i] == doctest::Approx(expected[i]));
}

TEST_CASE("large logits are no matter") {
  const Tensor<float> logits(Shape{2, 2}, std::vector<float>{3e38f, -3e38f, -2000, 0});
  const auto [loss, dx] = cross_entropy(logits, std::vector<Index>{0, 0});
  CHECK(loss.item() == doctest::Approx(1000));
  CHECK(dx.to_vector() == std::vector<float>{0, 0, -0.5f, 0.5f});
}

TEST_CASE("the gradient is that of the loss") {
  const std::vector<Index> labels = {2, 0, 0, 4};
  Doubles logits = random_tensor({4, 5}, Random(1), 2);
  const Doubles dx = cross_entropy(logits, labels).dx;
  for (Index i = 0; i < logits.size(); ++i) {
    constexpr double step = 1e-6;
    const double before = logits.data()[i];
    logits.data()[i] = before + step;
    const double above = cross_entropy(logits, labels).loss.item();
    logits.data()[i] = before - step;
    const double below = cross_entropy(logits, labels).loss.item();
    logits.data()[i] = before;
    CHECK(dx.data()[i] == doctest::Approx((above - below) / (2 * step)).epsilon(1e-7));
  }
}

TEST_CASE("what is refused, in words") {
  const auto refusal = [](const Shape& shape, const std::vector<Index>& labels) {
    return error_of([&] { cross_entropy(Tensor<float>::zeros(shape), labels); });
  };
  CHECK(refusal({2, 3, 1}, {0, 1}) == "cross entropy expects logits [N, C] with no extent of 0, not [2, 3, 1]");
  CHECK(refusal({0, 3}, {}) == "cross entropy expects logits [N, C] with no extent of 0, not [0, 3]");
  CHECK(refusal({2, 3}, {0}) == "cross entropy expects a label for each of 2 rows of logits, not 1");
  for (const Index wrong : {Index{3}, Index{-1}, INT64_MAX, INT64_MIN})
    CHECK(refusal({2, 3}, {0, wrong}) == concat("cross entropy of 3 classes expects labels from 0 to 2, not ", wrong));
  CHECK(refusal({2, 3}, {0, 2}).empty());
}

}  // namespace
