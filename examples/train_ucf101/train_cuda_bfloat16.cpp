// Training on a GPU, in bfloat16.
#include <dvd/device/cuda.hpp>

#include "train.hpp"

namespace examples {
template int train<dvd::bfloat16, dvd::Cuda>(TrainOptions, Ranks&);
}
