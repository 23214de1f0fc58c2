// Sampling on the CPU.
#include <dvd/device/cpu.hpp>

#include "sample.hpp"

namespace examples {
template int sample<float, dvd::Cpu>(const SampleProgramOptions&, Ranks&);
}
