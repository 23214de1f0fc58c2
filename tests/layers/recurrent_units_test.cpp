// Recurrent units beside DVD-GAN's: gradients against central differences, and what their comments promise.
#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <vector>

#include "dvd/device/cpu.hpp"
#include "dvd/layers/conv_lstm.hpp"
#include "dvd/layers/plain_conv_gru.hpp"
#include "support/gradient_check.hpp"

namespace {

using namespace dvd;
using dvd::testing::check_gradients;
using dvd::testing::Doubles;
using dvd::testing::random_tensor;

const Random random_weights(1);

Doubles input(const Shape& shape) { return random_tensor(shape, Random(2)); }

// Over `frames` frames, x holding `given` of them.
template <class Unit>
void check_unit(const std::string& name, Index frames, Index given, bool with_state) {
  constexpr Index width = 3;
  Unit unit(width, random_weights);
  typename Unit::Cache cache;
  std::vector<Doubles> inputs{input({given, 2, 3, 2, width})};
  if (with_state) inputs.push_back(random_tensor({2, 3, 2, width}, Random(8)));
  check_gradients(name, {inputs, contents(unit),
                         [&](const std::vector<Doubles>& all, Pass pass, bool keep) {
                           return unit.forward(all[0], frames, with_state ? all[1] : Doubles(), pass,
                                               keep ? &cache : nullptr);
                         },
                         [&](const Doubles& dy, Gradients gradients) {
                           const auto result = unit.backward(dy, cache, gradients);
                           CHECK((with_state || !result.state));
                           return with_state ? std::vector{result.x, result.state} : std::vector{result.x};
                         }});
}

template <class Unit>
void check_recurrent_unit(const std::string& name) {
  check_unit<Unit>(name + " from zero", 3, 3, false);
  check_unit<Unit>(name + " from a state", 3, 3, true);
  check_unit<Unit>(name + ", one frame for all, from zero", 4, 1, false);
  check_unit<Unit>(name + ", one frame for all, from a state", 3, 1, true);
  check_unit<Unit>(name + ", one step from zero", 1, 1, false);
  check_unit<Unit>(name + ", one step from a state", 1, 1, true);
}

TEST_CASE("ConvLSTM") { check_recurrent_unit<ConvLSTM<double>>("ConvLSTM"); }
TEST_CASE("plain ConvLSTM") { check_recurrent_unit<PlainConvLSTM<double>>("plain ConvLSTM"); }
TEST_CASE("plain ConvGRU") { check_recurrent_unit<PlainConvGRU<double>>("plain ConvGRU"); }
TEST_CASE("ConvGRU with a tanh") { check_recurrent_unit<TanhConvGRU<double>>("tanh ConvGRU"); }
TEST_CASE("ConvGRU with a ReLU and weights as they are") {
  check_recurrent_unit<ConvolutionalGRU<GruCandidate::relu, Unnormalized, double>>("plain ReLU ConvGRU");
}

template <class Unit>
std::vector<std::string> names_of(Unit unit) {
  std::vector<std::string> names;
  for (const auto& [name, parameter] : contents(unit).parameters) names.push_back(name);
  for (const auto& [name, buffer] : contents(unit).buffers) names.push_back(name);
  return names;
}

TEST_CASE("what they hold") {
  using Names = std::vector<std::string>;
  CHECK(names_of(PlainConvGRU<float>(2, random_weights)) ==
        Names{"reset.weight", "reset.bias", "update.weight", "update.bias", "candidate.weight", "candidate.bias"});
  CHECK(names_of(ConvLSTM<float>(2, random_weights)) ==
        Names{"input.weight", "input.bias", "forget.weight", "forget.bias", "output.weight", "output.bias",
              "candidate.weight", "candidate.bias", "input.u", "forget.u", "output.u", "candidate.u"});
  const auto unit = clone(PlainConvLSTM<float>(2, random_weights, 0.5));
  CHECK(unit.forget.layer.bias.value.to_vector() == std::vector<float>{0.5F, 0.5F});
  CHECK(unit.input.layer.bias.value.to_vector() == std::vector<float>{0, 0});
  CHECK(ConvLSTM<float>(1, random_weights).forget.layer.bias.value.item() == 1);
  CHECK_THROWS_AS(ConvLSTM<float>(0, random_weights), ArgumentError);
  CHECK_THROWS_AS(ConvLSTM<float>(2, random_weights, std::numeric_limits<double>::infinity()), ArgumentError);
  CHECK_THROWS_AS(PlainConvGRU<float>(-1, random_weights), ArgumentError);
}

TEST_CASE("one frame that stands for all is as good as all") {
  const auto check = [](auto unit) {
    using T = float;
    Tensor<T> one(Shape{1, 2, 5, 4, 3}), all(Shape{3, 2, 5, 4, 3});
    Cpu::random_normal(one.size(), Random(3), T{1}, one.data());
    for (Index t = 0; t < 3; ++t) all[t].copy_from(one[0]);
    CHECK(unit.forward(one, 3, {}, Pass::evaluate()).to_vector() ==
          unit.forward(all, 3, {}, Pass::evaluate()).to_vector());
  };
  check(ConvLSTM<float>(3, random_weights));
  check(PlainConvGRU<float>(3, random_weights));
}

TEST_CASE("a ConvLSTM that forgets nothing and writes nothing keeps its cell") {
  PlainConvLSTM<double> unit(2, random_weights, 100);
  unit.input.layer.bias.value.fill(-100);
  const Doubles state = random_tensor({1, 2, 2, 2}, Random(4));
  PlainConvLSTM<double>::Cache cache;
  unit.forward(input({4, 1, 2, 2, 2}), 4, state, Pass::evaluate(), &cache);
  CHECK(cache.cells[3].to_vector() == state.to_vector());
}

}  // namespace
