// Training steps on the CPU.
#include <dvd/device/cpu.hpp>

#include "train_step.hpp"

namespace benchmarks {
template int time_steps<float, dvd::Cpu>(const TrainStepOptions&);
}
