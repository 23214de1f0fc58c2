// An expression whose values are no elements of a tensor's.
// expect: ScalarExpression
#include "dvd/eigen.hpp"

auto values(const dvd::Tensor<float>& x) {
#ifdef LEGAL
  return dvd::evaluate((dvd::eigen<1>(x) > 0.0f).cast<float>());
#else
  return dvd::evaluate(dvd::eigen<1>(x) > 0.0f);
#endif
}
