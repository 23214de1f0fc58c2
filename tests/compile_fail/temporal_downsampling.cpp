// A temporal downsampler that does not say by what it divides the resolution.
// expect: TemporalDownsampling
// expect: factor
#include "dvd/device/cpu.hpp"
#include "dvd/models/temporal_discriminator.hpp"

struct Downsampler : dvd::AvgPool<float> {
#ifdef LEGAL
  static constexpr dvd::Index factor = 2;
#endif
};

using Discriminator = dvd::TemporalDiscriminator<float, dvd::Cpu, Downsampler>;
