// Predicting on a GPU, in float32 and TF32.
#include <dvd/device/cuda.hpp>

#include "predict.hpp"

namespace examples {
template int predict<float, dvd::Cuda>(const PredictOptions&, Ranks&);
}
