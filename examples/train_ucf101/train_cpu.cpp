// Training on the CPU.
#include <dvd/device/cpu.hpp>

#include "train.hpp"

namespace examples {
template int train<float, dvd::Cpu>(TrainOptions, Ranks&);
}
