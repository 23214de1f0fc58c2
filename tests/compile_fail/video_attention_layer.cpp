// An attention without a backward pass, in a discriminator.
// expect: VideoAttention
// expect: backward
#include "dvd/models/dvd_gan.hpp"

struct Forward : dvd::SelfAttention<float> {
  using dvd::SelfAttention<float>::AttentionLayer;
#ifndef LEGAL
  void backward() = delete;
#endif
};

struct Parts : dvd::DvdGanParts<float> {
  using SpatialAttention = Forward;
};

using Gan = dvd::DvdGan<float, dvd::Cpu, Parts>;
