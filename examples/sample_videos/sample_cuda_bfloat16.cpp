// Sampling on a GPU, in bfloat16.
#include <dvd/device/cuda.hpp>

#include "sample.hpp"

namespace examples {
template int sample<dvd::bfloat16, dvd::Cuda>(const SampleProgramOptions&, Ranks&);
}
