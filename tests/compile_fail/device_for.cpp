// A device policy that computes in float, asked for double.
// expect: DeviceFor
// expect: adam
#include "dvd/device/cpu.hpp"
#include "dvd/models/dvd_gan.hpp"

struct Single : dvd::Cpu {
  using dvd::Cpu::adam;
  static void adam(const std::vector<dvd::AdamArrays<double>>&, double, double, double, const double*,
                   const double*) = delete;
};

#ifdef LEGAL
using Gan = dvd::DvdGan<float, Single>;
#else
using Gan = dvd::DvdGan<double, Single>;
#endif
