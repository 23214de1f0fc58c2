// An expression assigned to what is only to be read.
// expect: Writable
#include "dvd/eigen.hpp"

#ifdef LEGAL
using To = dvd::TensorView<float>;
#else
using To = dvd::ConstTensorView<float>;
#endif
void run(const To& to) { dvd::assign(to, dvd::eigen<1>(to) * 2.0f); }
