// I3D against reference values of another implementation, for each device and scalar, and what it refuses.
#include "support/devices.hpp"

#include <doctest/doctest.h>

#include <cmath>

#include "dvd/metrics/c3d_features.hpp"
#include "dvd/metrics/i3d_features.hpp"
#include "support/error_of.hpp"
#include "support/network_values.hpp"

// Compiled on every device, whatever of it runs here.
#ifdef DVD_TEST_CUDA
template class dvd::I3dFeatures<float, dvd::Cuda>;
template class dvd::I3dFeatures<dvd::bfloat16, dvd::Cuda>;
template class dvd::C3dFeatures<float, dvd::Cuda>;
template class dvd::C3dFeatures<dvd::bfloat16, dvd::Cuda>;
#endif

namespace {

using namespace dvd;
using dvd::testing::as_stored;
using dvd::testing::assign_formula;
using dvd::testing::check_network_value;
using dvd::testing::error_of;
using dvd::testing::formula_videos;
using dvd::testing::long_tests;
using dvd::testing::MetricValues;

TEST_CASE_TEMPLATE("every part, at small odd sizes", O, DVD_DEVICES) {
  using T = typename O::T;
  using D = typename O::D;
  I3d<T, D> network;
  std::uint64_t seed = 0;
  for (const char* name : {"i3d_endpoints", "i3d_endpoints_long"}) {
    if (std::same_as<T, bfloat16> && name != std::string("i3d_endpoints")) continue;
    const MetricValues values(name);
    if (seed != values.seed()) assign_formula(network, seed = values.seed());
    int parts = 0;
    network.trunk(formula_videos<T, D>(values), [&](std::string_view part, const ConstTensorView<T, D>& y) {
      check_network_value(values, concat("out.", part), y);
      ++parts;
    });
    CHECK(parts == 16);
  }
}

#ifndef DVD_TEST_CUDA

template <class T>
void check_whole(const std::string& name) {
  const MetricValues values(name);
  Tensor<T> x = formula_videos<T>(values);
  if (values.attributes().contains("resize")) {
    const auto rule =
        values.attributes().at("resize") == "corner_origin" ? ResizeRule::corner_origin : ResizeRule::half_pixel;
    x = resize(x, 224, 224, rule);
    for (T *value = x.data(), *end = value + x.size(); value < end; ++value) *value = *value * 2 / 255 - 1;
  }
  I3d<T> network(values.attributes().at("classes").get<Index>());
  assign_formula(network, values.seed());
  const auto [features, logits] = network(x);
  check_network_value<T, Cpu>(values, "out.features", features, as_stored);
  check_network_value<T, Cpu>(values, "out.logits", logits, as_stored);
}

TEST_CASE("features and logits") {
  check_whole<float>("i3d_t9");
  if (!long_tests()) return;
  for (const char* name : {"i3d_t16", "i3d_steps", "i3d_fvd_ref", "i3d_half_pixel"}) check_whole<float>(name);
  for (const char* name : {"i3d_t9", "i3d_t16", "i3d_steps", "i3d_fvd_ref", "i3d_half_pixel"})
    check_whole<double>(name);
}

TEST_CASE("names, shapes, and a network that is changed") {
  I3d<float> network(600);
  auto all = contents(network, "net.");
  CHECK(all.parameters.size() + all.buffers.size() == 287);
  CHECK(all.parameters.front().name == "net.Conv3d_1a_7x7.conv3d.weight");
  CHECK(all.parameters.front().parameter->value.shape() == Shape{64, 3, 7, 7, 7});
  CHECK(all.parameters.back().name == "net.logits.conv3d.bias");
  CHECK(all.parameters.back().parameter->value.shape() == Shape{600});
  CHECK(all.buffers.back().name == "net.Mixed_5c.b3b.bn.running_var");

  // What was folded is folded anew after a visit.
  const Tensor<float> x = Tensor<float>::full({2, 1, 8, 8, 3}, 1);
  const auto first_part = [&] {
    std::vector<float> result;
    network.trunk(x, [&](std::string_view name, const ConstTensorView<float>& y) {
      if (name == "Conv3d_1a_7x7") result = y.to_vector();
    });
    return result;
  };
  CHECK(first_part()[0] == 0);
  for (auto& [name, parameter] : contents(network).parameters)
    if (name == "Conv3d_1a_7x7.bn.bias") parameter->value.fill(3);
  CHECK(first_part()[0] == 3);
}

TEST_CASE("what is refused, in words") {
  I3d<float> network;
  const auto looking_at = [&](const Shape& shape) { return error_of([&] { network(Tensor<float>::zeros(shape)); }); };
  CHECK(looking_at({9, 1, 224, 3}) == "I3D expects videos [T, N, H, W, 3] with no extent of 0, not [9, 1, 224, 3]");
  CHECK(looking_at({9, 0, 224, 224, 3}) ==
        "I3D expects videos [T, N, H, W, 3] with no extent of 0, not [9, 0, 224, 224, 3]");
  CHECK(looking_at({9, 1, 224, 224, 1}) ==
        "I3D expects videos [T, N, H, W, 3] with no extent of 0, not [9, 1, 224, 224, 1]");
  CHECK(looking_at({8, 1, 224, 224, 3}) == "I3D looks at clips of 9 frames or more, not of 8");
  CHECK(looking_at({9, 1, 192, 224, 3}) ==
        "I3D looks at heights and widths from 193 to 224, not 192x224 (resize the clips to 224x224)");
  CHECK(looking_at({9, 1, 224, 225, 3}) ==
        "I3D looks at heights and widths from 193 to 224, not 224x225 (resize the clips to 224x224)");
  CHECK(error_of([] { I3d<float>(0); }) == "I3D has at least one class, not 0");
  CHECK(error_of([] { I3d<float>(400, 0); }) == "the epsilon of I3D's norms is above 0, not 0");
  CHECK(error_of([] { I3d<float>(400, NAN); }) == "the epsilon of I3D's norms is above 0, not nan");
}

#endif

}  // namespace
