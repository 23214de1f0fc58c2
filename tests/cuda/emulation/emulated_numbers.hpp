// The numbers of the emulated libraries: read and written in their own types, computed with in double.
#pragma once

#include <cmath>
#include <vector>

#include "dvd/core/bfloat16.hpp"
#include "dvd/core/shape.hpp"

namespace emulated_numbers {

using dvd::Index;
using Numbers = std::vector<double>;
enum class Type { float32, bfloat16 };

/// A number with so many bits of fraction, rounded to the nearest, to even if two are as near: 10 are TF32's.
inline double rounded(double value, int fraction) {
  if (fraction >= 23 || !std::isfinite(value)) return value;
  int exponent = 0;
  const double scale = std::ldexp(1.0, fraction + 1), mantissa = std::frexp(value, &exponent);
  return std::ldexp(std::nearbyint(mantissa * scale) / scale, exponent);
}

inline double load(Type type, const void* array, Index i) {
  if (type == Type::float32) return static_cast<double>(static_cast<const float*>(array)[i]);
  return static_cast<double>(static_cast<float>(static_cast<const dvd::bfloat16*>(array)[i]));
}
inline void store(Type type, void* array, Index i, double value) {
  if (type == Type::float32)
    static_cast<float*>(array)[i] = static_cast<float>(value);
  else
    static_cast<dvd::bfloat16*>(array)[i] = dvd::bfloat16(value);
}

/// y += factor * x
inline void add_multiple(Index size, double factor, const double* x, double* y) {
  for (Index i = 0; i < size; ++i) y[i] += factor * x[i];
}

}  // namespace emulated_numbers
