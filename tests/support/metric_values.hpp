// Reference values of the video scores, computed by another implementation: safetensors files whose metadata hold the
// `attributes`, JSON with whatever the tensors' names and shapes do not tell. All sizes, seeds and names of cases come
// from the files, so that the folder `metrics` of another set (DVD_PARITY_DIR) tests other ones.
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "dvd/core/shape.hpp"
#include "dvd/io/safetensors.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::testing {

// Where the values of that name lie.
inline std::filesystem::path metric_file(const std::string& name) {
  if (const char* folder = std::getenv("DVD_PARITY_DIR"))
    if (const auto other = std::filesystem::path(folder) / "metrics" / (name + ".safetensors");
        std::filesystem::exists(other))
      return other;
  return std::filesystem::path(DVD_TEST_DATA) / "metrics" / (name + ".safetensors");
}

// One such file.
class MetricValues {
 public:
  explicit MetricValues(const std::string& name)
      : file_(metric_file(name)), attributes_(nlohmann::json::parse(file_.metadata().at("attributes"))) {}

  const nlohmann::json& attributes() const { return attributes_; }
  std::uint64_t seed() const { return attributes_.at("seed").get<std::uint64_t>(); }

  bool contains(const std::string& tensor) const { return file_.contains(tensor); }
  std::vector<std::string> names() const { return file_.names(); }
  std::vector<double> numbers(const std::string& tensor) const { return file_.read<double>(tensor); }
  std::vector<Index> integers(const std::string& tensor) const { return file_.read<Index>(tensor); }
  double number(const std::string& tensor) const { return numbers(tensor).at(0); }
  std::vector<Index> shape(const std::string& tensor) const { return file_.shape(tensor); }

 private:
  SafetensorsFile file_;
  nlohmann::json attributes_;
};

// The largest absolute difference, over the largest absolute value of `expected` unless that is 0; infinity for what is
// no number, and where there are more of one than of the other.
inline double relative_difference(const std::vector<double>& actual, const std::vector<double>& expected) {
  if (actual.size() != expected.size()) return INFINITY;
  double largest = 0, difference = 0;
  for (std::size_t i = 0; i < actual.size(); ++i) {
    if (std::isnan(actual[i]) || std::isnan(expected[i])) return INFINITY;
    largest = std::max(largest, std::abs(expected[i]));
    difference = std::max(difference, std::abs(actual[i] - expected[i]));
  }
  return largest > 0 ? difference / largest : difference;
}

}  // namespace dvd::testing
