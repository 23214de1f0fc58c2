// Training on the CPU.
#include "train.hpp"

namespace examples {
template int train<float, dvd::Cpu>(const TrainOptions&);
}
