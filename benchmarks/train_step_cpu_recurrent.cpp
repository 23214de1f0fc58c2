// Training steps on the CPU, of models with another recurrent unit.
#include <dvd/device/cpu.hpp>

#include "train_step.hpp"

namespace benchmarks {
template int time_steps<float, dvd::Cpu, Variant::tsru>(const TrainStepOptions&);
template int time_steps<float, dvd::Cpu, Variant::tsrus>(const TrainStepOptions&);
}
