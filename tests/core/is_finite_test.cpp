// Finiteness by bits, for every scalar.
#include "dvd/core/is_finite.hpp"

#include <doctest/doctest.h>

#include <limits>

#include "dvd/core/bfloat16.hpp"

TEST_CASE_TEMPLATE("numbers are finite, infinities and what is no number are not", T, float, double, dvd::bfloat16) {
  using Limits = std::numeric_limits<T>;
  for (const T value : {T(0), T(-0.0), T(1), T(-3.5), Limits::max(), Limits::lowest(), Limits::min(), T(1e-42)})
    CHECK(dvd::is_finite(value));
  const T infinity = Limits::infinity(), nan = Limits::quiet_NaN();
  CHECK_FALSE(dvd::is_finite(infinity));
  CHECK_FALSE(dvd::is_finite(T(-static_cast<double>(infinity))));
  CHECK_FALSE(dvd::is_finite(nan));
  CHECK_FALSE(dvd::is_finite(T(-static_cast<double>(nan))));
}

TEST_CASE("also while compiling") {
  static_assert(dvd::is_finite(1.0f) && dvd::is_finite(0.0));
  static_assert(!dvd::is_finite(std::numeric_limits<float>::infinity()));
  static_assert(!dvd::is_finite(std::numeric_limits<double>::quiet_NaN()));
}
