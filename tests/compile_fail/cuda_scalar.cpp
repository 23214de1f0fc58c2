// A model in double on the GPU, whose kernels are compiled for float and bfloat16 alone.
// expect: DeviceFor
// expect: copy_rows
#include "dvd/device/cuda.hpp"
#include "dvd/models/dvd_gan.hpp"

#ifdef LEGAL
using Gan = dvd::DvdGan<float, dvd::Cuda>;
using Coarse = dvd::DvdGan<dvd::bfloat16, dvd::Cuda>;
#else
using Gan = dvd::DvdGan<double, dvd::Cuda>;
#endif
