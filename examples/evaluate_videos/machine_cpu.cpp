// On the CPU.
#include <dvd/device/cpu.hpp>

#include "machine_of.hpp"

namespace examples {
template Machine machine<float, dvd::Cpu>();
}
