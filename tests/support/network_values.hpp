// The reference values of networks that look at clips: weights and inputs by the formula, and the comparison of what
// comes out with what is stored.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "dvd/core/parameter.hpp"
#include "support/formula.hpp"
#include "support/layouts.hpp"
#include "support/metric_values.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::testing {

// Whether what takes long is to be tested, too.
inline bool long_tests() { return std::getenv("DVD_LONG_TESTS") != nullptr; }

// Sets all parameters and buffers to the formula's.
template <class Network>
void assign_formula(Network& network, std::uint64_t seed) {
  auto all = contents(network);
  const auto assign = [&](const std::string& name, auto& value) {
    const std::vector<Index> shape(value.shape().begin(), value.shape().end());
    const std::vector<float> numbers = formula_tensor(seed, name, "weight", shape);
    using P = typename std::remove_reference_t<decltype(value)>::value_type;
    value.assign(std::vector<P>(numbers.begin(), numbers.end()));
  };
  for (auto& [name, parameter] : all.parameters) assign(name, parameter->value);
  for (auto& [name, buffer] : all.buffers) assign(name, buffer->value);
}

// An input [N, C, T, H, W] of the file's attributes, as [T, N, H, W, C] on the device.
template <Scalar T, DeviceMemory D = Cpu>
Tensor<T, D> formula_videos(const MetricValues& values, const std::string& key = "input") {
  const nlohmann::json& input = values.attributes().at(key);
  const auto extents = input.at("shape").get<std::vector<Index>>();
  const std::vector<float> numbers =
      formula_tensor(values.seed(), input.at("name").get<std::string>(), input.at("kind").get<std::string>(), extents);
  Shape shape;
  for (const Index extent : extents) shape.append(extent);
  const std::vector<float> held = reordered(numbers, shape, volumes_layout.stored, volumes_layout.held);
  std::vector<T> result(held.size());
  std::transform(held.begin(), held.end(), result.begin(), [](float value) { return static_cast<T>(value); });
  return Tensor<T, D>(shape, result);
}

// How far y is from the tensor `name`: the largest of the differences that the file's README speaks of.
template <Scalar T, DeviceMemory D>
double network_difference(const MetricValues& values, const std::string& name, const ConstTensorView<T, D>& y,
                          Layout layout = volumes_layout) {
  Shape shape = y.shape();
  std::vector<double> numbers;
  for (const T value : y.to_vector()) numbers.push_back(static_cast<double>(value));
  numbers = reordered(numbers, shape, layout.held, layout.stored);
  const std::vector<Index> extents(shape.begin(), shape.end());
  if (values.contains(name)) {
    CHECK_MESSAGE(values.shape(name) == extents, name);
    return relative_difference(numbers, values.numbers(name));
  }
  CHECK_MESSAGE(values.integers(name + ".shape") == extents, name);
  std::vector<double> sampled;
  for (const Index i : values.integers(name + ".index")) {
    REQUIRE(i < static_cast<Index>(numbers.size()));
    sampled.push_back(numbers[static_cast<std::size_t>(i)]);
  }
  const auto count = static_cast<double>(numbers.size());
  const double mean = std::accumulate(numbers.begin(), numbers.end(), 0.0) / count;
  double squares = 0;
  for (const double value : numbers) squares += (value - mean) * (value - mean);
  const double expected_mean = values.number(name + ".mean"), expected_deviation = values.number(name + ".deviation");
  const double scale = std::max(std::abs(expected_mean), expected_deviation);
  return std::max({relative_difference(sampled, values.numbers(name + ".at_index")),
                   std::abs(mean - expected_mean) / scale,
                   std::abs(std::sqrt(squares / count) - expected_deviation) / scale});
}

// Compares y with the tensor `name`, within what the file's README allows in T.
template <Scalar T, DeviceMemory D>
void check_network_value(const MetricValues& values, const std::string& name, const ConstTensorView<T, D>& y,
                         Layout layout = volumes_layout) {
  const double difference = network_difference(values, name, y, layout);
  const double tolerance = std::same_as<T, double> ? 1e-9 : std::same_as<T, float> ? 1e-4 : 0.03;
  CHECK_MESSAGE(difference <= tolerance, name, " is off by ", difference);
  if (std::getenv("DVD_PARITY_REPORT"))
    std::printf("%-24s %s %.1e\n", name.c_str(),
                sizeof(T) == 8   ? "double"
                : sizeof(T) == 4 ? "float"
                                 : "bfloat16",
                difference);
}

}  // namespace dvd::testing
