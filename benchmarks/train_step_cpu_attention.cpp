// Training steps on the CPU, of models with attention.
#include <dvd/device/cpu.hpp>

#include "train_step.hpp"

namespace benchmarks {
template int time_steps<float, dvd::Cpu, Variant::self_attention>(const TrainStepOptions&);
template int time_steps<float, dvd::Cpu, Variant::separable_attention>(const TrainStepOptions&);
}
