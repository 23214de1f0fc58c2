// The CUDA runtime for kernels that run as they are written.
#pragma once

#include "../emulation/cuda_runtime_api.h"
