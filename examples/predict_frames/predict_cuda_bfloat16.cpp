// Predicting on a GPU, in bfloat16.
#include <dvd/device/cuda.hpp>

#include "predict.hpp"

namespace examples {
template int predict<dvd::bfloat16, dvd::Cuda>(const PredictOptions&, Ranks&);
}
