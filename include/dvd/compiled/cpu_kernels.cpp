// Compiles the kernels that device/cpu/instantiations.hpp lists: a source of dvd::compiled.
#define DVD_COMPILE_CPU_KERNELS
#include "dvd/device/cpu/instantiations.hpp"
