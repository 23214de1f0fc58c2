// Writing to a part of a tensor that is only to be read.
// expect: copy_from
// expect: const
#include "dvd/device/cpu.hpp"

#ifdef LEGAL
using Given = dvd::Tensor<float>;
#else
using Given = const dvd::Tensor<float>;
#endif

void write(Given& x, const dvd::Tensor<float>& y) { x[0].copy_from(y); }
