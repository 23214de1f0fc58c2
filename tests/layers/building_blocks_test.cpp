// Layers for other networks than DVD-GAN: gradients against central differences, and what their comments promise.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "dvd/device/cpu.hpp"
#include "dvd/layers/columns.hpp"
#include "dvd/layers/dropout.hpp"
#include "dvd/layers/flatten.hpp"
#include "dvd/layers/global_average_pool.hpp"
#include "dvd/layers/linear.hpp"
#include "dvd/layers/pointwise_layer.hpp"
#include "dvd/layers/sequential.hpp"
#include "dvd/layers/spectral_norm.hpp"
#include "dvd/layers/tensor_losses.hpp"
#include "support/gradient_check.hpp"

namespace of_a_user {

// A function of one's own: the square, for single numbers.
template <class P>
struct SquareFunction {
  static constexpr const char* name = "a square";
  static constexpr bool from_value = false;
  P operator()(P x) const { return x * x; }
  P operator()(P x, P dy) const { return 2 * x * dy; }
};

}  // namespace of_a_user

namespace {

using namespace dvd;
using dvd::testing::check_gradients;
using dvd::testing::check_pass;
using dvd::testing::differentiable;
using dvd::testing::Doubles;
using dvd::testing::DoublesView;
using dvd::testing::random_tensor;

const Random random_weights(1);

Doubles input(const Shape& shape) { return random_tensor(shape, Random(2)); }

TEST_CASE("gradients of activations") {
  check_gradients("leaky relu", LeakyReLU<double>(0.2), input({3, 4, 7}));
  check_gradients("elu", ELU<double>(), input({3, 4, 7}));
  check_gradients("elu, 0.5", ELU<double>(0.5), input({3, 4, 7}));
  check_gradients("gelu", GELU<double>(), input({3, 4, 7}));
  check_gradients("softplus", Softplus<double>(), input({3, 4, 7}));
}

TEST_CASE("activations at 0, beside it and far from it") {
  const Doubles x(Shape{5}, std::vector<double>{-1000, -1, 0, 1, 1000});
  const auto values = [&](auto layer) { return layer.forward(x, Pass::evaluate()).to_vector(); };
  const auto slopes = [&](auto layer) {
    typename decltype(layer)::Cache cache;
    layer.forward(x, Pass::train(), &cache);
    return layer.backward(Doubles::full(Shape{5}, 1), cache, Gradients::all).to_vector();
  };
  CHECK(values(LeakyReLU<double>(0.25)) == std::vector<double>{-250, -0.25, 0, 1, 1000});
  CHECK(slopes(LeakyReLU<double>(0.25)) == std::vector<double>{0.25, 0.25, 0.25, 1, 1});
  CHECK(slopes(LeakyReLU<double>(0)) == std::vector<double>{0, 0, 0, 1, 1});
  CHECK(values(ELU<double>(2)) == std::vector<double>{-2, 2 * std::expm1(-1), 0, 1, 1000});
  CHECK(slopes(ELU<double>(2))[2] == 2);
  CHECK(slopes(GELU<double>())[2] == 0.5);
  CHECK(values(GELU<double>())[4] == 1000);
  CHECK(values(Softplus<double>())[0] == 0);
  CHECK(values(Softplus<double>())[4] == 1000);
  CHECK(slopes(Softplus<double>())[4] == 1);
  const double bad[] = {-0.1, std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()};
  for (const double number : bad) {
    CHECK_THROWS_AS(LeakyReLU<float>{number}, ArgumentError);
    CHECK_THROWS_AS(ELU<float>{number}, ArgumentError);
  }
}

TEST_CASE("what is no number stays none") {
  const Tensor<float> x = Tensor<float>::full(Shape{19}, std::numeric_limits<float>::quiet_NaN());
  const auto check = [&](auto layer) {
    for (const float value : layer.forward(x, Pass::evaluate()).to_vector()) CHECK(!is_finite(value));
  };
  check(LeakyReLU<float>(0.2));
  check(ELU<float>());
  check(GELU<float>());
  check(Softplus<float>());
}

TEST_CASE("a function of one's own") {
  static_assert(Layer<PointwiseLayer<of_a_user::SquareFunction, float>>);
  check_gradients("square", PointwiseLayer<of_a_user::SquareFunction, double>(), input({3, 5}));
}

TEST_CASE("flattening") {
  check_gradients("flatten images", Flatten<double>(), input({2, 3, 4, 5}));
  check_gradients("flatten videos", Flatten<double>(), input({3, 2, 2, 3, 2}));
  check_gradients("flatten vectors", Flatten<double>(), input({3, 4}));
  // Frame t of video n begins at t * H * W * C of row n.
  const Doubles video = input({3, 2, 2, 2, 5});
  const Doubles flat = Flatten<double>().forward(video, Pass::evaluate());
  CHECK(flat.shape() == Shape{2, 60});
  const auto from = video.to_vector(), to = flat.to_vector();
  bool equal = true;
  for (std::size_t t = 0; t < 3; ++t)
    for (std::size_t n = 0; n < 2; ++n)
      for (std::size_t i = 0; i < 20; ++i) equal = equal && to[n * 60 + t * 20 + i] == from[(t * 2 + n) * 20 + i];
  CHECK(equal);
  CHECK_THROWS_AS(Flatten<double>().forward(input({4}), Pass::evaluate()), ArgumentError);
  CHECK_THROWS_AS(Flatten<double>().forward(input({2, 0}), Pass::evaluate()), ArgumentError);
}

TEST_CASE("global average pooling") {
  check_gradients("of images", GlobalAveragePool<double>(), input({2, 3, 4, 5}));
  check_gradients("of videos", GlobalAveragePool<double>(), input({3, 2, 2, 3, 4}));
  const Doubles ones = Doubles::full(Shape{3, 2, 2, 3, 4}, 1);
  for (const double mean : GlobalAveragePool<double>().forward(ones, Pass::evaluate()).to_vector())
    CHECK(mean == doctest::Approx(1));
  CHECK_THROWS_AS(GlobalAveragePool<double>().forward(input({2, 3}), Pass::evaluate()), ArgumentError);
}

Pass training_with(const Random& random) {
  Pass pass = Pass::train();
  pass.random = &random;
  return pass;
}

TEST_CASE("dropout") {
  const Random random(12), other(13);
  const Dropout<double> half(0.5, 1), again(0.5, 1), another(0.5, 2);
  const Doubles x = Doubles::full(Shape{100, 100}, 1);
  const auto dropped = [&](const Dropout<double>& layer, const Pass& pass) {
    return layer.forward(x, pass).to_vector();
  };
  SUBCASE("nothing is left to chance without random numbers or in evaluation") {
    Pass evaluation = Pass::evaluate();
    evaluation.random = &random;
    for (const Pass& pass : {Pass::train(), Pass::evaluate(), evaluation}) CHECK(dropped(half, pass) == x.to_vector());
    CHECK(dropped(Dropout<double>(0, 1), training_with(random)) == x.to_vector());
  }
  SUBCASE("as many as asked for, and the mean stays") {
    for (const double probability : {0.1, 0.5, 0.8}) {
      double zeros = 0, sum = 0;
      for (const double value : dropped(Dropout<double>(probability, 3), training_with(random))) {
        zeros += value == 0;
        sum += value;
        CHECK((value == 0 || value == doctest::Approx(1 / (1 - probability))));
      }
      CHECK(std::abs(zeros / 1e4 - probability) < 0.02);
      CHECK(std::abs(sum / 1e4 - 1) < 0.06);
    }
  }
  SUBCASE("what is dropped follows from the stream alone") {
    CHECK(dropped(half, training_with(random)) == dropped(again, training_with(random)));
    CHECK(dropped(half, training_with(random)) != dropped(another, training_with(random)));
    CHECK(dropped(half, training_with(random)) != dropped(half, training_with(other)));
    std::vector<double> alone;
    {
      const ThreadLimit limit(1);
      alone = dropped(half, training_with(random));
    }
    CHECK(alone == dropped(half, training_with(random)));
  }
  SUBCASE("gradients") {
    Dropout<double> layer(0.4, 7);
    check_pass("dropout", differentiable(layer, input({5, 7})), training_with(random));
    check_gradients("dropout without random numbers", layer, input({5, 7}));
  }
  for (const double bad : {-0.1, 1.0, std::numeric_limits<double>::quiet_NaN()})
    CHECK_THROWS_AS(Dropout<double>(bad, 1), ArgumentError);
}

TEST_CASE("two dropouts in a sequence do not drop the same") {
  const Random random(12);
  // Were the places the same, half of the elements would be left, not a quarter.
  Sequential net(Dropout<double>(0.5, 1), Dropout<double>(0.5, 2));
  double left = 0;
  for (const double value : net.forward(Doubles::full(Shape{10000}, 1), training_with(random)).to_vector())
    left += value != 0;
  CHECK(std::abs(left / 1e4 - 0.25) < 0.02);
}

TEST_CASE("in a sequence") {
  const Random random(12);
  Sequential net(Flatten<double>(), SpectralNorm<Linear<double>>(random_weights, 24, 5, random_weights),
                 LeakyReLU<double>(0.2), Dropout<double>(0.3, 1), Linear<double>(5, 4, random_weights), ELU<double>(),
                 Dropout<double>(0.3, 2), GELU<double>(), Softplus<double>());
  check_gradients("sequence", net, input({2, 3, 2, 2, 3}));
  Sequential dropping(Linear<double>(6, 5, random_weights), Dropout<double>(0.3, 1), GELU<double>(),
                      Dropout<double>(0.3, 2));
  check_pass("dropping sequence", differentiable(dropping, input({4, 6})), training_with(random));
  const auto copy = clone(net);
  CHECK(contents(net).size() == 24 * 5 + 5 + 5 * 4 + 4);
}

TEST_CASE("distances of tensors") {
  const Doubles x = input({3, 2, 5}), target = random_tensor({3, 2, 5}, Random(3));
  const auto check = [&](const char* name, const auto& loss) {
    const auto [value, dx] = loss(x, target);
    CHECK(value.shape() == Shape{});
    CHECK(dx.shape() == x.shape());
    const auto slopes = dx.to_vector();
    for (const std::size_t i : {std::size_t{0}, std::size_t{7}, std::size_t{29}}) {
      constexpr double step = 1e-6;
      Doubles above = x, below = x;
      above.data()[i] += step;
      below.data()[i] -= step;
      const double difference = (loss(above, target).loss.item() - loss(below, target).loss.item()) / (2 * step);
      CHECK_MESSAGE(std::abs(difference - slopes[i]) < 1e-8, name);
    }
  };
  check("squared", [](const Doubles& a, const Doubles& b) { return mean_squared_error(a, b); });
  check("absolute", [](const Doubles& a, const Doubles& b) { return mean_absolute_error(a, b); });
  CHECK(mean_squared_error(x, x).loss.item() == 0);
  for (const double slope : mean_absolute_error(x, x).dx.to_vector()) CHECK(slope == 0);
  CHECK_THROWS_AS(mean_squared_error(x, input({3, 2, 4})), ArgumentError);
  CHECK_THROWS_AS(mean_absolute_error(x, Doubles()), ArgumentError);
  CHECK_THROWS_AS(mean_squared_error(Doubles(), Doubles()), ArgumentError);
  const DoublesView view = x;
  CHECK(mean_squared_error(view, target).loss.item() == mean_squared_error(x, target).loss.item());

  // In float the sum of ten million is not.
  const auto many = Tensor<float>::full(Shape{10000000}, 0.1F), none = Tensor<float>::zeros(Shape{10000000});
  CHECK(std::abs(mean_absolute_error(many, none).loss.item() - 0.1F) < 1e-6F);
}

TEST_CASE("columns are joined, and split again") {
  const std::vector<float> a{1, 2, 3, 4}, b{5, 6};
  const Tensor<float> first(Shape{2, 2}, a), second(Shape{2, 1}, b);
  const Tensor<float> joined = join_columns(first, second);
  CHECK(joined.shape() == Shape{2, 3});
  CHECK(joined.to_vector() == std::vector<float>{1, 2, 5, 3, 4, 6});
  const auto [left, right] = split_columns(joined, 2);
  CHECK(left.to_vector() == a);
  CHECK(right.to_vector() == b);
  CHECK_THROWS_AS(join_columns(first, Tensor<float>::zeros({3, 1})), ArgumentError);
  CHECK_THROWS_AS(split_columns(joined, 4), ArgumentError);
}

}  // namespace
