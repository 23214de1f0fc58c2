// Its kernels on a GPU.
#include <dvd/device/cuda/map.cuh>

#include "cuda_function.hpp"

template void dvd::cuda::Mapping::map(dvd::Index, const Cube<float>&, const float*, float*);
template void dvd::cuda::Mapping::map(dvd::Index, const Cube<float>&, const float*, const float*, float*);
