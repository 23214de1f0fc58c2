// A tensor of Eigen's that refers to the elements of a tensor that is gone.
// expect: LivesOn
#include "dvd/eigen.hpp"

dvd::Tensor<float> make();

#ifdef LEGAL
const auto kept = make();
const auto map = dvd::eigen<2>(kept);
#else
const auto map = dvd::eigen<2>(make());
#endif
