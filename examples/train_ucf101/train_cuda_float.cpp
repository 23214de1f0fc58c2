// Training on a GPU, in float32 and TF32.
#include <dvd/device/cuda.hpp>

#include "train.hpp"

namespace examples {
template int train<float, dvd::Cuda>(TrainOptions, Ranks&);
}
