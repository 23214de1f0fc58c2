// An attention that is not made from a width and random numbers.
// expect: VideoAttention
// expect: constructible_from
#include "dvd/models/dvd_gan.hpp"

struct Sized : dvd::SelfAttention<float> {
  explicit Sized(dvd::Index channels) : dvd::SelfAttention<float>(channels, dvd::Random(0)) {}
#ifdef LEGAL
  Sized(dvd::Index channels, const dvd::Random& random) : dvd::SelfAttention<float>(channels, random) {}
#endif
};

struct Parts : dvd::DvdGanParts<float> {
  using GeneratorAttention = Sized;
};

using Gan = dvd::DvdGan<float, dvd::Cpu, Parts>;
