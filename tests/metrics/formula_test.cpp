// The formula that the other tests of this folder take weights and inputs from, against reference values.
#include "support/formula.hpp"

#include <doctest/doctest.h>

#include "support/metric_values.hpp"

namespace {

using namespace dvd;
using namespace dvd::testing;

TEST_CASE("the formula gives the published values") {
  const std::vector<Index> shape{64, 3, 7, 7, 7};
  const auto weight = formula_tensor(20262, "Conv3d_1a_7x7.conv3d.weight", "weight", shape);
  CHECK(weight.at(0) == 0.0104362788f);
  CHECK(weight.at(1) == -0.0606829114f);
  CHECK(weight.at(2) == -0.0168194249f);
  const auto variance = formula(20262, "Mixed_3b.b1a.bn.running_var", 3, 0.5, 1);
  CHECK(variance.at(0) == 1.14796543f);
  CHECK(variance.at(1) == 0.806561112f);
  CHECK(variance.at(2) == 0.989136338f);
}

TEST_CASE("the formula gives the reference values bit by bit") {
  const MetricValues values("formula");
  const auto& kinds = values.attributes().at("kinds");
  for (const auto& [name, extents] : values.attributes().at("tensors").items()) {
    CAPTURE(name);
    const std::string kind = kinds.contains(name) ? kinds.at(name).get<std::string>() : "weight";
    const auto all = formula_tensor(values.seed(), name, kind, extents.get<std::vector<Index>>());
    const std::vector<Index> places = values.integers("index." + name);
    const std::vector<double> expected = values.numbers("out." + name);
    REQUIRE(places.size() == expected.size());
    for (std::size_t i = 0; i < places.size(); ++i)
      CHECK(static_cast<double>(all.at(static_cast<std::size_t>(places[i]))) == expected[i]);
  }
}

}  // namespace
