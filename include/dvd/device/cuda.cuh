// Everything of dvd::Cuda that a GPU needs: kernels, calls of cuBLASLt and cuDNN, memory, recordings. For .cu files:
// the rest of a program includes dvd/device/cuda.hpp, which needs nothing of CUDA. CMake's target dvd::cuda is this
// header, compiled. Without CMake, a program has one more file, of one line,
//
//     #include <dvd/device/cuda.cuh>
//
// compiled by nvcc -std=c++20 -O3 --expt-relaxed-constexpr -DDVD_INSTRUCTION_SET=compiled_apart, and is itself compiled
// with that last definition and linked with cudart, cublasLt and cudnn. Kernels of one's own need only map.cuh,
// loss.cuh or parallel.cuh, whatever else the program has.
#pragma once

#include "dvd/device/cuda.hpp"

#include "dvd/device/cuda/context.cuh"
#include "dvd/device/cuda/kernels/attention.cuh"
#include "dvd/device/cuda/kernels/convolution.cuh"
#include "dvd/device/cuda/kernels/gathering.cuh"
#include "dvd/device/cuda/kernels/group_norm.cuh"
#include "dvd/device/cuda/kernels/lists.cuh"
#include "dvd/device/cuda/kernels/lstm.cuh"
#include "dvd/device/cuda/kernels/mapping.cuh"
#include "dvd/device/cuda/kernels/normalization.cuh"
#include "dvd/device/cuda/kernels/pointwise.cuh"
#include "dvd/device/cuda/kernels/resampling.cuh"
#include "dvd/device/cuda/kernels/shared_batch_norm.cuh"
#include "dvd/device/cuda/kernels/spectral.cuh"
#include "dvd/device/cuda/kernels/warping.cuh"
#include "dvd/device/cuda/kernels/weights.cuh"
#include "dvd/device/cuda/kernels/windows.cuh"
#include "dvd/device/cuda/libraries/cublaslt.cuh"
#include "dvd/device/cuda/libraries/cudnn.cuh"
#include "dvd/device/cuda/memory.cuh"
#include "dvd/device/cuda/recording.cuh"
