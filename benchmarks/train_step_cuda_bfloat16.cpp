// Training steps on a GPU, in bfloat16.
#include <dvd/device/cuda.hpp>

#include "train_step.hpp"

namespace benchmarks {
template int time_steps<dvd::bfloat16, dvd::Cuda>(const TrainStepOptions&);
}
