// C3D and what is done to clips before, against reference values of another implementation, and what it refuses.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "dvd/metrics/c3d_features.hpp"
#include "support/error_of.hpp"
#include "support/network_values.hpp"

namespace {

using namespace dvd;
using dvd::testing::as_stored;
using dvd::testing::assign_formula;
using dvd::testing::check_network_value;
using dvd::testing::error_of;
using dvd::testing::formula_videos;
using dvd::testing::long_tests;
using dvd::testing::MetricValues;

// The first columns of rows.
template <class T>
Tensor<T> first_columns(const Tensor<T>& rows, Index count) {
  Tensor<T> result(Shape{rows.extent(0), count});
  Cpu::copy_rows(1, rows.extent(0), count, rows.data(), 0, rows.extent(1), result.data(), 0, count);
  return result;
}

template <class T>
void check_whole(C3d<T>& network, const std::string& name) {
  const MetricValues values(name);
  int parts = 0;
  // The reference values hold some of the layers, of all clips; the network shows a clip at a time.
  const Tensor<T> x = formula_videos<T>(values);
  const bool one = x.extent(1) == 1;
  const auto output = network(x, [&](std::string_view part, const ConstTensorView<T>& y) {
    const std::string tensor = concat("out.", part);
    if (one && values.contains(tensor + ".index")) check_network_value(values, tensor, y);
    ++parts;
  });
  CHECK(parts == 13 * x.extent(1));
  const Index kept = values.shape("out.fc6").at(1);
  check_network_value<T, Cpu>(values, "out.fc6", first_columns(output.fc6, kept), as_stored);
  check_network_value<T, Cpu>(values, "out.fc7", first_columns(output.fc7, kept), as_stored);
  check_network_value<T, Cpu>(values, "out.fc8", output.fc8, as_stored);
}

TEST_CASE("every layer") {
  const std::uint64_t seed = MetricValues("c3d_odd").seed();
  REQUIRE(MetricValues("c3d").seed() == seed);
  {
    C3d<float> network;
    assign_formula(network, seed);
    check_whole(network, "c3d_odd");
    if (long_tests()) check_whole(network, "c3d");
  }
  if (!long_tests()) return;
  C3d<double> network;
  assign_formula(network, seed);
  check_whole(network, "c3d_odd");
  check_whole(network, "c3d");
}

TEST_CASE("names and shapes") {
  C3d<float> network;
  auto all = contents(network, "net.");
  CHECK(all.parameters.size() == 22);
  CHECK(all.buffers.empty());
  CHECK(all.parameters.front().name == "net.conv1a.W");
  CHECK(all.parameters.front().parameter->value.shape() == Shape{64, 3, 3, 3, 3});
  CHECK(all.parameters[16].name == "net.fc6.W");
  CHECK(all.parameters[16].parameter->value.shape() == Shape{4096, 8192});
  CHECK(all.parameters.back().name == "net.fc8.b");
}

TEST_CASE("what C3D is given") {
  const MetricValues values("c3d_input");
  const auto mean_of = [&] {
    const nlohmann::json& mean = values.attributes().at("mean");
    return C3dMean(dvd::testing::formula_tensor(values.seed(), mean.at("name").get<std::string>(),
                                                mean.at("kind").get<std::string>(),
                                                mean.at("shape").get<std::vector<Index>>()));
  };
  const C3dMean mean = mean_of();
  Tensor<float> x = formula_videos<float>(values);
  const auto check = [&](const char* name, C3dInput input, const Tensor<float>& videos) {
    const Tensor<float> y = c3d_input(videos, mean, input);
    const double difference = dvd::testing::network_difference<float, Cpu>(values, concat(name, ".out.y"), y);
    CHECK_MESSAGE(difference < 1e-6, name, " is off by ", difference);
  };
  check("tgan", C3dInput::tgan, x);
  check("tganv2", C3dInput::tganv2, x);

  // TGAN takes values as they are, TGANv2 clamps them.
  Tensor<float> ones = Tensor<float>::full({16, 1, 20, 20, 3}, 1), twos = Tensor<float>::full({16, 1, 20, 20, 3}, 2);
  CHECK(c3d_input(twos, mean, C3dInput::tganv2).to_vector() == c3d_input(ones, mean, C3dInput::tganv2).to_vector());
  CHECK(c3d_input(twos, mean, C3dInput::tgan).to_vector() != c3d_input(ones, mean, C3dInput::tgan).to_vector());

  CHECK(error_of([&] {
          c3d_input(Tensor<float>::zeros({15, 1, 20, 20, 3}), mean, C3dInput::tgan);
        }) == "C3D's mean clip has 16 frames (expected clips of as many, not of 15)");
  CHECK(error_of([&] {
          c3d_input(Tensor<float>::zeros({16, 1, 20, 20, 1}), mean, C3dInput::tgan);
        }) == "C3D expects videos [T, N, H, W, 3] with no extent of 0, not [16, 1, 20, 20, 1]");
  ones.data()[20 * 20 * 3 * 5 + 7] = std::numeric_limits<float>::quiet_NaN();
  CHECK(
      error_of([&] { c3d_input(ones, mean, C3dInput::tgan); }) ==
      "C3D got a clip with a value that is not finite: in frame 5 of clip 0 of the batch (expected values in [-1, 1])");
  CHECK(error_of([] { C3dMean(std::vector<float>(7)); }) == "C3D's mean clip is [3, 16, 128, 171], not 7 values");
}

TEST_CASE("what is refused, in words") {
  C3d<float> network;
  const auto looking_at = [&](const Shape& shape) { return error_of([&] { network(Tensor<float>::zeros(shape)); }); };
  CHECK(looking_at({16, 112, 112, 3}) ==
        "C3D expects videos [T, N, H, W, 3] with no extent of 0, not [16, 112, 112, 3]");
  CHECK(looking_at({8, 1, 112, 112, 3}) == "C3D looks at clips of 9 to 16 frames, not of 8");
  CHECK(looking_at({17, 1, 112, 112, 3}) == "C3D looks at clips of 9 to 16 frames, not of 17");
  CHECK(looking_at({16, 1, 96, 112, 3}) == "C3D looks at heights and widths from 97 to 112, not 96x112");
  CHECK(looking_at({16, 1, 112, 113, 3}) == "C3D looks at heights and widths from 97 to 112, not 112x113");
  CHECK(error_of([] { C3d<float>(0); }) == "C3D has at least one class, not 0");
}

}  // namespace
