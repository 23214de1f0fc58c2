// Sampling on a GPU, in float32 and TF32.
#include <dvd/device/cuda.hpp>

#include "sample.hpp"

namespace examples {
template int sample<float, dvd::Cuda>(const SampleProgramOptions&, Ranks&);
}
