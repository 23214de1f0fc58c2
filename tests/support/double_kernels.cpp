// Compiles the CPU's kernels for double.
#define DVD_COMPILE_DOUBLE_KERNELS
#include "support/double_kernels.hpp"
