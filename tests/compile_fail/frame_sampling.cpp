// A frame sampler whose function has another name.
// expect: FrameSampling
// expect: draw
#include "dvd/device/cpu.hpp"
#include "dvd/models/dvd_gan.hpp"

struct FirstFrames {
#ifdef LEGAL
  static dvd::FrameIndices draw(const dvd::Random&, dvd::Index videos, dvd::Index, dvd::Index count) {
#else
  static dvd::FrameIndices choose(const dvd::Random&, dvd::Index videos, dvd::Index, dvd::Index count) {
#endif
    dvd::FrameIndices frames{videos, count, {}};
    for (dvd::Index video = 0; video < videos; ++video)
      for (dvd::Index t = 0; t < count; ++t) frames.values.push_back(t);
    return frames;
  }
};

struct Parts : dvd::DvdGanParts<float> {
  using Sampler = FirstFrames;
};

using Gan = dvd::DvdGan<float, dvd::Cpu, Parts>;
