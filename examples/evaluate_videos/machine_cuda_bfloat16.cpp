// On a GPU, in bfloat16.
#include <dvd/device/cuda.hpp>

#include "machine_of.hpp"

namespace examples {
template Machine machine<dvd::bfloat16, dvd::Cuda>();
}
