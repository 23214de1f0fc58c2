// What the tests of kernels share: sizes that take every path through them, and bounds.
#pragma once

#include <vector>

#include "support/device_arrays.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::testing {

using plain::Vector;

// Bounds on errors, in units of roundoff relative to the largest result.
inline constexpr double exact = 0;
inline constexpr double rounded = 4;         // a few operations an element
inline constexpr double transcendental = 8;  // an exponential among them
inline constexpr double summed = 100;        // sums of up to ten thousand products, their signs mixed
inline constexpr double ratio = 100;         // quotients of such sums

inline constexpr Index channel_counts[] = {1, 3, 4, 5, 7, 8, 16, 17, 32, 33, 48, 64, 65, 100};
struct ImageSize {
  Index height, width;
};
inline constexpr ImageSize images[] = {{1, 1}, {2, 2}, {4, 4}, {5, 7}, {8, 8}, {13, 11}, {16, 16}, {33, 17}};
inline constexpr Index frame_counts[] = {1, 2, 3, 5};

// Sizes of pointwise kernels: none, less than a vector, odd ones, more than a task.
inline constexpr Index lengths[] = {0, 1, 3, 17, 64, 1000, 40001};

// f of every element.
template <class F>
Vector map(const Vector& x, const F& f) {
  Vector result;
  for (const double value : x) result.push_back(f(value));
  return result;
}

template <class F>
Vector map(const Vector& x, const Vector& y, const F& f) {
  Vector result;
  for (std::size_t i = 0; i < x.size(); ++i) result.push_back(f(x[i], y[i]));
  return result;
}

inline Vector added(const Vector& x, const Vector& y) {
  return map(x, y, [](double a, double b) { return a + b; });
}

}  // namespace dvd::testing
