// Eigen's Tensor module takes the compiler seconds: only who asks for it gets it.
#include "dvd/dvdgan.hpp"

#include <doctest/doctest.h>

#ifdef EIGEN_CXX11_TENSOR_TENSOR_H
constexpr bool included = true;
#else
constexpr bool included = false;
#endif

TEST_CASE("dvdgan.hpp does not include Eigen's Tensor module") { CHECK(!included); }
