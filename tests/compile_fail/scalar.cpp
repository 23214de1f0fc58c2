// A tensor of integers.
// expect: Scalar
// expect: floating_point
#include "dvd/device/cpu.hpp"

#ifdef LEGAL
using Values = dvd::Tensor<double>;
#else
using Values = dvd::Tensor<int>;
#endif
