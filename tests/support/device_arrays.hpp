// Arrays that a kernel and its plain counterpart both see.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "dvd/core/random.hpp"
#include "dvd/core/tensor.hpp"
#include "support/devices.hpp"
#include "support/plain_kernels.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::testing {

// Unit roundoff of the scalar. Errors are measured in it.
template <class T>
inline constexpr double unit = static_cast<double>(std::numeric_limits<T>::epsilon()) / 2;

// Numbers on the device and, exactly the same ones, on the host. Kernels may write up to the last one: behind it stands
// a fence that `check_fence` looks after.
template <class O>
class Array {
 public:
  using T = typename O::T;
  using D = typename O::D;

  Array(Index size, double value) : Array(plain::Vector(static_cast<std::size_t>(size), value)) {}

  explicit Array(const plain::Vector& values) : size_(static_cast<Index>(values.size())) {
    std::vector<T> rounded;
    for (const double value : values) rounded.push_back(static_cast<T>(value));
    rounded.insert(rounded.end(), fence_length, fence);
    tensor_ = Tensor<T, D>(Shape{static_cast<Index>(rounded.size())}, rounded);
    for (const T value : rounded) host_.push_back(static_cast<double>(value));
    host_.resize(values.size());
  }

  // Standard normal numbers.
  static Array random(Index size, std::uint64_t seed, double scale = 1) {
    plain::Vector values;
    for (Index i = 0; i < size; ++i) values.push_back(scale * Random(seed).normal(static_cast<std::uint64_t>(i)));
    return Array(values);
  }

  Index size() const { return size_; }
  T* data() { return tensor_.data(); }
  const T* data() const { return tensor_.data(); }

  // The numbers it was made of, and those it holds now.
  const plain::Vector& before() const { return host_; }
  plain::Vector now() const {
    const std::vector<T> all = tensor_.to_vector();
    bool whole = true;
    for (std::size_t i = all.size() - fence_length; i < all.size(); ++i) whole = whole && all[i] == fence;
    CHECK_MESSAGE(whole, "a kernel wrote behind its output");
    return plain::Vector(all.begin(), all.end() - fence_length);
  }

 private:
  static constexpr std::size_t fence_length = 64;
  static constexpr T fence = T(12345);

  Index size_;
  Tensor<T, D> tensor_;
  plain::Vector host_;
};

// Numbers of FullPrecision<T>.
template <class O>
using Precise = Array<On<typename O::D, FullPrecision<typename O::T>>>;

// No error is larger than this, in units of roundoff, whatever a test allows: 2e-2 of the largest value in bfloat16.
template <class T>
inline constexpr double most_units = std::same_as<T, bfloat16> ? 2e-2 / unit<T> : INFINITY;

// Fails unless `actual` is within `error`, in units of roundoff of T, of the largest of `expected` (or of `scale`).
template <class O>
void check_close(const std::string& what, const Array<O>& actual, const plain::Vector& expected, double error,
                 double scale = 0) {
  const plain::Vector values = actual.now();
  REQUIRE_MESSAGE(values.size() == expected.size(), what);
  double difference = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double here = std::abs(values[i] - expected[i]);
    difference = std::isnan(here) ? INFINITY : std::max(difference, here);
    scale = std::max(scale, std::abs(expected[i]));
  }
  const double limit = std::min(error, most_units<typename O::T>) * unit<typename O::T> * scale;
  CHECK_MESSAGE(difference <= limit, what, ": off by ", difference, ", more than ", limit);
}

}  // namespace dvd::testing
