// Training steps on a GPU, in float32 and TF32.
#include <dvd/device/cuda.hpp>

#include "train_step.hpp"

namespace benchmarks {
template int time_steps<float, dvd::Cuda>(const TrainStepOptions&);
}
