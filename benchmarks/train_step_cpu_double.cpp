// Training steps on the CPU, in double.
#include <dvd/device/cpu.hpp>

#include "train_step.hpp"

namespace benchmarks {
template int time_steps<double, dvd::Cpu>(const TrainStepOptions&);
}
