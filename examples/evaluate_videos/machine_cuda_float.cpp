// On a GPU, in float32 and TF32.
#include <dvd/device/cuda.hpp>

#include "machine_of.hpp"

namespace examples {
template Machine machine<float, dvd::Cuda>();
}
