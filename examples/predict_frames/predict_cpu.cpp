// Predicting on the CPU.
#include <dvd/device/cpu.hpp>

#include "predict.hpp"

namespace examples {
template int predict<float, dvd::Cpu>(const PredictOptions&, Ranks&);
}
