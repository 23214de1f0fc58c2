// The CPU's kernels for double, which dvd_test_compiled has beside those for float: declarations or, with
// DVD_COMPILE_DOUBLE_KERNELS, definitions. Their list is made of that of device/cpu/instantiations.hpp.
#pragma once

#include "dvd/device/cpu.hpp"

#include "dvd/core/macros_begin.hpp"

#ifdef DVD_COMPILE_DOUBLE_KERNELS
#define DVD_KERNEL template
#else
#define DVD_KERNEL extern template
#endif

namespace dvd::inline DVD_INSTRUCTION_SET::cpu {

#include "double_kernels.inc"

}  // namespace dvd::cpu

#undef DVD_KERNEL

#include "dvd/core/macros_end.hpp"
